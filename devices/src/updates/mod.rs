//! Updates over the air, and reports of health, for any device that is given [`Updates`]: it tells a hub how it is, asks it what it
//! is to run, fetches that, and proves itself.
//!
//! - Once a period the device asks what there is for it, and says what it runs. What it is offered it fetches into its other
//!   slot, a piece at a time, while it goes on with its work ([`update`](wavetank_stack::update)).
//! - When all of it is there and is what was signed, the device asks to be started with it ([`Exit::SwapImage`]).
//! - An image on trial is confirmed once it has run for a while, the device says that it is well, and the hub has heard so.
//!   If that takes too long, it is given up and the old one is started again. Nothing is fetched meanwhile.
//! - Of what was given up the hub is told until it has heard it.
//!
//! - Each of these calls begins with a report of the device's health ([`Health`](wavetank_health::Health)): after the start, or
//!   once an image on trial has proved itself; once a period; and as soon as something is wrong that was not yet in this life when
//!   it last told. A report is made when it is sent, and none is kept: the memory for it is that of one.
//!
//! The calls that go wrong are repeated after a [`Backoff`], and so are reports that the hub could not take; what it will not
//! take (a 4xx) is counted, and the next is due as ever. Nothing of a device's own work waits for any of this. A device that is given
//! [`Reports`] does of all this the reports alone.

mod call;
mod keep;
pub mod metrics;
mod reports;
#[cfg(test)]
mod tests;
mod vitals;

use core::fmt::Debug;
use core::future::pending;
use core::net::SocketAddr;
use core::pin::pin;

use embassy_futures::select::select;
use embedded_io_async::{Read, Write};
use embedded_storage_async::nor_flash::NorFlash;
use rand_core::Rng;
use wavetank_stack::http::Connection;
use wavetank_stack::time::{sleep, timeout};
use wavetank_stack::update::{
    Download, FetchError, Fetched, FinishError, Layout, Manifest, Name, Refusal, Slot, Source, StartError, Trust,
    Updater, Version, Why, fetch,
};
use wavetank_stack::{Clock, Duration, Probe, tcp};

use self::call::{HostName, Hub, Said, Trouble};
pub(crate) use self::keep::Host;
pub use self::keep::Keep;
pub(crate) use self::keep::NoUpdates;
pub use self::reports::Reports;
pub(crate) use self::vitals::Vitals;
use crate::{Backoff, Exit};

/// The hub's longest head; what is asked is shorter.
const HEAD_BYTES: usize = 512;

/// The updates of a device.
#[derive(Clone, Debug)]
pub struct Updates<F> {
    /// The flash with both slots and their state. Where it has other users, they have partitions of their own.
    pub flash: F,
    /// Everything else.
    pub settings: Settings,
}

/// What a device is told of its updates once.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where on the flash what is; as the boot loader has it.
    pub layout: Layout,
    /// The slot that it runs from, as the boot loader says.
    pub running: Slot,
    /// Whose images it takes, and of which name.
    pub trust: Trust,
    /// Where the hub listens.
    pub hub: SocketAddr,
    /// From one question to the next, each with a report of the device's health.
    pub period: Duration,
    /// How long an image on trial has to prove itself.
    pub trial: Duration,
    /// How long it has to have run by then, all the same: what hangs or starts over by itself does so before it is trusted.
    /// Shorter than `trial`.
    pub soak: Duration,
    /// How long the hub may take: to be connected to, to answer, or with the next bytes of a body.
    pub patience: Duration,
    /// Waits between attempts to reach the hub.
    pub backoff: Backoff,
    /// Pages of the flash that are asked for at a time.
    pub pages: u32,
}

impl Settings {
    /// The usual ones: a question an hour, five minutes to prove itself, one of which it has to last, 10 s for the hub, four
    /// pages at a time.
    pub fn new(layout: Layout, running: Slot, trust: Trust, hub: SocketAddr) -> Self {
        Self {
            layout,
            running,
            trust,
            hub,
            period: Duration::from_secs(3_600),
            trial: Duration::from_secs(300),
            soak: Duration::from_secs(60),
            patience: Duration::from_secs(10),
            backoff: Backoff::default(),
            pages: 4,
        }
    }
}

