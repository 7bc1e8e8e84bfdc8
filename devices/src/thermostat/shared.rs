//! The backlog as the sampler and the uplink share it: one fills it, the other waits for work in it.

use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use wavetank_stack::{FlowId, Instant, Probe};

use super::backlog::Backlog;
use super::reading::{Reading, Sequence};
use super::{SENSOR_WELL, metrics};
use crate::DeviceId;
use crate::updates::Vitals;

/// What there is to do at the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Ask where the numbering stands.
    AskNumbering,
    /// Bring the oldest reading.
    Post(Sequence, Reading),
}

/// Both sides hold it by reference; neither borrows it across an await. It reports what happens in it.
pub(super) struct Shared<'a, P, const N: usize> {
    device: &'a DeviceId,
    probe: &'a P,
    /// Of a thermostat that tells how it is.
    vitals: Option<&'a Vitals>,
    inner: RefCell<Inner<N>>,
}

struct Inner<const N: usize> {
    backlog: Backlog<N>,
    uplink: Option<Waker>,
}

impl<'a, P: Probe, const N: usize> Shared<'a, P, N> {
    pub(super) fn new(device: &'a DeviceId, probe: &'a P, vitals: Option<&'a Vitals>) -> Self {
        let inner = Inner { backlog: Backlog::new(), uplink: None };
        Shared { device, probe, vitals, inner: RefCell::new(inner) }
    }

    /// Adds one to that counter.
    pub(super) fn count(&self, name: &'static str) {
        self.probe.count(name, 1);
    }

    /// The sensor or its bus gave nothing.
    pub(super) fn sensor_failed(&self) {
        self.count(metrics::SENSOR_ERRORS);
        self.note(Vitals::sensor_failed);
    }

    /// Whether an attempt to reach the hub came to anything.
    pub(super) fn reached(&self, reached: bool) {
        self.note(|vitals| vitals.reached(reached));
    }

    fn note(&self, note: impl FnOnce(&Vitals)) {
        if let Some(vitals) = self.vitals {
            note(vitals);
        }
    }

    /// The sampler has measured.
    pub(super) fn push(&self, at: Instant, celsius_milli: i32) {
        self.probe.gauge(metrics::TEMPERATURE, celsius_milli.into());
        self.note(|vitals| vitals.show(SENSOR_WELL));
        let (kept, uplink) = self.with(|inner| (inner.backlog.push(at, celsius_milli), inner.uplink.take()));
        self.count(metrics::READINGS_TAKEN);
        if kept.dropped {
            self.count(metrics::READINGS_DROPPED);
            self.note(|vitals| vitals.lost(1));
        }
        if let Some(sequence) = kept.sequence {
            self.flow(metrics::FLOW_TAKEN, sequence);
        }
        self.report_len();
        if let Some(uplink) = uplink {
            uplink.wake();
        }
    }

    /// Waits until there is something to do at the hub. For one waiter.
    pub(super) async fn errand(&self) -> Errand {
        poll_fn(|cx| self.poll_errand(cx)).await
    }

    fn poll_errand(&self, cx: &Context<'_>) -> Poll<Errand> {
        self.with(|inner| {
            if inner.backlog.needs_numbering() {
                return Poll::Ready(Errand::AskNumbering);
            }
            if let Some((sequence, reading)) = inner.backlog.front() {
                return Poll::Ready(Errand::Post(sequence, reading));
            }
            inner.uplink = Some(cx.waker().clone());
            Poll::Pending
        })
    }

    /// The hub has told the highest number it has.
    pub(super) fn resume(&self, last: u64) {
        self.with(|inner| {
            let numbered = |sequence| self.flow(metrics::FLOW_TAKEN, sequence);
            inner.backlog.resume(last, numbered);
        });
    }

    /// The reading that [`Errand::Post`] named goes onto the wire.
    pub(super) fn attempt(&self) {
        self.with(|inner| inner.backlog.attempt());
        self.count(metrics::POSTS_SENT);
    }

    /// The hub has it.
    pub(super) fn acknowledge(&self, sequence: Sequence) {
        self.with(|inner| inner.backlog.settle(sequence));
        self.count(metrics::READINGS_ACKNOWLEDGED);
        self.flow(metrics::FLOW_ACKNOWLEDGED, sequence);
        self.report_len();
    }

    /// The hub will never take it.
    pub(super) fn set_aside(&self, sequence: Sequence) {
        self.with(|inner| inner.backlog.settle(sequence));
        self.count(metrics::READINGS_REJECTED);
        self.note(|vitals| vitals.lost(1));
        self.report_len();
    }

    /// The hub has that number for another reading.
    pub(super) fn doubt_numbering(&self) {
        self.with(|inner| inner.backlog.doubt());
    }

    fn with<R>(&self, f: impl FnOnce(&mut Inner<N>) -> R) -> R {
        f(&mut self.inner.borrow_mut())
    }

    fn flow(&self, kind: &'static str, sequence: Sequence) {
        let source = self.device.as_str();
        self.probe.flow(kind, FlowId { source, sequence: sequence.get() });
    }

    fn report_len(&self) {
        let len = self.with(|inner| inner.backlog.len());
        self.note(|vitals| vitals.waiting(len as u64));
        self.probe.gauge(metrics::BACKLOG, i64::try_from(len).unwrap_or(i64::MAX));
    }
}
