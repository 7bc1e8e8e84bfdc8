//! Devices of smoltcp's as drivers: its own loopback, and one on a cable that wakes nobody.

use embedded_io_async::{Read, Write};
use futures_util::future::join;
use smoltcp::phy::{Device, DeviceCapabilities, Loopback, Medium, RxToken, TxToken};
use smoltcp::time::Instant;
use wavetank_stack::{
    Config, Duration, Stack,
    icmp::Pinger,
    phy::{Options, Phy},
    tcp::{self, Listener, Stream},
    udp,
};

use super::to;
use crate::support::{Card, Sea};

#[test]
fn a_stack_over_smoltcps_loopback_talks_to_itself() {
    let sea = Sea::new();
    let clock = sea.clock();
    let mut options = Options::default();
    options.look_every = None;
    let received = Box::leak(vec![0; 65_535].into_boxed_slice());
    let driver = Phy::ip(Loopback::new(Medium::Ip), sea.clock(), received, options);
    let own = ["127.0.0.1/8", "::1/128"].map(|own| own.parse().unwrap());
    let (stack, mut runner) = Stack::shared(driver, sea.clock(), &Config::new(&own, &[]), 7);
    sea.spawn(async move { runner.run().await });
    sea.run(async move {
        for own in ["127.0.0.1", "[::1]"] {
            let at = |port: u16| to(&format!("{own}:{port}"));
            let mut pinger = Pinger::new(&stack).unwrap();
            let reply = pinger.ping(&clock, at(0).ip(), 8, Duration::from_secs(1)).await;
            assert_eq!(reply.map(|reply| reply.from), Ok(at(0).ip()));
            let [one, other] = [0, 7].map(|port| udp::Socket::bind(&stack, port, udp::Options::default()).unwrap());
            one.send_to(b"hello, me", at(7)).await.unwrap();
            let mut buffer = [0; 16];
            assert_eq!(other.recv_from(&mut buffer).await.unwrap().0, 9);
            let listener = Listener::bind(&stack, 80, 1, tcp::Options::default()).unwrap();
            let call = Stream::connect(&stack, at(80), tcp::Options::default());
            let (mut accepted, called) = join(listener.accept(), call).await;
            let mut called = called.unwrap();
            let sent: Vec<u8> = (0..100_000_u32).map(|i| i as u8).collect();
            let mut heard = vec![0; sent.len()];
            let (written, read) = join(called.write_all(&sent), accepted.read_exact(&mut heard)).await;
            written.unwrap();
            read.unwrap();
            assert_eq!(heard, sent);
        }
    });
}

/// A card as a device of smoltcp's.
struct Wired(Card);

struct Came(Vec<u8>);

struct Goes<'t>(&'t Card);

impl Device for Wired {
    type RxToken<'t> = Came;
    type TxToken<'t> = Goes<'t>;

    fn receive(&mut self, _: Instant) -> Option<(Came, Goes<'_>)> {
        let frame = self.0.next_frame()?;
        Some((Came(frame), Goes(&self.0)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Goes<'_>> {
        Some(Goes(&self.0))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.max_transmission_unit = 1_514;
        capabilities
    }
}

impl RxToken for Came {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Goes<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0xa5; len];
        let result = f(&mut frame);
        self.0.send(frame);
        result
    }
}

#[test]
fn what_comes_by_a_device_that_wakes_nobody_is_found_in_time() {
    let sea = Sea::new();
    let there = sea.host(&["192.0.2.2/24"]);
    let card = sea.card();
    let (mac, clock) = (card.mac(), sea.clock());
    let received = Box::leak(vec![0; 1_514].into_boxed_slice());
    let driver = Phy::ethernet(Wired(card), sea.clock(), mac, received, Options::default());
    let own = ["192.0.2.1/24".parse().unwrap()];
    let (stack, mut runner) = Stack::shared(driver, sea.clock(), &Config::new(&own, &[]), 7);
    assert_eq!(stack.hardware_address(), Some(mac));
    sea.spawn(async move { runner.run().await });
    sea.run(async move {
        let mut pinger = Pinger::new(&there.stack).unwrap();
        for _ in 0..5 {
            let reply = pinger.ping(&clock, to("192.0.2.1:0").ip(), 8, Duration::from_secs(1)).await.unwrap();
            assert!(reply.round_trip <= Duration::from_millis(4), "two cables, and a millisecond: {reply:?}");
        }
    });
}
