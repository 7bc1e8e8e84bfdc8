//! The river of a scenario, and float switches in it: the hardware that the tank's gauges stand on.

use std::convert::Infallible;

use embedded_hal::digital::{ErrorType, InputPin};
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank::scenarios::site::Site;
use wavetank::scenarios::units::Time;
use wavetank::sim::hw::signal::{Micro, Seconds, Shape, Signal};
use wavetank::sim::node::Node;

/// Centimetres from one switch to the next, and from the river's bed to the lowest.
const SPACING_CM: i64 = 50;

/// A flood wave: the water rises from the bed to its crest, stays there, and falls.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct River {
    /// When the water begins to rise.
    pub rises_at: Time,
    /// When it begins to fall.
    pub falls_at: Time,
    /// How long rising takes, and falling.
    pub takes: Time,
    /// How high it gets, in centimetres.
    pub crest_cm: u32,
    /// How much the waves add or take away, in centimetres.
    pub waves_cm: u32,
}

impl Default for River {
    fn default() -> Self {
        Self {
            rises_at: Time::from_secs(10),
            falls_at: Time::from_secs(30),
            takes: Time::from_secs(10),
            crest_cm: 180,
            waves_cm: 5,
        }
    }
}

impl River {
    /// The water's height over time, in centimetres, at a node's place.
    pub(crate) fn height(&self, site: &Site<'_>) -> Signal {
        let seconds = |time: Time| Seconds::from_nanos(time.as_nanos());
        let crest = i64::from(self.crest_cm) * 1_000_000;
        let ramp = |to, start| Shape::Ramp {
            from: Micro(0),
            to: Micro(to),
            start_s: seconds(start),
            duration_s: seconds(self.takes),
        };
        let waves = Shape::Noise {
            amplitude: Micro(i64::from(self.waves_cm) * 1_000_000),
            interval_s: Seconds::from_secs(2),
            octaves: 1,
        };
        let wave = Shape::Sum { of: vec![ramp(crest, self.rises_at), ramp(-crest, self.falls_at), waves] };
        Signal::new(&wave, &mut site.stream("river")).expect("no interval is zero")
    }
}

/// A float switch: its pin is high while it is under water.
pub(crate) struct FloatSwitch {
    node: Node,
    height: Signal,
    at_cm: i64,
}

impl FloatSwitch {
    /// The `n`th of a pole, counted from 0 and from below.
    pub(crate) fn new(node: Node, height: Signal, n: usize) -> Self {
        let n = i64::try_from(n).expect("a pole has few switches");
        Self { node, height, at_cm: SPACING_CM * (n + 1) }
    }

    fn is_under_water(&self) -> bool {
        // The river keeps the world's time, whatever the gauge's clock says.
        self.height.at(self.node.world_now().as_nanos()) > self.at_cm * 1_000_000
    }
}

impl ErrorType for FloatSwitch {
    type Error = Infallible;
}

impl InputPin for FloatSwitch {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok(self.is_under_water())
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        Ok(!self.is_under_water())
    }
}
