//! A station of the sea, and somebody on its link who answers whatever it asks by UDP.

use std::net::Ipv4Addr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng as _;
use wavetank_stack::Duration;

use super::hand::Hand;
use super::support::{Card, Host, Sea};

/// Whom stations are told to ask.
pub(super) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 53);
/// More than anybody has to say to that.
const FRAMES_MAX: usize = 2_000;

pub(super) fn draws() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(7)
}

/// What the station asked.
pub(super) struct Asked {
    mac: [u8; 6],
    from: ([u8; 4], [u8; 2]),
    to: ([u8; 4], [u8; 2]),
    pub(super) payload: Vec<u8>,
}

pub(super) struct Shore {
    pub(super) sea: Sea,
    pub(super) host: Host,
    peer: Card,
    heard: usize,
}

impl Drop for Shore {
    fn drop(&mut self) {
        self.sea.dry_up();
    }
}

impl Shore {
    pub(super) fn new(addresses: &[&str]) -> Self {
        let sea = Sea::new();
        let host = sea.host(addresses);
        let peer = sea.card();
        Self { sea, host, peer, heard: 0 }
    }

    /// Answers the station's questions, one after the other, with what `answer` makes of them and the next piece; until the
    /// pieces have run out, or it asks nothing for a while.
    pub(super) fn answer(&mut self, mut pieces: Hand<'_>, answer: impl Fn(&Asked, &[u8]) -> Vec<u8>) {
        let mut asked = None;
        while let Some(piece) = pieces.piece() {
            for _ in 0..70 {
                asked = self.listen().or(asked);
                if asked.is_some() {
                    break;
                }
                self.sea.pass(Duration::from_secs(1));
            }
            // Without a new question, the last one is answered again.
            let Some(asked) = &asked else { return };
            self.say(asked, &answer(asked, piece));
            self.sea.pass(Duration::from_millis(5));
        }
    }

    /// Time passes, and nobody says anything any more.
    pub(super) fn fall_silent(&mut self, duration: Duration) {
        self.listen();
        self.sea.pass(duration);
        self.listen();
    }

    /// Hears what the station says, and tells it where everybody is; its last datagram.
    fn listen(&mut self) -> Option<Asked> {
        let mut asked = None;
        for _ in 0..4 {
            self.sea.pass(Duration::from_millis(2));
            while let Some(frame) = self.peer.next_frame() {
                self.heard += 1;
                assert!(self.heard < FRAMES_MAX, "the station goes on and on");
                match frame[12..14] {
                    [8, 6] => self.resolve(&frame),
                    _ => asked = asked_by(&frame).or(asked),
                }
            }
        }
        asked
    }

    /// Answers for every address that is asked for by somebody who has one.
    fn resolve(&self, request: &[u8]) {
        if request[20..22] != [0, 1] || request[28..32] == [0; 4] {
            return;
        }
        let mac = self.peer.mac();
        let reply = [&request[22..28], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &mac, &request[38..42], &request[22..32]];
        self.peer.send(reply.concat());
    }

    /// Sends a datagram to whoever asked, from whom it asked. The checksum is left out (RFC 768).
    fn say(&self, asked: &Asked, payload: &[u8]) {
        // Somebody without an address can be told by all being told.
        let to = if asked.from.0 == [0; 4] { [255; 4] } else { asked.from.0 };
        // As nobody asks everybody else.
        let everybody = asked.to.0 == [255; 4] || asked.to.0[0] >= 224;
        let from = if everybody { SERVER.octets() } else { asked.to.0 };
        let len = (8 + payload.len()) as u16;
        let udp = [&asked.to.1[..], &asked.from.1, &len.to_be_bytes(), &[0, 0], payload].concat();
        let mac = if to == [255; 4] { [255; 6] } else { asked.mac };
        self.peer.send(ipv4(mac, self.peer.mac(), 17, from, to, &udp));
    }
}

/// An IPv4 packet in its frame.
pub(super) fn ipv4(mac: [u8; 6], own: [u8; 6], protocol: u8, from: [u8; 4], to: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let len = (20 + payload.len()) as u16;
    let mut header = [&[0x45, 0][..], &len.to_be_bytes(), &[0, 0, 0, 0, 64, protocol, 0, 0], &from, &to].concat();
    let mut sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    header[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    [&mac[..], &own, &[8, 0], &header, payload].concat()
}

fn asked_by(frame: &[u8]) -> Option<Asked> {
    let (ethernet, packet) = frame.split_first_chunk::<14>()?;
    let (header, udp) = packet.split_first_chunk::<20>()?;
    if ethernet[12..14] != [8, 0] || header[9] != 17 {
        return None;
    }
    let (ports, payload) = udp.split_first_chunk::<8>()?;
    Some(Asked {
        mac: ethernet[6..12].try_into().ok()?,
        from: (header[12..16].try_into().ok()?, ports[..2].try_into().ok()?),
        to: (header[16..20].try_into().ok()?, ports[2..4].try_into().ok()?),
        payload: payload.to_vec(),
    })
}
