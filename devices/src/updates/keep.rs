//! What keeps a device, and what that has of the device.

use core::fmt::Debug;
use core::future::{pending, ready};
use core::net::SocketAddr;
use core::pin::pin;

use embedded_io_async::{Read, Write};
use rand_core::Rng;
use wavetank_stack::http::Connection;
use wavetank_stack::time::timeout;
use wavetank_stack::update::Error;
use wavetank_stack::{Clock, Duration, Instant, Probe, Stack, tcp};

use super::call::{Hub, Trouble};
use super::{Vitals, metrics};
use crate::dial::connect;
use crate::{DeviceId, Exit, ResetCause};

/// The device that is kept up to date, or whose health is reported.
pub struct Host<'a, 'r, C, P> {
    pub(crate) id: &'a DeviceId,
    pub(crate) stack: &'a Stack<'r>,
    pub(crate) clock: &'a C,
    pub(crate) probe: &'a P,
    /// How the device is, so far.
    pub(crate) vitals: &'a Vitals,
}

impl<C, P: Probe> Host<'_, '_, C, P> {
    /// What the updater says, and its failures counted.
    pub(super) fn checked<T, E: Debug>(&self, outcome: Result<T, Error<E>>) -> Result<T, Trouble> {
        outcome.map_err(|_| {
            self.flash_failed();
            Trouble::Flash
        })
    }

    pub(super) fn flash_failed(&self) {
        self.probe.count(metrics::FLASH_ERRORS, 1);
        self.vitals.flash_failed();
    }
}

impl<'r, C: Clock, P: Probe> Host<'_, 'r, C, P> {
    /// A connection to the hub.
    pub(super) async fn dial(&self, hub: SocketAddr, patience: Duration) -> Result<tcp::Stream<'r>, Trouble> {
        let Host { stack, clock, probe, .. } = *self;
        let dialling = async {
            stack.until_configured().await;
            connect(stack, clock, hub).await
        };
        match timeout(clock, patience, pin!(dialling)).await {
            Ok(Some(stream)) => Ok(stream),
            _ => {
                probe.count(metrics::CALLS_FAILED, 1);
                Err(Trouble::Broken { moved: false })
            }
        }
    }

    /// Says how the device is; whether the hub has it, or will not have it. That it cannot take it is no reason not to ask for an
    /// update, which may mend just that.
    pub(super) async fn tell_health<S: Read + Write>(
        &self,
        hub: &Hub<'_, C>,
        connection: &mut Connection<'_, S>,
    ) -> Result<bool, Trouble> {
        let Host { clock, stack, vitals, probe, .. } = *self;
        match hub.hear(connection, &vitals.report(clock.now(), &stack.stats())).await? {
            200..=299 => {
                probe.count(metrics::HEALTH_REPORTED, 1);
                Ok(true)
            }
            // Nor will it a moment later; an older hub knows of no health at all.
            400..=499 => {
                vitals.report_failed();
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

/// What keeps a device up to date and reports its health ([`Updates`](super::Updates)), or does only that
/// ([`Reports`](super::Reports)). What else there could be is this package's to say.
pub trait Keep {
    /// Whether there is anything to do.
    const IS_KEPT: bool;

    /// How a device starts that is well once it has shown each of these signs. What a life is told apart by is drawn only where
    /// somebody is told.
    #[doc(hidden)]
    fn vitals(needed: u8, cause: ResetCause, now: Instant, rng: &mut impl Rng) -> Vitals {
        let life = if Self::IS_KEPT { rng.next_u32() } else { 0 };
        Vitals::new(life, needed, cause, now)
    }

    /// Runs beside the device, until it is to be started anew.
    fn keep<C: Clock, P: Probe, R: Rng>(self, host: Host<'_, '_, C, P>, rng: R) -> impl Future<Output = Exit>;

    /// Does what there is to do by now, for a device that is in the network now and then: proves itself, asks, fetches. How
    /// the device is to be started anew, if it is. Can be dropped at any await.
    fn call<C: Clock, P: Probe, R: Rng>(
        &mut self,
        host: &Host<'_, '_, C, P>,
        rng: R,
    ) -> impl Future<Output = Option<Exit>>;
}

/// A device that stays as it is.
pub(crate) struct NoUpdates;

impl Keep for NoUpdates {
    const IS_KEPT: bool = false;

    // Not an async fn, which would keep what it is given.
    fn keep<C: Clock, P: Probe, R: Rng>(self, _: Host<'_, '_, C, P>, _: R) -> impl Future<Output = Exit> {
        pending()
    }

    fn call<C: Clock, P: Probe, R: Rng>(&mut self, _: &Host<'_, '_, C, P>, _: R) -> impl Future<Output = Option<Exit>> {
        ready(None)
    }
}
