//! Hosts that sleep a second in a loop.

use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::time::{Duration, Instant};
use wavetank_sim::world::{World, WorldConfig};

/// Lets `hosts` hosts sleep one second at a time for `seconds`. Returns how many events were handled.
#[must_use]
pub fn sleepers(hosts: u32, seconds: u64) -> u64 {
    let mut world = World::new(&WorldConfig::default());
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
    world.run_until(Instant::START + Duration::from_secs(seconds));
    world.events()
}
