//! A sensor that has nothing of what is on by default gets an address, finds its hub by name and talks to it; what it left off
//! is refused where it would be used.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../tests/support/mod.rs"]
mod support;

use core::convert::Infallible;
use core::net::{IpAddr, Ipv4Addr};

use embedded_io_async::{Read, Write};
use futures_util::future::{Either, join3, select};
use rand_core::TryRng;
use support::{Dice, Sea};
use wavetank_stack::dhcp::{self, Pool, Server, ServerConfig};
use wavetank_stack::dns::{self, Family, Name, Rcode, Record, Reply, Resolver};
use wavetank_stack::{Cidr, Config, Duration, Resources, Stack, tcp, time::timeout, udp};

const HUB: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

struct Draws(Dice);

impl TryRng for Draws {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.roll() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.roll())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.fill_with(|| self.0.roll() as u8);
        Ok(())
    }
}

/// The hub: it gives addresses away, knows its own name, and answers in capitals. `cut`: its answers by name are too long.
async fn hub(stack: &Stack<'_>, clock: &support::SeaClock, cut: bool) {
    let pool = Pool { first: Ipv4Addr::new(192, 0, 2, 50), count: 4 };
    let dns = [HUB].into_iter().collect();
    let config =
        ServerConfig { own: HUB, prefix: 24, pool, lease_secs: 600, router: Some(HUB), dns, ntp: Default::default() };
    let mut leases = Server::<4>::new(config);
    let addresses = dhcp::serve(stack, clock, |message, now| leases.answer(message, now));
    let names = async {
        let socket = udp::Socket::bind(stack, dns::PORT, udp::Options::default()).unwrap();
        let (mut question, mut answer) = ([0; 256], [0; 256]);
        let own = Name::new("hub.example").unwrap();
        loop {
            let (len, from) = socket.recv_from(&mut question).await.unwrap();
            let records = [(&own, Record::Address(HUB.into()))];
            let reply = Reply { rcode: Rcode::NoError, records: &records, ttl: 60, truncated: cut };
            let len = dns::respond(&question[..len], &reply, &mut answer).unwrap();
            socket.send_to(&answer[..len], from).await.unwrap();
        }
    };
    let readings = async {
        let listener = tcp::Listener::bind(stack, 80, 2, tcp::Options::default()).unwrap();
        loop {
            let mut stream = listener.accept().await;
            let mut buffer = [0; 64];
            while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                buffer[..len].make_ascii_uppercase();
                stream.write_all(&buffer[..len]).await.unwrap();
            }
        }
    };
    join3(addresses, names, readings).await.0.unwrap();
}

/// Has a sensor do `work` on a network with a hub, in the memory that a board has, for so long at most.
fn at_sea(
    cut: bool,
    secs: u64,
    work: impl AsyncFn(&Stack<'_>, &Sea, &Resolver<'_, support::SeaClock, Draws, 0>) + 'static,
) {
    let sea = Sea::new();
    let here = sea.clone();
    sea.run(async move {
        let (mut hub_memory, mut memory) =
            (Resources::<'_, 2, 2, 512, 600>::new(), Resources::<'_, 1, 2, 512, 600, 0, 4, 0, 360, 1>::new());
        let addresses = [Cidr::v4(HUB, 24)];
        let (hub_stack, mut serving) =
            Stack::new(&mut hub_memory, here.card(), here.clock(), &Config::new(&addresses, &[]), 1);
        let (stack, mut running) = Stack::new(&mut memory, here.card(), here.clock(), &Config::default(), 2);
        let clock = here.clock();
        let serving = serving.run_with(hub(&hub_stack, &clock, cut));
        let mut client = dhcp::Client::new(&stack, &clock, Draws(Dice::new(3)), dhcp::Options::default());
        let resolver = Resolver::new(&stack, here.clock(), Draws(Dice::new(4)), dns::Options::default());
        let app = async {
            stack.until_configured().await;
            work(&stack, &here, &resolver).await;
        };
        let running = running.run_with(select(Box::pin(client.run(|_| ())), Box::pin(app)));
        let both = select(Box::pin(serving), Box::pin(running));
        match timeout(&clock, Duration::from_secs(secs), both).await {
            Ok(Either::Right((Either::Right(_), _))) => {}
            Ok(_) => panic!("a hub or a DHCP client does not end"),
            Err(_) => panic!("not done within {secs} s"),
        }
    });
}

#[test]
fn a_sensor_finds_its_hub_by_name_and_talks_to_it_for_longer_than_its_lease() {
    at_sea(false, 3_000, async |stack, sea, resolver| {
        for reading in 0..30_u8 {
            let hub = *resolver.resolve("hub.example", Family::Any).await.unwrap().first().unwrap();
            assert_eq!(hub, IpAddr::V4(HUB));
            let mut stream = tcp::Stream::connect(stack, (hub, 80).into(), tcp::Options::default()).await.unwrap();
            assert_eq!(stream.remote_addr(), (hub, 80).into());
            let sent = [b'a' + reading % 26; 40];
            stream.write_all(&sent).await.unwrap();
            let mut heard = [0; 40];
            stream.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, sent.map(|byte| byte.to_ascii_uppercase()));
            sea.sleep(Duration::from_secs(60)).await;
        }
    });
}

#[test]
fn addresses_are_read_as_the_library_reads_them() {
    at_sea(false, 60, async |_, _, resolver| {
        for text in [
            "192.0.2.1",
            "0.0.0.0",
            "255.255.255.255",
            "1.2.3",
            "1.2.3.4.5",
            "01.2.3.4",
            "1.2.3.256",
            "1.2.3.1000",
            "1..2.3",
            "+1.2.3.4",
            "",
            ".",
        ] {
            let known = text.parse::<Ipv4Addr>().ok().map(IpAddr::V4);
            // What is no address is asked for as a name, which the hub takes for its own, or which is none.
            let found = resolver.resolve(text, Family::V4).await.ok().and_then(|found| found.first().copied());
            assert_eq!(found.filter(|found| known.is_some() || *found != IpAddr::V4(HUB)), known, "{text}");
        }
    });
}

#[test]
fn what_was_left_off_is_refused_where_it_would_be_used() {
    at_sea(true, 60, async |stack, _, resolver| {
        let far: IpAddr = "2001:db8::1".parse().unwrap();
        let opened = tcp::Stream::connect(stack, (far, 80).into(), tcp::Options::default()).await;
        assert_eq!(opened.unwrap_err(), tcp::Error::NoRoute);
        let bound = tcp::Listener::bind_to(stack, Some(far), 80, 1, tcp::Options::default());
        assert_eq!(bound.unwrap_err(), tcp::Error::BadAddress);
        assert!("2001:db8::1/64".parse::<Cidr>().is_err());
        assert!(!Cidr::v4(HUB, 24).contains(far));
        // The answer was cut short, and nobody asks by TCP.
        assert_eq!(
            resolver.resolve("hub.example", Family::V4).await.unwrap_err(),
            dns::Error::Failed(Rcode::ServerFailure)
        );
        let socket = udp::Socket::bind(stack, 0, udp::Options::default()).unwrap();
        assert_eq!(socket.send_to(b"?", (far, 7).into()).await.unwrap_err(), udp::Error::NoRoute);
        // Nobody listens there, and nobody says so.
        socket.send_to(b"?", (HUB, 9).into()).await.unwrap();
    });
}
