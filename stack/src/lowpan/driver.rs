//! The driver: a radio's frames on one side, the stack's packets on the other.

use core::fmt;
use core::net::Ipv6Addr;
use core::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

use super::contexts::{Contexts, Known};
use super::fragment::{self, Added, Key, Reassembly};
use super::iphc::{self, Compressed, HEADERS_MAX};
use super::mac::{self, Address};
use super::{Counts, FRAME_MAX, Options, PACKET_MAX, count};
use crate::time::{Clock, Instant};

/// The longest packet that fits one frame, its headers restored.
pub(super) const WHOLE_MAX: usize = FRAME_MAX + 48;
/// An uncompressed IPv6 packet follows (RFC 4944, section 5.1).
pub(super) const UNCOMPRESSED: u8 = 0x41;

/// Fixed memory for one [`Lowpan`]: for so many packets that are put together at a time, and one that is sent.
pub struct Memory<const REASSEMBLIES: usize = 2> {
    reassemblies: [Reassembly; REASSEMBLIES],
    whole: [u8; WHOLE_MAX],
    to_send: [u8; PACKET_MAX],
}

impl<const REASSEMBLIES: usize> Memory<REASSEMBLIES> {
    /// Memory that nobody uses yet.
    pub const fn new() -> Self {
        Self { reassemblies: [Reassembly::FREE; REASSEMBLIES], whole: [0; WHOLE_MAX], to_send: [0; PACKET_MAX] }
    }
}

impl<const REASSEMBLIES: usize> Default for Memory<REASSEMBLIES> {
    fn default() -> Self {
        Self::new()
    }
}

/// A radio as a link of bare IPv6. See the [module](super).
pub struct Lowpan<'m, D, C> {
    radio: D,
    clock: C,
    own: Address,
    options: Options,
    learnt: Option<&'m Contexts>,
    counts: &'m Counts,
    reassemblies: &'m mut [Reassembly],
    whole: &'m mut [u8; WHOLE_MAX],
    /// The packet that was put together and handed on, and whose place can be used again.
    handed_on: Option<usize>,
    outbox: Outbox<'m>,
    sequence: u8,
    tag: u16,
}

/// The packet that is on its way out.
struct Outbox<'m> {
    packet: &'m mut [u8; PACKET_MAX],
    /// How long it is; 0 if there is none.
    len: usize,
    /// What of it is sent, once that began.
    under_way: Option<UnderWay>,
    /// Who runs the stack, and is to go on with what did not fit one frame.
    waker: Option<Waker>,
}

#[derive(Clone, Copy)]
struct UnderWay {
    to: Address,
    tag: u16,
    /// Where the next fragment begins.
    at: usize,
}

impl<'m, D: Driver, C: Clock> Lowpan<'m, D, C> {
    /// A link over that radio. `counts` is told what came to nothing.
    ///
    /// # Panics
    /// If the radio's driver is no IEEE 802.15.4 one.
    pub fn new<const REASSEMBLIES: usize>(
        radio: D,
        clock: C,
        memory: &'m mut Memory<REASSEMBLIES>,
        counts: &'m Counts,
        options: Options,
    ) -> Self {
        let HardwareAddress::Ieee802154(own) = radio.hardware_address() else {
            panic!("6LoWPAN runs over IEEE 802.15.4");
        };
        Self {
            radio,
            clock,
            own: Address::Extended(own),
            options,
            learnt: None,
            counts,
            reassemblies: &mut memory.reassemblies,
            whole: &mut memory.whole,
            handed_on: None,
            outbox: Outbox { packet: &mut memory.to_send, len: 0, under_way: None, waker: None },
            sequence: own[7],
            // Fragments of an earlier life of ours may still be waited for.
            tag: u16::from_be_bytes([own[6], own[7]]),
        }
    }

    /// The same, which shortens by those contexts, too, as they are when a packet comes or goes.
    #[must_use]
    pub fn learning(mut self, contexts: &'m Contexts) -> Self {
        self.learnt = Some(contexts);
        self
    }

