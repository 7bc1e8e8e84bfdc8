//! The command as a shell sees it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::{err, out, wavetank};

#[test]
fn the_version_is_the_packages() {
    let output = wavetank(&["--version"]);
    assert_eq!(out(&output), format!("wavetank {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_whole_gallery_is_well() {
    let output = wavetank(&["check", "scenarios/gallery"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        out(&output).lines().any(|line| line.starts_with("scenarios/gallery/first-light.toml: First light; 60 s, "))
    );
}

#[test]
fn a_bad_file_is_told_with_its_place_and_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "version = 1\nname = \"Bad\"\nduration = \"10\"\nsea = 3\n").unwrap();
    let output = wavetank(&["check", file.to_str().unwrap(), "scenarios/gallery/first-light.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("bad.toml:"), "{}", err(&output));
    assert!(!err(&output).contains('\u{1b}'), "colours where there is no terminal");
    assert!(out(&output).contains("first-light.toml: "), "the other files are looked at all the same");
}

#[test]
fn a_file_that_is_not_there_exits_with_2() {
    let output = wavetank(&["check", "no/such.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).starts_with("no/such.toml: "));
}

#[test]
fn bad_usage_exits_with_2() {
    assert_eq!(wavetank(&["fly"]).status.code(), Some(2));
    assert_eq!(wavetank(&[]).status.code(), Some(2));
}

#[test]
fn the_schema_is_json() {
    let output = wavetank(&["schema"]);
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(schema["properties"].is_object());
}

#[test]
fn completions_know_the_verbs() {
    let output = wavetank(&["completions", "bash"]);
    assert!(out(&output).contains("check"));
}

const FIRST_LIGHT: &str = "scenarios/gallery/first-light.toml";

/// A run's JSON object and exit code.
fn run(arguments: &[&str]) -> (serde_json::Value, Option<i32>) {
    let output = wavetank(&[&["run", "--json"], arguments].concat());
    (serde_json::from_slice(&output.stdout).unwrap(), output.status.code())
}

#[test]
fn a_run_repeats_itself_and_another_seed_does_not() {
    let (first, code) = run(&[FIRST_LIGHT]);
    assert_eq!(code, Some(0));
    assert_eq!(first["verdict"], "pass");
    assert_eq!(first["seed"], 42);
    let fingerprint = first["fingerprint"].as_str().unwrap();
    assert!(fingerprint.len() == 32 && fingerprint.chars().all(|digit| digit.is_ascii_hexdigit()));
    let (again, _) = run(&[FIRST_LIGHT, "--seed", "0x2a"]);
    assert_eq!(again["fingerprint"], first["fingerprint"]);
    let (other, _) = run(&[FIRST_LIGHT, "--seed", "43"]);
    assert_ne!(other["fingerprint"], first["fingerprint"]);
}

#[test]
fn a_broken_expectation_exits_with_1() {
    let (report, code) = run(&["scenarios/gallery/meant-to-fail.toml"]);
    assert_eq!(code, Some(1));
    assert_eq!(report["verdict"], "fail");
    assert!(report["expectations"].as_array().unwrap().iter().any(|expectation| expectation["verdict"] == "broken"));
}

#[test]
fn a_verified_run_is_the_same_in_two_processes() {
    let (report, code) = run(&[FIRST_LIGHT, "--until", "12s", "--verify"]);
    assert_eq!(code, Some(0));
    assert_eq!(report["verified"], "same");
    assert_eq!(report["virtual_ns"], 12_000_000_000_u64);
}

#[test]
fn a_run_writes_the_trace_and_the_captures_that_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (trace, captures) = (folder.path().join("trace.jsonl"), folder.path().join("captures"));
    let (report, _) =
        run(&[FIRST_LIGHT, "--until", "3s", "--trace", trace.to_str().unwrap(), "--pcap", captures.to_str().unwrap()]);
    let (plain, _) = run(&[FIRST_LIGHT, "--until", "3s"]);
    assert_eq!(report["fingerprint"], plain["fingerprint"], "looking changes nothing");
    let events = std::fs::read_to_string(trace).unwrap();
    assert!(events.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()) && !events.is_empty());
    let files: Vec<_> = std::fs::read_dir(captures).unwrap().map(|file| file.unwrap().path()).collect();
    assert!(files.iter().any(|file| file.extension().is_some_and(|extension| extension == "pcapng")), "{files:?}");
}

#[test]
fn a_run_beyond_the_scenarios_end_is_bad_input() {
    let output = wavetank(&["run", FIRST_LIGHT, "--until", "5h"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).starts_with("--until is later than the end of "));
}

#[test]
fn the_summary_ends_with_the_line_that_replays_it() {
    let output = wavetank(&["run", FIRST_LIGHT, "--seed", "random", "--until", "2s"]);
    let replay = out(&output).lines().last().unwrap().strip_prefix("replay ").unwrap().trim();
    let words: Vec<&str> = replay.split(' ').skip(1).collect();
    let again = wavetank(&words);
    let fingerprint = |output: &Output| {
        out(output).lines().find_map(|line| line.strip_prefix("fingerprint ")).unwrap().trim().to_owned()
    };
    assert_eq!(fingerprint(&again), fingerprint(&output));
}

#[cfg(unix)]
/// What would be watched, where there is no terminal.
#[test]
fn a_picture_of_a_run_is_text() {
    let scenario = "scenarios/gallery/first-light.toml";
    let output = wavetank(&["watch", scenario, "--at", "21s", "--picture", "80x24"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let (text, until) = (out(&output), wavetank(&["run", scenario, "--until", "21s", "--json"]));
    let run: serde_json::Value = serde_json::from_slice(&until.stdout).unwrap();
    assert!(text.contains("21.000s of 60s") && text.contains("thermostat-3"), "{text}");
    assert!(text.contains(&format!(" {} events", run["events"])), "it is the same run: {text}");
    assert!(text.lines().take(24).all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(text.lines().count(), 25, "the picture, and where the run stood");

    let no_terminal = wavetank(&["watch", scenario]);
    assert_eq!(no_terminal.status.code(), Some(2));
    assert!(err(&no_terminal).contains("--picture"), "{}", err(&no_terminal));
    assert_eq!(wavetank(&["watch", scenario, "--at", "1s", "--picture", "10x10"]).status.code(), Some(2));
}

#[test]
fn ctrl_c_ends_a_run_where_it_stands() {
    let mut run = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(["run", FIRST_LIGHT, "--pace", "10x", "--trace", "/dev/stderr"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut trace = BufReader::new(run.stderr.take().unwrap()).lines();
    let first = trace.next().unwrap().unwrap();
    assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    let is_json = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
    assert!(is_json(&first) && trace.all(|line| is_json(&line.unwrap())), "the trace is whole");
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(out(&output).starts_with("STOP  First light, interrupted at "), "{}", out(&output));
    assert!(out(&output).contains("\nreplay "));
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_named_and_no_verdict() {
    let output = wavetank(&["run", FIRST_LIGHT, "--until", "3s", "--trace", "/dev/full"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).starts_with("cannot write /dev/full: "), "{}", err(&output));
    assert!(out(&output).starts_with("PASS  First light\n"), "{}", out(&output));
}

#[test]
fn outputs_of_the_wrong_kind_are_refused_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (file, nowhere) = (folder.path().join("file"), folder.path().join("no/such/trace.jsonl"));
    std::fs::write(&file, "").unwrap();
    let told = |arguments: &[&str]| {
        let output = wavetank(&[&["run", FIRST_LIGHT], arguments].concat());
        assert_eq!((output.status.code(), out(&output)), (Some(2), ""));
        err(&output).replace(folder.path().to_str().unwrap(), "…")
    };
    let pcap = told(&["--pcap", file.to_str().unwrap()]);
    assert_eq!(pcap, "--pcap …/file: a file; name a folder, which is made if it is not there\n");
    let trace = told(&["--trace", folder.path().to_str().unwrap()]);
    assert_eq!(trace, "--trace …: a folder; name the file to write\n");
    assert!(told(&["--trace", nowhere.to_str().unwrap()]).starts_with("cannot write …/no/such/trace.jsonl: "));
}

#[test]
fn a_broken_expectation_says_what_it_saw() {
    let (report, _) = run(&["scenarios/gallery/meant-to-fail.toml"]);
    let broken = report["expectations"].as_array().unwrap().iter().find(|one| one["verdict"] == "broken").unwrap();
    let detail = broken["detail"].as_str().unwrap();
    assert!(detail.ends_with(": devices.online of hub = 2"), "{detail}");
    assert!(detail.contains("when its time was up, and "), "{detail}");
}

/// What the command says that is given that on standard input, in that folder.
fn told(folder: &Path, arguments: &[&str], text: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_scenario_comes_by_standard_input_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = std::fs::read_to_string(root.join(FIRST_LIGHT)).unwrap();
    let (file, _) = run(&[FIRST_LIGHT]);
    // Once more in a process of its own, which is given it as well.
    let output = told(root, &["run", "-", "--json", "--verify"], &text);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["fingerprint"], file["fingerprint"]);
    assert_eq!((&report["scenario"], &report["verified"]), (&"standard input".into(), &"same".into()));
    assert!(report["replay"].as_str().unwrap().ends_with(" run - --seed 42"), "{}", report["replay"]);
    for arguments in [
        &["check", "-", "-"][..],
        &["trace", "-", "--kind", "fault"],
        &["replay", "-", "--kind", "fault"],
        &["explore", "-", "--seeds", "2"],
        &["diff", "-", "--seed", "1", "--seed", "1"],
        &["watch", "-", "--at", "1s", "--picture"],
    ] {
        let output = told(root, arguments, &text);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", err(&output));
    }
    let failing = std::fs::read_to_string(root.join("scenarios/gallery/meant-to-fail.toml")).unwrap();
    for verb in ["shrink", "explain"] {
        let output = told(root, &[verb, "-"], &failing);
        assert_eq!(output.status.code(), Some(0), "{verb}: {}", err(&output));
    }
}

#[test]
fn files_that_standard_input_names_are_looked_for_in_the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    let text = "version = 1\nname = \"A room\"\nduration = \"10s\"\n\n[signal.room]\nshape = \"csv\"\nfile = \"room.csv\"\n\n\
                [node.hub]\nkind = \"telemetry-hub\"\naddress = \"10.0.0.2/24\"\n\n[network.lan]\nkind = \"switch\"\nmembers = [\"hub\"]\n";
    let output = told(folder.path(), &["check", "-"], text);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("`room.csv` cannot be read"), "{}", err(&output));
    assert!(err(&output).contains("looked for in the working directory"), "{}", err(&output));
    std::fs::write(folder.path().join("room.csv"), "0,20\n5,21\n").unwrap();
    let output = told(folder.path(), &["check", "-"], text);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).starts_with("standard input: A room; 10 s, 1 node"), "{}", out(&output));
}

#[test]
fn what_is_wrong_with_standard_input_is_told_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = told(folder.path(), &["run", "-"], "version = 1\nname = \"Bad\"\nduration = \"10\"\n");
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("standard input:3:"), "{}", err(&output));
    let output = told(folder.path(), &["run", "-"], "\u{0}\n");
    assert!(err(&output).contains("standard input:1:"), "{}", err(&output));
    let output = told(folder.path(), &["watch", "-"], "");
    assert!(err(&output).contains("keys are read from standard input: name the scenario's file"), "{}", err(&output));
}
