//! What a disk that is ailing does with its operations.

use std::io;
use std::time::Duration;

use super::page::{Contents, PAGE_SIZE};
use super::{Disk, Operation, State};
use crate::hw::{Ailment, Case, Faulty, Onset};
use crate::time::nanos;

impl Faulty for Disk {
    fn begin(&self, ailment: Ailment, onset: Onset) {
        let state = &mut *self.lock();
        let note = match ailment {
            Ailment::DiskSlow { .. } | Ailment::DiskError { .. } | Ailment::DiskCut { .. } => 0,
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::disk::{Meter, Spec};
    use crate::hw::{Cost, Odds};
    use crate::random::Stream;

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
