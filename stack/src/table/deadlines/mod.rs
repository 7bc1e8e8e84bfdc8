//! When each item next wants attention: a heap where tables grow, and a scan of the few items of a board, which takes less of its
//! flash than the heap would save of its time.

#[cfg(feature = "alloc")]
mod heap;
#[cfg(any(test, not(feature = "alloc")))]
mod scan;

#[cfg(feature = "alloc")]
pub(crate) use heap::{Deadline, Deadlines};
#[cfg(not(feature = "alloc"))]
pub(crate) use scan::{Deadline, Deadlines};

#[cfg(test)]
mod tests {
    use super::super::Storage;
    use crate::time::Instant;
    use proptest::prelude::*;

    /// The law of both.
    macro_rules! law {
        ($name:ident, $of:path) => {
            proptest! {
                #[test]
                fn $name(steps in proptest::collection::vec((0_u32..16, 0_u64..100, 0_u8..8), 0..200)) {
                    use $of as of;
                    let mut entries = [of::Deadline::NONE; 16];
                    let mut deadlines = of::Deadlines::new(Storage::Fixed(&mut entries));
                    let mut model = [None; 16];
                    for (item, at, step) in steps {
                        match step {
                            0 | 1 => {
                                deadlines.cancel(item);
                                model[item as usize] = None;
                            }
                            2 | 3 => {
                                deadlines.renew(item);
                                model[item as usize] = None;
                            }
                            4 => deadlines.no_later_than(item, Instant::MAX),
                            _ => {
                                deadlines.no_later_than(item, Instant::from_micros(at));
                                let known = &mut model[item as usize];
                                *known = Some(known.map_or(at, |known: u64| known.min(at)));
                            }
                        }
                        prop_assert_eq!(deadlines.of(item).map(Instant::as_micros), model[item as usize]);
                        let first = model.iter().copied().flatten().min();
                        let next = deadlines.next().map(Instant::as_micros);
                        prop_assert!(first.is_none_or(|first| next.is_some_and(|next| next <= first)));
                        if step % 2 == 0 {
                            prop_assert_eq!(deadlines.earliest().map(Instant::as_micros), first);
                        }
                    }
                    let mut last = 0;
                    while let Some(at) = deadlines.earliest() {
                        let item = deadlines.pop_due(at).expect("a deadline is due at its own time");
                        prop_assert_eq!(model[item as usize].take(), Some(at.as_micros()));
                        prop_assert!(at.as_micros() >= last);
                        last = at.as_micros();
                    }
                    prop_assert!(model.iter().all(Option::is_none));
                }
            }
        };
    }

    #[cfg(feature = "alloc")]
    law!(a_heap_pops_in_order_whatever_was_set_and_cancelled, super::heap);
    law!(a_scan_pops_in_order_whatever_was_set_and_cancelled, super::scan);
}