impl<F: NorFlash<Error: Debug>> Keep for Updates<F> {
    const IS_KEPT: bool = true;

    async fn call<C: Clock, P: Probe, R: Rng>(&mut self, host: &Host<'_, '_, C, P>, mut rng: R) -> Option<Exit> {
        let Self { flash, settings } = self;
        let Ok(updater) = Updater::new(flash, settings.layout.clone(), settings.running) else {
            // A mistake of whoever built it. The device itself can do its work.
            host.flash_failed();
            return None;
        };
        let mut address = HostName::new();
        call::write(&mut address, format_args!("{}", settings.hub));
        let hub = Hub { host: &address, device: host.id, patience: settings.patience, clock: host.clock };
        Keeper { hub, updater, host, settings, refused: None, heard: false }.call(&mut rng).await
    }

    async fn keep<C: Clock, P: Probe, R: Rng>(self, host: Host<'_, '_, C, P>, mut rng: R) -> Exit {
        let Self { flash, settings } = self;
        let Ok(updater) = Updater::new(flash, settings.layout.clone(), settings.running) else {
            // A mistake of whoever built it. The device itself can do its work.
            host.flash_failed();
            return pending().await;
        };
        let mut address = HostName::new();
        call::write(&mut address, format_args!("{}", settings.hub));
        let hub = Hub { host: &address, device: host.id, patience: settings.patience, clock: host.clock };
        host.vitals.reports_every(settings.period);
        Keeper { hub, updater, host: &host, settings: &settings, refused: None, heard: false }.run(&mut rng).await
    }
}

/// How a connection to the hub ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Visit {
    /// All was done: come again after a period.
    Done,
    /// Something was fetched, and there is more to do: come again at once.
    More,
    /// Nothing came of it: come again after a while, and a longer one each time.
    Failed,
    /// Start what was fetched.
    Swap,
}

struct Keeper<'a, 'r, F, C, P> {
    hub: Hub<'a, C>,
    updater: Updater<F>,
    host: &'a Host<'a, 'r, C, P>,
    settings: &'a Settings,
    /// What was refused in this life, as the hub knows, and need not be looked at again.
    refused: Option<Manifest>,
    /// Whether the hub has the report that is due, or will not have it.
    heard: bool,
}

