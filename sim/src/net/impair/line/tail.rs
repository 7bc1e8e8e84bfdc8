//! First in, first out, until it is full.

use std::collections::VecDeque;

use super::{Refused, Waiting};
use crate::net::DropReason;

/// What a plain queue holds at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TailConfig {
    /// How many frames may wait.
    pub frames_max: Option<u32>,
    /// How many bytes may wait.
    pub bytes_max: Option<u64>,
}

impl TailConfig {
    pub(super) fn is_full(&self, frames: usize, bytes: u64, more: u64) -> bool {
        self.frames_max.is_some_and(|max| frames >= max as usize)
            || self.bytes_max.is_some_and(|max| bytes + more > max)
    }
}

/// A bounded queue; the others stand on it.
pub(super) struct Tail {
    config: TailConfig,
    waiting: VecDeque<Waiting>,
    bytes: u64,
}

impl Tail {
    pub(super) fn new(config: TailConfig) -> Self {
        Self { config, waiting: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn is_full(&self, more: u64) -> bool {
        self.config.is_full(self.waiting.len(), self.bytes, more)
    }

    pub(super) fn enqueue(&mut self, waiting: Waiting, refused: &mut Refused) {
        if self.is_full(waiting.len()) {
            return refused.push(waiting, DropReason::QueueFull);
        }
        self.push(waiting);
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.bytes += waiting.len();
        self.waiting.push_back(waiting);
    }

    pub(super) fn dequeue(&mut self) -> Option<Waiting> {
        let waiting = self.waiting.pop_front()?;
        self.bytes -= waiting.len();
        Some(waiting)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn front(&self) -> Option<&Waiting> {
        self.waiting.front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
