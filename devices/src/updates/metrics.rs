//! The names under which a device tells its [`Probe`](wavetank_stack::Probe) of its updates, and of what it reports.

/// Gauge: the version that runs; 1.2.3 is 1002003.
pub const FIRMWARE: &str = "firmware";
/// Gauge: the version that was confirmed last, as far as this life of the device knows.
pub const CONFIRMED: &str = "firmware.confirmed";
/// Gauge: the oldest version that may be run.
pub const MINIMUM: &str = "firmware.minimum";
/// Gauge: 1 while what runs has to prove itself, else 0.
pub const ON_TRIAL: &str = "firmware.on-trial";
/// Gauge: bytes of the image that are there.
pub const FETCHED: &str = "updates.fetched";
/// Counter: downloads that began at the first byte.
pub const DOWNLOADS_BEGUN: &str = "downloads.begun";
/// Counter: downloads that went on where they had broken off.
pub const DOWNLOADS_RESUMED: &str = "downloads.resumed";
/// Counter: downloads that began anew because the hub had another image by then.
pub const DOWNLOADS_CHANGED: &str = "downloads.changed";
/// Counter: downloads that were all there, and were not what was signed.
pub const DOWNLOADS_DAMAGED: &str = "downloads.damaged";
/// Counter: images that were refused for what their manifest says, or because they were given up before.
pub const UPDATES_REFUSED: &str = "updates.refused";
/// Counter: images that were whole, and are to be tried.
pub const UPDATES_TAKEN: &str = "updates.taken";
/// Counter: images that have proved themselves.
pub const UPDATES_CONFIRMED: &str = "updates.confirmed";
/// Counter: images that could not prove themselves in time.
pub const GIVEN_UP: &str = "updates.given-up";
/// Counter: calls to the hub about updates, or of health, that came to nothing.
pub const CALLS_FAILED: &str = "updates.calls-failed";
/// Counter: times that the flash with the images failed.
pub const FLASH_ERRORS: &str = "updates.flash-errors";
/// Counter: reports of its health that the hub has.
pub const HEALTH_REPORTED: &str = "health.reported";
