//! A radio co-processor as its documents have it, byte by byte.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod support;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embedded_io_async::{Read as _, Write as _};
use support::Desk;
use wavetank_sim::hw::rcp::{Module, Rcp, Reason, Whims};
use wavetank_sim::hw::uart::Serial;
use wavetank_sim::hw::{Bench as _, Cost as _};
use wavetank_sim::net::DropReason;
use wavetank_sim::net::air::Fate;

const MS_NS: u64 = 1_000_000;
const EUI: [u8; 8] = [2, 0, 0, 0, 0, 0, 0, 9];

/// A frame to it on the line: no byte of these needs an escape but those that are given as two.
fn line(frame: &str) -> Vec<u8> {
    frame.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

fn hear(rcp: &mut Rcp, now_ns: u64, line: &[u8]) {
    line.iter().for_each(|byte| rcp.hear(now_ns, *byte));
    rcp.advance(now_ns);
}

/// All that it says.
fn said(rcp: &mut Rcp) -> Vec<u8> {
    std::iter::from_fn(|| rcp.next_byte()).map(|(_, byte)| byte).collect()
}

// With check sequences that were reckoned by another program, bit by bit.
const RESET: &str = "7e 80 01 02 92 7e";
const WAS_RESET: &str = "7e 80 06 00 72 fc 57 7e";
const SET_UP: [&str; 5] = [
    "7e 82 03 20 01 18 35 7e",
    "7e 83 03 21 0f 05 d9 7e",
    "7e 84 03 36 ef be 2c 2b 7e",
    "7e 85 03 34 02 00 00 00 00 00 00 09 84 43 7e",
    "7e 86 03 37 01 6d 9f 7e",
];
/// A frame to everybody in network 0xbeef, as it is on the air.
const FRAME: [u8; 8] = [0x41, 0xd8, 7, 0xef, 0xbe, 0xff, 0xff, 0x55];
const SEND: &str = "7e 88 03 71 0a 00 41 d8 07 ef be ff ff 55 00 00 0f 04 03 01 00 00 01 dc 8e 7e";
const SENT: &str = "7e 88 06 00 00 00 00 00 00 c4 80 00 00 0a 00 0f ff 00 00 00 00 00 00 00 00 01 00 00 c3 5e 7e";
const HEARD: &str =
    "7e 80 06 71 0a 00 41 d8 07 ef be ff ff 55 00 00 c4 80 00 00 0a 00 0f ff 00 00 00 00 00 00 00 00 01 00 00 27 a5 7e";

fn new(whims: Whims) -> Rcp {
    let mut rcp = Rcp::new(15, 115_200, whims);
    rcp.reset(0, Reason::PowerOn);
    rcp
}

fn set_up(rcp: &mut Rcp, now_ns: u64) {
    for frame in SET_UP {
        hear(rcp, now_ns, &line(frame));
        // It says what was set, as it was set.
        let mut told = said(rcp);
        told[2] = 3;
        assert_eq!(told[..told.len() - 3], line(frame)[..told.len() - 3]);
    }
    assert!(rcp.passes());
}

#[test]
fn it_says_that_it_was_reset_and_what_it_is() {
    let mut rcp = new(Whims::default());
    let (at_ns, first) = rcp.next_byte().unwrap();
    assert_eq!((at_ns / MS_NS, first), (20, 0x7e), "it takes a while to come up");
    assert_eq!(said(&mut rcp), line("80 06 00 70 ee 74 7e"));
    hear(&mut rcp, 100 * MS_NS, &line(RESET));
    assert_eq!(said(&mut rcp), line(WAS_RESET));
    hear(&mut rcp, 200 * MS_NS, &line("7e 81 02 01 c5 b2 7e"));
    assert_eq!(said(&mut rcp), line("7e 81 06 01 04 03 db 0a 7e"));
    // Who asks for what it does not know, or nothing, is answered, too.
    hear(&mut rcp, 300 * MS_NS, &line("7e 87 02 b9 0a 05 71 7e"));
    assert_eq!(said(&mut rcp), line("7e 87 06 00 0d ad 8b 7e"));
    hear(&mut rcp, 300 * MS_NS, &line("7e 89 00 93 54 7e"));
    assert_eq!(said(&mut rcp), line("7e 89 06 00 00 0a fe 7e"));
    assert_eq!(rcp.refused(), 0);
    hear(&mut rcp, 300 * MS_NS, &line("7e 89 00 93 55 7e 89 7e"));
    assert_eq!((rcp.refused(), said(&mut rcp)), (2, vec![]));
}

#[test]
fn frames_pass_once_it_is_set_up() {
    let mut rcp = new(Whims::default());
    said(&mut rcp);
    rcp.receive(50 * MS_NS, &FRAME);
    hear(&mut rcp, 50 * MS_NS, &line(SEND));
    assert_eq!((rcp.transmit(), said(&mut rcp)), (None, line("7e 88 06 00 04 95 a4 7e")));
    set_up(&mut rcp, 100 * MS_NS);
    rcp.receive(150 * MS_NS, &FRAME);
    assert_eq!(said(&mut rcp), line(HEARD));
    // To another network, and to another radio.
    rcp.receive(150 * MS_NS, &[0x41, 0xd8, 7, 0xef, 0xbf, 0xff, 0xff, 0x55]);
    let mut unicast = [&[0x61, 0xdc, 7, 0xef, 0xbe][..], &EUI, &[0; 9]].concat();
    rcp.receive(150 * MS_NS, &unicast);
    assert_eq!(said(&mut rcp), Vec::<u8>::new());
    unicast[5..13].reverse();
    rcp.receive(150 * MS_NS, &unicast);
    assert!(said(&mut rcp).len() > 30);
}

#[test]
fn it_sends_one_frame_at_a_time_and_says_so_when_it_has() {
    let mut rcp = new(Whims::default());
    said(&mut rcp);
    set_up(&mut rcp, 100 * MS_NS);
    hear(&mut rcp, 200 * MS_NS, &line(SEND));
    assert_eq!((rcp.transmit().as_deref(), rcp.transmit()), (Some(&FRAME[..]), None));
    assert_eq!(said(&mut rcp), Vec::<u8>::new());
    hear(&mut rcp, 200 * MS_NS, &line(SEND));
    assert_eq!((rcp.transmit(), said(&mut rcp)), (None, line("7e 88 06 00 0c dd 28 7e")));
    // It says nothing before it knows, and then at once.
    assert_eq!(rcp.advance(300 * MS_NS), None);
    assert_eq!(said(&mut rcp), Vec::<u8>::new());
    rcp.settle(300 * MS_NS, Ok(()));
    assert_eq!(rcp.next_byte(), Some((300 * MS_NS + 200_000, 0x7e)));
    assert_eq!(said(&mut rcp), line(SENT)[1..]);
    // What it is told once more is about nothing.
    rcp.settle(300 * MS_NS, Ok(()));
    assert_eq!(said(&mut rcp), Vec::<u8>::new());
}

/// Its answer without flags, escapes and check sequence, if it is whole.
fn told(rcp: &mut Rcp) -> Vec<u8> {
    const CHECK: usize = 2;
    let said = said(rcp);
    let between = said.strip_prefix(&[0x7e]).and_then(|said| said.strip_suffix(&[0x7e])).unwrap();
    let mut bytes = between.iter();
    let mut frame = Vec::new();
    while let Some(&byte) = bytes.next() {
        frame.push(if byte == 0x7d { bytes.next().unwrap() ^ 0x20 } else { byte });
    }
    frame.truncate(frame.len() - CHECK);
    frame
}

// To one station, number 7, to be acknowledged; on its channel, and on another one.
const ASK: &str = "7e 8a 03 71 0f 00 61 dc 07 ef be 01 00 00 00 00 00 00 02 00 00 0f 04 03 01 00 00 01";
const ASK_ELSEWHERE: &str = "7e 8a 03 71 0f 00 61 dc 07 ef be 01 00 00 00 00 00 00 02 00 00 0b 04 03 01 00 00 01";

/// With its check sequence, reckoned bit by bit.
fn checked(frame: &str) -> Vec<u8> {
    let mut line = line(frame);
    let sum = line[1..].iter().fold(0xffff_u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0x8408 })
    });
    line.extend((!sum).to_le_bytes());
    line.push(0x7e);
    line
}

