//! Fragments of packets, put together: of IPv4 (RFC 791, section 3.2; RFC 1122, section 3.3.2) and of IPv6 (RFC 8200,
//! section 4.5).
//!
//! Memory is bounded: so many packets at a time, each so long; a new one pushes the oldest out. A packet that is not whole in
//! a minute never will be: numbers come again, and a late fragment would be put to another's. Fragments that overlap are
//! nobody's who means well (RFC 1858, RFC 5722): their packet is dropped. What came already, in the same words, is let go by.
//! A packet of IPv6 that is its own only fragment has to do with no other (RFC 6946). No errors go back.

use embassy_net_driver::TxToken;
use heapless::Vec;

use core::net::Ipv4Addr;

use super::{
    Core,
    checksum::Sum,
    ingress::NDISC,
    packet::{FRAGMENT_HEADER, ICMPV6, Mac, Packet},
};
use crate::{
    ip::IpAddr,
    stats::Reason,
    table::Storage,
    time::{Duration, Instant},
};

/// How long a packet may take to be whole (RFC 1122, section 3.3.2: at least a minute).
const PATIENCE: Duration = Duration::from_secs(60);
/// How many packets are put together at a time in growing tables.
#[cfg(feature = "alloc")]
const PACKETS: usize = 4;
/// The longest header: it lies before the payload, whatever its length is.
const HEADER_MAX: usize = 60;
/// Of how many pieces with gaps between them a packet may be at a time.
const PIECES_MAX: usize = 16;

/// The header of IPv6, and what stands between it and a fragment's payload.
const IPV6_HEADER: usize = 40;

/// What tells packets apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// From, to, protocol, number.
    V4([u8; 4], [u8; 4], u8, [u8; 2]),
    /// From, to, number.
    V6([u8; 16], [u8; 16], [u8; 4]),
}

/// A fragment, read.
pub(super) struct Piece<'a> {
    key: Key,
    destination: IpAddr,
    header: &'a [u8],
    /// What the payload is, where the header does not say it.
    next: Option<u8>,
    from: usize,
    more: bool,
    payload: &'a [u8],
}

impl<'a> Piece<'a> {
    /// Reads a fragment of IPv4, whose lengths and header are sound.
    pub(super) fn of_v4(bytes: &'a [u8]) -> Self {
        let len = usize::from(u16::from_be_bytes([bytes[2], bytes[3]]));
        let (header, payload) = bytes[..len].split_at(usize::from(bytes[0] & 0xf) * 4);
        let field = u16::from_be_bytes([header[6], header[7]]);
        let word = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        Self {
            key: Key::V4(word(12), word(16), header[9], [header[4], header[5]]),
            destination: Ipv4Addr::from(word(16)).into(),
            header,
            next: None,
            from: usize::from(field & 0x1fff) * 8,
            more: field & 0x2000 != 0,
            payload,
        }
    }

    /// Reads a fragment of IPv6.
    pub(super) fn of_v6(packet: &Packet<'a>) -> Result<Self, Reason> {
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (packet.source, packet.destination) else {
            return Err(Reason::Malformed);
        };
        let (fragment, payload) = packet.payload.split_first_chunk::<8>().ok_or(Reason::Malformed)?;
        let [next, _, high, low, number @ ..] = *fragment;
        Ok(Self {
            key: Key::V6(source.octets(), destination.octets(), number),
            destination: destination.into(),
            header: &packet.bytes[..IPV6_HEADER],
            next: Some(next),
            from: usize::from(u16::from_be_bytes([high, low]) & 0xfff8),
            more: low & 1 != 0,
            payload,
        })
    }

    /// Whether it is a whole packet of IPv6.
    fn is_atomic(&self) -> bool {
        self.next.is_some() && self.from == 0 && !self.more
    }
}

/// Room for one packet.
pub(crate) struct Place<'r> {
    key: Option<Key>,
    until: Instant,
    /// From where to where the payload has come, in order, and joined where one follows the other.
    pieces: Vec<(u16, u16), PIECES_MAX>,
    /// How long the first fragment's header is; 0 before that has come.
    header_len: usize,
    /// How long the payload is, once its last fragment has come.
    total: Option<u16>,
    bytes: Storage<'r, u8>,
}