impl<'r, F: NorFlash<Error: Debug>, C: Clock, P: Probe> Keeper<'_, 'r, F, C, P> {
    fn name(&self) -> &Name {
        &self.settings.trust.name
    }

    async fn dial(&self) -> Result<tcp::Stream<'r>, Trouble> {
        self.host.dial(self.settings.hub, self.settings.patience).await
    }

    /// Whether what runs may go on running.
    async fn stays(&mut self, rng: &mut impl Rng) -> Result<bool, Trouble> {
        if !self.on_trial().await? || self.prove(rng).await {
            return Ok(true);
        }
        self.host.probe.count(metrics::GIVEN_UP, 1);
        // Should the flash fail, the boot loader comes to the same by the reset.
        let _ = self.host.checked(self.updater.give_up(Why::SelfTest).await);
        Ok(false)
    }

    async fn call(&mut self, rng: &mut impl Rng) -> Option<Exit> {
        match self.stays(rng).await {
            Ok(true) => {}
            Ok(false) => return Some(Exit::SwapImage),
            Err(_) => return None,
        }
        loop {
            match self.visit().await {
                Visit::Swap => return Some(Exit::SwapImage),
                Visit::More => {}
                Visit::Failed | Visit::Done => return None,
            }
        }
    }

    async fn run(&mut self, rng: &mut impl Rng) -> Exit {
        let clock = self.host.clock;
        let mut failures = 0;
        // Nothing goes on before it is known what is on trial.
        let stays = loop {
            if let Ok(stays) = self.stays(rng).await {
                break stays;
            }
            sleep(clock, self.settings.backoff.delay(failures, rng)).await;
            failures = failures.saturating_add(1);
        };
        if !stays {
            return Exit::SwapImage;
        }
        failures = 0;
        loop {
            sleep(clock, self.settings.backoff.delay(failures, rng)).await;
            match self.visit().await {
                Visit::Swap => return Exit::SwapImage,
                Visit::More => failures = 0,
                Visit::Failed => failures = failures.saturating_add(1),
                Visit::Done => {
                    failures = 0;
                    // Sooner if something is wrong that was not yet.
                    select(sleep(clock, self.settings.period), pin!(self.host.vitals.until_news())).await;
                    self.heard = false;
                }
            }
        }
    }

    /// Says what runs, and whether it has to prove itself.
    async fn on_trial(&mut self) -> Result<bool, Trouble> {
        let probe = self.host.probe;
        let status = self.host.checked(self.updater.status().await)?;
        let version = status.version.unwrap_or_default();
        self.host.vitals.runs(version);
        probe.gauge(metrics::FIRMWARE, version.as_gauge());
        probe.gauge(metrics::ON_TRIAL, status.on_trial.into());
        if !status.on_trial {
            self.report(version, status.minimum);
        }
        Ok(status.on_trial)
    }

    /// What runs has been confirmed.
    fn report(&self, version: Version, minimum: Version) {
        let probe = self.host.probe;
        probe.gauge(metrics::CONFIRMED, version.as_gauge());
        probe.gauge(metrics::MINIMUM, minimum.as_gauge());
        probe.gauge(metrics::ON_TRIAL, 0);
    }

    /// Whether what runs is well, and the hub has heard so: then it is kept.
    async fn prove(&mut self, rng: &mut impl Rng) -> bool {
        let (clock, trial) = (self.host.clock, self.settings.trial);
        let proving = async {
            sleep(clock, self.settings.soak).await;
            self.host.vitals.until_well().await;
            let mut failures = 0;
            while self.say_trying().await.is_err() {
                sleep(clock, self.settings.backoff.delay(failures, rng)).await;
                failures = failures.saturating_add(1);
            }
        };
        if timeout(clock, trial, pin!(proving)).await.is_err() {
            return false;
        }
        while self.host.checked(self.updater.confirm().await).is_err() {
            sleep(clock, self.settings.period).await;
        }
        self.host.probe.count(metrics::UPDATES_CONFIRMED, 1);
        if let Ok(status) = self.host.checked(self.updater.status().await) {
            self.report(status.version.unwrap_or_default(), status.minimum);
        }
        true
    }

    async fn say_trying(&mut self) -> Result<(), Trouble> {
        let version = self.host.checked(self.updater.status().await)?.version.unwrap_or_default();
        let mut stream = self.dial().await?;
        let mut buffer = [0; HEAD_BYTES];
        let said =
            self.hub.say(&mut Connection::new(&mut stream, &mut buffer), self.name(), version, Said::Trying, &"").await;
        self.host.probe.count(metrics::CALLS_FAILED, u64::from(said.is_err()));
        stream.abort();
        said
    }

    /// One connection to the hub, and all that is to be done there.
    async fn visit(&mut self) -> Visit {
        let visit = self.call_once().await;
        if self.heard {
            return visit;
        }
        self.host.vitals.report_failed();
        // There is still something to say.
        if visit == Visit::Done { Visit::Failed } else { visit }
    }

    async fn call_once(&mut self) -> Visit {
        let Ok(mut stream) = self.dial().await else { return Visit::Failed };
        let mut buffer = [0; HEAD_BYTES];
        let mut connection = Connection::new(&mut stream, &mut buffer);
        let visit = self.errands(&mut connection).await;
        if visit.is_err() {
            self.host.probe.count(metrics::CALLS_FAILED, 1);
        }
        stream.abort();
        match visit {
            Ok(visit) => visit,
            Err(Trouble::Broken { moved: true }) => Visit::More,
            Err(_) => Visit::Failed,
        }
    }

    async fn errands<S>(&mut self, connection: &mut Connection<'_, S>) -> Result<Visit, Trouble>
    where
        S: Read + Write,
    {
        if !self.heard {
            self.heard = self.host.tell_health(&self.hub, connection).await?;
        }
        let status = self.host.checked(self.updater.status().await)?;
        if let Some(given_up) = status.given_up.filter(|given_up| !given_up.told) {
            let said = if given_up.why.has_run() { Said::RolledBack } else { Said::Failed };
            self.hub.say(connection, self.name(), given_up.version, said, &given_up.why).await?;
            self.host.checked(self.updater.told().await)?;
        }
        let version = status.version.unwrap_or_default();
        let Some(manifest) = self.hub.ask(connection, self.name(), version).await? else { return Ok(Visit::Done) };
        if self.refused.as_ref() == Some(&manifest) {
            return Ok(Visit::Done);
        }
        let mut download = match self.updater.start(&manifest, &self.settings.trust).await {
            Ok(download) => download,
            Err(StartError::Refused(refusal)) => {
                self.host.probe.count(metrics::UPDATES_REFUSED, 1);
                let given_up = status.given_up.filter(|_| refusal == Refusal::GivenUp);
                let said = if given_up.is_some_and(|given_up| given_up.why.has_run()) {
                    Said::RolledBack
                } else {
                    Said::Failed
                };
                self.hub.say(connection, self.name(), manifest.version, said, &refusal).await?;
                self.refused = Some(manifest);
                return Ok(Visit::Done);
            }
            Err(StartError::Store(error)) => return self.host.checked(Err(error)),
            Err(_) => return Ok(Visit::Done),
        };
        self.take(connection, &mut download).await
    }

    /// Fetches what is missing of an image.
    async fn take<S>(&mut self, connection: &mut Connection<'_, S>, download: &mut Download) -> Result<Visit, Trouble>
    where
        S: Read + Write,
    {
        let (clock, probe) = (self.host.clock, self.host.probe);
        let begun = download.done();
        probe.count(if begun == 0 { metrics::DOWNLOADS_BEGUN } else { metrics::DOWNLOADS_RESUMED }, 1);
        self.hub.say(connection, self.name(), download.manifest().version, Said::Downloading, &"").await?;
        let target = call::image(download.manifest());
        let source = Source {
            host: self.hub.host,
            target: &target,
            pages: self.settings.pages,
            patience: self.settings.patience,
        };
        loop {
            if !connection.is_ready() && !download.is_complete() {
                return Ok(if download.done() > begun { Visit::More } else { Visit::Failed });
            }
            let fetched = fetch(connection, &source, download, &mut self.updater, clock).await;
            probe.gauge(metrics::FETCHED, download.done().into());
            match fetched {
                Ok(Fetched::Piece) => {}
                Ok(Fetched::All) => break,
                Ok(Fetched::Changed) => {
                    probe.count(metrics::DOWNLOADS_CHANGED, 1);
                    return Err(Trouble::Broken { moved: false });
                }
                Err(FetchError::Store(error)) => return self.host.checked(Err(error)),
                Err(_) => return Err(Trouble::Broken { moved: download.done() > begun }),
            }
        }
        match self.updater.finish(download).await {
            Ok(()) => {
                probe.count(metrics::UPDATES_TAKEN, 1);
                Ok(Visit::Swap)
            }
            Err(FinishError::Damaged { .. }) => {
                probe.count(metrics::DOWNLOADS_DAMAGED, 1);
                Err(Trouble::Broken { moved: false })
            }
            Err(FinishError::Store(error)) => self.host.checked(Err(error)),
            Err(_) => Ok(Visit::More),
        }
    }
}
