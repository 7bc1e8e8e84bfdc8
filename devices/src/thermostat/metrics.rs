//! The names under which a thermostat tells its [`Probe`](wavetank_stack::Probe) what it does.

/// Counter: readings measured, numbered or not.
pub const READINGS_TAKEN: &str = "readings.taken";
/// Counter: readings that the hub has said it has.
pub const READINGS_ACKNOWLEDGED: &str = "readings.acknowledged";
/// Counter: readings that went because the backlog was full.
pub const READINGS_DROPPED: &str = "readings.dropped";
/// Counter: readings that the hub refused for good, or could not tell from another one.
pub const READINGS_REJECTED: &str = "readings.rejected";
/// Counter: POST requests begun.
pub const POSTS_SENT: &str = "posts.sent";
/// Counter: POST requests that brought no answer, or one that says to try again.
pub const POSTS_FAILED: &str = "posts.failed";
/// Counter: connections to the hub that could not be opened.
pub const CONNECTS_FAILED: &str = "connects.failed";
/// Counter: measurements that the sensor or its bus did not give.
pub const SENSOR_ERRORS: &str = "sensor.errors";
/// Counter: addresses that a DHCP server lent, and nobody else had.
pub const LEASES_BOUND: &str = "leases.bound";
/// Counter: leases that were prolonged.
pub const LEASES_RENEWED: &str = "leases.renewed";
/// Counter: times that a DHCP server refused what was asked for.
pub const LEASES_REFUSED: &str = "leases.refused";
/// Counter: addresses that somebody else had, too.
pub const LEASES_CONTESTED: &str = "leases.contested";
/// Counter: leases that ran out.
pub const LEASES_EXPIRED: &str = "leases.expired";
/// Gauge: 1 while there is a lease, else 0.
pub const LEASE: &str = "lease";
/// Counter: times that the hub's name led to no address.
pub const NAMES_FAILED: &str = "names.failed";
/// Gauge: what was measured last, in thousandths of a degree Celsius.
pub const TEMPERATURE: &str = "temperature";
/// Gauge: readings that wait for the hub.
pub const BACKLOG: &str = "backlog";

/// Flow: a reading got its number (at once, or when the hub first told where the numbering stands).
pub const FLOW_TAKEN: &str = "reading.taken";
/// Flow: the hub has said that it has the reading.
pub const FLOW_ACKNOWLEDGED: &str = "reading.acknowledged";