    /// The radio's address.
    pub fn address(&self) -> Address {
        self.own
    }

    /// Sends what is in the outbox, as far as the radio has room; whether nothing is left.
    fn pump(&mut self, cx: &mut Context<'_>) -> bool {
        let known = Known { options: &self.options, learnt: self.learnt };
        while self.outbox.len > 0 {
            let Some(room) = self.radio.transmit(cx) else {
                return false;
            };
            let Some(frame) = self.outbox.next_frame(known, self.own, &mut self.tag) else {
                count(&self.counts.unsendable);
                self.outbox.clear();
                return true;
            };
            self.sequence = self.sequence.wrapping_add(1);
            let header = mac::Header { sequence: self.sequence, pan: self.options.pan, to: frame.to, from: self.own };
            let mut bytes = [0; mac::HEADER_MAX];
            let written = header.emit(&mut bytes);
            debug_assert_eq!(written, frame.mac_len, "the room was reckoned with this header");
            let parts = [
                &bytes[..written],
                &frame.fragment.0[..frame.fragment.1],
                frame.headers(),
                &self.outbox.packet[frame.bytes.clone()],
            ];
            let len = parts.iter().map(|part| part.len()).sum();
            room.consume(len, |buffer| {
                let mut at = 0;
                for part in parts {
                    buffer[at..at + part.len()].copy_from_slice(part);
                    at += part.len();
                }
            });
            if frame.is_last {
                self.outbox.clear();
            }
        }
        true
    }
}

/// A frame that is to be sent, in parts.
struct Frame {
    to: Address,
    mac_len: usize,
    /// A fragment's header, and its length.
    fragment: ([u8; fragment::LATER], usize),
    compressed: Option<Compressed>,
    /// What of the packet goes with it as it is.
    bytes: core::ops::Range<usize>,
    is_last: bool,
}

impl Frame {
    fn headers(&self) -> &[u8] {
        self.compressed.as_ref().map_or(&[], Compressed::bytes)
    }
}

impl Outbox<'_> {
    fn clear(&mut self) {
        (self.len, self.under_way) = (0, None);
    }

    /// The next frame of the packet; `None` if it cannot be sent.
    fn next_frame(&mut self, known: Known<'_>, own: Address, next_tag: &mut u16) -> Option<Frame> {
        let packet = &self.packet[..self.len];
        if let Some(under_way) = &mut self.under_way {
            let mac_len = mac_len(under_way.to, own);
            let from = under_way.at;
            let end = (from + whole_units(FRAME_MAX - mac_len - fragment::LATER)).min(self.len);
            let offset = Some((from / 8) as u8);
            let header = fragment::Header { size: self.len as u16, tag: under_way.tag, offset };
            under_way.at = end;
            let (to, is_last) = (under_way.to, end == self.len);
            return Some(Frame { to, mac_len, fragment: header.emit(), compressed: None, bytes: from..end, is_last });
        }
        let destination: [u8; 16] = *packet.get(24..40)?.first_chunk()?;
        let to = known.options.next_hop(Ipv6Addr::from(destination))?;
        let compressed = iphc::compress(packet, known, own, to)?;
        let mac_len = mac_len(to, own);
        let (room, from) = (FRAME_MAX - mac_len - compressed.bytes().len(), compressed.stands_for);
        if self.len - from <= room {
            let compressed = Some(compressed);
            return Some(Frame {
                to,
                mac_len,
                fragment: ([0; fragment::LATER], 0),
                compressed,
                bytes: from..self.len,
                is_last: true,
            });
        }
        let end = from + whole_units(room - fragment::FIRST);
        let tag = *next_tag;
        *next_tag = tag.wrapping_add(1);
        self.under_way = Some(UnderWay { to, tag, at: end });
        let header = fragment::Header { size: self.len as u16, tag, offset: None };
        Some(Frame {
            to,
            mac_len,
            fragment: header.emit(),
            compressed: Some(compressed),
            bytes: from..end,
            is_last: false,
        })
    }
}

