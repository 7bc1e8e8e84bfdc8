//! What the unit tests share.

pub(crate) mod inn;

extern crate std;

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::future::Future;
use core::ops::Range;
use core::pin::{Pin, pin};
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;
use std::string::{String, ToString};
use std::sync::Arc;
use std::task::Wake;
use std::vec;
use std::vec::Vec;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embedded_storage_async::nor_flash::{NorFlash, NorFlashErrorKind, ReadNorFlash};
use rand_core::TryRng;
use wavetank_stack::{Clock, FlowId, Instant, Probe};

/// Runs a future that has no reason to wait.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

/// A random number generator that says these words, over and over.
pub(crate) struct Words {
    words: &'static [u32],
    at: usize,
}

impl Words {
    pub(crate) const fn new(words: &'static [u32]) -> Self {
        Words { words, at: 0 }
    }
}

impl TryRng for Words {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let word = self.words[self.at % self.words.len()];
        self.at += 1;
        Ok(word)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let low = self.try_next_u32()?;
        Ok(u64::from(self.try_next_u32()?) << 32 | u64::from(low))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = self.try_next_u32()?.to_le_bytes()[0];
        }
        Ok(())
    }
}

/// A random number generator that does not repeat itself (SplitMix64): for what must differ from one use to the next.
pub(crate) struct Noise(pub(crate) u64);

impl TryRng for Noise {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok((self.try_next_u64()? >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ (mixed >> 31))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for byte in out {
            *byte = self.try_next_u64()?.to_le_bytes()[0];
        }
        Ok(())
    }
}

/// A clock that stands still until [`run_until`] moves it to the next timer.
#[derive(Clone, Default)]
pub(crate) struct ManualClock {
    inner: Rc<Time>,
}

#[derive(Default)]
struct Time {
    now: Cell<Instant>,
    timers: RefCell<BTreeSet<(Instant, u64)>>,
    next_id: Cell<u64>,
}

impl Clock for ManualClock {
    type Timer = ManualTimer;

    fn now(&self) -> Instant {
        self.inner.now.get()
    }

    fn timer(&self, at: Instant) -> ManualTimer {
        let id = self.inner.next_id.get();
        self.inner.next_id.set(id + 1);
        self.inner.timers.borrow_mut().insert((at, id));
        ManualTimer { time: self.inner.clone(), key: (at, id) }
    }
}

pub(crate) struct ManualTimer {
    time: Rc<Time>,
    key: (Instant, u64),
}

