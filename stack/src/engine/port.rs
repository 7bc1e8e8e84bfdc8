//! Between smoltcp and the frames: smoltcp sees a device that has one packet for it, or room for one.
//!
//! A packet is written where it will be sent from, behind an Ethernet header that is known beforehand: the
//! next hop is found before smoltcp is asked for the packet, and room is had before too. So smoltcp is never
//! asked for a packet that cannot leave at once, and no packet is copied.

use core::num::NonZeroU64;

use embassy_net_driver::TxToken;
use smoltcp::{
    phy::{self, Device, DeviceCapabilities},
    time::Instant,
};

use super::{
    frontier::{Frontier, Incident},
    packet::{Computed, ETHERNET_HEADER, Mac, complete},
};

/// Where frames are sent from.
pub(crate) trait Port {
    type Token<'a>: TxToken
    where
        Self: 'a;

    /// Room for one frame, if there is any.
    fn room(&mut self) -> Option<Self::Token<'_>>;
}

/// What goes before the packet: two words, as which it is copied from place to place. Fourteen bytes would be copied as words
/// that overlap, and a processor waits for a word of which the last two stores wrote a part each.
#[derive(Clone, Copy)]
pub(crate) struct Header {
    /// The first eight bytes as they lie in the frame.
    head: u64,
    /// The other six, and whether there is a header at all, which is not so on an interface that is bare IP.
    tail: NonZeroU64,
}

/// The last byte of [`Header::tail`], which is of no header.
const FRAMED: u8 = 1;
const BARE: u8 = 2;

impl Header {
    #[inline]
    pub(crate) fn new(own: Option<Mac>, to: Mac, ethertype: [u8; 2]) -> Self {
        let ([t, u, v, w, x, y], [high, low]) = (to, ethertype);
        let [a, b, c, d, e, f] = own.unwrap_or_default();
        let tail = u64::from_ne_bytes([c, d, e, f, high, low, 0, if own.is_some() { FRAMED } else { BARE }]);
        Self {
            head: u64::from_ne_bytes([t, u, v, w, x, y, a, b]),
            // Its last byte is not 0.
            tail: NonZeroU64::new(tail).unwrap_or(NonZeroU64::MIN),
        }
    }

    /// Sends a packet of `len` bytes that `write` writes.
    #[inline]
    pub(crate) fn send<R>(self, token: impl TxToken, len: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        let [c, d, e, f, high, low, _, framed] = self.tail.get().to_ne_bytes();
        let framed = framed == FRAMED;
        let header_len = if framed { ETHERNET_HEADER } else { 0 };
        token.consume(header_len + len, |frame| match frame.split_first_chunk_mut::<ETHERNET_HEADER>() {
            Some((header, packet)) if framed => {
                header[..8].copy_from_slice(&self.head.to_ne_bytes());
                header[8..12].copy_from_slice(&[c, d, e, f]);
                header[12..].copy_from_slice(&[high, low]);
                write(packet)
            }
            _ => write(frame),
        })
    }
}

impl Header {
    /// [`Header::send`], as one function for all who seldom send.
    #[cold]
    pub(crate) fn send_seldom(self, token: impl TxToken, len: usize, write: &mut dyn FnMut(&mut [u8])) {
        self.send(token, len, write);
    }
}

/// What smoltcp is told of the device, and which checksums are left to us.
pub(crate) type Caps<'a> = (&'a DeviceCapabilities, Computed);

/// A device for one call to smoltcp.
pub(crate) struct OneShot<'a, T> {
    packet: Option<&'a [u8]>,
    room: Option<(Header, T)>,
    caps: &'a DeviceCapabilities,
    compute: Computed,
    frontier: Option<&'a mut Frontier>,
    /// Whether a packet was sent.
    pub(crate) sent: bool,
    /// What is worth counting of it.
    pub(crate) incident: Option<Incident>,
}

impl<'a, T: TxToken> OneShot<'a, T> {
    /// Hands over `packet`; an answer leaves under `header`.
    #[inline]
    pub(crate) fn receiving(packet: &'a [u8], header: Header, room: T, (caps, compute): Caps<'a>) -> Self {
        Self {
            packet: Some(packet),
            room: Some((header, room)),
            caps,
            compute,
            frontier: None,
            sent: false,
            incident: None,
        }
    }

    /// Takes one packet, which leaves under `header`.
    #[inline]
    pub(crate) fn sending(header: Header, room: T, (caps, compute): Caps<'a>) -> Self {
        Self { packet: None, room: Some((header, room)), caps, compute, frontier: None, sent: false, incident: None }
    }

    /// Hands over `packet`, too, if there is still room for an answer.
    #[cfg(feature = "recovery")]
    pub(crate) fn again(&mut self, packet: &'a [u8]) -> bool {
        self.packet = self.room.is_some().then_some(packet);
        self.packet.is_some()
    }

    /// Has the segments that are sent keep to the frontier of their connection.
    #[inline]
    pub(crate) fn of(mut self, frontier: Option<&'a mut Frontier>) -> Self {
        self.frontier = frontier;
        self
    }
}

impl<T: TxToken> Device for OneShot<'_, T> {
    type RxToken<'t>
        = Received<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t, T>
    where
        Self: 't;

    #[inline]
    fn receive(&mut self, _now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let packet = self.packet.take()?;
        Some((
            Received(packet),
            Room {
                room: &mut self.room,
                compute: self.compute,
                frontier: self.frontier.as_deref_mut(),
                sent: &mut self.sent,
                incident: &mut self.incident,
            },
        ))
    }

    #[inline]
    fn transmit(&mut self, _now: Instant) -> Option<Self::TxToken<'_>> {
        self.room.is_some().then_some(Room {
            room: &mut self.room,
            compute: self.compute,
            frontier: self.frontier.as_deref_mut(),
            sent: &mut self.sent,
            incident: &mut self.incident,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.caps.clone()
    }
}

/// The packet that was received.
pub(crate) struct Received<'a>(&'a [u8]);

impl phy::RxToken for Received<'_> {
    #[inline]
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for the packet to send.
pub(crate) struct Room<'a, T> {
    room: &'a mut Option<(Header, T)>,
    compute: Computed,
    frontier: Option<&'a mut Frontier>,
    sent: &'a mut bool,
    incident: &'a mut Option<Incident>,
}

impl<T: TxToken> phy::TxToken for Room<'_, T> {
    #[inline]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let (header, token) = self.room.take().expect("a token is made only while there is room");
        *self.sent = true;
        header.send(token, len, |packet| {
            let result = f(packet);
            if let Some(frontier) = self.frontier {
                *self.incident = frontier.keep(packet);
            }
            complete(packet, self.compute);
            result
        })
    }
}

/// The token of nothing.
pub(crate) enum NoToken {}

impl TxToken for NoToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _len: usize, _f: F) -> R {
        match self {}
    }
}
