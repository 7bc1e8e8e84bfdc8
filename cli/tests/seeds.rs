//! The verbs that look for bugs and take them apart, as a shell sees them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;
use std::process::{Command, Output};

use common::{err, out, wavetank};
use serde_json::Value;

const FIRST_LIGHT: &str = "scenarios/gallery/first-light.toml";
const MEANT_TO_FAIL: &str = "scenarios/gallery/meant-to-fail.toml";

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn exploring_what_holds_finds_nothing() {
    let output = wavetank(&["explore", FIRST_LIGHT, "--seeds", "6", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let report = json(&output);
    assert_eq!((&report["seeds"], &report["failures"]), (&6.into(), &0.into()));
    assert_eq!(report["groups"].as_array().map(Vec::len), Some(0));
    assert_eq!(err(&output), "", "no progress where there is no terminal");
}

#[test]
fn what_sometimes_should_hold_and_never_does_is_told() {
    let output = wavetank(&["explore", "scenarios/tests/attribute/untested.toml", "--seeds", "4", "--json"]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let report = json(&output);
    assert_eq!((&report["failures"], &report["untested"][0]), (&0.into(), &"a reading is posted twice".into()));
    assert_eq!(report["untested"].as_array().map(Vec::len), Some(1));
    let run = wavetank(&["run", "scenarios/tests/attribute/untested.toml"]);
    assert_eq!(run.status.code(), Some(0), "one run need not show it: {}", out(&run));
    assert!(out(&run).contains("? unseen  a reading is posted twice"), "{}", out(&run));
}

#[test]
fn seeds_that_are_run_twice_come_out_the_same() {
    let output = wavetank(&["explore", FIRST_LIGHT, "--seeds", "5", "--verify", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(json(&output)["failures"], 0);
    let guided = wavetank(&["explore", FIRST_LIGHT, "--verify", "--guided", "found"]);
    assert_eq!(guided.status.code(), Some(2));
}

#[test]
fn a_guided_search_writes_down_what_fails_and_it_fails_again() {
    let folder = tempfile::tempdir().unwrap();
    let found = folder.path().join("found");
    let explore = |jobs| {
        let found = found.to_str().unwrap();
        wavetank(&[
            "explore",
            "scenarios/tests/guided/rough.toml",
            "--guided",
            found,
            "--seeds",
            "40",
            "--jobs",
            jobs,
            "--json",
        ])
    };
    let [one, two] = ["1", "2"].map(explore);
    assert_eq!(one.status.code(), Some(1), "{}", err(&one));
    let [one, two] = [json(&one), json(&two)];
    assert_eq!((&one["groups"], &one["seeds"]), (&two["groups"], &40.into()), "whatever the number of workers");
    let written = found.join("rough-1.toml");
    let run = wavetank(&["run", written.to_str().unwrap(), "--json"]);
    let report = json(&run);
    assert!(out(&run).contains("\"broken\""), "{report}");
}

#[test]
fn what_breaks_is_grouped_and_can_be_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("found.jsonl");
    let results = results.to_str().unwrap();
    let explore = |jobs, results| {
        wavetank(&[
            "explore",
            MEANT_TO_FAIL,
            "--seeds",
            "5",
            "--from",
            "7",
            "--jobs",
            jobs,
            "--results",
            results,
            "--json",
        ])
    };
    let output = explore("2", results);
    assert_eq!(output.status.code(), Some(1));
    let report = json(&output);
    assert_eq!(report["failures"], 5);
    let [group] = &report["groups"].as_array().unwrap()[..] else { panic!("{report}") };
    assert_eq!(group["signature"], "expectation: all devices are heard again, although one has no cable");
    assert_eq!(
        [&group["kind"], &group["count"], &group["first_seed"], &group["smallest_seed"]],
        [&Value::from("expectation"), &5.into(), &7.into(), &7.into()]
    );
    assert!(group["wanders"].is_null());
    let other = folder.path().join("other.jsonl");
    let again = json(&explore("1", other.to_str().unwrap()));
    assert_eq!(again["groups"], report["groups"]);
    let lines = std::fs::read_to_string(results).unwrap();
    assert_eq!(lines, std::fs::read_to_string(&other).unwrap(), "whatever the number of jobs");
    assert_eq!(lines.lines().count(), 6);

    let replay: Vec<&str> = group["replay"].as_str().unwrap().split(' ').skip(1).collect();
    let replayed = wavetank(&replay);
    assert_eq!(replayed.status.code(), Some(1));
    assert!(out(&replayed).contains("BROKEN: all devices are heard again"), "{}", out(&replayed));
    let from_file = wavetank(&["replay", results]);
    assert_eq!(out(&from_file), out(&replayed), "the file names the scenario and the first seed that failed");
}

#[test]
fn the_summary_has_the_line_that_replays() {
    let output = wavetank(&["explore", MEANT_TO_FAIL, "--seeds", "2"]);
    assert!(out(&output).starts_with("FAIL  Meant to fail: 2 of 2 seeds failed, in one way, as they are meant to\n"));
    assert!(out(&output).contains("replay scenarios/gallery/meant-to-fail.toml --seed 42"), "{}", out(&output));
}

#[test]
fn exploring_ends_when_its_time_is_up() {
    let output = wavetank(&["explore", FIRST_LIGHT, "--for", "1s", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(json(&output)["wall_ns"].as_u64().unwrap() >= 1_000_000_000);
}

#[test]
fn bad_input_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "version = 1\n").unwrap();
    let output = wavetank(&["explore", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("bad.toml:"), "{}", err(&output));
    assert_eq!(wavetank(&["explore", FIRST_LIGHT, "--seeds", "0"]).status.code(), Some(2));
    assert_eq!(wavetank(&["replay", FIRST_LIGHT, "--to", "5h"]).status.code(), Some(2));
}

#[test]
fn a_replay_shows_what_it_is_asked_for() {
    let all = wavetank(&["replay", FIRST_LIGHT, "--to", "20s"]);
    let boots = wavetank(&["replay", FIRST_LIGHT, "--to", "20s", "--kind", "boot"]);
    let events = |output: &Output| out(output).lines().take_while(|line| !line.is_empty()).count();
    assert!((1..events(&all)).contains(&events(&boots)));
    assert!(out(&boots).lines().take_while(|line| !line.is_empty()).all(|line| line.contains(" boots (")));
    let around = wavetank(&["replay", FIRST_LIGHT, "--to", "20s", "--around", "30", "--context", "2"]);
    let expected: Vec<&str> = out(&all).lines().skip(28).take(5).collect();
    assert_eq!(out(&around).lines().take(5).collect::<Vec<_>>(), expected);
    assert_eq!(events(&around), 5);
    let one = wavetank(&["replay", FIRST_LIGHT, "--to", "20s", "--node", "thermostat-1", "--grep", "BOOTS"]);
    assert_eq!(events(&one), 1, "{}", out(&one));
    let fingerprint = |output: &Output| out(output).lines().last().unwrap().to_owned();
    assert_eq!(fingerprint(&all), fingerprint(&one), "looking changes nothing");
    let nothing = wavetank(&["replay", FIRST_LIGHT, "--to", "20s", "--node", "termostat-1", "--kind", "reading.take"]);
    assert!(out(&nothing).starts_with("\n0 of "), "{}", out(&nothing));
    for told in
        ["for --node: nodes of this run are hub, thermostat-1, ", "reading.acknowledged, reading.kept, reading.stored"]
    {
        assert!(out(&nothing).contains(told), "{}", out(&nothing));
    }
}

#[test]
fn traces_are_written_for_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    let written = |format: &str| {
        let file = folder.path().join(format);
        let output = wavetank(&["trace", FIRST_LIGHT, "--to", "15s", "--format", format, "-o", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        std::fs::read(file).unwrap()
    };
    let run = folder.path().join("run.jsonl");
    wavetank(&["run", FIRST_LIGHT, "--until", "15s", "--trace", run.to_str().unwrap()]);
    let lines = |text: Vec<u8>| -> Vec<Value> {
        String::from_utf8(text).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(lines(written("jsonl")), lines(std::fs::read(run).unwrap()), "the same as by `run`");
    let perfetto: Value = serde_json::from_slice(&written("perfetto")).unwrap();
    let events = perfetto["traceEvents"].as_array().unwrap();
    let phase = |phase: &str| events.iter().filter(|event| event["ph"] == phase).count();
    assert!(phase("M") > 4 && phase("X") > 10 && phase("s") > 10 && phase("f") > 10 && phase("i") > 4);
    assert!(events.iter().all(|event| event["ph"] == "M" || event["ts"].is_number()));
    assert_eq!(written("pcapng")[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    let refused = wavetank(&["trace", FIRST_LIGHT, "--format", "pcapng"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn runs_are_compared() {
    let same = wavetank(&["diff", MEANT_TO_FAIL]);
    assert_eq!(same.status.code(), Some(0), "{}{}", out(&same), err(&same));
    assert!(out(&same).starts_with("SAME  "));
    let different = wavetank(&["diff", MEANT_TO_FAIL, "--seed", "1", "--seed", "2"]);
    assert_eq!(different.status.code(), Some(1));
    assert!(out(&different).starts_with("DIFFERENT  they part after "), "{}", out(&different));
    let told = json(&wavetank(&["diff", MEANT_TO_FAIL, "--seed", "1", "--seed", "2", "--json"]));
    assert_eq!(told["same"], false);
    assert!(told["common"].as_u64().unwrap() > 0 && !told["here"].as_array().unwrap().is_empty());

    let folder = tempfile::tempdir().unwrap();
    let files = ["a.jsonl", "b.jsonl"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    for file in &files {
        wavetank(&["trace", MEANT_TO_FAIL, "-o", file]);
    }
    assert_eq!(wavetank(&["diff", &files[0], &files[1]]).status.code(), Some(0));
    assert_eq!(wavetank(&["diff", &files[0]]).status.code(), Some(2));
    assert_eq!(wavetank(&["diff", &files[0], MEANT_TO_FAIL]).status.code(), Some(2));
}

#[test]
fn a_failure_is_shrunk_to_a_scenario_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small.toml");
    let small = small.to_str().unwrap();
    let output = wavetank(&["shrink", MEANT_TO_FAIL, "-o", small]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("faults       1 of "), "{}", out(&output));
    let run = wavetank(&["run", small, "--json", "--verify"]);
    assert_eq!(run.status.code(), Some(1));
    assert_eq!(json(&run)["verified"], "same");
    let same = wavetank(&["shrink", MEANT_TO_FAIL, "--jobs", "1"]);
    assert_eq!(out(&same), std::fs::read_to_string(small).unwrap(), "to standard output, with another number of jobs");
    let holds = wavetank(&["shrink", FIRST_LIGHT, "-o", small]);
    assert_eq!(holds.status.code(), Some(2));
    assert!(err(&holds).contains("there is nothing to shrink"), "{}", err(&holds));
}

#[test]
fn a_failure_is_explained_by_its_causes() {
    let explained = json(&wavetank(&["explain", MEANT_TO_FAIL, "--json"]));
    let mishaps = explained["mishaps"].as_array().unwrap();
    let causes: Vec<&str> = mishaps
        .iter()
        .filter(|mishap| mishap["causal"] == true)
        .map(|mishap| mishap["what"].as_str().unwrap())
        .collect();
    assert_eq!(causes, ["fault: at = \"10s\", kind = \"cut-link\", target = \"lan/thermostat-2\""]);
    assert!(mishaps.len() > 1, "lost frames are no causes");
    assert_eq!(explained["path"][0]["event"], "fault-began");
    assert_eq!(explained["path"].as_array().unwrap().last().unwrap()["verdict"], "broken");
    let text = wavetank(&["explain", MEANT_TO_FAIL]);
    assert_eq!(text.status.code(), Some(0));
    assert!(out(&text).contains("without it: nothing breaks"), "{}", out(&text));
    let diagram = wavetank(&["explain", MEANT_TO_FAIL, "--mermaid"]);
    assert!(out(&diagram).starts_with("sequenceDiagram\n    participant p"), "{}", out(&diagram));
    assert!(out(&diagram).contains("-x") && out(&diagram).contains("Note over"), "{}", out(&diagram));
    assert_eq!(wavetank(&["explain", FIRST_LIGHT]).status.code(), Some(2));
}

/// Ctrl-C ends with what was found.
#[cfg(unix)]
#[test]
fn ctrl_c_ends_with_what_was_found() {
    use std::io::Read;
    use std::process::Stdio;

    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("found.jsonl");
    let mut child = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(["explore", MEANT_TO_FAIL, "--for", "1h", "--json", "--results", results.to_str().unwrap()])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // What says that it is at work is its results file; only then is it interrupted.
    while std::fs::read_to_string(&results).unwrap_or_default().lines().count() < 3 {
        assert!(child.try_wait().unwrap().is_none(), "it goes on");
        std::thread::yield_now();
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut text = String::new();
    child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(report["interrupted"], true);
    assert!(report["seeds"].as_u64().unwrap() >= 2);
    assert_eq!(report["groups"][0]["count"], report["seeds"]);
}