#[test]
fn it_says_what_became_of_a_frame() {
    let mut rcp = new(Whims::default());
    said(&mut rcp);
    set_up(&mut rcp, 100 * MS_NS);
    let mut send = |now_ns, frame, fate: Fate| {
        hear(&mut rcp, now_ns, &checked(frame));
        assert_eq!(rcp.transmit().is_some(), frame == ASK);
        rcp.settle(now_ns, fate);
        let again_ns = rcp.advance(now_ns);
        if let Some(at_ns) = again_ns {
            assert_eq!(said(&mut rcp), Vec::<u8>::new());
            rcp.advance(at_ns);
        }
        (again_ns.map(|at_ns| at_ns - now_ns), told(&mut rcp))
    };
    let acknowledgement = [&[5, 0, 2, 0, 7, 0, 0, 0xc4, 0x80, 0, 0, 10, 0, 15, 0xff][..], &[0; 8], &[1, 0, 0]].concat();
    let sent = [&[0x8a, 6, 0, 0, 0, 0][..], &acknowledgement].concat();
    assert_eq!(send(200 * MS_NS, ASK, Ok(())), (None, sent));
    for (reason, status) in
        [(DropReason::NoAck, 17), (DropReason::AirBusy, 18), (DropReason::QueueFull, 14), (DropReason::NodeDown, 14)]
    {
        assert_eq!(send(300 * MS_NS, ASK, Err(reason)), (None, vec![0x8a, 6, 0, status, 0, 0]), "{reason:?}");
    }
    // What its antenna loses, or is on a channel of nobody's, it has sent four times: 21 octets with what stands before them, and
    // waiting for an acknowledgement.
    let tries_ns = Some(4 * (21 * 32_000 + 864_000));
    let unheard = vec![0x8a, 6, 0, 17, 0, 0];
    assert_eq!(send(400 * MS_NS, ASK, Err(DropReason::LinkDown)), (tries_ns, unheard.clone()));
    assert_eq!(send(500 * MS_NS, ASK_ELSEWHERE, Ok(())), (tries_ns, unheard));
}