impl Future for ManualTimer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.time.now.get() < self.key.0 { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl Drop for ManualTimer {
    fn drop(&mut self) {
        self.time.timers.borrow_mut().remove(&self.key);
    }
}

/// Polls `future`, jumping from timer to timer, until it is done (and what it gave) or `end` has come.
pub(crate) fn run_until<F: Future>(clock: &ManualClock, end: Instant, mut future: Pin<&mut F>) -> Option<F::Output> {
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return Some(output);
        }
        if woken.0.swap(false, Ordering::Relaxed) {
            continue;
        }
        let mut timers = clock.inner.timers.borrow_mut();
        // Each fires once; one that is due already has its future to be polled, or was forgotten.
        while timers.first().is_some_and(|(at, _)| *at <= clock.now()) {
            timers.pop_first();
        }
        let next = timers.first().map_or(end, |(at, _)| *at);
        clock.inner.now.set(next.min(end).max(clock.now()));
        if next >= end {
            return None;
        }
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Remembers all it is told.
#[derive(Default)]
pub(crate) struct Notebook {
    counts: RefCell<Vec<(&'static str, u64)>>,
    gauges: RefCell<Vec<(&'static str, i64)>>,
    flows: RefCell<Vec<(&'static str, String, u64)>>,
}

impl Notebook {
    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.counts.borrow().iter().filter(|(n, _)| *n == name).map(|(_, by)| by).sum()
    }

    pub(crate) fn gauged(&self, name: &str) -> Option<i64> {
        let gauges = self.gauges.borrow();
        gauges.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }

    /// The sequence numbers that reached the stage `kind`, in order.
    pub(crate) fn flowed(&self, kind: &str) -> Vec<u64> {
        self.flows.borrow().iter().filter(|(k, ..)| *k == kind).map(|(.., sequence)| *sequence).collect()
    }
}

impl Probe for Notebook {
    fn count(&self, name: &'static str, by: u64) {
        self.counts.borrow_mut().push((name, by));
    }

    fn gauge(&self, name: &'static str, value: i64) {
        self.gauges.borrow_mut().push((name, value));
    }

    fn flow(&self, kind: &'static str, id: FlowId<'_>) {
        self.flows.borrow_mut().push((kind, id.source.to_string(), id.sequence));
    }
}

/// One end of a cable that carries every frame at once, in order.
pub(crate) struct Port {
    address: [u8; 6],
    incoming: Cable,
    outgoing: Cable,
    unplugged: Rc<Cell<bool>>,
}

type Cable = Rc<RefCell<Way>>;

/// One direction of it, and who waits at its end.
#[derive(Default)]
struct Way {
    frames: VecDeque<Vec<u8>>,
    receiver: Option<Waker>,
}

/// Two ports joined by a cable, and the switch that cuts it.
pub(crate) fn cable() -> (Port, Port, Rc<Cell<bool>>) {
    let (there, back, unplugged) = (Cable::default(), Cable::default(), Rc::default());
    let port = |last, incoming: &Cable, outgoing: &Cable| Port {
        address: [2, 0, 0, 0, 0, last],
        incoming: incoming.clone(),
        outgoing: outgoing.clone(),
        unplugged: Rc::clone(&unplugged),
    };
    (port(1, &back, &there), port(2, &there, &back), Rc::clone(&unplugged))
}

impl Driver for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room<'_>)> {
        let mut incoming = self.incoming.borrow_mut();
        let Some(frame) = incoming.frames.pop_front() else {
            incoming.receiver = Some(cx.waker().clone());
            return None;
        };
        drop(incoming);
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

pub(crate) struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

pub(crate) struct Room<'a>(&'a Port);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        if !self.0.unplugged.get() {
            let mut outgoing = self.0.outgoing.borrow_mut();
            outgoing.frames.push_back(frame);
            outgoing.receiver.take().into_iter().for_each(Waker::wake);
        }
        result
    }
}

/// Flash that takes no time, of pages of 512 bytes. Copies are the same flash.
#[derive(Clone)]
pub(crate) struct Cells {
    bytes: Rc<RefCell<Vec<u8>>>,
    /// Whether it does nothing that it is asked.
    pub(crate) fails: Rc<Cell<bool>>,
}

impl Cells {
    pub(crate) fn new(pages: usize) -> Self {
        Cells { bytes: Rc::new(RefCell::new(vec![0xff; pages * Self::ERASE_SIZE])), fails: Rc::default() }
    }

    fn works(&self) -> Result<(), NorFlashErrorKind> {
        if self.fails.get() { Err(NorFlashErrorKind::Other) } else { Ok(()) }
    }

    /// All of it.
    pub(crate) fn range(&self) -> Range<u32> {
        0..u32::try_from(self.bytes.borrow().len()).expect("a small flash")
    }
}

impl embedded_storage_async::nor_flash::ErrorType for Cells {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Cells {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        self.works()?;
        bytes.copy_from_slice(&self.bytes.borrow()[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        self.bytes.borrow().len()
    }
}

impl NorFlash for Cells {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = 512;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.works()?;
        self.bytes.borrow_mut()[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        self.works()?;
        for (cell, byte) in self.bytes.borrow_mut()[offset as usize..].iter_mut().zip(bytes) {
            assert_eq!(*cell, 0xff, "no cell is written twice");
            *cell = *byte;
        }
        Ok(())
    }
}
