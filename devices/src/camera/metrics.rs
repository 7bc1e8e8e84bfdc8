//! The names under which a camera tells its [`Probe`](wavetank_stack::Probe) what it does.

/// Counter: frames that are on its flash.
pub const FRAMES_TAKEN: &str = "frames.taken";
/// Counter: frames that the server said it has.
pub const FRAMES_ACKNOWLEDGED: &str = "frames.acknowledged";
/// Counter: frames that went, unsent, because the link could not bear them.
pub const FRAMES_DROPPED: &str = "frames.dropped";
/// Counter: frames that the server refused for good.
pub const FRAMES_REJECTED: &str = "frames.rejected";
/// Counter: frames that arrived, and were not what was sent; each is sent again.
pub const FRAMES_DAMAGED: &str = "frames.damaged";
/// Counter: frames that the flash did not give back as they were written.
pub const FRAMES_ROTTEN: &str = "frames.rotten";
/// Counter: uploads begun.
pub const UPLOADS_BEGUN: &str = "uploads.begun";
/// Counter: uploads, or connections, that came to nothing.
pub const UPLOADS_FAILED: &str = "uploads.failed";
/// Counter: bytes of frames that the network took.
pub const BYTES_SENT: &str = "bytes.sent";
/// Counter: frames that the sensor did not give.
pub const SENSOR_ERRORS: &str = "sensor.errors";
/// Counter: times that the flash failed.
pub const FLASH_ERRORS: &str = "flash.errors";
/// Gauge: frames that wait to be sent.
pub const BACKLOG: &str = "backlog";
/// Gauge: the number of the newest frame that the server said it has.
pub const LATEST: &str = "latest";

/// Flow: a frame is on the camera's flash.
pub const FLOW_TAKEN: &str = "frame.taken";
/// Flow: a frame went unsent.
pub const FLOW_DROPPED: &str = "frame.dropped";
/// Flow: the server said that it has the frame.
pub const FLOW_ACKNOWLEDGED: &str = "frame.acknowledged";
