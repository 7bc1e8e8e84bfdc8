//! Hosts that sleep a second in a loop.

use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::time::Duration;

use crate::measured::Measured;
use crate::tank::Tank;

/// Lets `hosts` hosts sleep one second at a time for `seconds`. Counts how often one woke.
#[must_use]
pub fn sleepers(hosts: u32, seconds: u64) -> Measured {
    let tank = Tank { prepared: Duration::from_millis(500), measured: Duration::from_secs(seconds) };
    let mut measured = tank.measure(move |world, _| {
        for index in 0..hosts {
            world.add_node(NodeSpec::named(format!("host-{index}")), |node: Node| async move {
                let clock = node.clock();
                loop {
                    clock.sleep(Duration::from_secs(1)).await;
                }
                #[expect(unreachable_code, reason = "names the type of a future that never ends")]
                Exit::Halt
            });
        }
    });
    measured.done.items = measured.done.events;
    assert_eq!(measured.done.items, u64::from(hosts) * seconds);
    measured
}