const _: () =
    assert!(mac::HEADER_MAX + fragment::FIRST + HEADERS_MAX + 8 <= FRAME_MAX, "a first fragment has room for data");
const _: () = assert!(PACKET_MAX / 8 <= u8::MAX as usize, "an offset is a byte");

fn mac_len(to: Address, own: Address) -> usize {
    let len = |address| match address {
        Address::Short(_) => 2,
        Address::Extended(_) => 8,
    };
    5 + len(to) + len(own)
}

/// Fragments but the last have a length of whole units; what stands before them in the packet has, too.
fn whole_units(room: usize) -> usize {
    room / 8 * 8
}

/// Where a packet lies that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Whole(usize),
    Reassembled(usize),
}

/// What frames are put together with.
pub(super) struct Inbox<'a> {
    pub(super) own: Address,
    pub(super) known: Known<'a>,
    pub(super) counts: &'a Counts,
    pub(super) reassemblies: &'a mut [Reassembly],
    pub(super) whole: &'a mut [u8; WHOLE_MAX],
    pub(super) now: Instant,
}

impl Inbox<'_> {
    /// Takes a frame; where the packet lies that it makes whole, if it does.
    pub(super) fn take(&mut self, frame: &[u8]) -> Option<Place> {
        let Some((header, payload)) = mac::Header::parse(frame) else {
            count(&self.counts.malformed);
            return None;
        };
        let ours = matches!(header.pan, 0xffff) || header.pan == self.known.options.pan;
        if !ours || header.from == self.own || (header.to != self.own && header.to != Address::BROADCAST) {
            count(&self.counts.not_for_us);
            return None;
        }
        if !fragment::Header::is_fragment(payload) {
            let len = self.unfold(payload, &header);
            if len.is_none() {
                count(&self.counts.malformed);
            }
            return len.map(Place::Whole);
        }
        let Some((piece, payload)) = fragment::Header::parse(payload) else {
            count(&self.counts.malformed);
            return None;
        };
        let key = Key { from: header.from, to: header.to, size: piece.size, tag: piece.tag };
        let at = self.reassembly(key)?;
        let added = match piece.offset {
            Some(offset) => self.reassemblies[at].add(usize::from(offset) * 8, [payload, &[]]),
            None => self.add_first(at, payload, &header),
        };
        match added {
            Added::Waits => None,
            Added::Whole => Some(Place::Reassembled(at)),
            Added::Broken => {
                self.reassemblies[at].free();
                count(&self.counts.incomplete);
                None
            }
        }
    }

    /// Restores a packet that came in one frame, and answers with its length.
    fn unfold(&mut self, payload: &[u8], header: &mac::Header) -> Option<usize> {
        if let Some((&UNCOMPRESSED, packet)) = payload.split_first() {
            self.whole.get_mut(..packet.len())?.copy_from_slice(packet);
            return Some(packet.len());
        }
        if !iphc::is_compressed(payload) {
            return None;
        }
        let mut restored = iphc::restore(payload, self.known, header.from, header.to)?;
        let (start, rest) = (restored.len, restored.rest);
        let len = start + rest.len();
        self.whole.get_mut(start..len)?.copy_from_slice(rest);
        self.whole[..start].copy_from_slice(restored.headers(len)?);
        Some(len)
    }

    fn add_first(&mut self, at: usize, payload: &[u8], header: &mac::Header) -> Added {
        let reassembly = &mut self.reassemblies[at];
        if let Some((&UNCOMPRESSED, packet)) = payload.split_first() {
            return reassembly.add(0, [packet, &[]]);
        }
        if !iphc::is_compressed(payload) {
            return Added::Broken;
        }
        let Some(mut restored) = iphc::restore(payload, self.known, header.from, header.to) else {
            return Added::Broken;
        };
        let rest = restored.rest;
        match restored.headers(reassembly.packet().len()) {
            Some(headers) => reassembly.add(0, [headers, rest]),
            None => Added::Broken,
        }
    }

    /// Where the packet is put together; a new one takes a free place, or that of one that waits for too long.
    fn reassembly(&mut self, key: Key) -> Option<usize> {
        for late in self.reassemblies.iter_mut().filter(|it| it.is_late(self.now)) {
            late.free();
            count(&self.counts.incomplete);
        }
        if let Some(known) = self.reassemblies.iter().position(|it| it.is_of(&key)) {
            return Some(known);
        }
        let place = self.place_for(&key).filter(|_| usize::from(key.size) <= PACKET_MAX);
        let Some(free) = place else {
            count(&self.counts.no_room);
            return None;
        };
        self.reassemblies[free].begin(key, self.now);
        Some(free)
    }

    /// A free place, or that of the oldest packet of the same radio: it sends one after the other, so what it began
    /// before its last but one packet has lost a piece. Nobody can push out what others send.
    fn place_for(&mut self, key: &Key) -> Option<usize> {
        if let Some(free) = self.reassemblies.iter().position(Reassembly::is_free) {
            return Some(free);
        }
        let same = self.reassemblies.iter().enumerate().filter(|(_, it)| it.is_from(key.from));
        let (oldest, _) = same.min_by_key(|(_, it)| it.until())?;
        count(&self.counts.incomplete);
        Some(oldest)
    }
}

