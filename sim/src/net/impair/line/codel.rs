//! Controlled delay (RFC 8289): frames are dropped as they leave, once all have waited too long for a while.

use super::tail::{Tail, TailConfig};
use super::{Refused, Waiting};
use crate::net::DropReason;
use crate::time::{Duration, nanos};

/// How a CoDel queue decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CoDelConfig {
    /// How long frames may wait for ever: 5 ms is usual.
    pub target: Duration,
    /// For how long they may wait longer: the largest usual round trip, 100 ms.
    pub interval: Duration,
    /// Whether packets whose ends understand it are marked instead of dropped.
    pub ecn: bool,
    /// How many frames may wait at all.
    pub frames_max: u32,
}

impl Default for CoDelConfig {
    fn default() -> Self {
        Self { target: Duration::from_millis(5), interval: Duration::from_millis(100), ecn: true, frames_max: 1_000 }
    }
}

/// Less than one full frame never counts as a standing queue.
const FRAME_BYTES: u64 = 1_514;

/// The law, without its queue: RFC 8289, section 5.
pub(super) struct CoDel {
    target_ns: u64,
    interval_ns: u64,
    ecn: bool,
    /// When the sojourn time will have been too long for an interval; 0 is never.
    first_above_at: u64,
    drop_next: u64,
    count: u64,
    last_count: u64,
    dropping: bool,
}

impl CoDel {
    pub(super) fn new(config: &CoDelConfig) -> Self {
        Self {
            target_ns: nanos(config.target),
            interval_ns: nanos(config.interval).max(1),
            ecn: config.ecn,
            first_above_at: 0,
            drop_next: 0,
            count: 0,
            last_count: 0,
            dropping: false,
        }
    }

    /// Takes the next frame out of `queue` that the law lets pass.
    pub(super) fn dequeue(&mut self, now: u64, queue: &mut Tail, refused: &mut Refused) -> Option<Waiting> {
        let (mut waiting, may_drop) = self.take(now, queue);
        if self.dropping {
            self.dropping = may_drop;
            while self.dropping && now >= self.drop_next {
                self.count += 1;
                waiting = self.marked(waiting, refused);
                if waiting.is_none() {
                    (waiting, self.dropping) = self.take(now, queue);
                    if !self.dropping {
                        return waiting;
                    }
                    self.drop_next = self.control(self.drop_next);
                } else {
                    self.drop_next = self.control(self.drop_next);
                    return waiting;
                }
            }
        } else if may_drop {
            waiting = self.marked(waiting, refused);
            if waiting.is_none() {
                (waiting, _) = self.take(now, queue);
            }
            self.dropping = true;
            // If it was dropping a short while ago, it goes on where it was.
            let delta = self.count - self.last_count;
            let recent = now.saturating_sub(self.drop_next) < 16 * self.interval_ns;
            self.count = if delta > 1 && recent { delta } else { 1 };
            self.drop_next = self.control(now);
            self.last_count = self.count;
        }
        waiting
    }

    /// The frame with its mark, if its ends understand that; otherwise it is dropped.
    fn marked(&self, waiting: Option<Waiting>, refused: &mut Refused) -> Option<Waiting> {
        let mut waiting = waiting?;
        if self.ecn && waiting.mark() {
            return Some(waiting);
        }
        refused.push(waiting, DropReason::EarlyDrop);
        None
    }

    /// The next frame, and whether it may be dropped.
    fn take(&mut self, now: u64, queue: &mut Tail) -> (Option<Waiting>, bool) {
        let Some(waiting) = queue.dequeue() else {
            self.first_above_at = 0;
            return (None, false);
        };
        let sojourn_ns = now - waiting.since;
        let mut may_drop = false;
        if sojourn_ns < self.target_ns || queue.bytes() <= FRAME_BYTES {
            self.first_above_at = 0;
        } else if self.first_above_at == 0 {
            self.first_above_at = now + self.interval_ns;
        } else {
            may_drop = now >= self.first_above_at;
        }
        (Some(waiting), may_drop)
    }

    /// `from + interval / √count`.
    fn control(&self, from: u64) -> u64 {
        let root = (u128::from(self.count.max(1)) << 64).isqrt();
        let step = (u128::from(self.interval_ns) << 32) / root;
        from.saturating_add(step as u64)
    }
}

pub(super) struct CoDelLine {
    law: CoDel,
    queue: Tail,
}

impl CoDelLine {
    pub(super) fn new(config: CoDelConfig) -> Self {
        let bounds = TailConfig { frames_max: Some(config.frames_max), bytes_max: None };
        Self { law: CoDel::new(&config), queue: Tail::new(bounds) }
    }

    pub(super) fn enqueue(&mut self, waiting: Waiting, refused: &mut Refused) {
        self.queue.enqueue(waiting, refused);
    }

    pub(super) fn dequeue(&mut self, now: u64, refused: &mut Refused) -> Option<Waiting> {
        self.law.dequeue(now, &mut self.queue, refused)
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        self.queue.dequeue()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_come_closer_together_with_the_root_of_their_count() {
        let mut law = CoDel::new(&CoDelConfig::default());
        for (count, expected_ns) in [(1, 100_000_000), (4, 50_000_000), (100, 10_000_000), (2, 70_710_678)] {
            law.count = count;
            assert_eq!(law.control(7), 7 + expected_ns, "{count}");
        }
    }
}
