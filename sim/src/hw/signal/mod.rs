//! The physical world: quantities as functions of virtual time.
//!
//! A [`Signal`] is asked for its value at any instant, in any order, by any number of sensors, and always gives the
//! same answer: nothing is integrated step by step, so that looking changes nothing. All of it is integer arithmetic
//! in millionths of the quantity's unit, because floating-point libraries differ between platforms.

mod noise;
mod quantity;
mod shape;
mod sine;

use std::collections::BTreeMap;
use std::rc::Rc;

use rand_core::Rng;

pub use quantity::{Micro, Seconds};
pub use shape::{Shape, ShapeError};

use shape::Curve;

/// One quantity over time; a cheap handle that several sensors can share.
#[derive(Clone, Debug)]
pub struct Signal(Rc<Curve>);

impl Signal {
    /// Settles a shape's chance from `stream`: one word for each `noise` in it, in the order in which they stand.
    ///
    /// # Errors
    /// When the shape has a period or interval of zero, or contradicts itself otherwise.
    pub fn new(shape: &Shape, stream: &mut impl Rng) -> Result<Self, ShapeError> {
        Ok(Signal(Rc::new(Curve::new(shape, stream)?)))
    }

    /// A quantity that never changes, in millionths of its unit.
    pub fn constant(micro: i64) -> Self {
        Signal(Rc::new(Curve::Constant(micro)))
    }

    /// The value at `now_ns` after the world's start, in millionths of the quantity's unit.
    pub fn at(&self, now_ns: u64) -> i64 {
        self.0.at(now_ns)
    }
}

/// The named quantities of one world.
#[derive(Clone, Debug, Default)]
pub struct Surroundings {
    signals: BTreeMap<String, Signal>,
}

impl Surroundings {
    /// Surroundings without any quantity.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a quantity; one that had the name before is returned.
    pub fn insert(&mut self, name: impl Into<String>, signal: Signal) -> Option<Signal> {
        self.signals.insert(name.into(), signal)
    }

    /// The quantity of that name.
    pub fn signal(&self, name: &str) -> Option<&Signal> {
        self.signals.get(name)
    }

    /// All quantities by name, in the names' order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Signal)> {
        self.signals.iter().map(|(name, signal)| (name.as_str(), signal))
    }
}
