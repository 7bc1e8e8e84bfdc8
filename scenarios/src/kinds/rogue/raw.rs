//! What no stack would do: segments written by hand.

use std::future::poll_fn;
use std::net::Ipv4Addr;
use std::task::Poll;

use embassy_net_driver::{Driver as _, RxToken as _, TxToken as _};
use rand_core::Rng;
use wavetank_sim::net::Nic;
use wavetank_sim::node::Node;
use wavetank_sim::random::Stream;
use wavetank_sim::time::Instant;

use super::{Config, Does};
use crate::runtime::Network;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;
const TCP: u8 = 6;
const QUESTION: &[u8] = b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n";

type Mac = [u8; 6];

/// Misbehaves until it has enough.
pub(super) async fn run(node: &Node, config: &Config, network: &Network) {
    let (Some((own, _)), Some(to)) = (network.v4(), config.to) else { return };
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let mac = nic.mac().0;
    let until = node.clock().now() + (config.until.as_duration() - config.from.as_duration());
    let port = config.port.unwrap_or(config.does.port());
    let mut hand =
        Hand { node, config, draws: node.stream("rogue"), nic, mac, own, to, port, peer: None, calls: Vec::new() };
    while node.clock().now() < until {
        let next = node.clock().now() + config.period.as_duration();
        hand.act();
        hand.listen(next).await;
    }
}

/// One of its connections, by the port at this end.
struct Call {
    port: u16,
    /// The next number of ours.
    next: u32,
    /// The next number of the other side's, once there is one.
    due: Option<u32>,
    /// Something came since it was last looked at.
    lives: bool,
}

struct Hand<'a> {
    node: &'a Node,
    config: &'a Config,
    draws: Stream,
    nic: Nic,
    mac: Mac,
    own: Ipv4Addr,
    to: Ipv4Addr,
    port: u16,
    /// Where the other side is, once it has said so.
    peer: Option<Mac>,
    calls: Vec<Call>,
}

