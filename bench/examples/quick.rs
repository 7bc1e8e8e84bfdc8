//! One work, once or a few times, without statistics: for profilers, for a quick look, and for those who put it beside
//! other programs' works.
//!
//! `quick WORK|all [ROUNDS [SCALE]] [--json]`: what was done, the median rate by processor time, and by the wall; or a
//! JSON object a round.

use std::env;
use std::process::ExitCode;

use wavetank_bench::{Measured, WORKS, Work};

fn main() -> ExitCode {
    let (flags, arguments): (Vec<_>, Vec<_>) = env::args().skip(1).partition(|argument| argument.starts_with('-'));
    let number = |at: usize| arguments.get(at).map_or(1, |text: &String| text.parse().expect("a number"));
    let name = arguments.first().map_or("", String::as_str);
    let mut works = WORKS.iter().filter(|work| name == "all" || work.name == name).peekable();
    if works.peek().is_none() || flags.iter().any(|flag| flag != "--json") {
        let names: Vec<_> = WORKS.iter().map(|work| work.name).collect();
        eprintln!("quick WORK [ROUNDS [SCALE]] [--json]; a work is one of all, {}", names.join(", "));
        return ExitCode::from(2);
    }
    let tell = if flags.is_empty() { for_people } else { as_json };
    for work in works {
        let all: Vec<Measured> = (0..number(1).max(1)).map(|_| work.run(number(2))).collect();
        assert!(all.iter().all(|measured| measured.done == all[0].done), "not the same work: {all:?}");
        tell(work, all);
    }
    ExitCode::SUCCESS
}

fn for_people(work: &Work, mut all: Vec<Measured>) {
    all.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let (slowest, median, fastest) = (all[0].rate(), all[all.len() / 2], all[all.len() - 1].rate());
    let done = median.done;
    println!(
        "{:22} {:>12.0} {}/s of cpu ({slowest:.0} to {fastest:.0}), {:.0} of wall; {} in {:?}, {:.1} ns each, {:.2} events, {:.2} frames",
        work.name,
        median.rate(),
        work.item,
        done.items as f64 / median.wall.as_secs_f64(),
        done.items,
        median.cpu,
        median.cpu.as_nanos() as f64 / done.items as f64,
        done.events as f64 / done.items as f64,
        done.frames as f64 / done.items as f64,
    );
}

fn as_json(_: &Work, all: Vec<Measured>) {
    for Measured { done, cpu, wall, .. } in all {
        println!(
            r#"{{"items":{},"virtual_ns":{},"cpu_ns":{},"wall_ns":{}}}"#,
            done.items,
            done.virtual_time.as_nanos(),
            cpu.as_nanos(),
            wall.as_nanos(),
        );
    }
}
