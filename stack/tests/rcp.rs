//! A radio co-processor at the other end of a serial line: well, reset, forgetful, silent, of another sort.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use embassy_net_driver::{Driver, LinkState, RxToken, TxToken};
use embedded_io_async::{ErrorType, Read, Write};
use futures_util::future::{Either, select};
use support::Sea;
use wavetank_stack::rcp::{Count, FRAME_MAX, Memory, Options, Radio, UP, eui_of, split};
use wavetank_stack::{Duration, FlowId, Probe};

const EUI: [u8; 8] = [0x02, 0, 0, 0, 0, 0, 0, 0x31];
/// At 115,200 bits a second.
const BYTE: Duration = Duration::from_micros(87);

/// One way of a line.
#[derive(Clone)]
struct Wire {
    bytes: Rc<RefCell<(VecDeque<u8>, Option<Waker>)>>,
    sea: Sea,
    /// Takes nothing any more.
    stuck: Rc<Cell<bool>>,
}

impl Wire {
    fn new(sea: &Sea) -> Self {
        Self { bytes: Rc::default(), sea: sea.clone(), stuck: Rc::default() }
    }

    fn push(&self, byte: u8) {
        let (bytes, waker) = &mut *self.bytes.borrow_mut();
        bytes.push_back(byte);
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    }
}

impl ErrorType for Wire {
    type Error = Infallible;
}

impl Read for Wire {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|cx| {
            let (bytes, waker) = &mut *self.bytes.borrow_mut();
            if bytes.is_empty() {
                *waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let len = bytes.len().min(out.len());
            out.iter_mut().zip(bytes.drain(..len)).for_each(|(room, byte)| *room = byte);
            Poll::Ready(Ok(len))
        })
        .await
    }
}

impl Write for Wire {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        if self.stuck.get() {
            std::future::pending::<()>().await;
        }
        self.sea.sleep(BYTE).await;
        self.push(bytes[0]);
        Ok(1)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// A frame with its check sequence, escapes and flags, by another implementation's sum.
fn framed(frame: &[u8]) -> Vec<u8> {
    const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC);
    let check = CRC.checksum(frame).to_le_bytes();
    let escaped = frame.iter().chain(&check).flat_map(|&byte| match byte {
        0x7e | 0x7d | 0x11 | 0x13 | 0xf8 => vec![0x7d, byte ^ 0x20],
        _ => vec![byte],
    });
    escaped.chain([0x7e]).collect()
}

/// What stands between two flags, if its check sequence is right.
fn unframed(between: &[u8]) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    let mut bytes = between.iter();
    while let Some(&byte) = bytes.next() {
        frame.push(if byte == 0x7d { bytes.next()? ^ 0x20 } else { byte });
    }
    frame.truncate(frame.len().checked_sub(2)?);
    (framed(&frame) == [between, &[0x7e]].concat()).then_some(frame)
}

/// The co-processor.
#[derive(Default)]
struct Module {
    is_silent: Cell<bool>,
    /// Whether it passes frames.
    is_enabled: Cell<bool>,
    /// How many of its next words it garbles.
    garbles: Cell<u32>,
    /// What it says of a frame that is to be sent.
    status: Cell<u8>,
    version: Cell<u8>,
    resets: Cell<u32>,
    /// What came that was no frame.
    cut: Cell<u32>,
    sets: RefCell<Vec<(u8, Vec<u8>)>>,
    sent: RefCell<Vec<Vec<u8>>>,
}

