//! NOR flash: erased by the page, written once, torn by a power cut, worn by use.
//!
//! [`Memory`] is the chip and outlives its node; node code holds a [`Flash`] on it, which speaks embedded-storage's
//! `NorFlash`, blocking and async. Reads take no time (the chip is mapped into memory) but wait for a write or erase whose
//! future was dropped. [`Memory::wear`] tells how often each page was erased. Bits that rot, reads that disturb, pages that
//! are worn out and cells that are slow come as ailments ([`Ailment`]).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use embedded_storage::nor_flash::{
    ErrorType, MultiwriteNorFlash, NorFlash, NorFlashErrorKind, ReadNorFlash, check_erase, check_read, check_write,
};
use rand_core::Rng;

use super::ailment::{Ailment, Case, Faulty, Ills, Onset};
use super::bench::{Bench, Cost};
use crate::node::Powered;
use crate::random::Stream;
use crate::time::Instant;

const ERASED: u8 = 0xff;

/// How long the cells take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// To write one unit of `WRITE` bytes.
    pub write_ns: u64,
    /// To erase one page of `ERASE` bytes.
    pub erase_ns: u64,
}

impl Timing {
    /// Nordic nRF52840, product specification 1.7, NVMC: 41 µs a word of 4 bytes, 85 ms a page of 4 KiB.
    pub const NRF52840: Timing = Timing { write_ns: 41_000, erase_ns: 85_000_000 };

    /// Winbond W25Q128JV, typical: 30 µs for a byte by itself, 45 ms a sector of 4 KiB.
    pub const W25Q128: Timing = Timing { write_ns: 30_000, erase_ns: 45_000_000 };
}

/// A chip that is written in units of `WRITE` bytes and erased in pages of `ERASE` bytes; a cheap handle.
#[derive(Clone, Debug)]
pub struct Memory<const WRITE: usize, const ERASE: usize> {
    cells: Rc<RefCell<Cells>>,
}

#[derive(Debug)]
struct Cells {
    bytes: Vec<u8>,
    timing: Timing,
    erase_size: usize,
    write_size: usize,
    wear: Vec<u32>,
    lost_bits: u64,
    ills: Ills,
    /// What may not have happened yet in the world's time, oldest first.
    unfinished: VecDeque<Unfinished>,
    busy_until_ns: u64,
}

#[derive(Debug)]
struct Unfinished {
    start_ns: u64,
    step_ns: u64,
    step_size: usize,
    at: usize,
    before: Vec<u8>,
}

impl Unfinished {
    fn end_ns(&self) -> u64 {
        let steps = self.before.len() / self.step_size;
        self.start_ns + self.step_ns * u64::try_from(steps).expect("a flash is small")
    }
}

impl<const WRITE: usize, const ERASE: usize> Memory<WRITE, ERASE> {
    /// An erased chip of `pages` pages.
    ///
    /// # Panics
    /// If a page is not made of whole write units.
    pub fn new(pages: usize, timing: Timing) -> Self {
        assert!(WRITE > 0 && ERASE.is_multiple_of(WRITE), "a page is made of whole write units");
        Memory {
            cells: Rc::new(RefCell::new(Cells {
                bytes: vec![ERASED; pages * ERASE],
                timing,
                erase_size: ERASE,
                write_size: WRITE,
                wear: vec![0; pages],
                lost_bits: 0,
                ills: Ills::default(),
                unfinished: VecDeque::new(),
                busy_until_ns: 0,
            })),
        }
    }

    /// How often each page was erased.
    pub fn wear(&self) -> Vec<u32> {
        self.cells.borrow().wear.clone()
    }

    /// How many bits were asked to become 1 by a write, and stayed 0: the mark of a page that was not erased.
    pub fn lost_bits(&self) -> u64 {
        self.cells.borrow().lost_bits
    }

    /// A copy of the contents.
    pub fn contents(&self) -> Vec<u8> {
        self.cells.borrow().bytes.clone()
    }

    /// Puts `bytes` at `offset`, as a programmer does on the bench: no time, no wear, no rules.
    ///
    /// # Panics
    /// If they do not fit.
    pub fn burn(&self, offset: usize, bytes: &[u8]) {
        self.cells.borrow_mut().bytes[offset..][..bytes.len()].copy_from_slice(bytes);
    }

    /// How many bytes it has.
    #[must_use]
    pub fn size(&self) -> usize {
        self.cells.borrow().bytes.len()
    }

