//! The names under which a door sensor tells its [`Probe`](wavetank_stack::Probe) what it does.

/// Counter: changes of the door that are on its flash.
pub const EVENTS_NOTED: &str = "events.noted";
/// Counter: events that the server has.
pub const EVENTS_DELIVERED: &str = "events.delivered";
/// Counter: events that the server did not acknowledge, or refused; each is tried again.
pub const EVENTS_FAILED: &str = "events.failed";
/// Counter: times that the contact did not hold its new level.
pub const CONTACT_BOUNCES: &str = "contact.bounces";
/// Counter: times that the contact could not be read.
pub const CONTACT_ERRORS: &str = "contact.errors";
/// Counter: times that the flash had no room for an event.
pub const SPOOL_FULL: &str = "spool.full";
/// Counter: times that the flash failed.
pub const FLASH_ERRORS: &str = "flash.errors";
/// Counter: times that the network was made, because there was something to say.
pub const NETWORK_STARTS: &str = "network.starts";
/// Counter: reports of its health that the server has.
pub const HEALTH_TOLD: &str = "health.told";
/// Gauge: 1 while the door is open, else 0, as it was noted last.
pub const DOOR: &str = "door";
/// Gauge: events that wait for the server.
pub const BACKLOG: &str = "backlog";
/// Gauge: what the battery had when it was last looked at, in millivolts.
pub const BATTERY_MILLIVOLTS: &str = "battery.millivolts";

/// Flow: an event is on its flash.
pub const FLOW_NOTED: &str = "event.noted";
/// Flow: the server said that it has the event.
pub const FLOW_DELIVERED: &str = "event.delivered";
