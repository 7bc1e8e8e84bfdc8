//! How a device is, as its parts note it: what each has to have shown at least once, what went wrong, and what of that is news.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use wavetank_health::{Health, Network};
use wavetank_stack::update::Version;
use wavetank_stack::{Duration, Instant, Reason, Stats};

use crate::ResetCause;

/// Sorts of trouble, a bit each: the first of a sort in a device's life is news.
const SENSOR: u8 = 1;
const FLASH: u8 = 2;
const LINK: u8 = 4;
const LOSS: u8 = 8;

/// Everybody in a device holds it by reference; nobody borrows it across an await.
pub struct Vitals {
    /// What has to be shown, a bit each.
    missing: Cell<u8>,
    /// The sorts of trouble that have come, and those that were told.
    troubles: Cell<u8>,
    told: Cell<u8>,
    born: Instant,
    health: RefCell<Health>,
    /// What a second network stack has counted.
    beside: Cell<Option<Network>>,
    /// Who keeps the device waits for one thing at a time.
    keeper: RefCell<Option<Waker>>,
}

impl Vitals {
    /// Of a device that starts, and is well once it has shown each of these signs.
    pub(crate) const fn new(life: u32, needed: u8, cause: ResetCause, now: Instant) -> Self {
        Self {
            missing: Cell::new(needed),
            troubles: Cell::new(0),
            told: Cell::new(0),
            born: now,
            health: RefCell::new(Health::new(life, cause)),
            beside: Cell::new(None),
            keeper: RefCell::new(None),
        }
    }

    /// One of the signs is there.
    pub(crate) fn show(&self, sign: u8) {
        self.missing.set(self.missing.get() & !sign);
        if self.is_well() {
            self.wake();
        }
    }

    /// Whether all are there.
    pub(crate) fn is_well(&self) -> bool {
        self.missing.get() == 0
    }

    /// Waits until all are there. For one waiter, who waits for no news meanwhile.
    pub(crate) async fn until_well(&self) {
        self.until(Self::is_well).await;
    }

    /// A sensor, or a part that the device drives, failed.
    pub(crate) fn sensor_failed(&self) {
        self.note(SENSOR, |health| &mut health.sensor_errors, 1);
    }

    /// The flash failed.
    pub(crate) fn flash_failed(&self) {
        self.note(FLASH, |health| &mut health.flash_errors, 1);
    }

    /// So much of what the device has to bring was lost: there was no room, or nobody will ever take it.
    pub(crate) fn lost(&self, count: u32) {
        if count > 0 {
            self.note(LOSS, |health| &mut health.lost, count);
        }
    }

    /// So much waits to be brought.
    pub(crate) fn waiting(&self, count: u64) {
        self.health.borrow_mut().waiting = u32::try_from(count).unwrap_or(u32::MAX);
    }

    /// Whether an attempt came to anything to reach whom the device works for.
    pub(crate) fn reached(&self, reached: bool) {
        self.health.borrow_mut().cut_off = !reached;
        if !reached {
            self.note(LINK, |health| &mut health.link_failures, 1);
        }
    }

    /// What the battery has, if it can be told.
    pub(crate) fn battery(&self, millivolts: Option<u16>) {
        self.health.borrow_mut().battery_mv = millivolts;
    }

    /// What runs.
    pub(crate) fn runs(&self, version: Version) {
        self.health.borrow_mut().version = Some(version);
    }

    /// From one report to the next.
    pub(crate) fn reports_every(&self, period: Duration) {
        self.health.borrow_mut().every_s = u32::try_from(period.as_secs()).unwrap_or(u32::MAX);
    }

    /// Nobody has said that they have a report.
    pub(crate) fn report_failed(&self) {
        let mut health = self.health.borrow_mut();
        health.reports_failed = health.reports_failed.saturating_add(1);
    }

    /// A network stack of the device is gone, which has counted so much.
    pub(crate) fn left_network(&self, stats: &Stats) {
        let mut health = self.health.borrow_mut();
        health.network = health.network.and(counted(stats));
    }

    /// A second network stack of the device, beside that which it reports by, has counted so much so far.
    #[cfg(feature = "gateway")]
    pub(crate) fn beside(&self, stats: &Stats) {
        self.beside.set(Some(counted(stats)));
    }

    /// How the device is now, with what its present stack has counted. What is wrong so far is no news from here on.
    pub(crate) fn report(&self, now: Instant, stats: &Stats) -> Health {
        self.told.set(self.troubles.get());
        let health = *self.health.borrow();
        let up_ms = u64::try_from(now.saturating_duration_since(self.born).as_millis()).unwrap_or(u64::MAX);
        let network = self.beside.get().map_or(health.network, |beside| health.network.and(beside));
        Health { up_ms, network: network.and(counted(stats)), ..health }
    }

    /// Waits until something is wrong that was not yet when the last report was made. For one waiter, as above.
    pub(crate) async fn until_news(&self) {
        self.until(|vitals| vitals.troubles.get() & !vitals.told.get() != 0).await;
    }

    fn note(&self, trouble: u8, count: impl FnOnce(&mut Health) -> &mut u32, by: u32) {
        {
            let mut health = self.health.borrow_mut();
            let count = count(&mut health);
            *count = count.saturating_add(by);
        }
        self.troubles.set(self.troubles.get() | trouble);
        if self.told.get() & trouble == 0 {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(keeper) = self.keeper.take() {
            keeper.wake();
        }
    }

    async fn until(&self, is: impl Fn(&Self) -> bool) {
        poll_fn(|context| {
            if is(self) {
                return Poll::Ready(());
            }
            self.keeper.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// What a stack has counted.
fn counted(stats: &Stats) -> Network {
    let dropped = stats.dropped_in_all() - stats.dropped(Reason::NotForUs);
    Network {
        retransmissions: stats.retransmissions,
        resets_received: stats.resets_received,
        resets_sent: stats.resets_sent,
        timeouts: stats.timeouts,
        slots_wanting: stats.slots_wanting,
        dropped: u32::try_from(dropped).unwrap_or(u32::MAX),
    }
}
