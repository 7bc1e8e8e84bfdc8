//! `wavetank explore --verify`: every seed once more, to see whether it comes out the same.

use std::ops::ControlFlow;
use std::process::Command;

use wavetank_scenarios::explore::pool::{self, News, Order};
use wavetank_scenarios::explore::wire::Task;
use wavetank_scenarios::explore::{Failure, FailureKind, Outcome, Signature};

use super::Search;
use crate::command::Trouble;
use crate::human::{count, plural};
use crate::interrupt::Interrupt;
use crate::progress::Line;

/// Runs all seeds of the search again, and counts those that differ as failures.
pub(super) fn run(
    task: &Task,
    search: &mut Search,
    command: &(impl Fn() -> Command + Sync),
    line: &mut Line,
    interrupt: &Interrupt,
) -> Result<(), Trouble> {
    let before = std::mem::take(&mut search.fingerprints);
    let order = Order { count: Some(before.len() as u64), ..search.order };
    let (mut seen, mut differing) = (0, Vec::new());
    let _: ControlFlow<()> = pool::explore(task, order, command, |news| {
        if let News::Outcome(again) = news {
            // Who died each time has no fingerprint to compare.
            if before[seen] != again.fingerprint {
                differing.push(differs(&again, &before[seen]));
            }
            seen += 1;
        }
        line.draw(|| format!("{} of {} once more", count(seen as u64), plural(before.len() as u64, "seed")));
        if interrupt.was_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    line.clear();
    for outcome in &differing {
        search.groups.add(outcome);
    }
    Ok(())
}

fn differs(again: &Outcome, before: &str) -> Outcome {
    let kind = FailureKind::Nondeterminism;
    let signature = Signature::new(kind, "two runs of a seed differ");
    let told = |fingerprint: &str| if fingerprint.is_empty() { "no end".to_owned() } else { fingerprint.to_owned() };
    let message = format!("it came to {}, then to {}", told(before), told(&again.fingerprint));
    Outcome { failure: Some(Failure { kind, signature, at_ns: None, message }), ..again.clone() }
}
