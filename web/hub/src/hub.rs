//! The hub itself: what it keeps, what it knows of now, and how it is run.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::future::{Either, select};
use hyper::rt::{Sleep, Timer};
use wavetank_web::{Listener, Options, Runtime, Served, serve_with};

use crate::firmware::{Manifest, Name, Rollout};
use crate::health::Condition;
use crate::listener::Changes;
use crate::presence::Presence;
use crate::progress::Tally;
use crate::updates::{self, PutFirmware};
use crate::{Device, Observer, Reading, RecordError, Recorded, Security, Shelf, Store, StoreError, StoredReading, api};

/// How a hub behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// A device that has not been heard for longer than this is offline. 60 s unless set.
    pub online_window: Duration,
    /// Readings in one post at most. 1,000 unless set.
    pub batch_max: usize,
    /// Readings in one page at most. 1,000 unless set.
    pub page_max: usize,
    /// How the hub is served.
    pub serve: Options,
    /// Who may do what. Nobody is the admin, and devices need no keys, unless set.
    pub security: Security,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            online_window: Duration::from_secs(60),
            batch_max: 1_000,
            page_max: 1_000,
            serve: Options::default(),
            security: Security::default(),
        }
    }
}

/// A telemetry hub: a handle, cheap to clone, for one thread.
#[derive(Clone)]
pub struct Hub {
    inner: Rc<Inner>,
}

struct Inner {
    store: Box<dyn Store>,
    observer: Box<dyn Observer>,
    wall_clock: Box<dyn Fn() -> SystemTime>,
    sleep: Box<dyn Fn(Duration) -> Pin<Box<dyn Sleep>>>,
    changes: Changes,
    tally: Tally,
    presence: RefCell<Presence>,
    told: Cell<Told>,
    sweeper: RefCell<Option<Waker>>,
    config: Config,
}

/// What the observer was last told.
#[derive(Clone, Copy, Default)]
struct Told {
    known: Option<usize>,
    online: Option<usize>,
}