impl Hand<'_> {
    /// What it does each time.
    fn act(&mut self) {
        let Some(peer) = self.peer else {
            let question = arp(1, [0xff; 6], self.mac, self.own, [0; 6], self.to);
            return self.send(&question);
        };
        match self.config.does {
            Does::TinyMss => self.ask(peer),
            Does::SynFlood => self.knock(peer),
            _ => self.forge(peer),
        }
    }

    /// Asks anew over the calls that were answered, and places others for those that were not.
    fn ask(&mut self, peer: Mac) {
        let own = self.own;
        for mut call in std::mem::take(&mut self.calls) {
            match call.due {
                Some(due) if std::mem::take(&mut call.lives) => {
                    self.segment(peer, own, call.port, ACK, call.next, due, &[], QUESTION);
                    call.next = call.next.wrapping_add(QUESTION.len() as u32);
                    self.calls.push(call);
                }
                _ => self.segment(peer, own, call.port, RST, call.next, 0, &[], &[]),
            }
        }
        while self.calls.len() < usize::from(self.config.times) {
            self.node.count("rogue.tries", 1);
            let (port, number) = self.guess();
            self.calls.push(Call { port, next: number.wrapping_add(1), due: None, lives: false });
            // A maximum segment size of 1 (RFC 9293, section 3.2).
            self.segment(peer, own, port, SYN, number, 0, &[2, 4, 0, 1], &[]);
        }
    }

    /// Calls, and has forgotten that it did.
    fn knock(&mut self, peer: Mac) {
        for _ in 0..self.config.times {
            self.node.count("rogue.tries", 1);
            let (port, number) = self.guess();
            self.segment(peer, self.own, port, SYN, number, 0, &[], &[]);
        }
    }

    fn forge(&mut self, peer: Mac) {
        let name = self.config.pretends.unwrap_or(self.own);
        for _ in 0..self.config.times {
            self.node.count("rogue.tries", 1);
            let (port, number) = self.guess();
            self.segment(peer, name, port, RST, number, 0, &[], &[]);
        }
    }

    /// A port of those that clients use (RFC 6335, section 6), and a sequence number.
    fn guess(&mut self) -> (u16, u32) {
        let word = self.draws.next_u64();
        (49_152 | word as u16 & 0x3fff, (word >> 16) as u32)
    }

    /// Hears what comes until then.
    async fn listen(&mut self, until: Instant) {
        let node = self.node;
        let mut timer = std::pin::pin!(node.clock().timer(until));
        loop {
            let nic = &mut self.nic;
            let frame = poll_fn(|cx| {
                if let Some((frame, _)) = nic.receive(cx) {
                    return Poll::Ready(Some(frame.consume(|bytes| bytes.to_vec())));
                }
                timer.as_mut().poll(cx).map(|_| None)
            });
            let Some(frame) = frame.await else { return };
            self.hear(&frame);
        }
    }

    fn hear(&mut self, frame: &[u8]) {
        match frame.get(12..14) {
            Some([8, 6]) if frame.len() >= 42 && frame[38..42] == self.own.octets() => {
                let (mac, address): (Mac, [u8; 4]) =
                    (std::array::from_fn(|at| frame[22 + at]), std::array::from_fn(|at| frame[28 + at]));
                match frame[21] {
                    1 => self.send(&arp(2, mac, self.mac, self.own, mac, address.into())),
                    _ if address == self.to.octets() => self.peer = Some(mac),
                    _ => {}
                }
            }
            Some([8, 0]) if frame.len() >= 54 && frame[23] == TCP && frame[30..34] == self.own.octets() => {
                self.node.count("rogue.heard", 1);
                self.answer(frame);
            }
            _ => {}
        }
    }

    /// Takes a segment as a good client would.
    fn answer(&mut self, frame: &[u8]) {
        let Some(peer) = self.peer else { return };
        let tcp = &frame[34..];
        let word = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| tcp[at + i]));
        let (port, flags) = (u16::from_be_bytes([tcp[2], tcp[3]]), tcp[13]);
        let Some(at) = self.calls.iter().position(|call| call.port == port) else { return };
        let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
        let data = total.saturating_sub(20 + usize::from(tcp[12] >> 4) * 4) as u32;
        if flags & (RST | FIN) != 0 {
            self.node.count("rogue.cut", 1);
            let call = self.calls.swap_remove(at);
            if flags & RST == 0 {
                let over = word(4).wrapping_add(data + 1);
                self.segment(peer, self.own, port, RST | ACK, call.next, over, &[], &[]);
            }
            return;
        }
        let (own, over) = (self.own, word(4).wrapping_add(data).wrapping_add(u32::from(flags & SYN != 0)));
        let call = &mut self.calls[at];
        // What came out of order will come again.
        if call.due.is_some_and(|due| due != word(4)) {
            return;
        }
        (call.lives, call.due) = (true, Some(over));
        let sent = call.next;
        if flags & SYN != 0 {
            call.next = sent.wrapping_add(QUESTION.len() as u32);
            self.segment(peer, own, port, ACK, sent, over, &[], QUESTION);
        } else if data > 0 {
            self.segment(peer, own, port, ACK, sent, over, &[], &[]);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what a segment says")]
    fn segment(
        &mut self,
        peer: Mac,
        from: Ipv4Addr,
        port: u16,
        flags: u8,
        number: u32,
        acknowledged: u32,
        options: &[u8],
        data: &[u8],
    ) {
        let words = (5 + options.len() / 4) as u8;
        let mut tcp = [&port.to_be_bytes()[..], &self.port.to_be_bytes(), &number.to_be_bytes()].concat();
        tcp.extend(acknowledged.to_be_bytes());
        tcp.extend([words << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(options);
        tcp.extend(data);
        let len = (tcp.len() as u16).to_be_bytes();
        let pseudo = [&from.octets()[..], &self.to.octets(), &[0, TCP], &len, &tcp].concat();
        tcp[16..18].copy_from_slice(&checksum(&pseudo));
        let total = (20 + tcp.len() as u16).to_be_bytes();
        let mut header =
            [&[0x45, 0][..], &total, &[0, 0, 0, 0, 64, TCP, 0, 0], &from.octets(), &self.to.octets()].concat();
        let sum = checksum(&header);
        header[10..12].copy_from_slice(&sum);
        let frame = [&peer[..], &self.mac, &[8, 0], &header, &tcp].concat();
        self.send(&frame);
    }

    /// A card without room loses it.
    fn send(&mut self, frame: &[u8]) {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        if let Some(room) = self.nic.transmit(&mut cx) {
            room.consume(frame.len(), |out| out.copy_from_slice(frame));
        }
    }
}

/// An ARP packet in its frame (RFC 826).
fn arp(operation: u8, to: Mac, own: Mac, own_address: Ipv4Addr, whose: Mac, address: Ipv4Addr) -> Vec<u8> {
    let (sender, target) = (own_address.octets(), address.octets());
    [&to[..], &own, &[8, 6, 0, 1, 8, 0, 6, 4, 0, operation], &own, &sender, &whose, &target].concat()
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let pairs = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let mut sum: u32 = pairs.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}