impl Module {
    fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let (header, rest) = frame.split_first().unwrap();
        assert_eq!(header & 0xf0, 0x80, "the flag, and the first interface");
        let is = |property: u8, value: &[u8]| [&[*header, 6, property], value].concat();
        let answer = match rest {
            [1] => {
                assert_eq!(*header, 0x80, "a reset is no question");
                self.resets.set(self.resets.get() + 1);
                self.is_enabled.set(false);
                is(0, &[114])
            }
            [2, 0x01] => is(1, &[self.version.get(), 3]),
            // Configured as a radio, and raw.
            [2, 0x05] => is(5, &[0x22, 0x81, 0x04]),
            [2, 0x37] => is(0x37, &[self.is_enabled.get().into()]),
            [3, 0x71, ..] if !self.is_enabled.get() => is(0, &[4]),
            [3, 0x71, value @ ..] => {
                self.sent.borrow_mut().push(value.to_vec());
                is(0, &[self.status.get(), 0, 0])
            }
            [3, property, value @ ..] => {
                self.sets.borrow_mut().push((*property, value.to_vec()));
                if *property == 0x37 {
                    self.is_enabled.set(value == [1]);
                }
                is(*property, value)
            }
            other => panic!("{other:02x?} is nothing that a host asks"),
        };
        (!self.is_silent.get()).then_some(answer)
    }

    async fn run(&self, mut from: Wire, to: Wire) {
        let (mut bytes, mut between) = ([0; 16], Vec::new());
        loop {
            let len = from.read(&mut bytes).await.unwrap();
            for &byte in &bytes[..len] {
                if byte != 0x7e {
                    between.push(byte);
                    continue;
                }
                let between = std::mem::take(&mut between);
                match unframed(&between) {
                    Some(frame) => {
                        if let Some(answer) = self.answer(&frame) {
                            self.say(&to, &answer);
                        }
                    }
                    None => self.cut.set(self.cut.get() + u32::from(!between.is_empty())),
                }
            }
        }
    }

    fn say(&self, to: &Wire, frame: &[u8]) {
        let mut line = framed(frame);
        if self.garbles.get() > 0 {
            self.garbles.set(self.garbles.get() - 1);
            line[2] ^= 0x04;
        }
        line.into_iter().for_each(|byte| to.push(byte));
    }

    /// It is reset, and says so, unless that is lost.
    fn reset(&self, to: &Wire, is_told: bool) {
        self.is_enabled.set(false);
        if is_told {
            self.say(to, &[0x80, 6, 0, 120]);
        }
    }
}

#[derive(Clone, Default)]
struct Notebook(Rc<RefCell<BTreeMap<&'static str, i64>>>);

impl Notebook {
    fn of(&self, name: &str) -> i64 {
        self.0.borrow().get(name).copied().unwrap_or(0)
    }

    fn count(&self, count: Count) -> i64 {
        self.of(count.name())
    }
}

impl Probe for Notebook {
    fn count(&self, name: &'static str, by: u64) {
        *self.0.borrow_mut().entry(name).or_default() += by as i64;
    }

    fn gauge(&self, name: &'static str, value: i64) {
        self.0.borrow_mut().insert(name, value);
    }

    fn flow(&self, _: &'static str, _: FlowId<'_>) {}
}

struct Board {
    sea: Sea,
    module: Rc<Module>,
    /// From the co-processor, and to it.
    wires: [Wire; 2],
    notebook: Notebook,
}

impl Board {
    fn new() -> Self {
        let sea = Sea::new();
        let module = Rc::new(Module { version: Cell::new(4), ..Module::default() });
        let wires = [Wire::new(&sea), Wire::new(&sea)];
        let [from, to] = wires.clone();
        let other_end = module.clone();
        sea.spawn(async move { other_end.run(to, from).await });
        Self { sea, module, wires, notebook: Notebook::default() }
    }

    /// Runs a link, and the story beside it.
    fn tell<R: 'static>(self, options: Options, story: impl AsyncFnOnce(&Self, &mut Radio<'_, 2>) -> R + 'static) -> R {
        let sea = self.sea.clone();
        let result = sea.run(async move {
            let mut memory = Memory::<2>::new();
            let (mut radio, mut link) = split(&mut memory, options);
            let ([from, to], clock, probe) = (self.wires.clone(), self.sea.clock(), self.notebook.clone());
            let running = pin!(link.run(from, to, &clock, &probe));
            match select(running, pin!(story(&self, &mut radio))).await {
                Either::Left((never, _)) => match never {},
                Either::Right((result, _)) => result,
            }
        });
        sea.dry_up();
        result
    }

    async fn wait(&self, millis: u64) {
        self.sea.sleep(Duration::from_millis(millis)).await;
    }
}

