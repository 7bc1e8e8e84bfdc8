//! What the stack costs above smoltcp: two hosts back to back in memory exchange 64 bytes over TCP, once as
//! two raw smoltcp interfaces tuned for it, once through runners and async handles, driver and all.
//!
//! `cargo run --release -p wavetank-stack --features std --example ping_pong [ROUND TRIPS]`

#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the wall clock")]

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    future::Future,
    hint::black_box,
    pin::pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Instant as Wall,
};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embedded_io_async::{Read, Write};
use smoltcp::{
    iface::{Interface, SocketSet},
    phy::{self, DeviceCapabilities, Medium},
    socket::tcp,
    wire::{IpAddress, IpCidr},
};
use wavetank_stack::{
    Cidr, Clock, Config, Instant, Stack,
    tcp::{Listener, Options, Stream},
};

const BYTES: usize = 64;

type Queue = Rc<RefCell<VecDeque<Box<Frame>>>>;
type Pool = Rc<RefCell<Vec<Box<Frame>>>>;

struct Frame {
    len: usize,
    bytes: [u8; 1_536],
}

/// One end of a cable.
struct Card {
    mac: [u8; 6],
    received: Queue,
    sent: Queue,
    pool: Pool,
}

struct Received<'a>(Box<Frame>, &'a Pool);
struct Room<'a>(&'a Card);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        let len = self.0.len;
        let result = f(&mut self.0.bytes[..len]);
        self.1.borrow_mut().push(self.0);
        result
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let pooled = self.0.pool.borrow_mut().pop();
        let mut frame = pooled.unwrap_or_else(|| Box::new(Frame { len: 0, bytes: [0; 1_536] }));
        frame.len = len;
        let result = f(&mut frame.bytes[..len]);
        self.0.sent.borrow_mut().push_back(frame);
        result
    }
}

impl Driver for Card {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _cx: &mut Context<'_>) -> Option<(Received<'_>, Room<'_>)> {
        let frame = self.received.borrow_mut().pop_front()?;
        Some((Received(frame, &self.pool), Room(self)))
    }

    fn transmit(&mut self, _cx: &mut Context<'_>) -> Option<Room<'_>> {
        Some(Room(self))
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut caps = Capabilities::default();
        caps.max_transmission_unit = 1_514;
        caps
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.mac)
    }
}

/// The same cable for smoltcp, as bare IP.
impl phy::Device for Card {
    type RxToken<'a> = RawReceived<'a>;
    type TxToken<'a> = RawRoom<'a>;

    fn receive(&mut self, _now: smoltcp::time::Instant) -> Option<(RawReceived<'_>, RawRoom<'_>)> {
        let frame = self.received.borrow_mut().pop_front()?;
        Some((RawReceived(frame, &self.pool), RawRoom(self)))
    }

    fn transmit(&mut self, _now: smoltcp::time::Instant) -> Option<RawRoom<'_>> {
        Some(RawRoom(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = 1_500;
        caps
    }
}

struct RawReceived<'a>(Box<Frame>, &'a Pool);
struct RawRoom<'a>(&'a Card);

impl phy::RxToken for RawReceived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        RxToken::consume(Received(self.0, self.1), |bytes| f(bytes))
    }
}

impl phy::TxToken for RawRoom<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        TxToken::consume(Room(self.0), len, f)
    }
}

fn cable() -> [Card; 2] {
    let (one, other, pool) = (Queue::default(), Queue::default(), Pool::default());
    let card = |last, received: &Queue, sent: &Queue| Card {
        mac: [2, 0, 0, 0, 0, last],
        received: received.clone(),
        sent: sent.clone(),
        pool: pool.clone(),
    };
    [card(1, &one, &other), card(2, &other, &one)]
}

/// Time that stands still until it is set; nothing here waits for a timer.
#[derive(Clone, Default)]
struct Hand(Rc<Cell<u64>>);

struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: std::pin::Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Clock for Hand {
    type Timer = Never;

    fn now(&self) -> Instant {
        Instant::from_micros(self.0.get())
    }

    fn timer(&self, _at: Instant) -> Never {
        Never
    }
}

