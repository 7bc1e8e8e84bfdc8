//! What the stack costs per datagram: a hundred hosts on a switch in memory send 64 bytes to each other in
//! turn; the sender has a turn to send, the receiver one to receive.
//!
//! `cargo run --release -p wavetank-stack --features std --example udp_star [DATAGRAMS]`

#![allow(clippy::unwrap_used, reason = "a measurement fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the wall clock")]

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    convert::Infallible,
    future::{Future, poll_fn},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Instant as Wall,
};

use embassy_net_driver::{Capabilities, Checksum, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use wavetank_stack::{
    Cidr, Clock, Config, Instant, Stack,
    udp::{Options, Socket},
};

const BYTES: usize = 64;
const HOSTS: usize = 100;
const PORT: u16 = 9;

struct Frame {
    len: usize,
    bytes: [u8; 1_536],
}

#[derive(Default)]
struct Switch {
    queues: Vec<RefCell<VecDeque<Box<Frame>>>>,
    pool: RefCell<VecDeque<Box<Frame>>>,
}

/// One host's plug in the switch. Its number is the last byte of its Ethernet address.
struct Plug {
    host: usize,
    switch: Rc<Switch>,
}

impl Switch {
    fn queue(&self, host: usize) -> &RefCell<VecDeque<Box<Frame>>> {
        &self.queues[host]
    }

    fn frame(&self) -> Box<Frame> {
        let pooled = self.pool.borrow_mut().pop_back();
        pooled.unwrap_or_else(|| Box::new(Frame { len: 0, bytes: [0; 1_536] }))
    }
}

struct Received<'a>(Box<Frame>, &'a Switch);
struct Room<'a>(&'a Plug);

impl RxToken for Received<'_> {
    #[inline(never)]
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        let len = self.0.len;
        let result = f(&mut self.0.bytes[..len]);
        self.1.pool.borrow_mut().push_back(self.0);
        result
    }
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let switch = &self.0.switch;
        let mut frame = switch.frame();
        frame.len = len;
        let result = f(&mut frame.bytes[..len]);
        deliver(switch, self.0.host, frame);
        result
    }
}

#[inline(never)]
fn deliver(switch: &Switch, from: usize, frame: Box<Frame>) {
    if frame.bytes[0] & 1 == 0 {
        switch.queue(frame.bytes[5].into()).borrow_mut().push_back(frame);
        return;
    }
    for to in (0..HOSTS).filter(|&to| to != from) {
        let mut copy = switch.frame();
        copy.len = frame.len;
        copy.bytes = frame.bytes;
        switch.queue(to).borrow_mut().push_back(copy);
    }
}

impl Driver for Plug {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _cx: &mut Context<'_>) -> Option<(Received<'_>, Room<'_>)> {
        let frame = self.switch.queue(self.host).borrow_mut().pop_front()?;
        Some((Received(frame, &self.switch), Room(self)))
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
        // Nothing on the way can damage a frame.
        for checksum in [&mut caps.checksum.ipv4, &mut caps.checksum.udp] {
            *checksum = Checksum::Tx;
        }
        caps
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet([2, 0, 0, 0, 0, self.host as u8])
    }
}

/// Time that stands still until it is set.
#[derive(Clone, Default)]
struct Hand(Rc<Cell<u64>>);

struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
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

fn address(host: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, host as u8 + 1))
}

fn main() {
    let count: u64 = std::env::args().nth(1).map_or(2_000_000, |text| text.parse().expect("a number of datagrams"));
    let clock = Hand::default();
    let switch = Switch { queues: (0..HOSTS).map(|_| RefCell::default()).collect(), ..Switch::default() };
    let switch = Rc::new(switch);
    let received = Rc::new(Cell::new(0));
    // Whom the host that has its turn sends to.
    let to = Rc::new(Cell::new(None));
    let mut hosts: Vec<Pin<Box<dyn Future<Output = Infallible>>>> = (0..HOSTS)
        .map(|host| {
            let own = Cidr::new(address(host), 24);
            let plug = Plug { host, switch: switch.clone() };
            let (stack, mut runner) = Stack::shared(plug, clock.clone(), &Config::new(&[own], &[]), host as u64);
            let (to, received) = (to.clone(), received.clone());
            Box::pin(async move {
                let socket = Socket::bind(&stack, PORT, Options::default()).unwrap();
                let mut buffer = [0; BYTES];
                let app = poll_fn(|cx| {
                    if let Some(to) = to.take() {
                        let sent = socket.poll_send_to(cx, &[1; BYTES], SocketAddr::new(address(to), PORT));
                        assert!(sent.is_ready());
                    }
                    while let Poll::Ready(datagram) = socket.poll_recv_from(cx, &mut buffer) {
                        assert_eq!(datagram.unwrap().0, BYTES);
                        received.set(received.get() + 1);
                    }
                    Poll::Pending
                });
                runner.run_with(app).await
            }) as Pin<Box<dyn Future<Output = _>>>
        })
        .collect();
    let mut cx = Context::from_waker(Waker::noop());
    let mut poll = |host: usize| assert!(hosts[host].as_mut().poll(&mut cx).is_pending());
    let mut send = |from: usize, peer: usize, polls: usize| {
        clock.0.set(clock.0.get() + 1);
        to.set(Some(peer));
        for _ in 0..polls {
            poll(from);
            poll(peer);
        }
    };
    // Everyone asks for everyone first.
    for distance in 1..HOSTS {
        for from in 0..HOSTS {
            send(from, (from + distance) % HOSTS, 2);
        }
    }
    received.set(0);
    let start = Wall::now();
    for turn in 0..count as usize {
        let (from, distance) = (turn % HOSTS, 1 + turn / HOSTS % (HOSTS - 1));
        send(from, (from + distance) % HOSTS, 1);
    }
    assert!(received.get() >= count - count / 50, "{} of {count} arrived", received.get());
    let nanos = start.elapsed().as_nanos() as f64 / count as f64;
    println!("{BYTES} bytes from one of {HOSTS} hosts to another: {nanos:.0} ns");
}
