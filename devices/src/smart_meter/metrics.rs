//! The names under which a smart meter tells its [`Probe`](wavetank_stack::Probe) what it does.

/// Counter: pulses in records that are on its flash.
pub const PULSES_COUNTED: &str = "pulses.counted";
/// Counter: records put on its flash.
pub const RECORDS_KEPT: &str = "records.kept";
/// Counter: records that the broker has.
pub const RECORDS_DELIVERED: &str = "records.delivered";
/// Counter: records put on the wire, again ones included.
pub const RECORDS_SENT: &str = "records.sent";
/// Counter: times that the flash had no room; the pulses stay in the counter.
pub const SPOOL_FULL: &str = "spool.full";
/// Counter: times that the flash failed.
pub const FLASH_ERRORS: &str = "flash.errors";
/// Counter: times that the counter or its bus did not answer.
pub const COUNTER_ERRORS: &str = "counter.errors";
/// Counter: times that the counter was not counting, and was started.
pub const COUNTER_STARTS: &str = "counter.starts";
/// Counter: connections to the broker that could not be opened.
pub const CONNECTS_FAILED: &str = "connects.failed";
/// Gauge: 1 while it is connected to the broker, else 0.
pub const CONNECTED: &str = "connected";
/// Gauge: records that wait for the broker.
pub const BACKLOG: &str = "backlog";
/// Gauge: all pulses that it ever counted.
pub const REGISTER: &str = "register";

/// Flow: a pulse is in a record on its flash.
pub const FLOW_COUNTED: &str = "pulse.counted";
