//! What a device tells its keeper: counts, gauges, and where each piece of work has got to.
//!
//! The stack and the devices say it in these three words and do not know who listens: the simulation's
//! trace, a logger on a board, or, with `()`, nobody.

/// Names one piece of work on its way from place to place, such as a sensor reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId<'a> {
    /// Who began it.
    pub source: &'a str,
    /// Which of that source's it is.
    pub sequence: u64,
}

/// The listener.
pub trait Probe {
    /// Adds `by` to the counter called `name`.
    fn count(&self, name: &'static str, by: u64);

    /// Sets the gauge called `name`.
    fn gauge(&self, name: &'static str, value: i64);

    /// Reports that the piece of work `id` has reached the stage `kind`.
    fn flow(&self, kind: &'static str, id: FlowId<'_>);
}

/// Nobody listens.
impl Probe for () {
    fn count(&self, _name: &'static str, _by: u64) {}
    fn gauge(&self, _name: &'static str, _value: i64) {}
    fn flow(&self, _kind: &'static str, _id: FlowId<'_>) {}
}

impl<P: Probe + ?Sized> Probe for &P {
    fn count(&self, name: &'static str, by: u64) {
        P::count(self, name, by);
    }

    fn gauge(&self, name: &'static str, value: i64) {
        P::gauge(self, name, value);
    }

    fn flow(&self, kind: &'static str, id: FlowId<'_>) {
        P::flow(self, kind, id);
    }
}
