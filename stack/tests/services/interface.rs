//! Addresses that come and go while a station runs, and claims on them.

use core::net::IpAddr;

use embedded_io_async::{Read, Write};
use futures_util::future::join;
use wavetank_stack::{
    Claim, Claiming, Duration,
    tcp::{self, Listener, Stream},
};

use super::{route, to};
use crate::support::{Dice, Sea};

/// Numbers that look random, for what draws.
struct Draws(Dice);

impl rand_core::TryRng for Draws {
    type Error = core::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(self.0.roll() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(self.0.roll())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        bytes.fill_with(|| self.0.roll() as u8);
        Ok(())
    }
}

pub(crate) fn draws(seed: u64) -> impl rand_core::Rng {
    Draws(Dice::new(seed))
}

#[test]
fn connections_end_with_the_address_that_they_come_from() {
    let sea = Sea::new();
    let there = sea.host(&["192.0.2.1/24"]);
    let here = sea.host(&["192.0.2.2/24", "192.0.2.3/24"]);
    let clock = sea.clone();
    sea.run(async move {
        let listener = Listener::bind(&here.stack, 80, 8, tcp::Options::default()).unwrap();
        let (mut lost, mut kept) = (None, None);
        for (address, stream) in [("192.0.2.2:80", &mut lost), ("192.0.2.3:80", &mut kept)] {
            let call = Stream::connect(&there.stack, to(address), tcp::Options::default());
            let (ours, theirs) = join(listener.accept(), call).await;
            *stream = Some((ours, theirs.unwrap()));
        }
        let ((mut lost, mut caller), (mut kept, mut other)) = (lost.unwrap(), kept.unwrap());
        let mut buffer = [0; 8];
        let give_up = async {
            clock.sleep(Duration::from_secs(1)).await;
            clock.record();
            here.stack.remove_address("192.0.2.2".parse().unwrap());
        };
        let (heard, ()) = join(lost.read(&mut buffer), give_up).await;
        assert_eq!(heard, Err(tcp::Error::AddressLost));
        assert_eq!(lost.write(b"more").await, Err(tcp::Error::AddressLost));
        assert!(clock.recorded().is_empty(), "not a word from an address that is not ours any more");
        drop(lost);
        kept.write_all(b"still here").await.unwrap();
        assert_eq!(other.read(&mut buffer).await, Ok(8));
        // The caller finds nobody there.
        caller.write_all(b"hello?").await.unwrap();
        assert!(caller.read(&mut buffer).await.is_err());
    });
}

#[test]
fn a_station_waits_for_its_configuration() {
    let sea = Sea::new();
    let there = sea.host(&["198.51.100.1/24"]);
    let here = sea.host(&[]);
    let router = sea.host(&["192.0.2.1/24"]);
    let clock = sea.clone();
    sea.run(async move {
        let stack = here.stack.clone();
        let configure = async {
            assert!(stack.add_address("169.254.7.7/16".parse().unwrap()).is_ok());
            clock.sleep(Duration::from_secs(3)).await;
            stack.add_address("192.0.2.2/24".parse().unwrap()).unwrap();
            stack.add_route(route("192.0.2.1")).unwrap();
            stack.set_dns_servers(&["192.0.2.1".parse().unwrap()]);
        };
        let wait = async {
            here.stack.until_configured().await;
            assert_eq!(clock.now(), Duration::from_secs(3));
        };
        join(configure, wait).await;
        assert_eq!(stack.dns_servers().collect::<Vec<_>>(), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(stack.routes().count(), 1);
        stack.remove_route("0.0.0.0/0".parse().unwrap());
        assert_eq!(stack.routes().count(), 0);
        drop((there, router));
    });
}

#[test]
fn a_claim_finds_out_who_has_the_address() {
    let sea = Sea::new();
    let owner = sea.host(&["192.0.2.1/24"]);
    let here = sea.host(&[]);
    let clock = sea.clock();
    sea.run(async move {
        let mut rng = draws(7);
        let taken = Claim::begin(&here.stack, "192.0.2.1".parse().unwrap()).unwrap();
        assert!(Claim::begin(&here.stack, "192.0.2.7".parse().unwrap()).is_none(), "one at a time");
        assert_eq!(taken.ask(&clock, &mut rng, Claiming::RFC).await, Err(owner.stack.hardware_address().unwrap()));
        drop(taken);
        let free = Claim::begin(&here.stack, "192.0.2.7".parse().unwrap()).unwrap();
        assert_eq!(free.ask(&clock, &mut rng, Claiming::QUICK).await, Ok(()));
    });
}

#[test]
fn two_that_want_one_address_at_once_do_not_both_get_it() {
    let sea = Sea::new();
    let [one, other] = [sea.host(&[]), sea.host(&[])];
    let clock = sea.clock();
    sea.run(async move {
        let address = "192.0.2.7".parse().unwrap();
        let claims = [&one, &other].map(|host| Claim::begin(&host.stack, address).unwrap());
        let (mut rng_one, mut rng_other) = (draws(1), draws(2));
        let outcome = join(
            claims[0].ask(&clock, &mut rng_one, Claiming::RFC),
            claims[1].ask(&clock, &mut rng_other, Claiming::RFC),
        );
        let outcome = outcome.await;
        assert!(outcome.0.is_err() || outcome.1.is_err(), "{outcome:?}");
    });
}

#[test]
fn an_address_is_defended_once_in_ten_seconds() {
    let sea = Sea::new();
    let owner = sea.host(&["192.0.2.1/24"]);
    let rival = sea.host(&[]);
    let clock = sea.clone();
    sea.run(async move {
        let address = "192.0.2.1".parse().unwrap();
        let claim = Claim::begin(&owner.stack, address).unwrap();
        let attacks = async {
            let theirs = Claim::begin(&rival.stack, address).unwrap();
            theirs.announce();
            clock.sleep(Duration::from_secs(20)).await;
            theirs.announce();
            clock.sleep(Duration::from_secs(5)).await;
            theirs.announce();
            clock.sleep(Duration::from_secs(5)).await;
        };
        let tides = clock.clock();
        let (lost_to, ()) = join(
            async {
                let rival = claim.defend(&tides).await;
                assert!(clock.now() > Duration::from_secs(25), "{:?}", clock.now());
                rival
            },
            attacks,
        )
        .await;
        assert_eq!(lost_to, rival.stack.hardware_address().unwrap());
    });
}