impl Hub {
    /// A hub over this store. Devices that the store has heard within the window are online from the start.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn new(
        store: impl Store,
        runtime: &impl Runtime,
        observer: impl Observer,
        config: Config,
    ) -> Result<Self, StoreError> {
        let runtime = runtime.clone();
        let timer = runtime.timer();
        let window_ms = u64::try_from(config.online_window.as_millis()).unwrap_or(u64::MAX);
        let mut presence = Presence::new(window_ms);
        for device in store.devices()? {
            presence.hear(&device.device, device.last_heard_ms);
        }
        let hub = Self {
            inner: Rc::new(Inner {
                store: Box::new(store),
                observer: Box::new(observer),
                wall_clock: Box::new(move || runtime.wall_clock()),
                sleep: Box::new(move |duration| timer.sleep(duration)),
                changes: Changes::default(),
                tally: Tally::default(),
                presence: RefCell::new(presence),
                told: Cell::default(),
                sweeper: RefCell::default(),
                config,
            }),
        };
        hub.sweep();
        Ok(hub)
    }

    /// Serves the hub until `stop` resolves, and keeps track of who is online meanwhile.
    pub async fn serve<L, R>(&self, listener: L, runtime: R, stop: impl Future<Output = ()>) -> Served
    where
        L: Listener,
        R: Runtime,
    {
        let service = api::app(self.clone()).into_service().expect("the hub's paths are distinct");
        // A page that is kept up to date would keep the server from stopping.
        let stop = async {
            stop.await;
            self.inner.changes.end();
        };
        let watching = pin!(self.watch(runtime.timer()));
        let serving = pin!(serve_with(self.inner.config.serve.clone(), listener, service, runtime, stop));
        match select(serving, watching).await {
            Either::Left((served, _)) => served,
            Either::Right((never, _)) => match never {},
        }
    }

    /// Takes devices offline when their time is up. [`Hub::serve`] does this; it is for those who serve
    /// [`app`](crate::app) themselves.
    pub async fn watch(&self, timer: impl Timer) -> std::convert::Infallible {
        loop {
            let now_ms = self.now_ms();
            let next_ms = self.inner.presence.borrow().next_sweep_ms(now_ms);
            match next_ms {
                Some(next_ms) => timer.sleep(Duration::from_millis(next_ms)).await,
                None => self.someone_online().await,
            }
            self.sweep();
        }
    }

    async fn someone_online(&self) {
        std::future::poll_fn(|cx| {
            if self.inner.presence.borrow().online() > 0 {
                return Poll::Ready(());
            }
            *self.inner.sweeper.borrow_mut() = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Keeps an image of firmware with its manifest, as `PUT /firmware/:name/:version` does. Nothing is verified: that is
    /// [`firmware::manifest`](crate::firmware::manifest)'s.
    ///
    /// # Errors
    /// If the store fails.
    pub fn put_firmware(&self, manifest: &Manifest, image: &[u8]) -> Result<PutFirmware, StoreError> {
        self.told(updates::put_firmware(self, manifest, image))
    }

    /// Rolls a version of a firmware out so far, as `PUT /rollouts/:name` does, but nothing is verified: whoever asks for a
    /// version that was not put there is told 404. A device hears of it when it asks.
    ///
    /// # Errors
    /// If the store fails.
    pub fn roll_out(&self, name: &Name, rollout: &Rollout) -> Result<(), StoreError> {
        self.told(updates::write(self, Shelf::Rollouts, name, rollout))?;
        self.inner.changes.note();
        Ok(())
    }

    pub(crate) fn observer(&self) -> &dyn Observer {
        &*self.inner.observer
    }

    /// One who is told of what changes, unless there are so many already.
    pub(crate) fn listen(&self, listeners_max: usize) -> Option<crate::listener::Listener> {
        crate::listener::Listener::new(self.clone(), listeners_max)
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.store
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.inner.tally
    }

    pub(crate) fn changes(&self) -> &Changes {
        &self.inner.changes
    }

    pub(crate) fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        (self.inner.sleep)(duration)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    /// Milliseconds since 1970 by the runtime's clock.
    pub(crate) fn now_ms(&self) -> u64 {
        let since_1970 = (self.inner.wall_clock)().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
    }

    /// Stores a batch, and tells of it. When this returns the batch is durable.
    pub(crate) fn record(&self, batch: &[Reading]) -> Result<Vec<Recorded>, RecordError> {
        let now_ms = self.now_ms();
        let recorded = self.inner.store.record(batch, now_ms).inspect_err(|error| {
            if let RecordError::Store(error) = error {
                self.inner.observer.store_failed(error);
            }
        })?;
        for (reading, recorded) in batch.iter().zip(&recorded) {
            self.inner.presence.borrow_mut().hear(&reading.device, now_ms);
            match recorded {
                Recorded::Stored => self.inner.observer.stored(&reading.device, reading.sequence),
                Recorded::Duplicate => self.inner.observer.duplicate(&reading.device, reading.sequence),
            }
        }
        self.inner.changes.note();
        self.sweep();
        let sweeper = self.inner.sweeper.borrow_mut().take();
        if let Some(waker) = sweeper {
            waker.wake();
        }
        Ok(recorded)
    }

    pub(crate) fn devices(&self) -> Result<Vec<(Device, bool)>, StoreError> {
        let devices = self.told(self.inner.store.devices())?;
        Ok(devices.into_iter().map(|device| self.with_presence(device)).collect())
    }

    pub(crate) fn device(&self, name: &str) -> Result<Option<(Device, bool)>, StoreError> {
        Ok(self.told(self.inner.store.device(name))?.map(|device| self.with_presence(device)))
    }

    pub(crate) fn reading(&self, device: &str, sequence: u64) -> Result<Option<StoredReading>, StoreError> {
        self.told(self.inner.store.reading(device, sequence))
    }

    pub(crate) fn readings(&self, device: &str, from: u64, limit: usize) -> Result<Vec<StoredReading>, StoreError> {
        self.told(self.inner.store.readings(device, from, limit))
    }

    /// What the store answered, and the observer told of it if it failed.
    pub(crate) fn told<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.inspect_err(|error| self.inner.observer.store_failed(error))
    }

    /// Whether a device is silent for longer than it said, and the window in which it may be.
    pub(crate) fn is_overdue(&self, condition: &Condition) -> bool {
        condition.is_overdue(self.now_ms(), self.window_ms())
    }

    /// Whether that was no longer ago than the window.
    pub(crate) fn is_within_window(&self, heard_ms: u64) -> bool {
        heard_ms.saturating_add(self.window_ms()) >= self.now_ms()
    }

    fn window_ms(&self) -> u64 {
        u64::try_from(self.inner.config.online_window.as_millis()).unwrap_or(u64::MAX)
    }

    /// A device that only repeats itself is heard, though nothing of it is stored.
    fn with_presence(&self, mut device: Device) -> (Device, bool) {
        let presence = self.inner.presence.borrow();
        if let Some(heard_ms) = presence.last_heard_ms(&device.device) {
            device.last_heard_ms = heard_ms;
        }
        let online = presence.is_online(&device.device, self.now_ms());
        (device, online)
    }

    /// Brings presence up to now and tells the observer what has changed.
    fn sweep(&self) {
        let now = {
            let mut presence = self.inner.presence.borrow_mut();
            presence.sweep(self.now_ms());
            Told { known: Some(presence.known()), online: Some(presence.online()) }
        };
        let before = self.inner.told.replace(now);
        if let Some(known) = now.known
            && before.known != now.known
        {
            self.inner.observer.known(known);
        }
        if let Some(online) = now.online
            && before.online != now.online
        {
            self.inner.observer.online(online);
            self.inner.changes.note();
        }
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("config", &self.inner.config).finish_non_exhaustive()
    }
}
