//! Where a firmware's code is from: each byte of it counts for the source file that it was made of. By symbol it could not be told:
//! most functions are parts of others by then.
//!
//! What the language's own library gives counts for who uses it, where it is a part of that; by itself where it stands alone.

use std::collections::BTreeMap;

use gimli::{EndianSlice, LittleEndian};
use object::{Object, ObjectSection, SectionKind};

use crate::Outcome;

/// Bytes of flash by area.
pub(super) type Areas = BTreeMap<String, u64>;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The language's library, and what stands in for instructions that a processor does not have.
const CORE: &str = "`core`: by itself";
const NOWHERE: &str = "no source line";
const CONSTANTS: &str = "constants";

/// What is in flash, by area.
pub(super) fn areas(program: &[u8]) -> Outcome<Areas> {
    let file = object::File::parse(program)?;
    let mut areas = Areas::new();
    let mut code = Vec::new();
    for section in file.sections() {
        match section.kind() {
            SectionKind::Text => code.push(Code::new(section.address(), section.size())),
            SectionKind::UninitializedData => {}
            _ if is_loaded(&section) => *areas.entry(CONSTANTS.into()).or_default() += section.size(),
            _ => {}
        }
    }
    let load = |id: gimli::SectionId| -> Result<&[u8], object::Error> {
        file.section_by_name(id.name()).map_or(Ok(&[][..]), |section| section.data())
    };
    let sections = gimli::DwarfSections::load(load)?;
    let dwarf = sections.borrow(|bytes| Bytes::new(bytes, LittleEndian));
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let unit = dwarf.unit(header)?;
        let Some(lines) = unit.line_program.clone() else { continue };
        let home = unit.comp_dir.map(text_of).unwrap_or_default();
        let mut rows = lines.rows();
        // The row before, and how much is to be counted for the first that is not the library's.
        let (mut last, mut owner, mut unowned): (Option<(u64, String)>, Option<String>, u64) = (None, None, 0);
        while let Some((header, row)) = rows.next_row()? {
            if let Some((from, area)) = last.take() {
                // Functions that were left out are told of at addresses where there is nothing, and some twice.
                let len: u64 = code.iter_mut().map(|code| code.take(from, row.address())).sum();
                if area != CORE {
                    *areas.entry(area.clone()).or_default() += len + std::mem::take(&mut unowned);
                    owner = Some(area);
                } else if let Some(owner) = &owner {
                    *areas.entry(owner.clone()).or_default() += len;
                } else {
                    unowned += len;
                }
            }
            if row.end_sequence() {
                *areas.entry(CORE.into()).or_default() += std::mem::take(&mut unowned);
                owner = None;
                continue;
            }
            let mut path = home.clone();
            if let Some(file) = row.file(header) {
                if let Some(directory) = file.directory(header) {
                    join(&mut path, &text_of(dwarf.attr_string(&unit, directory)?));
                }
                join(&mut path, &text_of(dwarf.attr_string(&unit, file.path_name())?));
            }
            last = Some((row.address(), area(&path)));
        }
    }
    *areas.entry(NOWHERE.into()).or_default() += code.iter().map(Code::left).sum::<u64>();
    Ok(areas)
}

/// A section of code, and which of its bytes were counted.
struct Code {
    from: u64,
    counted: Vec<bool>,
}

impl Code {
    fn new(from: u64, len: u64) -> Self {
        Self { from, counted: vec![false; len as usize] }
    }

    /// Counts the bytes from `from` to `to` that are in it and were not counted before.
    fn take(&mut self, from: u64, to: u64) -> u64 {
        let place = |address: u64| (address.saturating_sub(self.from) as usize).min(self.counted.len());
        let (from, to) = (place(from), place(to));
        let new = self.counted.get_mut(from..to).unwrap_or_default().iter_mut();
        new.map(|counted| u64::from(!std::mem::replace(counted, true))).sum()
    }

    fn left(&self) -> u64 {
        self.counted.iter().filter(|counted| !**counted).count() as u64
    }
}

fn is_loaded<'d>(section: &impl ObjectSection<'d>) -> bool {
    let object::SectionFlags::Elf { sh_flags: flags, .. } = section.flags() else { return false };
    flags.contains(object::elf::SHF_ALLOC)
}

fn text_of(bytes: Bytes<'_>) -> String {
    String::from_utf8_lossy(bytes.slice()).into_owned()
}

/// Goes on from a folder by a path, which may begin anew.
fn join(path: &mut String, next: &str) {
    if next.starts_with('/') {
        path.clear();
    } else if !path.is_empty() {
        path.push('/');
    }
    path.push_str(next);
}

/// What a source file belongs to.
fn area(path: &str) -> String {
    if path.contains("/library/") || path.contains("compiler-builtins") {
        return CORE.into();
    }
    let Some((package, file)) = path.rsplit_once("/src/") else { return format!("`{path}`") };
    let package = package.rsplit('/').next().unwrap_or_default();
    let module = |depth: usize| {
        let names: Vec<&str> = file.trim_end_matches(".rs").split('/').collect();
        names[..names.len().min(depth)].join("/")
    };
    let name =
        package.rsplit_once('-').filter(|(_, version)| version.starts_with(|digit: char| digit.is_ascii_digit()));
    match name.map_or(package, |(name, _)| name) {
        "stack" => format!("ours: `{}`", module(if file.starts_with("engine/") { 2 } else { 1 })),
        "smoltcp" => format!("smoltcp: `{}`", module(if file.starts_with("socket/") { 2 } else { 1 })),
        "wavetank" | "embassy" | "board" => "the application and its board".into(),
        "embassy-net" => "embassy-net".into(),
        name if name.starts_with("embassy") => "embassy's executor and time".into(),
        name => format!("`{name}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_belong_to_packages_and_ours_to_modules() {
        for (path, expected) in [
            ("/home/x/stack/src/engine/udp.rs", "ours: `engine/udp`"),
            ("/home/x/stack/src/dhcp/client.rs", "ours: `dhcp`"),
            ("/home/x/.cargo/registry/src/y/smoltcp-0.14.0/src/socket/tcp.rs", "smoltcp: `socket/tcp`"),
            ("/home/x/.cargo/registry/src/y/smoltcp-0.14.0/src/wire/ipv4.rs", "smoltcp: `wire`"),
            ("/home/x/.cargo/registry/src/y/embassy-net-0.9.1/src/lib.rs", "embassy-net"),
            ("/home/x/.cargo/registry/src/y/embassy-net-driver-0.2.0/src/lib.rs", "embassy's executor and time"),
            ("/rustc/59807616/library/core/src/option.rs", CORE),
            ("/home/x/.cargo/registry/src/y/heapless-0.9.4/src/vec/mod.rs", "`heapless`"),
        ] {
            assert_eq!(area(path), expected, "{path}");
        }
    }

    #[test]
    fn every_byte_counts_once() {
        let mut code = Code::new(0x400, 16);
        assert_eq!(
            [(0, 0x3ff), (0x400, 0x404), (0x402, 0x408), (0x40c, 0x500), (0x500, 0x400)]
                .map(|(from, to)| code.take(from, to)),
            [0, 4, 4, 4, 0]
        );
        assert_eq!(code.left(), 4);
    }

    #[test]
    fn a_path_that_begins_anew_leaves_the_folder() {
        let mut path = String::from("/home/x");
        join(&mut path, "src");
        join(&mut path, "lib.rs");
        assert_eq!(path, "/home/x/src/lib.rs");
        join(&mut path, "/rustc");
        assert_eq!(path, "/rustc");
    }
}