    /// Programs bytes for a chip that is told to over a bus. Says when that is done; worn cells do nothing.
    pub(super) fn program(&self, now_ns: u64, at: usize, bytes: &[u8]) -> Option<u64> {
        let cells = &mut *self.cells.borrow_mut();
        cells.refuse_worn(at, at + bytes.len()).ok()?;
        Some(cells.write((now_ns, 0), at, bytes).1)
    }

    /// Erases whole pages in one go, which takes so long, for a chip that is told to over a bus. Says when that is done;
    /// worn cells do nothing.
    pub(super) fn wipe(&self, now_ns: u64, at: usize, size: usize, takes_ns: u64) -> Option<u64> {
        let cells = &mut *self.cells.borrow_mut();
        cells.refuse_worn(at, at + size).ok()?;
        let step_ns = cells.slowed(takes_ns);
        let (_, end_ns) = cells.begin((now_ns, 0), at, size, size, step_ns);
        cells.wipe(at, at + size);
        Some(end_ns)
    }

    /// Reads bytes for a chip that is told to over a bus.
    pub(super) fn peek(&self, at: usize, bytes: &mut [u8]) {
        self.copy_to(u32::try_from(at).expect("a chip is small"), bytes);
    }

    fn copy_to(&self, offset: u32, bytes: &mut [u8]) {
        let cells = &mut *self.cells.borrow_mut();
        if !cells.ills.is_empty() {
            cells.disturb(offset as usize, bytes.len());
        }
        bytes.copy_from_slice(&cells.bytes[offset as usize..][..bytes.len()]);
    }

    /// The power fails at `now_ns`. What had not begun has not happened; of what was under way, pages and write units
    /// are done in order, and the one at work has some of its bits changed and not others, drawn from `stream`.
    pub fn cut(&self, now_ns: u64, stream: &mut impl Rng) {
        self.end_life(now_ns, |before, after| {
            for (before, after) in before.iter().zip(after) {
                let [changed, ..] = stream.next_u32().to_le_bytes();
                *after = (*before & !changed) | (*after & changed);
            }
        });
    }

    /// The program dies at `now_ns` and the chip does not: it finishes the page or write unit that it is at.
    pub fn crash(&self, now_ns: u64) {
        self.end_life(now_ns, |_, _| {});
    }

    fn end_life(&self, now_ns: u64, mut tear: impl FnMut(&[u8], &mut [u8])) {
        let cells = &mut *self.cells.borrow_mut();
        while let Some(unfinished) = cells.unfinished.pop_back() {
            unfinished.end_at(now_ns, &mut cells.bytes, &mut tear);
        }
        cells.busy_until_ns = now_ns;
    }
}

/// What becomes of the node becomes of its chip.
impl<const WRITE: usize, const ERASE: usize> Powered for Memory<WRITE, ERASE> {
    fn power_cut(&self, now: Instant, stream: &mut Stream) {
        self.cut(now.as_nanos(), stream);
    }

    fn program_ended(&self, now: Instant) {
        self.crash(now.as_nanos());
    }
}

impl Unfinished {
    /// Takes back the steps that begin at `now_ns` or later, and has the step that is under way torn.
    fn end_at(&self, now_ns: u64, bytes: &mut [u8], tear: &mut impl FnMut(&[u8], &mut [u8])) {
        let after = &mut bytes[self.at..][..self.before.len()];
        let steps = self.before.chunks(self.step_size).zip(after.chunks_mut(self.step_size));
        let mut begins_ns = self.start_ns;
        for (before, after) in steps {
            let ends_ns = begins_ns + self.step_ns;
            if begins_ns >= now_ns {
                after.copy_from_slice(before);
            } else if ends_ns > now_ns {
                tear(before, after);
            }
            begins_ns = ends_ns;
        }
    }
}

impl Cells {
    /// Remembers what an operation overwrites until its end has come, which is returned.
    fn begin(
        &mut self,
        (now_ns, debt_ns): (u64, u64),
        at: usize,
        length: usize,
        step_size: usize,
        step_ns: u64,
    ) -> (u64, u64) {
        while self.unfinished.front().is_some_and(|oldest| oldest.end_ns() <= now_ns) {
            self.unfinished.pop_front();
        }
        let start_ns = (now_ns + debt_ns).max(self.busy_until_ns);
        let before = self.bytes[at..][..length].to_vec();
        let operation = Unfinished { start_ns, step_ns, step_size, at, before };
        self.busy_until_ns = operation.end_ns();
        self.unfinished.push_back(operation);
        (start_ns, self.busy_until_ns)
    }

