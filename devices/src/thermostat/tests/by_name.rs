//! The whole device on a network that it was told nothing about.

extern crate std;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::poll_fn;
use core::net::Ipv4Addr;
use core::pin::pin;
use std::println;
use std::string::{String, ToString};
use std::vec::Vec;

use embassy_futures::join::join3;
use embassy_futures::select::select;
use embedded_io_async::{Read, Write};
use wavetank_stack::dhcp::{Pool, Server, ServerConfig, serve};
use wavetank_stack::dns::{Name, Rcode, Record, Reply, respond};
use wavetank_stack::tcp::{self, Listener};
use wavetank_stack::{Cidr, Config as StackConfig, Instant, Stack, udp};

use super::Seen;
use super::whole::{Steady, settings};
use crate::testing::{ManualClock, Notebook, Port, Words, cable, run_until};
use crate::thermostat::{Config, Hub, Parts, metrics, run_by_dhcp};
use crate::{DeviceId, ResetCause};

const OWN: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const LEASE_SECS: u32 = 20;

/// A house's one server: for addresses, names and readings.
#[derive(Default)]
struct House {
    /// Whether it lends addresses.
    lends: Cell<bool>,
    /// The `Host` that it was called by, and the readings' requests.
    hosts: RefCell<Vec<String>>,
    readings: Cell<usize>,
}

async fn house(port: Port, clock: ManualClock, house: &House) -> Infallible {
    let addresses = [Cidr::v4(OWN, 24)];
    let (stack, mut runner) = Stack::shared(port, clock.clone(), &StackConfig::new(&addresses, &[]), 1);
    let mut server = Server::<4>::new(ServerConfig {
        own: OWN,
        prefix: 24,
        pool: Pool { first: Ipv4Addr::new(10, 0, 0, 50), count: 2 },
        lease_secs: LEASE_SECS,
        router: None,
        dns: [OWN].into_iter().collect(),
        ntp: [].into_iter().collect(),
    });
    let lending =
        serve(&stack, &clock, |message, now| if house.lends.get() { server.answer(message, now) } else { None });
    let naming = async {
        let hub = Name::new("hub.lan").expect("a name");
        let socket = udp::Socket::bind(&stack, 53, udp::Options::default()).expect("a free port");
        let reply =
            Reply { rcode: Rcode::NoError, records: &[(&hub, Record::Address(OWN.into()))], ttl: 5, truncated: false };
        let mut buffer = [0; 256];
        loop {
            let heard = poll_fn(|cx| {
                socket.poll_recv_with(cx, |bytes, arrival| (respond(bytes, &reply, &mut buffer), arrival.remote))
            });
            if let (Some(len), remote) = heard.await {
                socket.send_to(&buffer[..len], remote).await.expect("whoever asked is in the network");
            }
        }
    };
    let storing = async {
        let listener = Listener::bind(&stack, 8080, 4, tcp::Options::default()).expect("a free port");
        let mut next = listener.accept().await;
        loop {
            match select(listener.accept(), take(&mut next, house)).await {
                embassy_futures::select::Either::First(newer) => next = newer,
                embassy_futures::select::Either::Second(()) => next = listener.accept().await,
            }
        }
    };
    let (_, never, ()) = runner.run_with(pin!(join3(lending, naming, storing))).await;
    never
}

async fn take(stream: &mut tcp::Stream<'_>, house: &House) {
    let mut received = Vec::new();
    let mut bytes = [0; 256];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        received.extend_from_slice(&bytes[..count]);
        if let Some(seen) = Seen::parse(&received) {
            let text = String::from_utf8_lossy(&received).into_owned();
            let host = text.lines().find_map(|line| line.strip_prefix("Host: ")).unwrap_or_default().to_string();
            house.hosts.borrow_mut().push(host);
            received.clear();
            let answer: &[u8] = match seen.is_get() {
                true => b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n",
                false => b"HTTP/1.1 201 X\r\nContent-Length: 0\r\n\r\n",
            };
            house.readings.set(house.readings.get() + usize::from(!seen.is_get()));
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

fn named() -> Config<Hub> {
    let fixed = settings();
    let hub = Hub::Named(Name::new("hub.lan").expect("a name"), 8080);
    let mut config = Config::on(hub, DeviceId::new("thermostat-1").expect("a plain name"));
    (config.period, config.backoff) = (fixed.period, fixed.backoff);
    config
}

#[test]
fn it_finds_its_address_and_its_hub_and_loses_them_with_the_lease() {
    let (clock, notebook, shore) = (ManualClock::default(), Notebook::default(), House::default());
    let (mut device_port, house_port, _) = cable();
    let serving = house(house_port, clock.clone(), &shore);
    let parts = Parts {
        i2c: Steady,
        net: &mut device_port,
        clock: clock.clone(),
        rng: Words::new(&[0x1234_5678, 0x0bad_cafe, 0x5eed_1e55]),
        probe: &notebook,
    };
    let device = run_by_dhcp(parts, named(), ResetCause::PowerOn);
    println!("the whole device, its stack, buffers and backlog: {} bytes", size_of_val(&device));
    assert!(size_of_val(&device) <= 20 * 1024);
    let mut both = pin!(select(device, serving));
    let mut until = |secs| assert!(run_until(&clock, Instant::from_secs(secs), both.as_mut()).is_none());

    until(10);
    assert_eq!(shore.readings.get(), 0, "nobody gave it an address");
    shore.lends.set(true);
    until(40);
    assert_eq!((notebook.counted(metrics::LEASES_BOUND), notebook.gauged(metrics::LEASE)), (1, Some(1)));
    assert!(notebook.counted(metrics::LEASES_RENEWED) >= 1);
    let before = shore.readings.get();
    assert!(before >= 30, "those of the first ten seconds came late: {before}");
    assert!(shore.hosts.borrow().iter().all(|host| host == "hub.lan:8080"));
    shore.lends.set(false);
    until(70);
    assert_eq!((notebook.counted(metrics::LEASES_EXPIRED), notebook.gauged(metrics::LEASE)), (1, Some(0)));
    let without = shore.readings.get();
    shore.lends.set(true);
    until(150);
    assert!(shore.readings.get() > without + 50);
    assert_eq!(notebook.counted(metrics::LEASES_BOUND), 2);
}
