//! The names under which a lamp tells its [`Probe`](wavetank_stack::Probe) what it does.

/// Counter: commands that were newer than all before them, and are on its flash.
pub const COMMANDS_OBEYED: &str = "commands.obeyed";
/// Counter: commands that came again.
pub const COMMANDS_KNOWN: &str = "commands.known";
/// Counter: commands that were older than the one that it obeys.
pub const COMMANDS_STALE: &str = "commands.stale";
/// Counter: messages and requests that are no command.
pub const COMMANDS_UNREADABLE: &str = "commands.unreadable";
/// Counter: times that the flash failed; the lamp obeys all the same, and may forget.
pub const FLASH_ERRORS: &str = "flash.errors";
/// Counter: times that the pin at the lamp failed.
pub const OUTPUT_ERRORS: &str = "output.errors";
/// Counter: connections to the broker that could not be opened.
pub const CONNECTS_FAILED: &str = "connects.failed";
/// Counter: times that the broker has its state.
pub const STATES_PUBLISHED: &str = "states.published";
/// Gauge: 1 while it is connected to the broker, else 0.
pub const CONNECTED: &str = "connected";
/// Gauge: 1 while it is on, else 0.
pub const LAMP: &str = "lamp";
/// Gauge: the [`id`](super::Command::id) of the command that it obeys.
pub const COMMAND: &str = "command";

/// Flow: a command is obeyed, and on its flash; said again at each start, for a power cut may come between the two.
pub const FLOW_OBEYED: &str = "command.obeyed";
