//! A meter keeps its count in flash, where a page is erased before it is written.

use std::cell::Cell;
use std::rc::Rc;

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};
use wavetank_scenarios::Registry;
use wavetank_scenarios::registry::Metric;
use wavetank_scenarios::site::Site;
use wavetank_sim::hw::Flash;
use wavetank_sim::hw::flash::{Memory, Timing};
use wavetank_sim::node::{Exit, Node};

use crate::kit::{Host, NOTHING, Reports, kind_with};
use crate::{Build, System};

pub(super) const SYSTEM: System = System {
    name: "torn-flash",
    bug: "a count is written over itself in flash, and a power cut in between loses it",
    scenario: r#"
version = 1
name = "A torn write to flash"
duration = "10s"
[node.meter]
kind = "meter"
address = "10.0.0.11/24"
[node.reader]
kind = "meter"
address = "10.0.0.12/24"
[network.lan]
kind = "switch"
members = ["meter", "reader"]
[[storm]]
kinds = ["power-cut"]
target = "*"
from = "1s"
every = "3s"
shortest = "100ms"
longest = "500ms"
[[expect]]
name = "a count that was kept is there after a restart"
never = 'max("*", "count.lost") > 0'
"#,
    kinds,
    seeds_max: 40,
};

const PAGE: usize = 64;
type Chip = Memory<4, PAGE>;

/// The chip, and what its meter has been told is safe.
#[derive(Clone)]
struct Parts {
    chip: Chip,
    kept: Rc<Cell<u32>>,
}

fn kinds(build: Build) -> Registry {
    const METRICS: &[Metric] = &[Metric { name: "count.lost", doc: "how much of its count a meter has lost" }];
    let mut registry = Registry::new();
    registry.add(kind_with("meter", build, Reports { metrics: METRICS, ..NOTHING }, chip, meter));
    registry
}

fn chip(site: &mut Site<'_>) -> Parts {
    let parts = Parts { chip: Chip::new(2, Timing::NRF52840), kept: Rc::default() };
    site.powered(Rc::new(parts.chip.clone()));
    parts
}

async fn meter(host: Host<Parts>) -> Exit {
    let mut flash = Flash::new(host.parts.chip.clone(), host.node.clone());
    let pages = [0, 1].map(|page| load(&mut flash, page));
    let mut count = pages.into_iter().max().unwrap_or(0);
    host.node.gauge("count.lost", i64::from(host.parts.kept.get()) - i64::from(count));
    host.parts.kept.set(count);
    loop {
        host.sleep_ms(400).await;
        count += 1;
        let page = match host.build {
            Build::Planted => 0,
            Build::Fixed => count % 2,
        };
        store(&mut flash, page, count);
        // What a poll does is seen when its work is done: so is this.
        host.sleep_ms(1).await;
        host.parts.kept.set(count);
    }
}

/// A page has the count and its complement; one that does not is nothing.
fn load(flash: &mut Flash<Node, 4, PAGE>, page: u32) -> u32 {
    let mut bytes = [0; 8];
    flash.read(page * PAGE as u32, &mut bytes).expect("the page is there");
    let [count, complement] = [0, 4].map(|at| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")));
    if count == !complement { count } else { 0 }
}

fn store(flash: &mut Flash<Node, 4, PAGE>, page: u32, count: u32) {
    let from = page * PAGE as u32;
    flash.erase(from, from + PAGE as u32).expect("the page is there");
    flash.write(from, &[count.to_le_bytes(), (!count).to_le_bytes()].concat()).expect("the page is there");
}
