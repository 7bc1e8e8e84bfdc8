//! Claiming an address on a network where somebody else may have it (RFC 5227; RFC 4862, section 5.4).

use core::{
    fmt,
    future::{Future, poll_fn},
    net::IpAddr,
    pin::pin,
    task::Poll,
};

use rand_core::Rng;

use crate::{
    draw::between,
    ip::spoken,
    stack::Stack,
    time::{Clock, Duration, sleep, timeout},
};

/// How long and how often to ask before an address is used. RFC 5227's own numbers ([`Claiming::RFC`]) take four to
/// seven seconds, in which the station has no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claiming {
    /// The longest wait before the first question (PROBE_WAIT), so that stations that start together do not ask together.
    pub wait_max: Duration,
    /// How many questions (PROBE_NUM). None: the address is used unasked.
    pub probes: u8,
    /// The shortest and the longest time between two questions (PROBE_MIN, PROBE_MAX).
    pub between: (Duration, Duration),
    /// How long to listen after the last question (ANNOUNCE_WAIT).
    pub listen: Duration,
}

impl Claiming {
    /// As RFC 5227, section 1.1, says.
    pub const RFC: Claiming = Claiming {
        wait_max: Duration::from_secs(1),
        probes: 3,
        between: (Duration::from_secs(1), Duration::from_secs(2)),
        listen: Duration::from_secs(2),
    };

    /// Two questions within half a second: for an address that a server assigned, and has looked after.
    pub const QUICK: Claiming = Claiming {
        wait_max: Duration::ZERO,
        probes: 2,
        between: (Duration::from_millis(200), Duration::from_millis(200)),
        listen: Duration::from_millis(300),
    };
}

/// A claim on an address, on which a stack has one at a time: it listens for others who say that it is theirs.
pub struct Claim<'r> {
    stack: Stack<'r>,
    address: IpAddr,
}

impl<'r> Claim<'r> {
    /// Begins to listen; `None` if another claim is under way.
    pub fn begin(stack: &Stack<'r>, address: IpAddr) -> Option<Self> {
        spoken(address)
            .is_some_and(|address| stack.with(|core| core.claim(address)))
            .then(|| Self { stack: stack.clone(), address })
    }

    /// The address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Asks, as `how` says, whether somebody has the address; answers with the Ethernet address of whoever does.
    ///
    /// # Errors
    /// The Ethernet address of whoever has it, or asks for it too.
    pub async fn ask<C: Clock + ?Sized>(&self, clock: &C, rng: &mut impl Rng, how: Claiming) -> Result<(), [u8; 6]> {
        if how.probes == 0 {
            return Ok(());
        }
        let asking = async {
            sleep(clock, between(rng, Duration::ZERO, how.wait_max)).await;
            for probe in 0..how.probes {
                if probe > 0 {
                    sleep(clock, between(rng, how.between.0, how.between.1)).await;
                }
                self.stack.with(|core| core.voice(false));
            }
            sleep(clock, how.listen).await;
        };
        let (mut asking, mut rival) = (pin!(asking), pin!(self.rival()));
        poll_fn(|cx| {
            if let Poll::Ready(rival) = rival.as_mut().poll(cx) {
                return Poll::Ready(Err(rival));
            }
            asking.as_mut().poll(cx).map(Ok)
        })
        .await
    }

    /// Tells everyone that the address is ours: stations that knew another Ethernet address of it learn ours.
    pub fn announce(&self) {
        self.stack.with(|core| core.voice(true));
    }

    /// Waits for somebody else who says that the address is theirs; answers with their Ethernet address.
    pub async fn rival(&self) -> [u8; 6] {
        poll_fn(|cx| self.stack.poll(|core| core.poll_rival(cx.waker()))).await
    }

    /// Keeps the address, which is ours, against others (RFC 5227, section 2.4, way b): the first rival is told once;
    /// completes, with the rival's Ethernet address, when another is heard within ten seconds.
    pub async fn defend<C: Clock + ?Sized>(&self, clock: &C) -> [u8; 6] {
        const DEFEND_INTERVAL: Duration = Duration::from_secs(10);
        loop {
            self.rival().await;
            self.announce();
            if let Ok(rival) = timeout(clock, DEFEND_INTERVAL, self.rival()).await {
                return rival;
            }
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.stack.with(crate::engine::Core::unclaim);
    }
}

impl fmt::Debug for Claim<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim").field("address", &self.address).finish_non_exhaustive()
    }
}