#[inline(never)]
fn raw(count: u64) -> f64 {
    let mut ends = cable().map(|mut card| {
        let mut config = smoltcp::iface::Config::new(smoltcp::wire::HardwareAddress::Ip);
        config.random_seed = 7;
        let mut iface = Interface::new(config, &mut card, smoltcp::time::Instant::ZERO);
        let own = IpAddress::v4(192, 0, 2, card.mac[5]);
        iface.update_ip_addrs(|addresses| addresses.push(IpCidr::new(own, 24)).unwrap());
        let buffer = || tcp::SocketBuffer::new(vec![0; 4_096]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        let mut set = SocketSet::new(Vec::new());
        let handle = set.add(socket);
        (card, iface, set, handle)
    });
    let [server, client] = &mut ends;
    server.2.get_mut::<tcp::Socket<'_>>(server.3).listen(80).unwrap();
    let to = (IpAddress::v4(192, 0, 2, 1), 80);
    client.2.get_mut::<tcp::Socket<'_>>(client.3).connect(client.1.context(), to, 50_000).unwrap();
    let mut micros = 0;
    let mut rounds = 0;
    let mut started = None;
    let mut due = true;
    let mut buffer = [0; BYTES];
    let start = loop {
        micros += 1;
        let now = smoltcp::time::Instant::from_micros(micros);
        for (index, (card, iface, set, handle)) in [&mut *server, &mut *client].into_iter().enumerate() {
            iface.poll_ingress_single(now, card, set);
            let socket = set.get_mut::<tcp::Socket<'_>>(*handle);
            if socket.can_recv() {
                socket.recv_slice(&mut buffer).unwrap();
                if index == 1 {
                    rounds += 1;
                }
                socket.send_slice(&buffer).unwrap();
            } else if index == 1 && due && socket.may_send() {
                due = false;
                started = Some(Wall::now());
                socket.send_slice(&buffer).unwrap();
            }
            iface.poll_egress(now, card, set);
        }
        if rounds == count {
            break started.unwrap();
        }
    };
    start.elapsed().as_nanos() as f64 / count as f64
}

#[inline(never)]
fn stacks(count: u64) -> (f64, f64) {
    let clock = Hand::default();
    let mut ends = cable().map(|card| {
        let own = Cidr::v4([192, 0, 2, card.mac[5]].into(), 24);
        Stack::shared(card, clock.clone(), &Config::new(&[own], &[]), 7)
    });
    let [(server, serving), (client, calling)] = &mut ends;
    let mut options = Options::default();
    options.nagle = false;
    let listener = Listener::bind(server, 80, 1, options).unwrap();
    let rounds = Cell::new(0);
    let started = Cell::new(None);
    let serve = async {
        let mut stream = listener.accept().await;
        let mut buffer = [0; BYTES];
        loop {
            stream.read_exact(&mut buffer).await.unwrap();
            stream.write_all(&buffer).await.unwrap();
        }
    };
    let call = async {
        let mut stream = Stream::connect(client, "192.0.2.1:80".parse().unwrap(), options).await.unwrap();
        let mut buffer = [0; BYTES];
        started.set(Some(Wall::now()));
        while rounds.get() < count {
            stream.write_all(&buffer).await.unwrap();
            stream.read_exact(&mut buffer).await.unwrap();
            rounds.set(rounds.get() + 1);
        }
        stream
    };
    let mut serving = pin!(serving.run_with(serve));
    let mut stream = {
        let mut calling = pin!(calling.run_with(call));
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            clock.0.set(clock.0.get() + 1);
            if let Poll::Ready(stream) = calling.as_mut().poll(&mut cx) {
                break stream;
            }
            let serving: Poll<std::convert::Infallible> = serving.as_mut().poll(&mut cx);
            assert!(serving.is_pending());
        }
    };
    let frames = client.stats().frames_sent;
    assert!(frames < count + 10, "{frames} frames for {count} questions: acknowledgements travel apart");
    let round = started.get().unwrap().elapsed().as_nanos() as f64 / count as f64;
    // A runner with an open connection and nothing to do.
    let mut buffer = [0; 1];
    let mut idle = pin!(calling.run_with(stream.read(&mut buffer)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(idle.as_mut().poll(&mut cx).is_pending());
    (round, turns(count, || assert!(black_box(&mut idle).as_mut().poll(&mut cx).is_pending())))
}

#[inline(never)]
fn turns(count: u64, mut turn: impl FnMut()) -> f64 {
    let start = Wall::now();
    for _ in 0..count {
        turn();
    }
    start.elapsed().as_nanos() as f64 / count as f64
}

fn main() {
    let count = std::env::args().nth(1).map_or(2_000_000, |text| text.parse().expect("a number of round trips"));
    println!("{BYTES} bytes there and back, and the turn of an idle runner with one open connection:");
    for _ in 0..3 {
        let raw = raw(count);
        let (round, idle) = stacks(count);
        println!(
            "raw smoltcp {raw:.0} ns; the stack {round:.0} ns ({:.2} x, {:.2} M/s); idle turn {idle:.1} ns",
            round / raw,
            1_000.0 / round
        );
    }
}