fn options() -> Options {
    Options::new(EUI, 0xbeef, 15)
}

async fn send(radio: &mut Radio<'_, 2>, frame: &[u8]) {
    poll_fn(|cx| match radio.transmit(cx) {
        Some(room) => {
            room.consume(frame.len(), |bytes| bytes.copy_from_slice(frame));
            Poll::Ready(())
        }
        None => Poll::Pending,
    })
    .await;
}

async fn hear(radio: &mut Radio<'_, 2>) -> Vec<u8> {
    poll_fn(|cx| match radio.receive(cx) {
        Some((frame, _)) => Poll::Ready(frame.consume(|bytes| bytes.to_vec())),
        None => Poll::Pending,
    })
    .await
}

async fn is_up(radio: &mut Radio<'_, 2>) {
    poll_fn(|cx| match radio.link_state(cx) {
        LinkState::Up => Poll::Ready(()),
        LinkState::Down => Poll::Pending,
    })
    .await;
}

/// As a co-processor hands it on: with a check sequence, and what it heard beside it.
fn heard(frame: &[u8]) -> Vec<u8> {
    let len = (frame.len() as u16 + 2).to_le_bytes();
    [&[0x80, 6, 0x71], &len[..], frame, &[0xaa, 0xbb, 0xc4, 0x80, 0, 0]].concat()
}

#[test]
fn it_is_set_up_and_frames_pass_both_ways() {
    let mut options = options();
    options.power_dbm = Some(-7);
    Board::new().tell(options, async |board, radio| {
        is_up(radio).await;
        let sets = board.module.sets.take();
        let sets: Vec<(u8, &[u8])> = sets.iter().map(|(property, value)| (*property, &value[..])).collect();
        // Switched on, its channel, its power, its network, no short address, its address, and frames as they are.
        let expected: [(u8, &[u8]); 7] = [
            (0x20, &[1]),
            (0x21, &[15]),
            (0x25, &[0xf9]),
            (0x36, &[0xef, 0xbe]),
            (0x35, &[0xfe, 0xff]),
            (0x34, &EUI),
            (0x37, &[1]),
        ];
        assert_eq!(sets, expected);

        send(radio, b"out ~}").await;
        board.wait(20).await;
        let sent = board.module.sent.take();
        assert_eq!(sent, [[&[8, 0], &b"out ~}"[..], &[0, 0, 15, 4, 3, 1, 0, 0, 1]].concat()]);

        board.module.say(&board.wires[0], &heard(b"in"));
        assert_eq!(hear(radio).await, b"in");
        for count in Count::ALL {
            assert_eq!(board.notebook.count(count), i64::from(count == Count::SetUp), "{count:?}");
        }
        assert_eq!((board.notebook.of(UP), board.module.cut.get()), (1, 0));
    });
}

#[test]
fn whoever_sends_faster_than_the_air_waits() {
    Board::new().tell(options(), async |board, radio| {
        is_up(radio).await;
        for number in 0..20 {
            send(radio, &[number; FRAME_MAX]).await;
        }
        board.wait(100).await;
        let sent = board.module.sent.borrow();
        assert!(sent.iter().map(|frame| frame[2]).eq(0..20), "each once, and in order");
        assert_eq!(board.notebook.count(Count::Unsent), 0);
    });
}

#[test]
fn whoever_hears_more_than_is_taken_loses_it_and_counts_it() {
    Board::new().tell(options(), async |board, radio| {
        is_up(radio).await;
        (0..5).for_each(|number| board.module.say(&board.wires[0], &heard(&[number])));
        board.wait(10).await;
        assert_eq!((hear(radio).await, hear(radio).await), (vec![0], vec![1]));
        assert_eq!(board.notebook.count(Count::NoRoom), 3);
    });
}

