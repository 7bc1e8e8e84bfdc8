//! A server's disk, with a database on it that outlives power cuts.

use std::sync::Arc;

use redb::{Database, ReadableTable, TableDefinition};
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank::Registry;
use wavetank::scenarios::RunOptions;
use wavetank::scenarios::plan::Plan;
use wavetank::scenarios::registry::{Metric, Part, PartSort, TypedKind};
use wavetank::scenarios::run::here;
use wavetank::scenarios::runtime;
use wavetank::scenarios::site::Site;
use wavetank::sim::check::Verdict;
use wavetank::sim::disk::Spec;
use wavetank::sim::node::{Exit, Node};
use wavetank::sim::time::Duration;

/// A log is told nothing.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {}

/// `kind = "start-log"`.
fn start_log() -> TypedKind<LogConfig> {
    TypedKind::new("start-log", "Writes each of its starts into a database.")
        .metrics(&[Metric { name: "starts", doc: "starts that are written" }])
        .parts(&[Part { name: "disk", sort: PartSort::Disk, doc: "what the database lies on" }])
        .program(|_, site: &mut Site<'_>| {
            // Once a world: the disk outlives reboots, and faults find it as the part `disk`.
            let disk = site.disk(Spec::default());
            move |node: Node| {
                // At each boot: as the last power cut has left it.
                let opened = runtime::database(&disk, "log.redb");
                async move {
                    if let Ok(starts) = opened.and_then(|database| write_start(&database)) {
                        node.gauge("starts", starts);
                        std::future::pending::<()>().await;
                    }
                    // A database whose disk has failed is of no use until it is opened again.
                    Exit::SleepUntil(node.clock().now() + Duration::from_secs(1))
                }
            }
        })
}

const STARTS: TableDefinition<'_, i64, ()> = TableDefinition::new("starts");

fn write_start(database: &Database) -> Result<i64, redb::Error> {
    let writing = database.begin_write()?;
    let number = {
        let mut starts = writing.open_table(STARTS)?;
        let number = starts.last()?.map_or(1, |(last, _)| last.value() + 1);
        starts.insert(number, ())?;
        number
    };
    writing.commit()?;
    Ok(number)
}

const SCENARIO: &str = r#"
    version = 1
    name = "Power cuts and a disk that fails"
    duration = "60s"

    [node.log]
    kind = "start-log"
    address = "10.0.0.2/24"

    [network.lan]
    kind = "switch"
    members = ["log"]

    [[fault]]
    at = "10s"
    for = "5s"
    kind = "power-cut"
    target = "log"

    [[fault]]
    at = "20s"
    for = "5s"
    kind = "power-cut"
    target = "log"

    [[fault]]
    at = "27s"
    for = "20s"
    kind = "disk-error"
    target = "log"
    part = "disk"
    probability = "50 %"

    [[fault]]
    at = "30s"
    for = "5s"
    kind = "power-cut"
    target = "log"

    [[expect]]
    name = "what was written stays so"
    stable = 'metric("log", "starts") >= 4'
    within = "10s"
"#;

#[test]
fn no_start_is_forgotten() {
    let mut registry = Registry::builtin();
    registry.add(start_log());
    let plan = Arc::new(Plan::read("starts.toml", SCENARIO, &registry).expect("a plan"));
    for seed in 0..20 {
        let options = RunOptions { seed: Some(seed), ..RunOptions::default() };
        let snapshot = here(&plan, &options).expect("it runs");
        assert!(snapshot.failures.is_empty(), "seed {seed}: {:?}", snapshot.failures);
        let broken = snapshot.expectations.iter().find(|report| report.verdict != Verdict::Held);
        assert!(broken.is_none(), "seed {seed}: {broken:?}");
    }
}