impl<'r> Place<'r> {
    pub(crate) fn new(bytes: Storage<'r, u8>) -> Self {
        Self { key: None, until: Instant::ZERO, pieces: Vec::new(), header_len: 0, total: None, bytes }
    }

    fn free(&mut self) {
        self.key = None;
        self.pieces.clear();
        (self.header_len, self.total) = (0, None);
        #[cfg(feature = "alloc")]
        if let Storage::Grown(bytes) = &mut self.bytes {
            *bytes = alloc::vec::Vec::new();
        }
    }

    /// Has room up to `len` bytes of payload; answers whether there is.
    fn reserve(&mut self, len: usize) -> bool {
        let len = HEADER_MAX + len;
        #[cfg(feature = "alloc")]
        if let Storage::Grown(bytes) = &mut self.bytes
            && bytes.len() < len
        {
            bytes.resize(len, 0);
        }
        len <= self.bytes.len()
    }

    /// Takes a piece of the payload; answers whether it is new, or `None` if it contradicts what has come.
    fn add(&mut self, from: u16, to: u16, payload: &[u8]) -> Option<bool> {
        if self.pieces.iter().any(|&(start, end)| start <= from && to <= end) {
            let known = &self.bytes[HEADER_MAX + usize::from(from)..HEADER_MAX + usize::from(to)];
            return (known == payload).then_some(false);
        }
        if self.pieces.iter().any(|&(start, end)| start < to && from < end) {
            return None;
        }
        let at = self.pieces.iter().position(|&(start, _)| start >= to).unwrap_or(self.pieces.len());
        let follows = at > 0 && self.pieces[at - 1].1 == from;
        let precedes = self.pieces.get(at).is_some_and(|&(start, _)| start == to);
        match (follows, precedes) {
            (true, true) => {
                self.pieces[at - 1].1 = self.pieces[at].1;
                self.pieces.remove(at);
            }
            (true, false) => self.pieces[at - 1].1 = to,
            (false, true) => self.pieces[at].0 = from,
            (false, false) => self.pieces.insert(at, (from, to)).ok()?,
        }
        Some(true)
    }

    fn is_whole(&self) -> bool {
        self.header_len > 0 && self.total.is_some_and(|total| self.pieces[..] == [(0, total)])
    }

    /// Keeps the header of the first fragment.
    fn begin(&mut self, piece: &Piece<'_>) {
        self.header_len = piece.header.len();
        let header = &mut self.bytes[HEADER_MAX - piece.header.len()..HEADER_MAX];
        header.copy_from_slice(piece.header);
        if let Some(next) = piece.next {
            header[6] = next;
        }
    }

    /// Where the packet lies, once it is whole, its header as of one that was never cut.
    fn finish(&mut self) -> core::ops::Range<usize> {
        let (start, total) = (HEADER_MAX - self.header_len, usize::from(self.total.unwrap_or(0)));
        let header = &mut self.bytes[start..HEADER_MAX];
        if header[0] >> 4 == 6 {
            header[4..6].copy_from_slice(&(total as u16).to_be_bytes());
            return start..HEADER_MAX + total;
        }
        header[2..4].copy_from_slice(&((self.header_len + total) as u16).to_be_bytes());
        header[6..8].fill(0);
        header[10..12].fill(0);
        let checksum = Sum::default().add(header).bytes();
        header[10..12].copy_from_slice(&checksum);
        start..HEADER_MAX + total
    }
}

/// The packets that are being put together.
pub(crate) struct Fragments<'r> {
    places: Storage<'r, Place<'r>>,
    /// How long a packet's payload may be.
    longest: usize,
}

impl<'r> Fragments<'r> {
    pub(crate) fn new(places: Storage<'r, Place<'r>>, longest: usize) -> Self {
        Self { places, longest }
    }