#[test]
fn one_that_resets_itself_is_set_up_again() {
    Board::new().tell(options(), async |board, radio| {
        is_up(radio).await;
        board.module.reset(&board.wires[0], true);
        board.wait(1).await;
        assert_eq!(board.notebook.of(UP), 0, "its link is down meanwhile");
        is_up(radio).await;
        send(radio, b"again").await;
        board.wait(20).await;
        assert_eq!(board.module.sent.borrow().len(), 1);
        assert_eq!((board.notebook.count(Count::Reset), board.notebook.count(Count::SetUp)), (1, 2));
        assert_eq!(board.module.resets.get(), 1, "it need not be reset for that");
    });
}

#[test]
fn one_that_was_reset_without_a_word_is_found_out() {
    // By what it says of a frame.
    Board::new().tell(options(), async |board, radio| {
        is_up(radio).await;
        board.module.reset(&board.wires[0], false);
        send(radio, b"lost").await;
        board.wait(100).await;
        send(radio, b"sent").await;
        board.wait(100).await;
        assert_eq!(board.module.sent.borrow().len(), 1);
        assert_eq!(board.notebook.count(Count::SetUp), 2);
    });
    // By being asked now and then, where nothing is sent.
    Board::new().tell(options(), async |board, radio| {
        is_up(radio).await;
        board.module.reset(&board.wires[0], false);
        board.wait(10_500).await;
        assert!(board.module.is_enabled.get(), "it was set up again");
        assert_eq!(board.notebook.count(Count::Reset), 1);
    });
}

#[test]
fn nobody_waits_for_a_silent_one() {
    let board = Board::new();
    board.module.is_silent.set(true);
    board.tell(options(), async |board, radio| {
        for number in 0..10 {
            send(radio, &[number]).await;
        }
        assert_eq!(board.sea.now(), Duration::ZERO, "each at once");
        board.wait(120_000).await;
        assert_eq!(board.notebook.count(Count::Unsent), 10);
        assert!((7..=14).contains(&(board.module.resets.get() / 3)), "{} resets", board.module.resets.get());
        assert!(board.sea.polls() < 1_000, "{} polls in two minutes", board.sea.polls());
        board.module.is_silent.set(false);
        is_up(radio).await;
        assert!(board.sea.now() < Duration::from_secs(140), "{:?}", board.sea.now());
        board.wait(100).await;
        assert_eq!(board.module.sent.borrow().len(), 0, "what is old is not sent");
    });
}

#[test]
fn one_that_comes_to_life_is_not_kept_waiting() {
    let board = Board::new();
    board.module.is_silent.set(true);
    board.tell(options(), async |board, radio| {
        board.wait(60_500).await;
        board.module.is_silent.set(false);
        board.module.reset(&board.wires[0], true);
        is_up(radio).await;
        assert!(board.sea.now() < Duration::from_millis(60_600), "{:?}", board.sea.now());
    });
}

#[test]
fn one_that_falls_silent_loses_its_link() {
    Board::new().tell(options(), async |board, radio| {
        is_up(radio).await;
        board.module.is_silent.set(true);
        send(radio, b"lost").await;
        board.wait(3_000).await;
        assert_eq!(board.notebook.of(UP), 0);
        assert_eq!(board.notebook.count(Count::Unsent), 1);
        // One frame, three questions, and the first resets of many.
        assert!(board.notebook.count(Count::Silence) >= 5);
    });
}

#[test]
fn a_line_that_takes_nothing_holds_up_nobody() {
    let board = Board::new();
    board.wires[1].stuck.set(true);
    board.tell(options(), async |board, radio| {
        send(radio, b"lost").await;
        board.wait(10_000).await;
        assert_eq!((board.notebook.of(UP), board.notebook.count(Count::Unsent)), (0, 1));
        board.wires[1].stuck.set(false);
        is_up(radio).await;
    });
}

