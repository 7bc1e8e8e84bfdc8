//! Why a node starts and what it asks for when it ends, in the devices' words and in the sim's.

use wavetank_devices as devices;
use wavetank_sim::node::{Exit, Node, ResetCause};

use super::clock::instant;

/// Why a node was started, as its device is told.
#[must_use]
pub fn reset_cause(node: &Node) -> devices::ResetCause {
    match node.reset_cause() {
        ResetCause::Software => devices::ResetCause::Software,
        ResetCause::External => devices::ResetCause::Pin,
        ResetCause::Wake => devices::ResetCause::Wake,
        ResetCause::Panic => devices::ResetCause::Panic,
        _ => devices::ResetCause::PowerOn,
    }
}

/// What a device asks for, as its node does it. There is one image: swapping it is a reboot.
#[must_use]
pub fn exit(exit: devices::Exit) -> Exit {
    match exit {
        devices::Exit::SleepUntil(at) => Exit::SleepUntil(instant(at)),
        _ => Exit::Reboot,
    }
}
