//! Building a firmware, and reading from it how large it is.

use object::{Object, ObjectSection, SectionFlags, SectionKind, elf};

use super::areas::{self, Areas};
use crate::shell;
use crate::{Outcome, metadata};

/// A program of a package in `bench/peers/size`.
pub(super) struct Firmware<'a> {
    pub(super) package: &'a str,
    pub(super) program: &'a str,
    /// Between commas.
    pub(super) features: &'a str,
}

/// How much of a board's memory it takes, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Size {
    /// Code, constants, and what static memory starts with.
    pub(super) flash: u64,
    /// Static memory: the tasks with all that they hold included, the processor's stack not.
    pub(super) ram: u64,
}

impl Firmware<'_> {
    /// Builds it for a target, and measures it.
    pub(super) fn size(&self, target: &str) -> Outcome<Size> {
        measure(&self.linked(target)?)
    }

    /// Builds it for a target, and says where what is in its flash is from.
    pub(super) fn areas(&self, target: &str) -> Outcome<Areas> {
        areas::areas(&self.linked(target)?)
    }

    fn linked(&self, target: &str) -> Outcome<Vec<u8>> {
        let home = shell::root().join("bench/peers/size").join(self.package);
        let artifacts = metadata::workspace()?.target_directory.join("size");
        let mut build = shell::cargo();
        build.current_dir(&home).args(["build", "--release", "--locked", "--quiet", "--target", target]);
        build.args(["--bin", self.program, "--features", self.features]).env("CARGO_TARGET_DIR", &artifacts);
        shell::run(&mut build)?;
        Ok(std::fs::read(artifacts.join(target).join("release").join(self.program))?)
    }
}

/// Adds up the sections that are in memory while the firmware runs.
fn measure(program: &[u8]) -> Outcome<Size> {
    let mut size = Size::default();
    for section in object::File::parse(program)?.sections() {
        let SectionFlags::Elf { sh_flags: flags, .. } = section.flags() else {
            return Err("the firmware is no ELF file".into());
        };
        // The runtime crates give what memory is left these names.
        if !flags.contains(elf::SHF_ALLOC) || matches!(section.name()?, ".stack" | ".heap") {
            continue;
        }
        let is_empty_at_first = matches!(section.kind(), SectionKind::UninitializedData);
        if !is_empty_at_first {
            size.flash += section.size();
        }
        if flags.contains(elf::SHF_WRITE) {
            size.ram += section.size();
        }
    }
    Ok(size)
}
