//! The board's Ethernet controller: an SMSC LAN9118 (LAN9220 on the board itself), by its datasheet.
//!
//! Frames go through the controller's FIFOs word by word; there is no DMA, and no descriptor to get wrong.

use core::cell::RefCell;
use core::task::{Context, Waker};

use critical_section::Mutex;
use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};

use crate::register::Block;

/// The controller's interrupt.
pub const IRQ: i16 = 13;

// SAFETY: AN385 maps the controller's registers here; offsets up to 0xb0 are used; it has no DMA.
const LAN9118: Block = unsafe { Block::at(0x4020_0000) };

const RX_DATA_FIFO: usize = 0x00;
const TX_DATA_FIFO: usize = 0x20;
const RX_STATUS_FIFO: usize = 0x40;
const TX_STATUS_FIFO: usize = 0x48;
const IRQ_CFG: usize = 0x54;
const INT_STS: usize = 0x58;
const INT_EN: usize = 0x5c;
const BYTE_TEST: usize = 0x64;
const FIFO_INT: usize = 0x68;
const TX_CFG: usize = 0x70;
const HW_CFG: usize = 0x74;
const RX_FIFO_INF: usize = 0x7c;
const TX_FIFO_INF: usize = 0x80;
const MAC_CSR_CMD: usize = 0xa4;
const MAC_CSR_DATA: usize = 0xa8;

const IRQ_CFG_ENABLE: u32 = 1 << 8;
const IRQ_CFG_ACTIVE_HIGH: u32 = 1 << 4;
const IRQ_CFG_PUSH_PULL: u32 = 1 << 0;
/// A frame's status has come into the receive status FIFO.
const INT_RX_STATUS: u32 = 1 << 3;
const TX_CFG_ON: u32 = 1 << 1;
const HW_CFG_RESET: u32 = 1 << 0;
const HW_CFG_MUST_BE_ONE: u32 = 1 << 20;
/// 5 KiB of the FIFO memory for frames to send.
const HW_CFG_TX_FIFO: u32 = 5 << 16;
const RX_STATUS_ERROR: u32 = 1 << 15;
const TX_COMMAND_FIRST: u32 = 1 << 13;
const TX_COMMAND_LAST: u32 = 1 << 12;

const MAC_BUSY: u32 = 1 << 31;
const MAC_READ: u32 = 1 << 30;
const MAC_CR: u32 = 1;
const MAC_ADDRH: u32 = 2;
const MAC_ADDRL: u32 = 3;
const MAC_MII_ACCESS: u32 = 6;
const MAC_MII_DATA: u32 = 7;
const MAC_CR_RX: u32 = 1 << 2;
const MAC_CR_TX: u32 = 1 << 3;
const MAC_CR_FULL_DUPLEX: u32 = 1 << 20;

const MII_BUSY: u32 = 1 << 0;
const PHY_ADDRESS: u32 = 1;
const PHY_STATUS: u32 = 1;
const PHY_STATUS_LINK: u32 = 1 << 2;

/// The header and 1,500 bytes; the controller makes and checks the frame check sequence.
const FRAME_MAX: usize = 1_514;
const CHECK_SEQUENCE: usize = 4;
/// Room that a frame needs in the transmit FIFO beside its bytes: two command words, and alignment.
const TX_OVERHEAD: u32 = 12;

static WAKER: Mutex<RefCell<Option<Waker>>> = Mutex::new(RefCell::new(None));

