//! Why a node starts and what it asks for when it ends, in the devices' words and in the sim's.

use std::pin::{Pin, pin};

use futures::future::{Either, select};
use wavetank_devices as devices;
use wavetank_sim::node::{Exit, Node, ResetCause};
use wavetank_sim::time::Duration;

use super::clock::instant;

/// Why a node was started, as its device is told.
#[must_use]
pub fn reset_cause(node: &Node) -> devices::ResetCause {
    match node.reset_cause() {
        ResetCause::Software => devices::ResetCause::Software,
        ResetCause::External => devices::ResetCause::Pin,
        ResetCause::Wake => devices::ResetCause::Wake,
        ResetCause::Panic => devices::ResetCause::Panic,
        ResetCause::Watchdog => devices::ResetCause::Watchdog,
        ResetCause::BrownOut => devices::ResetCause::BrownOut,
        _ => devices::ResetCause::PowerOn,
    }
}

/// What a device asks for, as its node does it. Swapping images is a reboot: which one comes then, the boot loader says.
#[must_use]
pub fn exit(exit: devices::Exit) -> Exit {
    match exit {
        devices::Exit::SleepUntil(at) => Exit::SleepUntil(instant(at)),
        _ => Exit::Reboot,
    }
}

/// Runs a device beside a task that feeds its watchdog three times within its time, as a board's idle loop does: the
/// watchdog bites when the device's code no longer runs.
pub async fn watched(
    node: &Node,
    timeout: Duration,
    device: Pin<Box<impl Future<Output = devices::Exit> + ?Sized>>,
) -> Exit {
    let mut watchdog = node.watchdog(timeout);
    let clock = node.clock();
    let feeding = pin!(async {
        loop {
            clock.sleep(timeout / 3).await;
            watchdog.feed();
        }
    });
    match select(device, feeding).await {
        Either::Left((asked, _)) => exit(asked),
        Either::Right((never, _)) => never,
    }
}
