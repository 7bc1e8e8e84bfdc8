//! Winbond's W25Q serial NOR flash at register level, as far as single SPI goes (data sheet of the W25Q16JV: instruction
//! set, status register 1, and AC characteristics, typical values).
//!
//! The cells are a [`Memory`], so that they wear, tear and rot as those of any flash here, and outlive everything. A command
//! is carried out when the chip select rises, as the part does; while it works it answers nothing but its status. A node that
//! resets does not stop it, a power cut does. Not here: dual and quad transfers, protection, suspend, security registers,
//! and SFDP.

use super::flash::{Memory, Timing};
use super::spi::Peripheral;

/// What is programmed in one go.
pub const PAGE: usize = 256;
/// The least that is erased.
pub const SECTOR: usize = 4_096;

/// A page in 0.4 ms, a sector in 45 ms.
pub const TIMING: Timing = Timing { write_ns: 400_000 / PAGE as u64, erase_ns: 45_000_000 };
const BLOCK_32K_NS: u64 = 120_000_000;
const BLOCK_64K_NS: u64 = 150_000_000;
/// 5 s for 2 MiB.
const CHIP_NS_PER_BYTE: u64 = 2_385;
/// Until it has reset itself.
const RESET_NS: u64 = 30_000;

const MANUFACTURER: u8 = 0xef;
const MEMORY_TYPE: u8 = 0x40;

mod command {
    pub(super) const PAGE_PROGRAM: u8 = 0x02;
    pub(super) const READ: u8 = 0x03;
    pub(super) const WRITE_DISABLE: u8 = 0x04;
    pub(super) const STATUS_1: u8 = 0x05;
    pub(super) const WRITE_ENABLE: u8 = 0x06;
    pub(super) const FAST_READ: u8 = 0x0b;
    pub(super) const SECTOR_ERASE: u8 = 0x20;
    pub(super) const UNIQUE_ID: u8 = 0x4b;
    pub(super) const BLOCK_ERASE_32K: u8 = 0x52;
    pub(super) const CHIP_ERASE_TOO: u8 = 0x60;
    pub(super) const ENABLE_RESET: u8 = 0x66;
    pub(super) const RESET: u8 = 0x99;
    pub(super) const JEDEC_ID: u8 = 0x9f;
    pub(super) const RELEASE_POWER_DOWN: u8 = 0xab;
    pub(super) const POWER_DOWN: u8 = 0xb9;
    pub(super) const CHIP_ERASE: u8 = 0xc7;
    pub(super) const BLOCK_ERASE_64K: u8 = 0xd8;
}

/// The cells of such a part.
pub type Cells = Memory<1, SECTOR>;

/// The part.
#[derive(Debug)]
pub struct W25q {
    cells: Cells,
    capacity: usize,
    unique_id: u64,
    /// What has been clocked in since the chip select fell.
    heard: usize,
    command: u8,
    address: usize,
    page: [u8; PAGE],
    /// How many bytes for the page came.
    filled: usize,
    is_write_enabled: bool,
    is_reset_enabled: bool,
    is_powered_down: bool,
    busy_until_ns: u64,
}

impl W25q {
    /// A part over these cells: a power of two of bytes, from 128 KiB to 16 MiB; 2 MiB is a W25Q16.
    ///
    /// # Panics
    /// If there is no such part.
    #[must_use]
    pub fn new(cells: Cells, unique_id: u64) -> Self {
        let capacity = cells.size();
        assert!(capacity.is_power_of_two() && (1 << 17..=1 << 24).contains(&capacity), "no W25Q has {capacity} bytes");
        Self {
            cells,
            capacity,
            unique_id,
            heard: 0,
            command: 0,
            address: 0,
            page: [0xff; PAGE],
            filled: 0,
            is_write_enabled: false,
            is_reset_enabled: false,
            is_powered_down: false,
            busy_until_ns: 0,
        }
    }

    fn is_busy(&self, now_ns: u64) -> bool {
        now_ns < self.busy_until_ns
    }

    /// Whether it hears this command now.
    fn takes(&self, now_ns: u64, command: u8) -> bool {
        if self.is_powered_down {
            return command == command::RELEASE_POWER_DOWN;
        }
        !self.is_busy(now_ns) || matches!(command, command::STATUS_1 | command::ENABLE_RESET | command::RESET)
    }

    fn status(&self, now_ns: u64) -> u8 {
        let is_busy = self.is_busy(now_ns);
        u8::from(is_busy) | u8::from(is_busy || self.is_write_enabled) << 1
    }