    /// Takes a fragment. Answers with the packet's place if that is whole now, and whether another had to make room.
    fn take(&mut self, piece: &Piece<'_>, now: Instant) -> Result<(Option<usize>, bool), Reason> {
        let to = piece.from + piece.payload.len();
        // No packet is longer than its length can say: IPv4's counts the header, too.
        let header_len = if piece.next.is_none() { piece.header.len() } else { 0 };
        let end = u16::try_from(to).ok().filter(|end| usize::from(*end) + header_len <= usize::from(u16::MAX));
        let is_sound =
            piece.is_atomic() || !piece.payload.is_empty() && (!piece.more || piece.payload.len().is_multiple_of(8));
        let Some(end) = end.filter(|_| is_sound) else {
            return Err(Reason::Malformed);
        };
        if to > self.longest {
            return Err(Reason::Fragment);
        }
        let known = if piece.is_atomic() { None } else { Some(piece.key) };
        let (at, pushed_out) = self.place(known, now).ok_or(Reason::Fragment)?;
        let place = &mut self.places[at];
        let last = place.pieces.last().map_or(0, |piece| piece.1);
        let total = if piece.more { place.total } else { Some(end) };
        let fits =
            place.total.is_none_or(|known| total == Some(known)) && total.is_none_or(|total| end.max(last) <= total);
        let added = if fits && place.reserve(to) { place.add(piece.from as u16, end, piece.payload) } else { None };
        let Some(is_new) = added else {
            place.free();
            return Err(Reason::Fragment);
        };
        place.total = total;
        if is_new {
            place.bytes[HEADER_MAX + piece.from..HEADER_MAX + to].copy_from_slice(piece.payload);
            if piece.from == 0 {
                place.begin(piece);
            }
        }
        Ok((place.is_whole().then_some(at), pushed_out))
    }

    /// The place of a packet, or one for it; and whether another had to make room. `None` is a packet that has no other
    /// fragments.
    fn place(&mut self, key: Option<Key>, now: Instant) -> Option<(usize, bool)> {
        let mut lost = false;
        for place in self.places.iter_mut().filter(|place| place.key.is_some() && place.until <= now) {
            place.free();
            lost = true;
        }
        if key.is_some()
            && let Some(at) = self.places.iter().position(|place| place.key == key)
        {
            return Some((at, lost));
        }
        let mut at = self.places.iter().position(|place| place.key.is_none());
        #[cfg(feature = "alloc")]
        if at.is_none() && self.places.len() < PACKETS {
            at = self.places.grow(|| Place::new(Storage::Grown(alloc::vec::Vec::new()))).map(|at| at as usize);
        }
        if at.is_none() {
            at = (0..self.places.len()).min_by_key(|&at| self.places[at].until);
            lost = true;
        }
        let at = at?;
        self.places[at].free();
        (self.places[at].key, self.places[at].until) = (key, now + PATIENCE);
        Some((at, lost))
    }
}

