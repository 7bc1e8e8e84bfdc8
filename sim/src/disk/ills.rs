//! What a disk that is ailing does with its operations.

use std::io;
use std::time::Duration;

use rand_core::Rng;

use super::page::{Contents, PAGE_SIZE, SECTOR_SIZE};
use super::{Disk, Operation, State};
use crate::hw::{Ailment, Case, Faulty, Onset};
use crate::random::Stream;
use crate::time::nanos;

impl Faulty for Disk {
    fn begin(&self, ailment: Ailment, onset: Onset) {
        let state = &mut *self.lock();
        let note = match ailment {
            Ailment::DiskSlow { .. }
            | Ailment::DiskError { .. }
            | Ailment::DiskGarble { .. }
            | Ailment::DiskMisdirect { .. }
            | Ailment::DiskCut { .. } => 0,
            Ailment::DiskFull { free_bytes } => {
                let pages = state.used_pages + free_bytes / PAGE_SIZE as u64;
                i64::try_from(pages).unwrap_or(i64::MAX)
            }
            Ailment::BitRot { bits } => return state.rot(bits, onset),
            _ => return,
        };
        state.ills.begin(ailment, onset, note);
    }

    fn end(&self, case: Case) {
        self.lock().ills.end(case);
    }
}

impl State {
    /// What ails the disk has its way with an operation that has taken so long.
    #[inline]
    pub(super) fn meet(&mut self, operation: Operation, took: Duration) -> io::Result<()> {
        self.fail_if_told(operation)?;
        if self.ills.is_empty() { Ok(()) } else { self.suffer(operation, nanos(took)) }
    }

    #[cold]
    fn suffer(&mut self, operation: Operation, took_ns: u64) -> io::Result<()> {
        let begun_ns = self.reached_ns().saturating_sub(took_ns);
        let (mut longer_ns, mut fails, mut power_fails) = (0_u64, false, false);
        for ill in self.ills.iter_mut() {
            match ill.ailment {
                Ailment::DiskSlow { operation: slow, factor, extra_ns } if slow == operation => {
                    let more = u64::from(factor.saturating_sub(1));
                    let ill_ns = took_ns.saturating_mul(more).saturating_add(extra_ns);
                    longer_ns = longer_ns.saturating_add(ill_ns);
                    ill.case.felt(ill_ns);
                }
                Ailment::DiskError { operation: failing, odds } if failing.is_none_or(|one| one == operation) => {
                    let strikes = ill.strikes(odds);
                    if strikes {
                        fails = true;
                        ill.case.felt(operation as u64);
                    }
                }
                Ailment::DiskCut { operation: cut, nth, .. } if cut.is_none_or(|one| one == operation) => {
                    ill.occasions += 1;
                    if ill.occasions == nth {
                        power_fails = true;
                        ill.case.felt(nth);
                        ill.case.trip(begun_ns + ill.stream.below(took_ns.saturating_add(1)));
                    }
                }
                _ => {}
            }
        }
        self.cost.busy(Duration::from_nanos(longer_ns));
        if power_fails {
            // What the poll does from here on nobody may see, however little time it takes: it is held until it is undone.
            self.cost.busy(Duration::from_nanos(1));
            self.lives += 1;
        }
        if fails {
            self.counts.errors += 1;
            return Err(io::Error::other("input/output error: the disk is ailing"));
        }
        Ok(())
    }

    /// What becomes of data that is read or written at a place of a file of that length, of which nobody is told. Of several
    /// ailments the first that strikes counts.
    #[inline]
    pub(super) fn lie(&mut self, operation: Operation, offset: u64, len: usize, file_len: u64) -> Option<Lie> {
        if self.ills.is_empty() || len == 0 { None } else { self.lie_of_ills(operation, offset, len as u64, file_len) }
    }