    /// Returns when it begins and ends.
    fn write(&mut self, time: (u64, u64), at: usize, bytes: &[u8]) -> (u64, u64) {
        let step_ns = self.slowed(self.timing.write_ns);
        let times_ns = self.begin(time, at, bytes.len(), self.write_size, step_ns);
        for (cell, byte) in self.bytes[at..].iter_mut().zip(bytes) {
            self.lost_bits += u64::from((byte & !*cell).count_ones());
            *cell &= byte;
        }
        times_ns
    }

    /// Returns when it begins and ends.
    fn erase(&mut self, time: (u64, u64), from: usize, to: usize) -> (u64, u64) {
        let step_ns = self.slowed(self.timing.erase_ns);
        let times_ns = self.begin(time, from, to - from, self.erase_size, step_ns);
        self.wipe(from, to);
        times_ns
    }

    fn wipe(&mut self, from: usize, to: usize) {
        self.bytes[from..to].fill(ERASED);
        for page in &mut self.wear[from / self.erase_size..to / self.erase_size] {
            *page += 1;
        }
    }
}

impl Cells {
    /// How long a step takes of cells that may be slow.
    fn slowed(&self, step_ns: u64) -> u64 {
        let mut slowed_ns = step_ns;
        for ill in self.ills.iter() {
            if let Ailment::FlashSlow { factor, extra_ns } = ill.ailment {
                slowed_ns = slowed_ns.saturating_mul(factor.into()).saturating_add(extra_ns);
                ill.case.felt(slowed_ns - step_ns);
            }
        }
        slowed_ns
    }

    /// Pages that were erased too often can neither be erased nor written.
    fn refuse_worn(&self, from: usize, to: usize) -> Result<(), NorFlashErrorKind> {
        for ill in self.ills.iter() {
            let Ailment::FlashWorn { erases } = ill.ailment else { continue };
            let pages = &self.wear[from / self.erase_size..to.div_ceil(self.erase_size)];
            if pages.iter().any(|erased| *erased >= erases) {
                ill.case.felt((from / self.erase_size) as u64);
                return Err(NorFlashErrorKind::Other);
            }
        }
        Ok(())
    }

    /// A read may change a bit of the page that it looks at.
    fn disturb(&mut self, at: usize, length: usize) {
        let Self { ills, bytes, erase_size, .. } = self;
        for ill in ills.iter_mut() {
            let Ailment::FlashReadDisturb { odds } = ill.ailment else { continue };
            let strikes = ill.strikes(odds) && length > 0;
            let bit = ill.stream.below(*erase_size as u64 * 8) as usize;
            if strikes {
                let bit = at / *erase_size * *erase_size * 8 + bit;
                bytes[bit / 8] ^= 0x80 >> (bit % 8);
                ill.case.felt(bit as u64);
            }
        }
    }
}

impl<const WRITE: usize, const ERASE: usize> Faulty for Memory<WRITE, ERASE> {
    fn begin(&self, ailment: Ailment, onset: Onset) {
        let cells = &mut *self.cells.borrow_mut();
        let Ailment::BitRot { bits } = ailment else {
            return cells.ills.begin(ailment, onset, 0);
        };
        let Onset { case, mut stream, .. } = onset;
        for _ in 0..bits {
            let bit = stream.below(cells.bytes.len() as u64 * 8) as usize;
            cells.bytes[bit / 8] ^= 0x80 >> (bit % 8);
            case.felt(bit as u64);
        }
    }

    fn end(&self, case: Case) {
        self.cells.borrow_mut().ills.end(case);
    }
}

/// A node's view of a chip: blocking with a [`Cost`], async with a [`Bench`].
///
/// Writing twice is allowed and gives the AND of both (`MultiwriteNorFlash`).
#[derive(Clone, Debug)]
pub struct Flash<B, const WRITE: usize, const ERASE: usize> {
    memory: Memory<WRITE, ERASE>,
    bench: B,
}

impl<B: Cost, const WRITE: usize, const ERASE: usize> Flash<B, WRITE, ERASE> {
    /// The flash of a node that has just booted.
    pub fn new(memory: Memory<WRITE, ERASE>, bench: B) -> Self {
        Flash { memory, bench }
    }

    fn time(&self) -> (u64, u64) {
        (self.bench.now_ns(), self.bench.debt_ns())
    }