    /// The byte that goes out while byte `index` of a command comes in.
    fn answer(&mut self, now_ns: u64, index: usize, byte: u8) -> u8 {
        match (self.command, index) {
            (command::STATUS_1, _) => self.status(now_ns),
            (command::JEDEC_ID, 1..=3) => {
                let capacity = u8::try_from(self.capacity.ilog2()).expect("at most 24");
                [MANUFACTURER, MEMORY_TYPE, capacity][index - 1]
            }
            (command::UNIQUE_ID, 5..=12) => self.unique_id.to_be_bytes()[index - 5],
            // The device id is one less than what JEDEC's says of the capacity.
            (command::RELEASE_POWER_DOWN, 4..) => u8::try_from(self.capacity.ilog2() - 1).expect("at most 23"),
            (
                command::READ
                | command::FAST_READ
                | command::PAGE_PROGRAM
                | command::SECTOR_ERASE
                | command::BLOCK_ERASE_32K
                | command::BLOCK_ERASE_64K,
                1..=3,
            ) => {
                self.address = (self.address << 8 | usize::from(byte)) % self.capacity;
                0
            }
            (command::READ, _) | (command::FAST_READ, 5..) => {
                let mut read = [0];
                self.cells.peek(self.address, &mut read);
                self.address = (self.address + 1) % self.capacity;
                read[0]
            }
            (command::PAGE_PROGRAM, _) => {
                // More than a page goes round in it, and what came last stays.
                let at = (self.address % PAGE + self.filled) % PAGE;
                self.page[at] = byte;
                self.filled += 1;
                0
            }
            _ => 0,
        }
    }

    /// Carries out what has been clocked in, if it was that and no more.
    fn carry_out(&mut self, now_ns: u64) {
        let is_reset_enabled = std::mem::take(&mut self.is_reset_enabled);
        match (self.command, self.heard) {
            (command::WRITE_ENABLE, 1) => self.is_write_enabled = true,
            (command::WRITE_DISABLE, 1) => self.is_write_enabled = false,
            (command::POWER_DOWN, 1) => self.is_powered_down = true,
            (command::RELEASE_POWER_DOWN, _) => self.is_powered_down = false,
            (command::ENABLE_RESET, 1) => self.is_reset_enabled = true,
            (command::RESET, 1) if is_reset_enabled => {
                // What it had not begun of its work does not happen.
                self.cells.crash(now_ns);
                self.is_write_enabled = false;
                self.busy_until_ns = now_ns + RESET_NS;
            }
            (command::PAGE_PROGRAM, 5..) if std::mem::take(&mut self.is_write_enabled) => self.program(now_ns),
            (command::SECTOR_ERASE, 4) => self.erase(now_ns, SECTOR, TIMING.erase_ns),
            (command::BLOCK_ERASE_32K, 4) => self.erase(now_ns, 1 << 15, BLOCK_32K_NS),
            (command::BLOCK_ERASE_64K, 4) => self.erase(now_ns, 1 << 16, BLOCK_64K_NS),
            (command::CHIP_ERASE | command::CHIP_ERASE_TOO, 1) => {
                self.address = 0;
                self.erase(now_ns, self.capacity, self.capacity as u64 * CHIP_NS_PER_BYTE);
            }
            _ => {}
        }
    }

    fn program(&mut self, now_ns: u64) {
        let page_at = self.address / PAGE * PAGE;
        // Bytes that did not come are 1 all over, and change nothing.
        let (from, until) = match self.filled {
            PAGE.. => (0, PAGE),
            filled if self.address % PAGE + filled > PAGE => (0, PAGE),
            filled => (self.address % PAGE, self.address % PAGE + filled),
        };
        if let Some(end_ns) = self.cells.program(now_ns, page_at + from, &self.page[from..until]) {
            self.busy_until_ns = end_ns;
        }
    }

    fn erase(&mut self, now_ns: u64, size: usize, takes_ns: u64) {
        if std::mem::take(&mut self.is_write_enabled)
            && let Some(end_ns) = self.cells.wipe(now_ns, self.address / size * size, size, takes_ns)
        {
            self.busy_until_ns = end_ns;
        }
    }
}

impl Peripheral for W25q {
    fn select(&mut self, _now_ns: u64) {
        (self.heard, self.command, self.address, self.filled) = (0, 0, 0, 0);
        self.page = [0xff; PAGE];
    }

    fn exchange(&mut self, now_ns: u64, byte: u8) -> u8 {
        let index = self.heard;
        self.heard += 1;
        if index == 0 {
            self.command = if self.takes(now_ns, byte) { byte } else { 0 };
            return 0;
        }
        self.answer(now_ns, index, byte)
    }

    fn deselect(&mut self, now_ns: u64) {
        if self.heard > 0 {
            self.carry_out(now_ns);
        }
    }

    fn power_cycle(&mut self, now_ns: u64) {
        (self.is_write_enabled, self.is_reset_enabled, self.is_powered_down) = (false, false, false);
        (self.heard, self.busy_until_ns) = (0, now_ns);
    }
}