    #[cold]
    fn lie_of_ills(&mut self, operation: Operation, offset: u64, len: u64, file_len: u64) -> Option<Lie> {
        let mut lie = None;
        for ill in self.ills.iter_mut() {
            let ailment = ill.ailment;
            let drawn = match ailment {
                Ailment::DiskGarble { operation: one, odds } if one == operation && ill.strikes(odds) => {
                    Some(Lie::garbled(&mut ill.stream, offset, len))
                }
                Ailment::DiskMisdirect { operation: one, odds } if one == operation && ill.strikes(odds) => {
                    Lie::astray(&mut ill.stream, offset, len, file_len)
                }
                _ => None,
            };
            if lie.is_none()
                && let Some(drawn) = drawn
            {
                ill.case.felt(drawn.place());
                lie = Some(drawn);
            }
        }
        lie
    }

    /// Whether an ailment leaves no room for so many pages in all.
    pub(super) fn is_full(&self, used_pages: u64) -> bool {
        let mut full = false;
        for ill in self.ills.iter().filter(|ill| matches!(ill.ailment, Ailment::DiskFull { .. })) {
            if i64::try_from(used_pages).is_ok_and(|used_pages| used_pages > ill.note) {
                ill.case.felt(used_pages);
                full = true;
            }
        }
        full
    }

    /// So many bits of what is durable change, each drawn from all that there are.
    fn rot(&mut self, bits: u32, onset: Onset) {
        let Onset { now_ns, case, mut stream } = onset;
        let Self { files, names, .. } = self;
        names.values().for_each(|index| files[*index].settle(now_ns));
        let pages: usize = names.values().map(|index| files[*index].durable_pages()).sum();
        if pages == 0 {
            return;
        }
        for _ in 0..bits {
            let mut page = stream.below(pages as u64) as usize;
            let bit = stream.below(PAGE_SIZE as u64 * 8) as usize;
            for index in names.values() {
                let file: &mut Contents = &mut files[*index];
                match page.checked_sub(file.durable_pages()) {
                    Some(rest) => page = rest,
                    None => {
                        let number = file.rot(page, bit);
                        case.felt((number * PAGE_SIZE * 8 + bit) as u64);
                        break;
                    }
                }
            }
        }
    }
}

/// What an ailing disk does with data in silence.
pub(super) enum Lie {
    /// From this byte of it on these are there instead.
    Garble(usize, Vec<u8>),
    /// It is of this place.
    Elsewhere(u64),
}

impl Lie {
    /// A sector of it, or as much of that as it has.
    fn garbled(stream: &mut Stream, offset: u64, len: u64) -> Self {
        let size = SECTOR_SIZE as u64;
        let (first, last) = (offset / size, (offset + len - 1) / size);
        let sector = first + stream.below(last - first + 1);
        let (from, to) = ((sector * size).max(offset), ((sector + 1) * size).min(offset + len));
        let mut garbage = vec![0; (to - from) as usize];
        stream.fill_bytes(&mut garbage);
        Self::Garble((from - offset) as usize, garbage)
    }

    /// The same place of another page, if there is one with room for it.
    fn astray(stream: &mut Stream, offset: u64, len: u64, file_len: u64) -> Option<Self> {
        let size = PAGE_SIZE as u64;
        let (own, inside) = (offset / size, offset % size);
        let pages = file_len.checked_sub(inside + len)? / size + 1;
        let others = pages - u64::from(own < pages);
        if others == 0 {
            return None;
        }
        let drawn = stream.below(others);
        let page = drawn + u64::from(own < pages && drawn >= own);
        Some(Self::Elsewhere(page * size + inside))
    }