    fn begin_erase(&self, from: u32, to: u32) -> Result<u64, NorFlashErrorKind> {
        check_erase(self, from, to)?;
        self.memory.cells.borrow().refuse_worn(from as usize, to as usize)?;
        let (start_ns, end_ns) = self.memory.cells.borrow_mut().erase(self.time(), from as usize, to as usize);
        self.bench.works(start_ns, end_ns);
        Ok(end_ns)
    }

    fn begin_write(&self, offset: u32, bytes: &[u8]) -> Result<u64, NorFlashErrorKind> {
        check_write(self, offset, bytes.len())?;
        self.memory.cells.borrow().refuse_worn(offset as usize, offset as usize + bytes.len())?;
        let (start_ns, end_ns) = self.memory.cells.borrow_mut().write(self.time(), offset as usize, bytes);
        self.bench.works(start_ns, end_ns);
        Ok(end_ns)
    }

    fn block_until(&self, end_ns: u64) {
        let (now_ns, debt_ns) = self.time();
        self.bench.busy(Duration::from_nanos(end_ns.saturating_sub(now_ns + debt_ns)));
    }
}

impl<B, const WRITE: usize, const ERASE: usize> ErrorType for Flash<B, WRITE, ERASE> {
    type Error = NorFlashErrorKind;
}

impl<B: Cost, const WRITE: usize, const ERASE: usize> ReadNorFlash for Flash<B, WRITE, ERASE> {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        self.block_until(self.memory.cells.borrow().busy_until_ns);
        self.memory.copy_to(offset, bytes);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.memory.cells.borrow().bytes.len()
    }
}

impl<B: Cost, const WRITE: usize, const ERASE: usize> NorFlash for Flash<B, WRITE, ERASE> {
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        let end_ns = self.begin_erase(from, to)?;
        self.block_until(end_ns);
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        let end_ns = self.begin_write(offset, bytes)?;
        self.block_until(end_ns);
        Ok(())
    }
}

impl<B: Cost, const WRITE: usize, const ERASE: usize> MultiwriteNorFlash for Flash<B, WRITE, ERASE> {}

impl<B: Bench, const WRITE: usize, const ERASE: usize> embedded_storage_async::nor_flash::ReadNorFlash
    for Flash<B, WRITE, ERASE>
{
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        check_read(self, offset, bytes.len())?;
        let busy_until_ns = self.memory.cells.borrow().busy_until_ns;
        let (now_ns, debt_ns) = self.time();
        if busy_until_ns > now_ns + debt_ns {
            self.bench.sleep_until_ns(busy_until_ns).await;
        }
        self.memory.copy_to(offset, bytes);
        Ok(())
    }

    fn capacity(&self) -> usize {
        ReadNorFlash::capacity(self)
    }
}

impl<B: Bench, const WRITE: usize, const ERASE: usize> embedded_storage_async::nor_flash::NorFlash
    for Flash<B, WRITE, ERASE>
{
    const WRITE_SIZE: usize = WRITE;
    const ERASE_SIZE: usize = ERASE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        let end_ns = self.begin_erase(from, to)?;
        self.bench.sleep_until_ns(end_ns).await;
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        let end_ns = self.begin_write(offset, bytes)?;
        self.bench.sleep_until_ns(end_ns).await;
        Ok(())
    }
}

