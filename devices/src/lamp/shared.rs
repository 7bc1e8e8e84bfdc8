//! The lamp as its tasks share it: two hear commands, one writes them down.

use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use embedded_hal::digital::{OutputPin, PinState};
use wavetank_stack::{FlowId, Probe};

use super::command::{Command, Said};
use super::{BROKER_WELL, metrics};
use crate::DeviceId;
use crate::updates::Vitals;

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is obeyed, or was already.
    Obeyed,
    /// A newer one is.
    Stale,
}

/// Who waits for the state to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiter {
    /// The one who writes it down.
    Keeper,
    /// The one who tells the broker.
    Publisher,
    /// The one who tells observers.
    Server,
    /// The one who answers a request as soon as what it says is written down.
    Answer,
    /// The one who acknowledges a message, likewise.
    Receipt,
}

const WAITERS: usize = 5;

/// Everybody holds it by reference; nobody borrows it across an await.
pub(super) struct Shared<'a, O, P> {
    id: &'a DeviceId,
    probe: &'a P,
    vitals: &'a Vitals,
    inner: RefCell<Inner<O>>,
}

struct Inner<O> {
    output: O,
    /// What is obeyed.
    obeyed: Command,
    /// What is on the flash: that alone is told.
    kept: Command,
    /// How often that has changed.
    edition: u32,
    waiters: [Option<Waker>; WAITERS],
}

impl<'a, O: OutputPin, P: Probe> Shared<'a, O, P> {
    /// A lamp that obeys what it obeyed before.
    pub(super) fn new(id: &'a DeviceId, probe: &'a P, vitals: &'a Vitals, output: O, obeyed: Command) -> Self {
        let inner = Inner { output, obeyed, kept: obeyed, edition: 0, waiters: [const { None }; WAITERS] };
        let shared = Shared { id, probe, vitals, inner: RefCell::new(inner) };
        shared.show(obeyed);
        // The power may have gone between writing it down and saying so.
        if obeyed != Command::default() {
            shared.tell(obeyed);
        }
        shared
    }

    /// Whether an attempt to reach the broker came to anything.
    pub(super) fn reached(&self, reached: bool) {
        self.vitals.reached(reached);
        if reached {
            self.vitals.show(BROKER_WELL);
        }
    }

    /// Obeys what was said, if nothing newer was; light is there at once.
    pub(super) fn command(&self, said: Said) -> Verdict {
        let before = self.inner.borrow().obeyed;
        let command = match said {
            Said::Numbered(command) => command,
            // The last number there is can be given by whoever gives numbers alone.
            Said::Plain(on) => Command { number: before.number.saturating_add(1), by: 0, on },
        };
        if command == before {
            self.probe.count(metrics::COMMANDS_KNOWN, 1);
            return Verdict::Obeyed;
        }
        if !command.is_newer_than(&before) {
            self.probe.count(metrics::COMMANDS_STALE, 1);
            return Verdict::Stale;
        }
        self.show(command);
        self.inner.borrow_mut().obeyed = command;
        self.wake();
        Verdict::Obeyed
    }

    /// What was said is no command.
    pub(super) fn unreadable(&self) {
        self.probe.count(metrics::COMMANDS_UNREADABLE, 1);
    }

    /// What is obeyed, and will be after a power cut.
    pub(super) fn state(&self) -> Command {
        self.inner.borrow().kept
    }

    /// How often that has changed.
    pub(super) fn edition(&self) -> u32 {
        self.inner.borrow().edition
    }

    /// Waits until something else is obeyed than what is on the flash.
    pub(super) async fn unkept(&self) -> Command {
        self.when(Waiter::Keeper, |inner| (inner.obeyed != inner.kept).then_some(inner.obeyed)).await
    }

    /// That is on the flash now.
    pub(super) fn keep(&self, command: Command) {
        {
            let inner = &mut *self.inner.borrow_mut();
            inner.kept = command;
            inner.edition = inner.edition.wrapping_add(1);
        }
        self.probe.count(metrics::COMMANDS_OBEYED, 1);
        self.tell(command);
        self.wake();
    }

    fn tell(&self, kept: Command) {
        self.probe.gauge(metrics::COMMAND, i64::try_from(kept.id()).unwrap_or(i64::MAX));
        self.probe.flow(metrics::FLOW_OBEYED, FlowId { source: self.id.as_str(), sequence: kept.id() });
    }

    /// Waits until all that is obeyed is on the flash.
    pub(super) async fn settled(&self, waiter: Waiter) {
        self.when(waiter, |inner| (inner.obeyed == inner.kept).then_some(())).await;
    }

    /// Waits until the state is another one than `told`.
    pub(super) async fn changed(&self, waiter: Waiter, told: Option<Command>) -> Command {
        self.when(waiter, |inner| (told != Some(inner.kept)).then_some(inner.kept)).await
    }

    async fn when<T>(&self, waiter: Waiter, mut look: impl FnMut(&Inner<O>) -> Option<T>) -> T {
        poll_fn(|cx: &mut Context<'_>| {
            let inner = &mut *self.inner.borrow_mut();
            match look(inner) {
                Some(found) => Poll::Ready(found),
                None => {
                    inner.waiters[waiter as usize] = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn wake(&self) {
        let waiters = core::mem::replace(&mut self.inner.borrow_mut().waiters, [const { None }; WAITERS]);
        waiters.into_iter().flatten().for_each(Waker::wake);
    }

    fn show(&self, command: Command) {
        if self.inner.borrow_mut().output.set_state(PinState::from(command.on)).is_err() {
            self.probe.count(metrics::OUTPUT_ERRORS, 1);
            self.vitals.sensor_failed();
        }
        self.probe.gauge(metrics::LAMP, command.on.into());
    }
}
