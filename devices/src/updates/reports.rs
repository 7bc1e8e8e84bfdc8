//! Reports of health from a device that takes no updates.

use core::net::SocketAddr;
use core::pin::pin;

use embassy_futures::select::select;
use rand_core::Rng;
use wavetank_stack::http::Connection;
use wavetank_stack::time::sleep;
use wavetank_stack::{Clock, Duration, Probe};

use super::call::{self, HostName, Hub};
use super::{HEAD_BYTES, Host, Keep, metrics};
use crate::{Backoff, Exit};

/// The reports of a device that stays as it is: it tells a hub how it is after its start, once a period, and as soon as something is
/// wrong that was not yet in this life. It needs no flash; otherwise as with [`Updates`](super::Updates).
#[derive(Clone, Debug)]
pub struct Reports {
    /// Where the hub listens.
    pub hub: SocketAddr,
    /// From one report to the next.
    pub period: Duration,
    /// How long the hub may take to be connected to, and to answer.
    pub patience: Duration,
    /// Waits between attempts to reach the hub, and before the first.
    pub backoff: Backoff,
}

impl Reports {
    /// The usual ones: once an hour, 10 s for the hub.
    pub fn new(hub: SocketAddr) -> Self {
        Self { hub, period: Duration::from_secs(3_600), patience: Duration::from_secs(10), backoff: Backoff::default() }
    }

    /// Whether the hub has heard how the device is, or will not hear it.
    async fn tell<C: Clock, P: Probe>(&self, host: &Host<'_, '_, C, P>) -> bool {
        let Ok(mut stream) = host.dial(self.hub, self.patience).await else {
            host.vitals.report_failed();
            return false;
        };
        let mut address = HostName::new();
        call::write(&mut address, format_args!("{}", self.hub));
        let hub = Hub { host: &address, device: host.id, patience: self.patience, clock: host.clock };
        let mut buffer = [0; HEAD_BYTES];
        let heard = host.tell_health(&hub, &mut Connection::new(&mut stream, &mut buffer)).await;
        stream.abort();
        host.probe.count(metrics::CALLS_FAILED, heard.is_err().into());
        let heard = heard.unwrap_or(false);
        if !heard {
            host.vitals.report_failed();
        }
        heard
    }
}

impl Keep for Reports {
    const IS_KEPT: bool = true;

    async fn keep<C: Clock, P: Probe, R: Rng>(self, host: Host<'_, '_, C, P>, mut rng: R) -> Exit {
        host.vitals.reports_every(self.period);
        let mut failures = 0;
        loop {
            sleep(host.clock, self.backoff.delay(failures, &mut rng)).await;
            if !self.tell(&host).await {
                failures = failures.saturating_add(1);
                continue;
            }
            failures = 0;
            // Sooner if something is wrong that was not yet.
            select(sleep(host.clock, self.period), pin!(host.vitals.until_news())).await;
        }
    }

    async fn call<C: Clock, P: Probe, R: Rng>(&mut self, host: &Host<'_, '_, C, P>, _: R) -> Option<Exit> {
        self.tell(host).await;
        None
    }
}
