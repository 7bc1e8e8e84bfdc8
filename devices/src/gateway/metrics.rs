//! The names under which a gateway tells its [`Probe`](wavetank_stack::Probe) what it does. What it does with packets is counted
//! under the names of [`Count`](wavetank_stack::forward::Count).

/// Gauge: 1 while the uplink answers, else 0.
pub const UPLINK: &str = "uplink";
/// Counter: questions that the uplink did not answer.
pub const UPLINK_MISSES: &str = "uplink.misses";
/// Gauge: 1 while the light is on, else 0.
pub const LIGHT: &str = "light";
/// Counter: times that the light's or the button's pin failed.
pub const PANEL_ERRORS: &str = "panel.errors";
/// Counter: times that the button was held for long enough.
pub const BUTTON_HELD: &str = "button.held";
