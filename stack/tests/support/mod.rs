//! A small sea for the stack's own tests: network cards in memory on one switch, a clock that jumps from
//! event to event, and an executor. Not the simulation kernel: just enough to tell the stack's stories.

#![allow(dead_code, reason = "each test file uses its part")]
#![allow(unreachable_pub, reason = "shared by test files that are crates of their own")]

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, VecDeque},
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use embassy_net_driver::{Capabilities, Checksum, Driver, HardwareAddress, LinkState, RxToken, TxToken};
#[cfg(feature = "alloc")]
use wavetank_stack::{Cidr, Config, Route};
use wavetank_stack::{Clock, Duration, Instant, Stack};

/// The latency of every cable, in microseconds.
pub const LATENCY_US: u64 = 500;

enum Event {
    Frame(usize, Vec<u8>),
    Timer(Waker),
}

struct Task(Pin<Box<dyn Future<Output = ()>>>);

struct Ready {
    task: usize,
    queued: AtomicBool,
    queue: Arc<Mutex<VecDeque<Arc<Ready>>>>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.queue.clone().lock().unwrap().push_back(self);
        }
    }
}

/// What the cables do with a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Pass,
    Lose,
    /// Arrives that many microseconds late.
    Delay(u64),
}

type Filter = Box<dyn FnMut(usize, &[u8]) -> Verdict>;

struct Inner {
    now: Cell<u64>,
    sequence: Cell<u64>,
    events: RefCell<BTreeMap<(u64, u64), Event>>,
    cards: RefCell<Vec<Rc<RefCell<CardState>>>>,
    tasks: RefCell<Vec<Option<Task>>>,
    queue: Arc<Mutex<VecDeque<Arc<Ready>>>>,
    filter: RefCell<Option<Filter>>,
    recording: RefCell<Option<Vec<Vec<u8>>>>,
    polls: Cell<u64>,
}

#[derive(Clone)]
pub struct Sea(Rc<Inner>);

/// A small generator of numbers that look random (SplitMix64).
pub struct Dice(Cell<u64>);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    pub fn roll(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&self, bound: u64) -> u64 {
        self.roll() % bound
    }
}

impl Sea {
    pub fn new() -> Self {
        Self(Rc::new(Inner {
            now: Cell::new(0),
            sequence: Cell::new(0),
            events: RefCell::default(),
            cards: RefCell::default(),
            tasks: RefCell::default(),
            queue: Arc::default(),
            filter: RefCell::default(),
            recording: RefCell::default(),
            polls: Cell::new(0),
        }))
    }

    pub fn now(&self) -> Duration {
        Duration::from_micros(self.0.now.get())
    }

    pub fn clock(&self) -> SeaClock {
        SeaClock(self.0.clone())
    }

    /// How often tasks were polled so far.
    pub fn polls(&self) -> u64 {
        self.0.polls.get()
    }

    /// Has `filter` decide what becomes of each frame, given the card that sent it.
    pub fn filter(&self, filter: impl FnMut(usize, &[u8]) -> Verdict + 'static) {
        *self.0.filter.borrow_mut() = Some(Box::new(filter));
    }

    /// Loses one frame in `one_in`, and delays one in `one_in` past its successors.
    pub fn storm(&self, seed: u64, one_in: u64) {
        let dice = Dice::new(seed);
        self.filter(move |_, _| match (dice.below(one_in), dice.below(one_in)) {
            (0, _) => Verdict::Lose,
            (_, 0) => Verdict::Delay(3 * LATENCY_US),
            _ => Verdict::Pass,
        });
    }

    pub fn calm(&self) {
        *self.0.filter.borrow_mut() = None;
    }

    /// Keeps a copy of every frame sent from now on.
    pub fn record(&self) {
        *self.0.recording.borrow_mut() = Some(Vec::new());
    }

    pub fn recorded(&self) -> Vec<Vec<u8>> {
        self.0.recording.borrow_mut().replace(Vec::new()).unwrap_or_default()
    }

    /// A network card on the switch.
    pub fn card(&self) -> Card {
        let index = self.0.cards.borrow().len();
        let state = Rc::new(RefCell::new(CardState::new()));
        self.0.cards.borrow_mut().push(state.clone());
        Card { index, state, sea: self.0.clone(), checksums: Checksum::Both, mtu: 1_514 }
    }

    #[cfg(feature = "alloc")]
    /// A host with growing tables, its stack run by a task of its own.
    pub fn host(&self, addresses: &[&str]) -> Host {
        self.host_with(addresses, &[], |_| ())
    }

