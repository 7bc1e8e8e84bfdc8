//! Where keepers come for work: batches of seeds, handed out in order.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::Order;
use super::process::Leash;
use crate::explore::wire::Batch;

/// The most seeds in a batch.
const BATCH_MAX: u64 = 32;
/// How many seeds may be at work or waiting for their turn: a slow seed holds up what comes after it, and what waits is
/// kept in memory.
const AHEAD_MAX: u64 = 65_536;

/// Hands out work.
pub(super) struct Post {
    order: Order,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// How many seeds have been handed out, and how many outcomes have been delivered in order.
    handed: u64,
    delivered: u64,
    closed: bool,
    /// The workers that live, to be ended when the post closes.
    leashes: Vec<Arc<Leash>>,
}

impl Post {
    pub(super) fn new(order: Order) -> Self {
        let state = State { handed: 0, delivered: 0, closed: false, leashes: Vec::new() };
        Self { order, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next seeds to run and the place of the first of them; waits if too many are under way, and gives `None` if
    /// there are no more.
    pub(super) fn next_batch(&self) -> Option<(u64, Batch)> {
        let mut state = self.state();
        while !state.closed && state.handed - state.delivered >= AHEAD_MAX {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let left = self.order.count.map_or(u64::MAX, |count| count.saturating_sub(state.handed));
        if state.closed || left == 0 {
            return None;
        }
        // Small batches at the beginning, so that the first outcomes come soon, and towards the end, so that nobody
        // works alone on the last one.
        let share = left / (self.order.jobs.max(1) as u64 * 4);
        let count = share.min(1 + state.handed / 8).clamp(1, BATCH_MAX).min(left);
        let place = state.handed;
        state.handed += count;
        Some((place, Batch { first: self.order.first.wrapping_add(place), count }))
    }

    /// So many outcomes have been delivered in order.
    pub(super) fn delivered(&self, count: u64) {
        let mut state = self.state();
        let was_full = state.handed - state.delivered >= AHEAD_MAX;
        state.delivered = count;
        if was_full {
            self.changed.notify_all();
        }
    }

    /// No more work; workers that are at it are ended.
    pub(super) fn close(&self) {
        let leashes = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.leashes)
        };
        self.changed.notify_all();
        leashes.iter().for_each(|leash| leash.pull());
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Ends the worker on this leash when the post closes; at once if it is closed.
    pub(super) fn hold(&self, leash: &Arc<Leash>) {
        let mut state = self.state();
        state.leashes.retain(|leash| !leash.is_loose());
        state.leashes.push(Arc::clone(leash));
        let closed = state.closed;
        drop(state);
        if closed {
            leash.pull();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(first: u64, count: Option<u64>, jobs: usize) -> Post {
        Post::new(Order { first, count, jobs })
    }

    #[test]
    fn every_seed_is_handed_out_once_and_in_order() {
        for (jobs, count) in [(1, 1), (2, 7), (3, 1_000), (64, 100)] {
            let (post, mut next) = (post(u64::MAX - 2, Some(count), jobs), 0);
            while let Some((place, batch)) = post.next_batch() {
                assert_eq!((place, batch.first), (next, (u64::MAX - 2).wrapping_add(next)));
                assert!((1..=BATCH_MAX).contains(&batch.count));
                next += batch.count;
            }
            assert_eq!(next, count);
        }
    }

    #[test]
    fn a_closed_post_has_no_work() {
        let post = post(0, None, 2);
        assert!(post.next_batch().is_some());
        post.close();
        assert!(post.next_batch().is_none() && post.is_closed());
    }
}
