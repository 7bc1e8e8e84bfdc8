//! Frames of IEEE 802.15.4-2006, section 7.2: data frames, unsecured.

use core::net::Ipv6Addr;

/// A radio's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// 16 bits, given by the network's coordinator.
    Short(u16),
    /// The radio's own, an EUI-64, its first byte first.
    Extended([u8; 8]),
}

/// The bit that tells made-up identifiers from the world's (RFC 4291, appendix A).
const UNIVERSAL: u64 = 1 << 57;
/// Identifiers that are made of short addresses (RFC 4944, section 6; RFC 6282, section 3.2.2).
const SHORT: u64 = 0x0000_00ff_fe00_0000;

impl Address {
    /// Every radio that hears it.
    pub const BROADCAST: Address = Address::Short(0xffff);

    /// The interface identifier that is made of it.
    pub(crate) fn identifier(self) -> u64 {
        match self {
            Address::Short(short) => SHORT | u64::from(short),
            Address::Extended(eui) => u64::from_be_bytes(eui) ^ UNIVERSAL,
        }
    }

    /// The radio whose IPv6 address this is, if it is made of a radio's.
    pub fn of(address: Ipv6Addr) -> Self {
        let identifier = address.to_bits() as u64;
        if identifier & !0xffff == SHORT {
            Address::Short(identifier as u16)
        } else {
            Address::Extended((identifier ^ UNIVERSAL).to_be_bytes())
        }
    }

    fn mode(self) -> u8 {
        match self {
            Address::Short(_) => 2,
            Address::Extended(_) => 3,
        }
    }
}

/// What stands before a frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) sequence: u8,
    pub(super) pan: u16,
    pub(super) to: Address,
    pub(super) from: Address,
}

/// The longest header: control, sequence, network, two addresses.
pub(super) const HEADER_MAX: usize = 2 + 1 + 2 + 8 + 8;

const DATA: u8 = 1;
const SECURED: u8 = 1 << 3;
const ACK_REQUEST: u8 = 1 << 5;
const ONE_PAN: u8 = 1 << 6;
/// The version of 2006, in the second byte of the control field.
const VERSION_2006: u8 = 1 << 4;

impl Header {
    /// Writes the header, and answers with its length.
    pub(super) fn emit(&self, frame: &mut [u8; HEADER_MAX]) -> usize {
        let asks = if self.to == Address::BROADCAST { 0 } else { ACK_REQUEST };
        frame[0] = DATA | ONE_PAN | asks;
        frame[1] = self.to.mode() << 2 | VERSION_2006 | self.from.mode() << 6;
        frame[2] = self.sequence;
        frame[3..5].copy_from_slice(&self.pan.to_le_bytes());
        let mut at = 5;
        for address in [self.to, self.from] {
            let len = match address {
                Address::Short(short) => {
                    frame[at..at + 2].copy_from_slice(&short.to_le_bytes());
                    2
                }
                Address::Extended(mut eui) => {
                    // Over the air the last byte goes first.
                    eui.reverse();
                    frame[at..at + 8].copy_from_slice(&eui);
                    8
                }
            };
            at += len;
        }
        at
    }

    /// Reads a data frame; `None` if it is none, is secured, or says not whom it is from or to.
    pub(super) fn parse(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (&[low, high, sequence], rest) = frame.split_first_chunk()?;
        let version = high >> 4 & 3;
        if low & 7 != DATA || low & SECURED != 0 || version > 1 {
            return None;
        }
        let (pan, rest) = rest.split_first_chunk()?;
        let (to, rest) = address(high >> 2 & 3, rest)?;
        let rest = if low & ONE_PAN == 0 { rest.get(2..)? } else { rest };
        let (from, rest) = address(high >> 6, rest)?;
        Some((Self { sequence, pan: u16::from_le_bytes(*pan), to, from }, rest))
    }
}

fn address(mode: u8, bytes: &[u8]) -> Option<(Address, &[u8])> {
    match mode {
        2 => {
            let (short, rest) = bytes.split_first_chunk()?;
            Some((Address::Short(u16::from_le_bytes(*short)), rest))
        }
        3 => {
            let (eui, rest) = bytes.split_first_chunk()?;
            let mut eui: [u8; 8] = *eui;
            eui.reverse();
            Some((Address::Extended(eui), rest))
        }
        _ => None,
    }
}