#[test]
fn it_resets_itself_and_hangs_when_it_was_told_to() {
    let whims = Whims { resets_ns: vec![300 * MS_NS], hangs_ns: vec![(400 * MS_NS, 500 * MS_NS)] };
    let mut rcp = new(whims);
    said(&mut rcp);
    set_up(&mut rcp, 100 * MS_NS);
    assert_eq!(rcp.advance(299 * MS_NS), Some(300 * MS_NS));
    rcp.advance(300 * MS_NS);
    // 0x13 would be flow control, so it is escaped; 0x78 is its watchdog.
    assert_eq!((said(&mut rcp), rcp.passes()), (line("7e 80 06 00 78 a6 7d d8 7e"), false));
    set_up(&mut rcp, 350 * MS_NS);
    hear(&mut rcp, 450 * MS_NS, &line(RESET));
    rcp.receive(450 * MS_NS, &FRAME);
    assert_eq!((said(&mut rcp), rcp.passes()), (vec![], true), "it has heard nothing");
    rcp.receive(501 * MS_NS, &FRAME);
    assert_eq!(said(&mut rcp), line(HEARD));
}

/// What was sent, and when.
type Sent = Rc<RefCell<Vec<(u64, Vec<u8>)>>>;

/// A radio that has heard frames at certain times, and keeps what it sends.
#[derive(Clone)]
struct Air {
    desk: Desk,
    heard: Rc<RefCell<VecDeque<Vec<u8>>>>,
    sent: Sent,
}

struct Heard(Vec<u8>);

impl RxToken for Heard {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

struct Room(Air);

impl TxToken for Room {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.sent.borrow_mut().push((self.0.desk.now_ns(), frame));
        result
    }
}

impl Driver for Air {
    type RxToken<'a> = Heard;
    type TxToken<'a> = Room;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Heard, Room)> {
        let frame = self.heard.borrow_mut().pop_front()?;
        Some((Heard(frame), Room(self.clone())))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room> {
        Some(Room(self.clone()))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ieee802154(EUI)
    }
}

/// At a port, byte by byte, and only when there is something to say.
#[test]
fn a_module_speaks_over_its_line() {
    let desk = Desk::default();
    let module = Module::new(15, 115_200, 256, Whims::default());
    let air = Air { desk: desk.clone(), heard: Rc::default(), sent: Rc::default() };
    // Of its only frame, sixteen octets long with all that stands around it, the air tells when it is over.
    let (clock, mut over, mut tells) = (desk.clone(), None, true);
    let watched = Rc::clone(&air.sent);
    let fates = move |cx: &mut Context<'_>| {
        let Some(&(at_ns, _)) = watched.borrow().first().filter(|_| tells) else { return Poll::Pending };
        let clock = clock.clone();
        let over = over.get_or_insert_with(|| Box::pin(async move { clock.sleep_until_ns(at_ns + 16 * 32_000).await }));
        over.as_mut().poll(cx).map(|()| {
            tells = false;
            (0, Ok(()))
        })
    };
    let serial = Serial::new(module.port().clone(), desk.clone());
    let (heard, sent) = (Rc::clone(&air.heard), Rc::clone(&air.sent));
    desk.run(async {
        let mut serving = pin!(module.serve(air, fates, desk.clone()));
        let mut story = pin!(async {
            let (mut from, mut to) = (serial.clone(), serial.clone());
            module.power_on(0);
            let mut bytes = vec![0; 64];
            let mut read = async |len: usize| {
                let mut all = Vec::new();
                while all.len() < len {
                    let len = from.read(&mut bytes).await.unwrap();
                    all.extend_from_slice(&bytes[..len]);
                }
                all
            };
            assert_eq!(read(8).await, line("7e 80 06 00 70 ee 74 7e"));
            // Twenty milliseconds, what it thinks, and eight bytes of 87 µs.
            assert_eq!(desk.now_ns() / 10_000, (20 * MS_NS + 200_000 + 8 * 86_805) / 10_000);
            for frame in SET_UP {
                to.write_all(&line(frame)).await.unwrap();
                assert_eq!(read(line(frame).len()).await.len(), line(frame).len());
            }
            to.write_all(&line(SEND)).await.unwrap();
            let written_ns = desk.now_ns();
            assert_eq!(read(line(SENT).len()).await, line(SENT));
            assert_eq!(sent.take(), [(written_ns, FRAME.to_vec())]);
            heard.borrow_mut().push_back(FRAME.to_vec());
            desk.sleep_until_ns(desk.now_ns() + 1_000).await;
            assert_eq!(read(line(HEARD).len()).await, line(HEARD));
        });
        std::future::poll_fn(|cx| {
            let told = story.as_mut().poll(cx);
            let Poll::Pending = serving.as_mut().poll(cx) else { panic!("it serves for ever") };
            told
        })
        .await;
    });
    assert_eq!(module.resets(), 1);
}
