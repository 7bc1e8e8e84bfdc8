//! A cable that takes time, with a driver at each end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};

use crate::clock;

/// Frames on their way in one direction, by when they arrive; and who waits for them.
#[derive(Default)]
struct Way {
    frames: VecDeque<(u64, Vec<u8>)>,
    receiver: Option<Waker>,
}

type Shared = Rc<RefCell<Way>>;

/// Both directions.
pub struct Cable([Shared; 2]);

/// One end.
pub struct End {
    address: [u8; 6],
    latency_us: u64,
    incoming: Shared,
    outgoing: Shared,
}

impl Cable {
    pub fn new(latency: Duration) -> (Self, [End; 2]) {
        let ways = [Shared::default(), Shared::default()];
        let latency_us = u64::try_from(latency.as_micros()).expect("a short time");
        let end = |last, incoming: &Shared, outgoing: &Shared| End {
            address: [2, 0, 0, 0, 0, last],
            latency_us,
            incoming: Rc::clone(incoming),
            outgoing: Rc::clone(outgoing),
        };
        let ends = [end(1, &ways[0], &ways[1]), end(2, &ways[1], &ways[0])];
        (Self(ways), ends)
    }

    /// When the next frame arrives.
    pub fn next(&self) -> Option<u64> {
        // What has arrived already waits for its receiver, who was told.
        let next = |way: &Shared| way.borrow().frames.iter().map(|(at, _)| *at).find(|at| *at > clock::now());
        self.0.iter().filter_map(next).min()
    }

    /// Wakes those for whom a frame has arrived.
    pub fn arrive(&self, now: u64) {
        for way in &self.0 {
            let mut way = way.borrow_mut();
            if way.frames.front().is_some_and(|(at, _)| *at <= now)
                && let Some(waker) = way.receiver.take()
            {
                drop(way);
                waker.wake();
            }
        }
    }
}

impl Driver for End {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room<'_>)> {
        let mut way = self.incoming.borrow_mut();
        if way.frames.front().is_none_or(|(at, _)| *at > clock::now()) {
            way.receiver = Some(cx.waker().clone());
            return None;
        }
        let (_, frame) = way.frames.pop_front()?;
        drop(way);
        Some((Received(frame), Room(self)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room<'_>> {
        Some(Room(self))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1_514;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

pub struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

pub struct Room<'a>(&'a End);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.outgoing.borrow_mut().frames.push_back((clock::now() + self.0.latency_us, frame));
        result
    }
}
