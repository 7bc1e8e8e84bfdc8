//! An address for a station that no server gives one: 169.254.0.0/16 (RFC 3927).

use core::{convert::Infallible, net::Ipv4Addr, pin::pin};

use rand_core::Rng;

use super::{held::Held, lease::Event};
use crate::{
    address::Cidr,
    claim::{Claim, Claiming},
    stack::Stack,
    time::{Clock, Duration, sleep, timeout},
};

/// After so many conflicts, attempts are made at most once in [`RATE_LIMIT`] (section 2.2.1).
const CONFLICTS_MAX: u32 = 10;
const RATE_LIMIT: Duration = Duration::from_secs(60);
/// Between the two announcements (section 2.4).
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);

/// Takes and keeps a link-local address, for ever.
pub(super) async fn keep<C: Clock + ?Sized>(
    stack: &Stack<'_>,
    clock: &C,
    rng: &mut impl Rng,
    tell: &core::cell::RefCell<&mut dyn FnMut(Event)>,
) -> Infallible {
    let mut candidates = Candidates::of(stack.hardware_address().unwrap_or_default());
    let mut conflicts = 0_u32;
    loop {
        if conflicts >= CONFLICTS_MAX {
            sleep(clock, RATE_LIMIT).await;
        }
        let address = candidates.draw();
        let Some(claim) = Claim::begin(stack, address.into()) else {
            sleep(clock, RATE_LIMIT).await;
            continue;
        };
        let rival = match claim.ask(clock, rng, Claiming::RFC).await {
            Ok(()) => {
                let held = Held::set(stack, Cidr::v4(address, 16), None, &[]);
                claim.announce();
                (tell.borrow_mut())(Event::LinkLocal(address));
                let mut defending = pin!(claim.defend(clock));
                let rival = match timeout(clock, ANNOUNCE_INTERVAL, defending.as_mut()).await {
                    Ok(rival) => rival,
                    Err(_) => {
                        claim.announce();
                        defending.await
                    }
                };
                drop(held);
                rival
            }
            Err(rival) => rival,
        };
        conflicts = conflicts.saturating_add(1);
        (tell.borrow_mut())(Event::Conflict { address, rival });
    }
}

/// Addresses to try: always the same for one station, so that it gets back what it had (section 2.1).
struct Candidates {
    state: u64,
}

impl Candidates {
    fn of(mac: [u8; 6]) -> Self {
        let [a, b, c, d, e, f] = mac;
        Self { state: u64::from_be_bytes([0, 0, a, b, c, d, e, f]) }
    }

    /// The next one: the first and the last 256 of the network are not for stations.
    fn draw(&mut self) -> Ipv4Addr {
        const FIRST: u32 = 0xa9fe_0100;
        const COUNT: u64 = 0xfe00;
        // A linear congruential generator; its high bits look random enough to keep stations apart.
        self.state = self.state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        Ipv4Addr::from_bits(FIRST + ((self.state >> 33) % COUNT) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_are_link_local_and_stations() {
        let mut candidates = Candidates::of([2, 0, 0, 0, 0, 1]);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..10_000 {
            let address = candidates.draw();
            assert!(address.is_link_local() && !matches!(address.octets()[2], 0 | 255), "{address}");
            seen.insert(address);
        }
        assert!(seen.len() > 9_000);
    }
}