impl<B: Bench, const WRITE: usize, const ERASE: usize> embedded_storage_async::nor_flash::MultiwriteNorFlash
    for Flash<B, WRITE, ERASE>
{
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng;

    use super::*;
    use crate::hw::Meter;

    const TIMING: Timing = Timing { write_ns: 10, erase_ns: 1_000 };

    fn board(pages: usize) -> (Memory<4, 64>, Rc<Meter>, Flash<Rc<Meter>, 4, 64>) {
        let (memory, meter) = (Memory::new(pages, TIMING), Rc::new(Meter::new()));
        (memory.clone(), meter.clone(), Flash::new(memory, meter))
    }

    #[test]
    fn writes_only_clear_bits_and_erases_wear() {
        let (memory, meter, mut flash) = board(2);
        flash.write(64, &[0b1111_0000; 4]).unwrap();
        flash.write(64, &[0b1010_1010; 4]).unwrap();
        let mut read = [0; 5];
        flash.read(63, &mut read).unwrap();
        assert_eq!(read, [0xff, 0b1010_0000, 0b1010_0000, 0b1010_0000, 0b1010_0000]);
        assert_eq!(memory.lost_bits(), 4 * 2);

        flash.erase(64, 128).unwrap();
        assert_eq!(memory.wear(), [0, 1]);
        assert_eq!(memory.contents(), [0xff; 128]);
        assert_eq!(meter.take_debt(), Duration::from_nanos(2 * 10 + 1_000));
    }

    #[test]
    fn what_the_part_cannot_do_is_refused() {
        let (_, _, mut flash) = board(2);
        assert_eq!(flash.write(2, &[0; 4]), Err(NorFlashErrorKind::NotAligned));
        assert_eq!(flash.write(0, &[0; 3]), Err(NorFlashErrorKind::NotAligned));
        assert_eq!(flash.erase(0, 32), Err(NorFlashErrorKind::NotAligned));
        assert_eq!(flash.erase(64, 192), Err(NorFlashErrorKind::OutOfBounds));
        assert_eq!(flash.read(127, &mut [0; 2]), Err(NorFlashErrorKind::OutOfBounds));
    }

    #[test]
    fn a_cut_tears_only_the_unit_at_work() {
        let (memory, _, mut flash) = board(1);
        flash.write(0, &[0; 16]).unwrap();
        flash.write(16, &[0; 4]).unwrap();
        memory.cut(25, &mut ChaCha8Rng::seed_from_u64(3));
        let contents = memory.contents();
        assert_eq!(contents[..8], [0; 8]);
        assert_ne!(contents[8..12], [0; 4]);
        assert_ne!(contents[8..12], [0xff; 4]);
        assert_eq!(contents[12..20], [0xff; 8], "what had not begun has not happened");
    }

    #[test]
    fn a_crash_tears_nothing() {
        let (memory, _, mut flash) = board(1);
        flash.write(0, &[0; 12]).unwrap();
        memory.crash(15);
        assert_eq!(memory.contents()[..12], [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    }

    #[test]
    fn cells_can_be_slow_worn_disturbed_and_rotten() {
        let (memory, meter, mut flash) = board(2);
        let onset =
            |number| Onset { now_ns: 0, case: Case::detached(number), stream: crate::random::Stream::new(1, "test") };
        let ones = || memory.contents().iter().map(|byte| byte.count_zeros()).sum::<u32>();
        memory.begin(Ailment::FlashSlow { factor: 3, extra_ns: 5 }, onset(1));
        flash.erase(0, 64).unwrap();
        assert_eq!(meter.take_debt(), Duration::from_nanos(3 * 1_000 + 5));
        memory.end(Case::detached(1));
        memory.begin(Ailment::FlashWorn { erases: 1 }, onset(2));
        assert_eq!(flash.write(0, &[0; 4]), Err(NorFlashErrorKind::Other));
        assert_eq!(flash.erase(0, 128), Err(NorFlashErrorKind::Other));
        flash.write(64, &[0xff; 4]).unwrap();
        memory.end(Case::detached(2));
        memory.begin(Ailment::FlashReadDisturb { odds: super::super::Odds::Next(1) }, onset(3));
        flash.read(70, &mut [0; 2]).unwrap();
        flash.read(70, &mut [0; 2]).unwrap();
        assert_eq!(ones(), 1);
        assert_eq!(memory.contents()[..64], [0xff; 64], "another page is not touched");
        memory.begin(Ailment::BitRot { bits: 20 }, onset(4));
        assert!((15..=21).contains(&ones()), "{}", ones());
    }

    #[test]
    fn what_was_finished_stays() {
        let (memory, meter, mut flash) = board(2);
        flash.write(0, &[1; 4]).unwrap();
        meter.start_poll(1_000);
        flash.erase(64, 128).unwrap();
        memory.cut(2_000, &mut ChaCha8Rng::seed_from_u64(3));
        assert_eq!(memory.contents()[..5], [1, 1, 1, 1, 0xff]);
    }

    proptest! {
        #[test]
        fn a_torn_write_never_sets_a_bit_and_never_clears_one_too_many(
            seed: u64, cut_ns in 0..200_u64, old in any::<[u8; 64]>(), new in any::<[u8; 64]>(),
        ) {
            let (memory, _, mut flash) = board(1);
            memory.burn(0, &old);
            flash.write(0, &new).unwrap();
            memory.cut(cut_ns, &mut ChaCha8Rng::seed_from_u64(seed));
            for ((old, new), found) in old.iter().zip(new).zip(memory.contents()) {
                prop_assert_eq!(found & !old, 0);
                prop_assert_eq!((old & new) & !found, 0);
            }
        }
    }
}