impl<'m, D: Driver, C: Clock> Driver for Lowpan<'m, D, C> {
    type RxToken<'t>
        = Received<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t, 'm>
    where
        Self: 't;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, Room<'_, 'm>)> {
        // An answer would have to wait for the packet before it: so does the question, at the radio.
        if !self.pump(cx) {
            return None;
        }
        if let Some(done) = self.handed_on.take() {
            self.reassemblies[done].free();
        }
        let now = self.clock.now();
        let place = loop {
            let (frame, _) = self.radio.receive(cx)?;
            let mut inbox = Inbox {
                own: self.own,
                known: Known { options: &self.options, learnt: self.learnt },
                counts: self.counts,
                reassemblies: self.reassemblies,
                whole: self.whole,
                now,
            };
            if let Some(place) = frame.consume(|frame| inbox.take(frame)) {
                break place;
            }
        };
        self.outbox.run_by(cx);
        let packet = match place {
            Place::Whole(len) => &mut self.whole[..len],
            Place::Reassembled(at) => {
                self.handed_on = Some(at);
                self.reassemblies[at].packet_mut()
            }
        };
        Some((Received(packet), Room(&mut self.outbox)))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room<'_, 'm>> {
        if !self.pump(cx) {
            return None;
        }
        self.outbox.run_by(cx);
        Some(Room(&mut self.outbox))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.radio.link_state(cx)
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = PACKET_MAX;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ip
    }
}

impl Outbox<'_> {
    fn run_by(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }
}

/// A packet that has come.
pub struct Received<'t>(&'t mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a packet to send.
pub struct Room<'t, 'm>(&'t mut Outbox<'m>);

impl TxToken for Room<'_, '_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let result = f(&mut self.0.packet[..len]);
        self.0.len = len;
        // The radio is asked for room where there is somebody to be woken: when the stack is next run.
        if let Some(waker) = &self.0.waker {
            waker.wake_by_ref();
        }
        result
    }
}

impl<D, C> fmt::Debug for Lowpan<'_, D, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lowpan").field("own", &self.own).field("options", &self.options).finish_non_exhaustive()
    }
}

impl<const REASSEMBLIES: usize> fmt::Debug for Memory<REASSEMBLIES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

impl fmt::Debug for Received<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Received").field(&self.0.len()).finish()
    }
}

impl fmt::Debug for Room<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").finish_non_exhaustive()
    }
}