    #[cfg(feature = "alloc")]
    pub fn host_with(&self, addresses: &[&str], routes: &[Route], set: impl FnOnce(&mut Config<'_>)) -> Host {
        let addresses: Vec<Cidr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        let mut config = Config::new(&addresses, routes);
        set(&mut config);
        let card = self.card();
        let index = card.index;
        let (stack, mut runner) = Stack::shared(card, self.clock(), &config, 0x5ea + index as u64);
        let task = self.spawn(async move { runner.run().await });
        Host { stack, card: index, task }
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> usize {
        let task = self.0.tasks.borrow().len();
        self.0.tasks.borrow_mut().push(Some(Task(Box::pin(future))));
        Arc::new(Ready { task, queued: AtomicBool::new(false), queue: self.0.queue.clone() }).wake();
        task
    }

    /// Drops a task.
    pub fn kill(&self, task: usize) {
        let task = self.0.tasks.borrow_mut()[task].take();
        drop(task);
    }

    /// Drops all tasks. They hold the sea that holds them: without this, none of its memory is free again.
    pub fn dry_up(&self) {
        let tasks = self.0.tasks.take();
        drop(tasks);
        self.0.queue.lock().unwrap().clear();
    }

    /// The Ethernet address of a card.
    pub fn mac(&self, card: usize) -> [u8; 6] {
        self.0.cards.borrow()[card].borrow().mac
    }

    /// Takes the network card off the switch, or puts it back.
    pub fn plug(&self, card: usize, plugged: bool) {
        let card = self.0.cards.borrow()[card].clone();
        let mut card = card.borrow_mut();
        if std::mem::replace(&mut card.plugged, plugged) != plugged && card.watched {
            card.wake();
        }
    }

    /// Lets a card hold only so many frames to send at a time, each for one latency.
    pub fn narrow(&self, card: usize, room: usize) {
        self.0.cards.borrow()[card].borrow_mut().room = room;
    }

    pub async fn sleep(&self, duration: Duration) {
        wavetank_stack::time::sleep(&self.clock(), duration).await;
    }

    /// Runs everything until `main` is done; at most an hour.
    pub fn run<R: 'static>(&self, main: impl Future<Output = R> + 'static) -> R {
        let done = Rc::new(RefCell::new(None));
        let result = done.clone();
        self.spawn(async move {
            let output = main.await;
            *result.borrow_mut() = Some(output);
        });
        let limit = self.0.now.get() + 3_600_000_000;
        loop {
            self.run_ready();
            if let Some(output) = done.borrow_mut().take() {
                return output;
            }
            assert!(self.step(limit), "nothing happens any more, or not within an hour, at {:?}", self.now());
        }
    }

    /// Lets time pass.
    pub fn pass(&self, duration: Duration) {
        let until = self.0.now.get() + duration.as_micros() as u64;
        self.run_ready();
        while self.step(until) {
            self.run_ready();
        }
        self.0.now.set(until);
    }

    fn run_ready(&self) {
        for turn in 0.. {
            assert!(turn < 10_000_000, "tasks wake each other for ever at {:?}", self.now());
            let Some(ready) = self.0.queue.lock().unwrap().pop_front() else {
                return;
            };
            ready.queued.store(false, Ordering::Relaxed);
            let Some(mut task) = self.0.tasks.borrow_mut()[ready.task].take() else {
                continue;
            };
            self.0.polls.set(self.0.polls.get() + 1);
            let index = ready.task;
            let waker = Waker::from(ready);
            if task.0.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
                self.0.tasks.borrow_mut()[index] = Some(task);
            }
        }
    }

    fn step(&self, limit: u64) -> bool {
        let next = {
            let mut events = self.0.events.borrow_mut();
            match events.first_key_value() {
                Some((&(at, _), _)) if at <= limit => events.pop_first(),
                _ => None,
            }
        };
        let Some(((at, _), event)) = next else {
            return false;
        };
        self.0.now.set(at);
        match event {
            Event::Timer(waker) => waker.wake(),
            Event::Frame(from, frame) => self.deliver(from, &frame),
        }
        true
    }

    fn deliver(&self, from: usize, frame: &[u8]) {
        let cards = self.0.cards.borrow();
        cards[from].borrow_mut().sent();
        let to = match frame[0] & 1 {
            1 => None,
            _ => cards.iter().position(|card| card.borrow().mac == frame[..6]),
        };
        for (index, card) in cards.iter().enumerate() {
            if index != from && to.is_none_or(|to| to == index) {
                card.borrow_mut().take(frame);
            }
        }
    }
}

impl Inner {
    fn push(&self, at: u64, event: Event) -> (u64, u64) {
        let key = (at, self.sequence.replace(self.sequence.get() + 1));
        self.events.borrow_mut().insert(key, event);
        key
    }

    fn send(&self, from: usize, frame: Vec<u8>) {
        if let Some(recording) = &mut *self.recording.borrow_mut() {
            recording.push(frame.clone());
        }
        let verdict = match &mut *self.filter.borrow_mut() {
            Some(filter) => filter(from, &frame),
            None => Verdict::Pass,
        };
        let cards = self.cards.borrow();
        let mut card = cards[from].borrow_mut();
        card.in_flight += 1;
        let late = match verdict {
            Verdict::Pass if card.plugged => 0,
            Verdict::Delay(late) if card.plugged => late,
            _ => {
                card.in_flight -= 1;
                return;
            }
        };
        self.push(self.now.get() + LATENCY_US + late, Event::Frame(from, frame));
    }
}

