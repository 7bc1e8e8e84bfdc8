//! The limit: two raw smoltcp interfaces back to back, with nothing between them and nobody else on the thread.
//!
//! They carry IP packets without Ethernet, from a pool, in the memory of one loop; time advances by a constant a hop.
//! Checksums are computed when sending and not verified when receiving, as in the tank.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

use crate::measured::{Done, Measured, Stopwatch};
use crate::tcp::SEGMENT_BYTES;

/// 64 bytes there and back, over one connection.
#[must_use]
pub fn ping_pong(rounds: u64) -> Measured {
    let mut wire = Wire::new(4_096);
    let mut message = [7; 64];
    wire.open();
    for _ in 0..1_000 {
        wire.round(&mut message);
    }
    let frames = wire.frames();
    let watch = Stopwatch::start();
    for _ in 0..rounds {
        wire.round(&mut message);
    }
    let done = Done { items: rounds, frames: wire.frames() - frames, ..Done::default() };
    assert_eq!(done.frames, 2 * rounds, "acknowledgements travel with data");
    watch.stop(done)
}

/// One way, as much as the windows let through. Counts full segments' worth of what arrived.
#[must_use]
pub fn bulk(segments: u64) -> Measured {
    let mut wire = Wire::new(262_144);
    let mut buffer = vec![5; 16_384];
    wire.open();
    let mut move_segments = |count: u64| {
        let mut received = 0;
        while received < count * SEGMENT_BYTES {
            received += wire.pour(&mut buffer);
        }
        wire.frames()
    };
    let frames = move_segments(10_000);
    let watch = Stopwatch::start();
    let frames = move_segments(segments) - frames;
    let measured = watch.stop(Done { items: segments, frames, ..Done::default() });
    assert!(frames.abs_diff(segments * 3 / 2) < segments / 50, "segments are full, every other one is acknowledged");
    measured
}

/// Two ends and the time.
struct Wire {
    client: End,
    server: End,
    now: Instant,
}

/// An interface with one socket.
struct End {
    interface: Interface,
    card: Card,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
}

const HOP: smoltcp::time::Duration = smoltcp::time::Duration::from_millis(1);

impl Wire {
    fn new(buffer_bytes: usize) -> Self {
        let (there, back, pool) = (Queue::default(), Queue::default(), Pool::default());
        let client = Card { received: Rc::clone(&back), sent: Rc::clone(&there), pool: Rc::clone(&pool), frames: 0 };
        let server = Card { received: there, sent: back, pool, frames: 0 };
        Self {
            client: End::new(1, client, buffer_bytes),
            server: End::new(2, server, buffer_bytes),
            now: Instant::ZERO,
        }
    }

    fn open(&mut self) {
        self.server.socket().listen(80).expect("not open yet");
        let End { interface, sockets, socket, .. } = &mut self.client;
        let connected = sockets.get_mut::<Socket<'_>>(*socket).connect(interface.context(), (address(2), 80), 50_000);
        connected.expect("not open yet");
        while !(self.client.socket().may_send() && self.server.socket().may_send()) {
            self.hop();
        }
    }

    fn hop(&mut self) {
        self.client.send(self.now);
        self.now += HOP;
        self.server.receive(self.now);
        self.server.send(self.now);
        self.now += HOP;
        self.client.receive(self.now);
    }

    /// One message is one packet each way: nothing is asked twice.
    fn round(&mut self, message: &mut [u8; 64]) {
        assert_eq!(self.client.socket().send_slice(message), Ok(64));
        self.client.send_packets(self.now);
        self.now += HOP;
        self.server.receive_packet(self.now);
        assert_eq!(self.server.socket().recv_slice(message), Ok(64));
        assert_eq!(self.server.socket().send_slice(message), Ok(64));
        self.server.send_packets(self.now);
        self.now += HOP;
        self.client.receive_packet(self.now);
        assert_eq!(self.client.socket().recv_slice(message), Ok(64));
    }

    /// Writes as much as there is room for, and reads it packet by packet. Returns how many bytes were read.
    fn pour(&mut self, buffer: &mut [u8]) -> u64 {
        while self.client.socket().send_slice(buffer).is_ok_and(|count| count > 0) {}
        self.client.send(self.now);
        self.now += HOP;
        let mut received = 0;
        while self.server.receive_packet(self.now) != PollIngressSingleResult::None {
            while let Ok(count @ 1..) = self.server.socket().recv_slice(buffer) {
                received += count as u64;
            }
            self.server.send_packets(self.now);
        }
        self.now += HOP;
        self.client.receive(self.now);
        received
    }

    fn frames(&self) -> u64 {
        self.client.card.frames + self.server.card.frames
    }
}

const fn address(last: u8) -> IpAddress {
    IpAddress::v4(10, 0, 0, last)
}

impl End {
    fn new(last: u8, mut card: Card, buffer_bytes: usize) -> Self {
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut card, Instant::ZERO);
        interface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(address(last), 8)).expect("room for one"));
        let buffer = || SocketBuffer::new(vec![0; buffer_bytes]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        socket.set_congestion_control(CongestionControl::Reno);
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(socket);
        Self { interface, card, sockets, socket }
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.socket)
    }

    fn receive(&mut self, now: Instant) {
        while self.receive_packet(now) != PollIngressSingleResult::None {}
    }

    fn receive_packet(&mut self, now: Instant) -> PollIngressSingleResult {
        self.interface.poll_ingress_single(now, &mut self.card, &mut self.sockets)
    }

    fn send(&mut self, now: Instant) {
        while self.send_packets(now) == PollResult::SocketStateChanged {}
    }

    fn send_packets(&mut self, now: Instant) -> PollResult {
        self.interface.poll_egress(now, &mut self.card, &mut self.sockets)
    }
}

type Queue = Rc<RefCell<VecDeque<Vec<u8>>>>;
type Pool = Rc<RefCell<Vec<Vec<u8>>>>;

/// One end's device.
struct Card {
    received: Queue,
    sent: Queue,
    pool: Pool,
    frames: u64,
}

impl Device for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Room<'_>)> {
        let packet = self.received.borrow_mut().pop_front()?;
        Some((Received { packet, pool: Rc::clone(&self.pool) }, Room { card: self }))
    }

    fn transmit(&mut self, _: Instant) -> Option<Room<'_>> {
        Some(Room { card: self })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = 1_500;
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}

struct Received {
    packet: Vec<u8>,
    pool: Pool,
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let result = read(&self.packet);
        self.pool.borrow_mut().push(self.packet);
        result
    }
}

struct Room<'a> {
    card: &'a mut Card,
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut packet = self.card.pool.borrow_mut().pop().unwrap_or_else(|| Vec::with_capacity(1_500));
        packet.resize(len, 0);
        let result = write(&mut packet);
        self.card.sent.borrow_mut().push_back(packet);
        self.card.frames += 1;
        result
    }
}
