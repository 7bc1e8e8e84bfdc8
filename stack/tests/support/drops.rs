//! Futures that are dropped at each of their awaits. Not with the rest of the support, which the fuzzer has, too.

#![allow(unreachable_pub, reason = "shared by test files that are crates of their own")]

use std::fmt::Debug;

/// Does an operation so many times, dropped at each of its awaits in turn and begun anew: it must come to the same, and
/// wait so often at least.
pub fn survives_drops<S, T: PartialEq + Debug, R: FnMut() -> bool>(
    mut make: impl FnMut() -> (S, R),
    operation: impl AsyncFnMut(&mut S) -> T,
    (times, awaits_min): (usize, u64),
) {
    let awaits = wavetank_contract::cancellation(|_: &_| make(), operation, times);
    let awaits = awaits.unwrap_or_else(|broken| panic!("{broken}"));
    assert!(awaits >= awaits_min, "{awaits}");
}