/// A host of the sea.
pub struct Host {
    pub stack: Stack<'static>,
    pub card: usize,
    pub task: usize,
}

struct CardState {
    mac: [u8; 6],
    received: VecDeque<Vec<u8>>,
    waker: Option<Waker>,
    in_flight: usize,
    room: usize,
    plugged: bool,
    /// Somebody asked whether it is plugged in.
    watched: bool,
}

thread_local! {
    static MACS: Cell<u32> = const { Cell::new(0) };
}

impl CardState {
    fn new() -> Self {
        let number = MACS.with(|macs| macs.replace(macs.get() + 1));
        let [a, b, c, d] = number.to_be_bytes();
        Self {
            mac: [2, 0, a, b, c, d],
            received: VecDeque::new(),
            waker: None,
            in_flight: 0,
            room: usize::MAX,
            plugged: true,
            watched: false,
        }
    }

    fn take(&mut self, frame: &[u8]) {
        if self.plugged {
            self.received.push_back(frame.to_vec());
            self.wake();
        }
    }

    fn sent(&mut self) {
        self.in_flight -= 1;
        if self.room != usize::MAX {
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn register(&mut self, cx: &mut Context<'_>) {
        match &self.waker {
            Some(known) if known.will_wake(cx.waker()) => {}
            _ => self.waker = Some(cx.waker().clone()),
        }
    }
}

/// A network card.
pub struct Card {
    pub index: usize,
    pub checksums: Checksum,
    pub mtu: usize,
    state: Rc<RefCell<CardState>>,
    sea: Rc<Inner>,
}

impl Card {
    pub fn mac(&self) -> [u8; 6] {
        self.state.borrow().mac
    }

    /// Puts a frame on the cable, as if the card's owner had sent it.
    pub fn send(&self, frame: Vec<u8>) {
        self.sea.send(self.index, frame);
    }

    /// The next frame that came.
    pub fn next_frame(&self) -> Option<Vec<u8>> {
        self.state.borrow_mut().received.pop_front()
    }
}

impl Driver for Card {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room<'_>)> {
        let mut state = self.state.borrow_mut();
        match state.received.pop_front() {
            Some(frame) => Some((Received(frame), Room(self))),
            None => {
                state.register(cx);
                None
            }
        }
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room<'_>> {
        let mut state = self.state.borrow_mut();
        if state.in_flight >= state.room {
            state.register(cx);
            return None;
        }
        Some(Room(self))
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        let mut state = self.state.borrow_mut();
        state.register(cx);
        state.watched = true;
        if state.plugged { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut caps = Capabilities::default();
        caps.max_transmission_unit = self.mtu;
        caps.checksum.ipv4 = self.checksums;
        caps.checksum.tcp = self.checksums;
        caps.checksum.udp = self.checksums;
        caps.checksum.icmpv4 = self.checksums;
        caps.checksum.icmpv6 = self.checksums;
        caps
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.state.borrow().mac)
    }
}

pub struct Received(Vec<u8>);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

pub struct Room<'a>(&'a Card);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        // Not zeros: whoever relies on them shall be found out.
        let mut frame = vec![0xa5; len];
        let result = f(&mut frame);
        self.0.sea.send(self.0.index, frame);
        result
    }
}

#[derive(Clone)]
pub struct SeaClock(Rc<Inner>);

impl Clock for SeaClock {
    type Timer = SeaTimer;

    fn now(&self) -> Instant {
        Instant::from_micros(self.0.now.get())
    }

    fn timer(&self, at: Instant) -> SeaTimer {
        SeaTimer { sea: self.0.clone(), at: at.as_micros(), key: None }
    }
}

pub struct SeaTimer {
    sea: Rc<Inner>,
    at: u64,
    key: Option<(u64, u64)>,
}

impl Future for SeaTimer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.sea.now.get() >= self.at {
            return Poll::Ready(());
        }
        if let Some(key) = self.key {
            if let Some(event) = self.sea.events.borrow_mut().get_mut(&key) {
                *event = Event::Timer(cx.waker().clone());
            }
        } else if self.at != u64::MAX {
            self.key = Some(self.sea.push(self.at, Event::Timer(cx.waker().clone())));
        }
        Poll::Pending
    }
}

impl Drop for SeaTimer {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.sea.events.borrow_mut().remove(&key);
        }
    }
}

/// Polls a future so many times at most.
pub async fn patiently<F: Future>(polls: u64, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (std::pin::pin!(future), polls);
    std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            left -= 1;
            if left == 0 { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}

/// Lets the sea go on in steps, for as long as a story takes.
pub fn goes_on(sea: &Sea, step: Duration, story: Duration) -> impl FnMut() -> bool + use<> {
    let sea = sea.clone();
    move || {
        sea.pass(step);
        sea.now() < story
    }
}