    /// Where it is, in a number for the trace.
    const fn place(&self) -> u64 {
        match self {
            Self::Garble(from, _) => *from as u64,
            Self::Elsewhere(offset) => *offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::{Meter, Spec};
    use crate::hw::{Cost, Odds};

    const FLUSH_NS: u64 = 1_000_000;

    fn disk() -> (Disk, Arc<Meter>) {
        let meter = Arc::new(Meter::new());
        (Disk::new(Spec::default(), meter.clone()), meter)
    }

    fn onset(number: u32) -> Onset {
        Onset { now_ns: 0, case: Case::detached(number), stream: Stream::new(1, "test") }
    }

    #[test]
    fn a_slow_disk_takes_its_time_until_it_is_well_again() {
        let (disk, meter) = disk();
        let file = disk.open("file");
        disk.begin(Ailment::DiskSlow { operation: Operation::Sync, factor: 3, extra_ns: 7 }, onset(1));
        disk.begin(Ailment::DiskSlow { operation: Operation::Read, factor: 1, extra_ns: 5 }, onset(2));
        file.sync().unwrap();
        assert_eq!(meter.take_debt(), Duration::from_nanos(3 * FLUSH_NS + 7));
        file.read_at(0, &mut []).unwrap();
        assert_eq!(meter.take_debt(), Duration::from_nanos(5));
        disk.end(Case::detached(1));
        file.sync().unwrap();
        assert_eq!(meter.take_debt(), Duration::from_nanos(FLUSH_NS));
    }

    #[test]
    fn errors_come_to_the_operations_that_they_are_for_and_to_as_many() {
        let (disk, _) = disk();
        let file = disk.open("file");
        disk.begin(Ailment::DiskError { operation: Some(Operation::Write), odds: Odds::Next(2) }, onset(1));
        let fails: Vec<bool> = (0..4).map(|_| file.write_at(0, b"x").is_err()).collect();
        assert_eq!(fails, [true, true, false, false]);
        disk.end(Case::detached(1));
        disk.begin(Ailment::DiskError { operation: None, odds: Odds::PartsPerBillion(250_000_000) }, onset(2));
        let failed = (0..10_000).filter(|_| file.sync().is_err()).count();
        assert!((2_300..2_700).contains(&failed), "{failed}");
    }

    #[test]
    fn a_full_disk_takes_what_is_free_and_no_more() {
        let (disk, _) = disk();
        let file = disk.open("file");
        file.write_at(0, &[1; PAGE_SIZE]).unwrap();
        disk.begin(Ailment::DiskFull { free_bytes: PAGE_SIZE as u64 }, onset(1));
        file.write_at(PAGE_SIZE as u64, &[1; PAGE_SIZE]).unwrap();
        file.write_at(0, &[2; PAGE_SIZE]).unwrap();
        let refused = file.write_at(2 * PAGE_SIZE as u64, &[1]).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
        disk.end(Case::detached(1));
        file.write_at(2 * PAGE_SIZE as u64, &[1]).unwrap();
    }

    #[test]
    fn rot_changes_as_many_bits_of_what_is_durable() {
        let (disk, meter) = disk();
        let (one, other) = (disk.open("one"), disk.open("other"));
        one.write_at(0, &[0; 3 * PAGE_SIZE]).unwrap();
        other.write_at(0, &[0; PAGE_SIZE]).unwrap();
        one.sync().unwrap();
        other.sync().unwrap();
        let Onset { case, stream, .. } = onset(1);
        disk.begin(Ailment::BitRot { bits: 40 }, Onset { now_ns: meter.debt_ns(), case, stream });
        let ones = |file: &crate::disk::File| {
            let mut bytes = vec![0; usize::try_from(file.len().unwrap()).unwrap()];
            file.read_at(0, &mut bytes).unwrap();
            bytes.iter().map(|byte| byte.count_ones()).sum::<u32>()
        };
        let (in_one, in_other) = (ones(&one), ones(&other));
        assert_eq!(in_one + in_other, 40, "{in_one} and {in_other}");
        assert!(in_other > 2 && in_one > in_other);
    }

    /// Pages that bear their numbers, so that it can be told what was read or where it was written.
    fn numbered(disk: &Disk) -> crate::disk::File {
        let file = disk.open("file");
        (0..8).for_each(|page| file.write_at(page * PAGE_SIZE as u64, &[page as u8; PAGE_SIZE]).unwrap());
        file
    }

    fn page(file: &crate::disk::File, number: u64) -> Vec<u8> {
        let mut bytes = vec![0; PAGE_SIZE];
        file.read_at(number * PAGE_SIZE as u64, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn a_sector_is_garbage_and_nobody_says_so() {
        let (disk, _) = disk();
        let file = numbered(&disk);
        disk.begin(Ailment::DiskGarble { operation: Operation::Read, odds: Odds::Next(1) }, onset(1));
        let wrong: Vec<usize> = (0..PAGE_SIZE).filter(|at| page(&file, 3)[*at] != 3).collect();
        assert!(wrong.is_empty(), "only the first was to be");
        disk.end(Case::detached(1));
        disk.begin(Ailment::DiskGarble { operation: Operation::Read, odds: Odds::Always }, onset(2));
        let garbled = page(&file, 3);
        let wrong: Vec<usize> = (0..PAGE_SIZE).filter(|at| garbled[*at] != 3).collect();
        assert!(wrong.len() > 490, "a byte in 256 is right by chance: {}", wrong.len());
        assert_eq!(wrong[0] / SECTOR_SIZE, wrong[wrong.len() - 1] / SECTOR_SIZE, "all in one sector");
        disk.end(Case::detached(2));
        assert_eq!(page(&file, 3), [3; PAGE_SIZE], "what is stored is as it was");
        disk.begin(Ailment::DiskGarble { operation: Operation::Write, odds: Odds::Always }, onset(3));
        file.write_at(3 * PAGE_SIZE as u64 + 100, &[9; 50]).unwrap();
        disk.end(Case::detached(3));
        let stored = page(&file, 3);
        assert!(stored[100..150].iter().filter(|byte| **byte == 9).count() < 10, "no more than it was to write");
        assert!(stored[..100].iter().chain(&stored[150..]).all(|byte| *byte == 3));
    }

    #[test]
    fn what_goes_astray_is_of_another_page_and_its_own_is_as_it_was() {
        let (disk, _) = disk();
        let file = numbered(&disk);
        disk.begin(Ailment::DiskMisdirect { operation: Operation::Read, odds: Odds::Always }, onset(1));
        let mut seen: Vec<u8> = (0..200).map(|_| page(&file, 3)[7]).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [0, 1, 2, 4, 5, 6, 7], "each of the others");
        disk.end(Case::detached(1));
        disk.begin(Ailment::DiskMisdirect { operation: Operation::Write, odds: Odds::Next(1) }, onset(2));
        file.write_at(3 * PAGE_SIZE as u64, &[9; PAGE_SIZE]).unwrap();
        let pages: Vec<u8> = (0..8).map(|number| page(&file, number)[0]).collect();
        assert_eq!((pages[3], pages.iter().filter(|byte| **byte == 9).count()), (3, 1));
        // One that makes the file longer does so, and is not there.
        disk.begin(Ailment::DiskMisdirect { operation: Operation::Write, odds: Odds::Always }, onset(3));
        file.write_at(8 * PAGE_SIZE as u64, &[8; PAGE_SIZE]).unwrap();
        assert_eq!((file.len().unwrap(), page(&file, 8)[0]), (9 * PAGE_SIZE as u64, 0));
        disk.end(Case::detached(2));
        disk.end(Case::detached(3));
    }

    #[test]
    fn the_operation_that_the_power_fails_in_is_the_last() {
        let (disk, meter) = disk();
        let file = disk.open("file");
        disk.begin(Ailment::DiskCut { operation: Some(Operation::Write), nth: 3, off_ns: 1 }, onset(1));
        for byte in 1..=3 {
            file.write_at(0, &[byte]).unwrap();
            file.sync().map_or_else(|_| assert_eq!(byte, 3), |()| assert_ne!(byte, 3));
        }
        assert!(file.write_at(0, b"never").is_err());
        assert!(meter.debt_ns() > 2 * FLUSH_NS);
    }
}
