//! Where what comes from outside waits for the world, and what leaves the world waits to be fetched.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::input::{Input, What};

/// The door between a world and the host. It is locked on the world's thread alone, by the node that stands for the outside
/// and by calls of the session: so nobody ever waits for it.
#[derive(Clone, Debug, Default)]
pub struct Door(Arc<Mutex<Inside>>);

#[derive(Debug, Default)]
struct Inside {
    /// Connections that the node has yet to open: which, and by which forward.
    opened: VecDeque<(u64, usize)>,
    waiting: BTreeMap<usize, Waker>,
    connections: BTreeMap<u64, Entering>,
    left: Vec<(u64, Leaving)>,
}

/// What is on its way in on one connection.
#[derive(Debug, Default)]
struct Entering {
    bytes: VecDeque<u8>,
    ended: bool,
    waker: Option<Waker>,
}

/// What leaves on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Leaving {
    Bytes(Vec<u8>),
    /// The server sends no more, or the connection broke.
    End,
}

/// What is at hand of a connection's bytes, for the node.
pub(super) enum AtHand {
    Bytes(Vec<u8>),
    Ended,
}

/// How much the node takes at a time.
const PIECE_BYTES: usize = 16 * 1_024;

impl Door {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets something in: to be called within [`World::input`](wavetank_sim::world::World::input).
    pub fn enter(&self, input: &Input) {
        let mut inside = self.inside();
        let waker = match &input.what {
            What::Opens(forward) => {
                inside.opened.push_back((input.connection, *forward));
                inside.connections.insert(input.connection, Entering::default());
                inside.waiting.remove(forward)
            }
            What::Bytes(bytes) => inside.connections.get_mut(&input.connection).and_then(|entering| {
                entering.bytes.extend(bytes);
                entering.waker.take()
            }),
            What::Ends => inside.connections.get_mut(&input.connection).and_then(|entering| {
                entering.ended = true;
                entering.waker.take()
            }),
        };
        drop(inside);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Fetches what has left, by connection and in order.
    pub(super) fn leave(&self) -> Vec<(u64, Leaving)> {
        mem::take(&mut self.inside().left)
    }

    /// How many bytes of a connection have yet to be taken by the node.
    pub(super) fn waiting_bytes(&self) -> BTreeMap<u64, usize> {
        self.inside().connections.iter().map(|(id, entering)| (*id, entering.bytes.len())).collect()
    }

    /// The next connection that this forward is to open.
    pub(super) fn poll_opened(&self, forward: usize, cx: &mut Context<'_>) -> Poll<u64> {
        let mut inside = self.inside();
        match inside.opened.iter().position(|(_, by)| *by == forward) {
            Some(index) => Poll::Ready(inside.opened.remove(index).expect("it was just found").0),
            None => {
                inside.waiting.insert(forward, cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// What has come in on a connection.
    pub(super) fn poll_entering(&self, connection: u64, cx: &mut Context<'_>) -> Poll<AtHand> {
        let mut inside = self.inside();
        let Some(entering) = inside.connections.get_mut(&connection) else {
            return Poll::Ready(AtHand::Ended);
        };
        if entering.bytes.is_empty() {
            if entering.ended {
                return Poll::Ready(AtHand::Ended);
            }
            entering.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = entering.bytes.len().min(PIECE_BYTES);
        Poll::Ready(AtHand::Bytes(entering.bytes.drain(..count).collect()))
    }

    pub(super) fn send_out(&self, connection: u64, what: Leaving) {
        self.inside().left.push((connection, what));
    }

    /// The connection is no more.
    pub(super) fn forget(&self, connection: u64) {
        let mut inside = self.inside();
        inside.connections.remove(&connection);
        inside.left.push((connection, Leaving::End));
    }
}
