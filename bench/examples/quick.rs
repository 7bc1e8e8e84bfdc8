//! One work, once or a few times, without statistics: for profilers and for a quick look.
//!
//! `quick WORK [ROUNDS [SCALE]]`, or `quick all`: what was done, the median rate by processor time, and by the wall.

use std::env;

use wavetank_bench::{Measured, WORKS, Work};

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).map_or(1, |text| text.parse().expect("a number"));
    let name = arguments.first().map_or("", String::as_str);
    let mut works = WORKS.iter().filter(|work| name == "all" || work.name == name).peekable();
    if works.peek().is_none() {
        let names: Vec<_> = WORKS.iter().map(|work| work.name).collect();
        println!("quick WORK [ROUNDS [SCALE]]; a work is one of all, {}", names.join(", "));
    }
    works.for_each(|work| measure(work, number(1), number(2)));
}

fn measure(work: &Work, rounds: u32, scale: u32) {
    let mut all: Vec<Measured> = (0..rounds.max(1)).map(|_| work.run(scale)).collect();
    let done = all[0].done;
    assert!(all.iter().all(|measured| measured.done == done), "not the same work: {all:?}");
    all.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    let (slowest, median, fastest) = (all[0].rate(), all[all.len() / 2], all[all.len() - 1].rate());
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