impl Core<'_> {
    /// Takes a fragment, and the packet that it makes whole.
    #[cold]
    pub(super) fn fragment(
        &mut self,
        piece: &Piece<'_>,
        from: Mac,
        room: impl TxToken,
        now: Instant,
    ) -> Result<(), Reason> {
        let (local, destination) = (&self.local, piece.destination);
        if !local.is_own(&destination) && !local.is_broadcast(destination) && !local.is_joined(destination) {
            return Err(Reason::NotForUs);
        }
        let (whole, pushed_out) = self.tables.fragments.take(piece, now)?;
        if pushed_out {
            self.stats.drop(Reason::Fragment);
        }
        let Some(at) = whole else { return Ok(()) };
        let place = &mut self.tables.fragments.places[at];
        let lies = place.finish();
        // What becomes of it does not look here: it may be lent meanwhile.
        let packet = core::mem::replace(&mut place.bytes, Storage::Fixed(&mut []));
        let bytes = &packet[lies];
        let parsed = if piece.next.is_none() { Packet::parse_v4(bytes, self.verify) } else { Packet::parse_v6(bytes) };
        let outcome = parsed.and_then(|packet| {
            // Whoever cuts a word of neighbour discovery has something to hide (RFC 6980, section 5).
            let hides = packet.protocol == ICMPV6 && packet.payload.first().is_some_and(|kind| NDISC.contains(kind));
            let again = packet.protocol == FRAGMENT_HEADER && piece.next.is_some();
            if hides || again { Err(Reason::Fragment) } else { self.whole_packet(&packet, from, room, now) }
        });
        let place = &mut self.tables.fragments.places[at];
        place.bytes = packet;
        place.free();
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    const NOW: Instant = Instant::from_secs(1);

    /// What cuts a piece out of a packet.
    type Cut = fn(u16, usize, &[u8], bool) -> Vec<u8>;

    /// A fragment of packet `number`, from there on.
    fn fragment(number: u16, from: usize, payload: &[u8], more: bool) -> Vec<u8> {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
        bytes[2..4].copy_from_slice(&(20 + payload.len() as u16).to_be_bytes());
        bytes[4..6].copy_from_slice(&number.to_be_bytes());
        bytes[6..8].copy_from_slice(&((from / 8) as u16 | if more { 0x2000 } else { 0 }).to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    /// A fragment of IPv6, after its header.
    fn fragment_v6(number: u16, from: usize, payload: &[u8], more: bool) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0, FRAGMENT_HEADER, 64];
        bytes[4..6].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        bytes.extend([0xfd; 16]);
        bytes.extend([0xfe; 16]);
        bytes.extend([17, 0]);
        bytes.extend((from as u16 | u16::from(more)).to_be_bytes());
        bytes.extend([1, 2]);
        bytes.extend(number.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    fn take(fragments: &mut Fragments<'_>, bytes: &[u8], now: Instant) -> Result<(Option<usize>, bool), Reason> {
        match bytes[0] >> 4 {
            4 => fragments.take(&Piece::of_v4(bytes), now),
            _ => fragments.take(&Piece::of_v6(&Packet::parse_v6(bytes)?)?, now),
        }
    }

    fn payload(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i % 251) as u8).collect()
    }

    fn of(fragments: &mut Fragments<'_>, at: usize) -> Vec<u8> {
        let place = &mut fragments.places[at];
        let lies = place.finish();
        let whole = place.bytes[lies].to_vec();
        place.free();
        whole
    }

    fn with<R>(run: impl FnOnce(&mut Fragments<'_>) -> R) -> R {
        let mut bytes = [[0xa5; 1_060]; 2];
        let [one, other] = &mut bytes;
        let mut places = [one, other].map(|bytes| Place::new(Storage::Fixed(&mut bytes[..])));
        run(&mut Fragments::new(Storage::Fixed(&mut places), 1_000))
    }

    #[test]
    fn what_contradicts_itself_is_dropped_whole() {
        let p = payload(64);
        for (second, reason) in [
            (fragment(1, 8, &p[..16], true), Reason::Fragment),
            (fragment(1, 24, &p[..3], true), Reason::Malformed),
            (fragment(1, 65_528, &p[..8], true), Reason::Malformed),
            (fragment(1, 992, &p[..16], false), Reason::Fragment),
            (fragment(1, 8, &[], false), Reason::Malformed),
            (fragment(1, 8, &p[..4], false), Reason::Fragment),
        ] {
            with(|fragments| {
                assert_eq!(take(fragments, &fragment(1, 0, &p[..16], true), NOW), Ok((None, false)));
                assert_eq!(take(fragments, &second, NOW), Err(reason), "{second:x?}");
            });
        }
        with(|fragments| {
            take(fragments, &fragment(1, 16, &p[..16], false), NOW).unwrap();
            assert_eq!(take(fragments, &fragment(1, 32, &p[..8], true), NOW), Err(Reason::Fragment), "beyond its end");
            take(fragments, &fragment(1, 16, &p[..16], false), NOW).unwrap();
            assert_eq!(take(fragments, &fragment(1, 16, &p[..24], false), NOW), Err(Reason::Fragment), "another end");
        });
    }

    #[test]
    fn packets_wait_a_minute_and_the_oldest_makes_room() {
        let p = payload(16);
        with(|fragments| {
            let first = |number| fragment(number, 0, &p[..8], true);
            let rest = |number| fragment(number, 8, &p[8..], false);
            let later = |secs| NOW + Duration::from_secs(secs);
            take(fragments, &first(1), NOW).unwrap();
            assert_eq!(take(fragments, &rest(1), later(60)), Ok((None, true)), "too late, and begun anew");
            take(fragments, &first(2), later(61)).unwrap();
            assert_eq!(take(fragments, &first(3), later(62)), Ok((None, true)), "the first's rest is the oldest");
            let (whole, _) = take(fragments, &rest(2), later(63)).unwrap();
            assert_eq!(of(fragments, whole.unwrap())[20..], p);
            assert_eq!(take(fragments, &first(4), later(64)), Ok((None, false)));
        });
    }

    #[test]
    fn what_is_its_own_only_fragment_has_to_do_with_no_other() {
        let p = payload(32);
        with(|fragments| {
            assert_eq!(take(fragments, &fragment_v6(1, 0, &p[..16], true), NOW), Ok((None, false)));
            let (alone, _) = take(fragments, &fragment_v6(1, 0, &p[..8], false), NOW).unwrap();
            let alone = of(fragments, alone.unwrap());
            assert_eq!((&alone[4..7], &alone[40..]), (&[0, 8, 17][..], &p[..8]));
            let (whole, _) = take(fragments, &fragment_v6(1, 16, &p[16..], false), NOW).unwrap();
            assert_eq!(of(fragments, whole.unwrap())[40..], p, "and the others make theirs");
        });
    }

    #[test]
    fn what_was_said_may_be_said_again_and_not_otherwise() {
        let p = payload(32);
        for cut in [fragment, fragment_v6] {
            with(|fragments| {
                take(fragments, &cut(1, 8, &p[8..24], true), NOW).unwrap();
                assert_eq!(take(fragments, &cut(1, 8, &p[8..24], true), NOW), Ok((None, false)));
                assert_eq!(take(fragments, &cut(1, 16, &p[..8], true), NOW), Err(Reason::Fragment), "other words");
                assert_eq!(take(fragments, &cut(1, 24, &p[24..], false), NOW), Ok((None, false)));
                assert_eq!(take(fragments, &cut(1, 0, &p[..8], true), NOW), Ok((None, false)), "the middle is gone");
                assert_eq!(take(fragments, &cut(1, 0, &p[..16], true), NOW), Err(Reason::Fragment), "an overlap");
            });
        }
    }

    proptest! {
        #[test]
        fn fragments_make_what_was_cut_in_whatever_order_they_come(
            len in 1_usize..1_000,
            cuts in proptest::collection::vec(1_usize..125, 0..15),
            order in any::<u64>(),
            doubled: bool,
            v6: bool,
        ) {
            // In one piece a packet of IPv4 is no fragment.
            let (cut_of, header): (Cut, usize) =
                if v6 { (fragment_v6, 40) } else { (fragment, 20) };
            let whole = payload(len);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut * 8).filter(|cut| *cut < len).collect();
            cuts.extend([0, len]);
            cuts.sort_unstable();
            cuts.dedup();
            let mut pieces: Vec<Vec<u8>> = cuts
                .windows(2)
                .map(|cut| cut_of(7, cut[0], &whole[cut[0]..cut[1]], cut[1] < len))
                .collect();
            if doubled && pieces.len() > 1 {
                pieces.insert(0, pieces[pieces.len() - 1].clone());
            }
            let mut state = order;
            for i in (1..pieces.len()).rev() {
                pieces.swap(i, (crate::engine::splitmix(&mut state) % (i as u64 + 1)) as usize);
            }
            with(|fragments| {
                let mut made = Vec::new();
                for piece in &pieces {
                    if let (Some(at), _) = take(fragments, piece, NOW).unwrap() {
                        made.push(of(fragments, at));
                    }
                }
                prop_assert_eq!(made.len(), 1);
                prop_assert_eq!(&made[0][header..], &whole[..]);
                let checked = Packet::parse(&made[0], super::super::packet::Verified {
                    ipv4: true, tcp: true, udp: true, icmpv4: true, icmpv6: true,
                });
                prop_assert!(checked.is_ok());
                Ok(())
            })?;
        }

        #[test]
        fn any_fragments_are_taken_or_refused(
            given in proptest::collection::vec((any::<u16>(), proptest::collection::vec(any::<u8>(), 0..60), 0_u16..3), 0..40),
            v6: bool,
        ) {
            with(|fragments| {
                for (field, payload, number) in given {
                    let bytes = if v6 {
                        fragment_v6(number, usize::from(field & 0xf8), &payload, field & 1 != 0)
                    } else {
                        let mut bytes = fragment(number, 0, &payload, false);
                        bytes[6..8].copy_from_slice(&(field & 0x201f).to_be_bytes());
                        bytes
                    };
                    if let Ok((Some(at), _)) = take(fragments, &bytes, NOW) {
                        let _ = of(fragments, at);
                    }
                }
            });
        }
    }
}