/// A frame has come. The interrupt stays off until the driver has found its FIFO empty.
pub fn interrupt() {
    LAN9118.write(INT_EN, 0);
    let waker = critical_section::with(|cs| WAKER.borrow_ref_mut(cs).take());
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// The controller. There is one, so make one.
pub struct Lan9118 {
    address: [u8; 6],
    rx: [u8; FRAME_MAX],
    tx: [u8; FRAME_MAX],
}

/// There is no LAN9118, or it does not come out of its reset.
#[derive(Clone, Copy, Debug)]
pub struct NoController;

impl Lan9118 {
    /// Resets the controller and switches it on.
    pub fn start() -> Result<Self, NoController> {
        LAN9118.write(HW_CFG, HW_CFG_RESET);
        wait(|| LAN9118.read(HW_CFG) & HW_CFG_RESET == 0)?;
        wait(|| LAN9118.read(BYTE_TEST) == 0x8765_4321)?;
        LAN9118.write(HW_CFG, HW_CFG_MUST_BE_ONE | HW_CFG_TX_FIFO);
        LAN9118.write(INT_EN, 0);
        LAN9118.write(INT_STS, u32::MAX);
        LAN9118.write(FIFO_INT, 0);
        LAN9118.write(IRQ_CFG, IRQ_CFG_ENABLE | IRQ_CFG_ACTIVE_HIGH | IRQ_CFG_PUSH_PULL);
        LAN9118.write(TX_CFG, TX_CFG_ON);
        let address = hardware_address();
        mac_write(MAC_CR, MAC_CR_RX | MAC_CR_TX | MAC_CR_FULL_DUPLEX);
        Ok(Lan9118 { address, rx: [0; FRAME_MAX], tx: [0; FRAME_MAX] })
    }

    /// The address from the controller's EEPROM.
    pub fn address(&self) -> [u8; 6] {
        self.address
    }

    /// Takes the next whole frame out of the FIFO, past those that are damaged or too long.
    fn take(&mut self) -> Option<usize> {
        while LAN9118.read(RX_FIFO_INF) >> 16 & 0xff > 0 {
            let status = LAN9118.read(RX_STATUS_FIFO);
            let on_wire = (status >> 16 & 0x3fff) as usize;
            let len = on_wire.saturating_sub(CHECK_SEQUENCE);
            let good = status & RX_STATUS_ERROR == 0 && len <= FRAME_MAX;
            for word in 0..on_wire.div_ceil(4) {
                let bytes = LAN9118.read(RX_DATA_FIFO).to_le_bytes();
                let room = self.rx.iter_mut().skip(4 * word);
                room.zip(bytes).for_each(|(to, from)| *to = from);
            }
            if good {
                return Some(len);
            }
        }
        None
    }

    /// As [`take`](Self::take); if there is none, the next one will wake `cx`.
    fn take_or_wait(&mut self, cx: &Context<'_>) -> Option<usize> {
        if let Some(len) = self.take() {
            return Some(len);
        }
        critical_section::with(|cs| WAKER.borrow_ref_mut(cs).replace(cx.waker().clone()));
        LAN9118.write(INT_STS, INT_RX_STATUS);
        LAN9118.write(INT_EN, INT_RX_STATUS);
        // One may have come in between, whose interrupt was just acknowledged.
        self.take()
    }

    fn has_room(&self) -> bool {
        while LAN9118.read(TX_FIFO_INF) >> 16 & 0xff > 0 {
            // What became of earlier frames; were it left there, the FIFO would fill up.
            let _status = LAN9118.read(TX_STATUS_FIFO);
        }
        LAN9118.read(TX_FIFO_INF) & 0xffff >= FRAME_MAX as u32 + TX_OVERHEAD
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = RxToken<'a>;
    type TxToken<'a> = TxToken<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(RxToken<'_>, TxToken<'_>)> {
        if !self.has_room() {
            cx.waker().wake_by_ref();
            return None;
        }
        let len = self.take_or_wait(cx)?;
        Some((RxToken(&mut self.rx[..len]), TxToken(&mut self.tx)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<TxToken<'_>> {
        if !self.has_room() {
            // The FIFO drains within microseconds; no interrupt is worth that.
            cx.waker().wake_by_ref();
            return None;
        }
        Some(TxToken(&mut self.tx))
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        match phy_read(PHY_STATUS) & PHY_STATUS_LINK {
            0 => LinkState::Down,
            _ => LinkState::Up,
        }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

/// A received frame.
pub struct RxToken<'a>(&'a mut [u8]);

impl embassy_net_driver::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame to send.
pub struct TxToken<'a>(&'a mut [u8; FRAME_MAX]);

impl embassy_net_driver::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let frame = &mut self.0[..len];
        let result = f(frame);
        let length = len as u32;
        LAN9118.write(TX_DATA_FIFO, TX_COMMAND_FIRST | TX_COMMAND_LAST | length);
        LAN9118.write(TX_DATA_FIFO, length);
        for bytes in frame.chunks(4) {
            let mut word = [0; 4];
            word[..bytes.len()].copy_from_slice(bytes);
            LAN9118.write(TX_DATA_FIFO, u32::from_le_bytes(word));
        }
        result
    }
}

fn hardware_address() -> [u8; 6] {
    let [a, b, c, d] = mac_read(MAC_ADDRL).to_le_bytes();
    let [e, f, _, _] = mac_read(MAC_ADDRH).to_le_bytes();
    [a, b, c, d, e, f]
}

fn mac_read(register: u32) -> u32 {
    LAN9118.write(MAC_CSR_CMD, MAC_BUSY | MAC_READ | register);
    while LAN9118.read(MAC_CSR_CMD) & MAC_BUSY != 0 {}
    LAN9118.read(MAC_CSR_DATA)
}

fn mac_write(register: u32, value: u32) {
    LAN9118.write(MAC_CSR_DATA, value);
    LAN9118.write(MAC_CSR_CMD, MAC_BUSY | register);
    while LAN9118.read(MAC_CSR_CMD) & MAC_BUSY != 0 {}
}

fn phy_read(register: u32) -> u32 {
    mac_write(MAC_MII_ACCESS, PHY_ADDRESS << 11 | register << 6 | MII_BUSY);
    while mac_read(MAC_MII_ACCESS) & MII_BUSY != 0 {}
    mac_read(MAC_MII_DATA)
}

/// Polls `done` for a while that is ample for a controller that is there.
fn wait(done: impl Fn() -> bool) -> Result<(), NoController> {
    (0..1_000_000).any(|_| done()).then_some(()).ok_or(NoController)
}
