//! The scenarios as tests: with twenty seeds each, or as many as `WAVETANK_SEEDS` says.

use wavetank::sim::world::Snapshot;

#[wavetank::test(scenario = "scenarios/flood.toml", seeds = 20, registry = own_device::registry)]
fn the_town_sees_the_flood() {}

#[wavetank::test(scenario = "scenarios/flash-flood.toml", seeds = 20, registry = own_device::registry)]
fn the_town_sees_the_flash_flood(run: &Snapshot) {
    assert!(run.frames.delivered > 0, "somebody must have said something");
}

#[wavetank::test(scenario = "scenarios/desk-restart.toml", seeds = 20, registry = own_device::registry)]
fn the_desk_may_restart() {}
