//! Dropping an operation at each of its awaits.

use std::fmt::Debug;

use crate::drive::{Ended, SCHEDULES, drive};
use crate::{Broken, Law, Script};

/// How many awaits of a schedule are tried at most.
const AWAITS_MAX: u64 = 400;

/// Does an operation `times` times, by many schedules and with one of them dropped at each await in turn and then begun
/// anew: what they come to must be the same as if none had been dropped. How many awaits there were.
///
/// `make` makes what is operated on, and what happens around it, as for [`polls`](crate::polls).
///
/// # Errors
///
/// With the first await at which dropping the operation lost something.
pub fn cancellation<S, T, R>(
    mut make: impl FnMut(&Script) -> (S, R),
    mut operation: impl AsyncFnMut(&mut S) -> T,
    times: usize,
) -> Result<u64, Broken>
where
    T: PartialEq + Debug,
    R: FnMut() -> bool,
{
    let mut run = |script: &Script, drop_at: Option<u64>| {
        let ((mut subject, mut stir), mut outputs, mut waits) = (make(script), Vec::new(), 0);
        let mut drop_at = drop_at;
        while outputs.len() < times {
            match drive(operation(&mut subject), script, &mut stir, drop_at, &mut waits) {
                Ended::Output(output) => outputs.push(output),
                Ended::Dropped => drop_at = None,
                Ended::NeverWoken | Ended::Endless => return (None, waits),
            }
        }
        (Some(outputs), waits)
    };
    let undisturbed = Script::new(0);
    let (Some(expected), _) = run(&undisturbed, None) else {
        return Err(Broken { law: Law::NeverWoken, schedule: 0, steps: undisturbed.steps(), awaits: Vec::new() });
    };
    let mut awaits = 0;
    // Few schedules are enough where every await of each is tried.
    for number in 0..SCHEDULES / 10 {
        let (_, waits) = run(&Script::new(number), None);
        awaits += waits;
        for drop_at in 1..=waits.min(AWAITS_MAX) {
            let script = Script::new(number);
            let (outputs, _) = run(&script, Some(drop_at));
            if outputs.as_ref() == Some(&expected) {
                continue;
            }
            let got = outputs.map_or_else(
                || "nothing: it waits or goes round for ever".to_owned(),
                |outputs| format!("{outputs:?}"),
            );
            let law = Law::NotCancelSafe { expected: format!("{expected:?}"), got, wait: drop_at };
            // Looking where it waits is slow, so it is done once more.
            let again = Script::new(number);
            again.look();
            let _ = run(&again, Some(drop_at));
            return Err(Broken { law, schedule: number, steps: script.steps(), awaits: again.place() });
        }
    }
    Ok(awaits)
}
