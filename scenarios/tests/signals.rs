//! The physical world of a scenario: files that are replayed, and quantities that several nodes feel.

mod common;

use std::fs;
use std::sync::Arc;

use common::{registry, rendered};
use wavetank_scenarios::plan::Plan;
use wavetank_scenarios::run::{Record, run};

const SCENARIO: &str = r#"
version = 1
name = "A room that was measured"
duration = "60s"

[signal.room]
shape = "csv"
file = "room.csv"
column = "room"

[signal.warmer]
shape = "sum"
of = ["room", "stove"]

[signal.stove]
shape = "constant"
value = 2.5

[node.hub]
kind = "telemetry-hub"
address = "10.0.0.2/24"

[node.thermostat]
kind = "thermostat"
count = 2
address = "10.0.0.11/24"
config = { hub = "10.0.0.2:8080", sensor = { signal = "room" } }

[node.cook]
kind = "thermostat"
address = "10.0.0.21/24"
config = { hub = "10.0.0.2:8080", sensor = { signal = "warmer" } }

[network.lan]
kind = "switch"
members = ["*"]
"#;

/// A folder with the scenario and what it replays; the plan, or what is wrong with it, without the folder's name.
fn planned(csv: Option<&str>) -> Result<Arc<Plan>, String> {
    let folder = tempfile::tempdir().expect("a folder");
    if let Some(csv) = csv {
        fs::write(folder.path().join("room.csv"), csv).expect("written");
    }
    let name = folder.path().join("scenario.toml").display().to_string();
    let plan = Plan::read(&name, SCENARIO, &registry());
    plan.map(Arc::new).map_err(|problems| rendered(&problems))
}

#[test]
fn a_file_is_what_all_sensors_feel() {
    let plan = planned(Some("time,outside,room\n0,3,18\n40,3,22\n")).expect("a plan");
    let snapshot = run(&plan, 1, Record::Off, None).expect("runs").snapshot;
    let felt = |name: &str| {
        let (node, _) = snapshot.names.nodes().find(|(_, node)| *node == name).expect("a node");
        let mut metrics = snapshot.metrics.iter().filter(|metric| metric.node == node);
        metrics.find(|metric| metric.name == "temperature").expect("measured").value
    };
    // The file ends at 40 s, and what it says last stays; the sensor is good to a tenth or two.
    assert!((21_700..22_300).contains(&felt("thermostat-1")), "{}", felt("thermostat-1"));
    assert!(felt("thermostat-1").abs_diff(felt("thermostat-2")) < 400);
    assert!((24_100..24_900).contains(&felt("cook")), "{}", felt("cook"));
}

#[test]
fn what_is_wrong_with_a_file_has_its_name_and_line() {
    let told = |csv| {
        let text = planned(csv).expect_err("refused");
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(told(None).contains("room.csv` cannot be read"));
    assert!(told(Some("time,room\n0,18\n1,warm\n")).contains("room.csv`, line 3: `warm` is not a number"));
    assert!(told(Some("time,room\n5,18\n4,18\n")).contains("line 3: 4 s is not later than the line before"));
    assert!(told(Some("time,kitchen\n0,18\n")).contains("has no column called \"room\" in its first line"));
    assert!(told(Some("time,room\n")).contains("has no values in it"));
}