#[test]
fn what_is_garbled_is_counted_and_asked_again() {
    let board = Board::new();
    board.module.garbles.set(2);
    board.tell(options(), async |board, radio| {
        is_up(radio).await;
        assert_eq!(board.notebook.count(Count::BadCheck), 2);
        assert_eq!(board.notebook.count(Count::Silence), 2);
        for junk in [&[0x7e, 0x7d, 0x7e][..], &framed(&[0x12, 6, 0, 0]), &[0x55; 400], &framed(&[0x87, 6, 0, 0])] {
            junk.iter().chain(&[0x7e]).for_each(|byte| board.wires[0].push(*byte));
        }
        board.module.say(&board.wires[0], &heard(b"well"));
        assert_eq!(hear(radio).await, b"well");
        let counts = [Count::Aborted, Count::Malformed, Count::TooLong, Count::Unasked];
        assert_eq!(counts.map(|count| board.notebook.count(count)), [1, 1, 1, 1]);
    });
}

#[test]
fn one_of_another_sort_is_refused() {
    let board = Board::new();
    board.module.version.set(3);
    board.tell(options(), async |board, _| {
        board.wait(5_000).await;
        assert_eq!(board.notebook.of(UP), 0);
        assert!((2..=5).contains(&board.notebook.count(Count::Refused)));
        assert_eq!(board.module.sets.borrow().len(), 0, "nobody sets it up");
    });
}

#[test]
fn what_became_of_a_frame_is_told() {
    Board::new().tell(options(), async |board, radio| {
        is_up(radio).await;
        for (status, count) in [(17, Count::NoAck), (18, Count::Busy), (14, Count::Unsent), (3, Count::Refused)] {
            board.module.status.set(status);
            send(radio, b"frame").await;
            board.wait(20).await;
            assert_eq!(board.notebook.count(count), 1, "{count:?}");
        }
        assert_eq!(board.notebook.count(Count::SetUp), 1);
    });
}

/// Wherever it is dropped: the next run sets the co-processor up, and what is sent then goes out whole.
#[test]
fn it_can_be_dropped_at_any_await() {
    let board = Board::new();
    let (inner, wires, module) = (board.sea.clone(), board.wires.clone(), board.module.clone());
    inner.clone().run(async move {
        let clock = inner.clock();
        let mut memory = Memory::<2>::new();
        let (mut radio, mut link) = split(&mut memory, options());
        for turn in 0..120_u64 {
            let [from, to] = wires.clone();
            let sending = async {
                is_up(&mut radio).await;
                send(&mut radio, &[0x7e; 60]).await;
                inner.sleep(Duration::from_secs(1)).await;
            };
            let cut = inner.sleep(Duration::from_micros(turn * 331));
            {
                let (running, sending) = (pin!(link.run(from, to, &clock, &())), pin!(sending));
                let _ = select(pin!(cut), select(running, sending)).await;
            }
            assert!(state(&mut radio).await == LinkState::Down, "whoever is not run is down");
            let before = module.sent.borrow().len();
            let [from, to] = wires.clone();
            let again = async {
                is_up(&mut radio).await;
                send(&mut radio, &[turn as u8; 60]).await;
                inner.sleep(Duration::from_millis(50)).await;
            };
            let _ = select(pin!(link.run(from, to, &clock, &())), pin!(again)).await;
            let sent = module.sent.borrow();
            assert_eq!(sent.len(), before + 1, "turn {turn}");
            assert_eq!(sent[before][2..62], [turn as u8; 60], "turn {turn}");
        }
    });
    assert!(board.module.cut.get() > 40, "it was dropped in the midst of frames, too");
    board.sea.dry_up();
}

async fn state(radio: &mut Radio<'_, 2>) -> LinkState {
    poll_fn(|cx| Poll::Ready(radio.link_state(cx))).await
}

#[test]
fn an_ethernet_address_makes_a_radio_s() {
    // RFC 4291, appendix A, before the bit is turned that only the interface's identifier has turned.
    assert_eq!(eui_of([0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde]), [0x34, 0x56, 0x78, 0xff, 0xfe, 0x9a, 0xbc, 0xde]);
}
