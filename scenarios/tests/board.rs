//! The gateway's firmware on an emulated board: its Ethernet is a socket to a station here, its second serial line a socket to a
//! radio co-processor here, behind which there is another station. `cargo xtask firmware` builds the firmware and says by
//! `WAVETANK_FIRMWARE` where it lies; who runs this otherwise is told that it was skipped.
//!
//! Time is the machine's, as the emulator's is; nothing is asked of it but that all happens within a minute.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]
#![allow(clippy::disallowed_methods, reason = "the emulator is a program outside, whose time is the machine's")]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv6Addr, TcpListener, TcpStream};
use std::path::Path;
use std::pin::{Pin, pin};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant as Wall};
use std::{env, fs, thread};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use wavetank_sim::hw::rcp::{Rcp, Reason, Whims};
use wavetank_stack::icmp::Pinger;
use wavetank_stack::lowpan::{self, Address, Counts, Lowpan};
use wavetank_stack::{Cidr, Clock, Config, Instant, Resources, Route, Stack};

/// What the firmware was made with (`firmware-targets/mps2-an385/src/bin/gateway.rs`).
const PAN: u16 = 0xbeef;
const CHANNEL: u8 = 15;
const AIR: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0);
const BOARD: Ipv6Addr = Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0x15);
const UPLINK: Ipv6Addr = Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 2);
const BOARD_MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];

const OWN_MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];
const OWN_EUI: [u8; 8] = [2, 0, 0, 0, 0, 0, 0, 7];
const BAUD: u32 = 115_200;
const LIMIT: Duration = Duration::from_secs(60);

/// The machine's time since the test began.
#[derive(Clone, Copy)]
struct HostClock(Wall);

impl HostClock {
    fn now_ns(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

struct Alarm(HostClock, Instant);

impl Future for Alarm {
    type Output = ();

    /// Everything here is polled again and again, so nobody is woken.
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0.now() >= self.1 { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Clock for HostClock {
    type Timer = Alarm;

    fn now(&self) -> Instant {
        Instant::from_micros(self.0.elapsed().as_micros() as u64)
    }

    fn timer(&self, at: Instant) -> Alarm {
        Alarm(*self, at)
    }
}

/// Frames that wait on either side of an interface.
#[derive(Clone, Default)]
struct Frames {
    came: Rc<RefCell<VecDeque<Vec<u8>>>>,
    goes: Rc<RefCell<VecDeque<Vec<u8>>>>,
}

struct Interface(Frames, HardwareAddress);

struct Came(Vec<u8>);

impl RxToken for Came {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

struct Room<'a>(&'a Frames);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.goes.borrow_mut().push_back(frame);
        result
    }
}

impl Driver for Interface {
    type RxToken<'a> = Came;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Came, Room<'_>)> {
        let frame = self.0.came.borrow_mut().pop_front()?;
        Some((Came(frame), Room(&self.0)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room<'_>> {
        Some(Room(&self.0))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = match self.1 {
            HardwareAddress::Ethernet(_) => 1_514,
            _ => lowpan::FRAME_MAX,
        };
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.1
    }
}

/// A link that notes which messages of ICMPv6 come by it.
struct Watched<D>(D, Rc<RefCell<Vec<u8>>>);

struct Seen<T>(T, Rc<RefCell<Vec<u8>>>);

impl<T: RxToken> RxToken for Seen<T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        self.0.consume(|packet| {
            if packet.get(6) == Some(&58) {
                self.1.borrow_mut().extend(packet.get(40));
            }
            f(packet)
        })
    }
}

impl<D: Driver> Driver for Watched<D> {
    type RxToken<'a>
        = Seen<D::RxToken<'a>>
    where
        Self: 'a;
    type TxToken<'a>
        = D::TxToken<'a>
    where
        Self: 'a;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let (token, room) = self.0.receive(cx)?;
        Some((Seen(token, Rc::clone(&self.1)), room))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        self.0.transmit(cx)
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.0.link_state(cx)
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.0.hardware_address()
    }
}

/// The emulator, which ends with the test.
struct Emulator(Child);

impl Drop for Emulator {
    fn drop(&mut self) {
        let _ = (self.0.kill(), self.0.wait());
    }
}

/// Boots the firmware; answers with its serial line and its cable.
fn boot(image: &Path, console: &Path) -> (Emulator, TcpStream, TcpStream) {
    let [line, cable] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let mac = BOARD_MAC.map(|byte| format!("{byte:02x}")).join(":");
    let child = Command::new("qemu-system-arm")
        .args(["-M", "mps2-an385", "-display", "none", "-monitor", "none"])
        .args(["-nic", &format!("socket,connect=127.0.0.1:{},mac={mac}", port(&cable))])
        .args(["-serial", &format!("file:{}", console.display())])
        .args(["-serial", &format!("tcp:127.0.0.1:{},nodelay=on", port(&line))])
        .arg("-kernel")
        .arg(image)
        .stdin(Stdio::null())
        .spawn()
        .expect("qemu-system-arm starts");
    let emulator = Emulator(child);
    let began = Wall::now();
    let accept = |listener: &TcpListener| {
        listener.set_nonblocking(true).unwrap();
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    stream.set_nonblocking(true).unwrap();
                    stream.set_nodelay(true).unwrap();
                    return stream;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
            assert!(began.elapsed() < LIMIT, "the emulator connects to nothing");
            thread::sleep(Duration::from_millis(1));
        }
    };
    let cable = accept(&cable);
    (emulator, accept(&line), cable)
}

/// All that a socket has.
fn take(stream: &mut TcpStream, into: &mut Vec<u8>) {
    let mut bytes = [0; 4_096];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => panic!("the emulator has ended"),
            Ok(len) => into.extend_from_slice(&bytes[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => panic!("{error}"),
        }
    }
}

fn give(stream: &mut TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match stream.write(bytes) {
            Ok(len) => bytes = &bytes[len..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(Duration::from_millis(1)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// What lies between the emulator's sockets and the interfaces: on the cable frames stand behind their length, in four bytes; at
/// the line there is the co-processor.
struct Between {
    clock: HostClock,
    cable: TcpStream,
    on_cable: Vec<u8>,
    lan: Frames,
    line: TcpStream,
    rcp: Rc<RefCell<Rcp>>,
    says: VecDeque<(u64, u8)>,
    air: Frames,
}

impl Between {
    fn pass(&mut self) {
        take(&mut self.cable, &mut self.on_cable);
        while let Some((len, rest)) = self.on_cable.split_first_chunk() {
            let len = u32::from_be_bytes(*len) as usize;
            let Some(frame) = rest.get(..len) else { break };
            self.lan.came.borrow_mut().push_back(frame.to_vec());
            self.on_cable.drain(..4 + len);
        }
        while let Some(mut frame) = self.lan.goes.borrow_mut().pop_front() {
            // The board's controller takes no frame that is shorter than Ethernet's are.
            frame.resize(frame.len().max(60), 0);
            give(&mut self.cable, &[&(frame.len() as u32).to_be_bytes()[..], &frame].concat());
        }

        let (now_ns, mut bytes) = (self.clock.now_ns(), Vec::new());
        let rcp = &mut *self.rcp.borrow_mut();
        take(&mut self.line, &mut bytes);
        bytes.iter().for_each(|byte| rcp.hear(now_ns, *byte));
        while let Some(frame) = self.air.goes.borrow_mut().pop_front() {
            rcp.receive(now_ns, &frame);
        }
        rcp.advance(now_ns);
        while let Some(frame) = rcp.transmit() {
            self.air.came.borrow_mut().push_back(frame);
            rcp.settle(now_ns, Ok(()));
        }
        self.says.extend(std::iter::from_fn(|| rcp.next_byte()));
        let due = self.says.iter().take_while(|(at_ns, _)| *at_ns <= now_ns).count();
        let bytes: Vec<u8> = self.says.drain(..due).map(|(_, byte)| byte).collect();
        give(&mut self.line, &bytes);
    }
}

/// Pings until somebody answers.
async fn reach(stack: &Stack<'_>, clock: HostClock, to: IpAddr) {
    let mut pinger = Pinger::new(stack).unwrap();
    while pinger.ping(&clock, to, 200, Duration::from_secs(1)).await.is_err() {
        wavetank_stack::time::sleep(&clock, Duration::from_millis(100)).await;
    }
}

#[test]
fn packets_cross_the_gateway_s_board_between_radio_and_ethernet() {
    let Some(folder) = env::var_os("WAVETANK_FIRMWARE") else {
        println!("skipped: `cargo xtask firmware` builds the firmware for this");
        return;
    };
    let folder = Path::new(&folder);
    let scratch = tempfile::tempdir().unwrap();
    let console = scratch.path().join("console");
    let (_emulator, line, cable) = boot(&folder.join("gateway"), &console);

    let clock = HostClock(Wall::now());
    let rcp = Rc::new(RefCell::new(Rcp::new(CHANNEL, BAUD, Whims::default())));
    rcp.borrow_mut().reset(0, Reason::PowerOn);
    let (lan, air) = (Frames::default(), Frames::default());
    let mut between = Between {
        clock,
        cable,
        on_cable: Vec::new(),
        lan: lan.clone(),
        line,
        rcp: Rc::clone(&rcp),
        says: VecDeque::new(),
        air: air.clone(),
    };

    let [a, b, c, d, e, f] = BOARD_MAC;
    let by_radio = Address::Extended([a, b, c, 0xff, 0xfe, d, e, f]);
    let board = by_radio.within(AIR).address();
    // The station on the Ethernet, which is the board's uplink.
    let mut memory: Resources<'_> = Resources::new();
    let card = Interface(lan, HardwareAddress::Ethernet(OWN_MAC));
    let (addresses, routes) = ([Cidr::v6(UPLINK, 64)], [Route::default_via(BOARD.into())]);
    let (uplink, mut on_lan) = Stack::new(&mut memory, card, clock, &Config::new(&addresses, &routes), 7);
    // The one by radio.
    let (mut packets, counts) = (lowpan::Memory::<2>::new(), Counts::new());
    let mut options = lowpan::Options::new(PAN).with_prefix(AIR);
    options.router = Some(by_radio);
    let radio = Interface(air, HardwareAddress::Ieee802154(OWN_EUI));
    let seen = Rc::new(RefCell::new(Vec::new()));
    let link = Watched(Lowpan::new(radio, clock, &mut packets, &counts, options), Rc::clone(&seen));
    let own = [Address::Extended(OWN_EUI).link_local(), Address::Extended(OWN_EUI).within(AIR)];
    let mut memory: Resources<'_> = Resources::new();
    let routes = [Route::default_via(board)];
    let (sensor, mut in_air) = Stack::new(&mut memory, link, clock, &Config::new(&own, &routes), 8);

    let story = async {
        reach(&sensor, clock, board).await;
        println!("{:?}: the board answers by radio", clock.now());
        reach(&sensor, clock, UPLINK.into()).await;
        println!("{:?}: the station on the Ethernet answers by radio", clock.now());
        reach(&uplink, clock, own[1].address()).await;
        println!("{:?}: the station by radio answers on the Ethernet", clock.now());
        // The co-processor resets itself, and has forgotten all that it was told.
        rcp.borrow_mut().reset(clock.now_ns(), Reason::Watchdog);
        assert!(!rcp.borrow().passes());
        reach(&sensor, clock, UPLINK.into()).await;
        println!("{:?}: and again, after a reset of the co-processor", clock.now());
        poll_fn(|_| if seen.borrow().contains(&134) { Poll::Ready(()) } else { Poll::Pending }).await;
        println!("{:?}: the board has told the radios that it is a router", clock.now());
    };
    let mut all = pin!(on_lan.run_with(in_air.run_with(story)));
    let mut cx = Context::from_waker(Waker::noop());
    while all.as_mut().poll(&mut cx).is_pending() {
        between.pass();
        let said = || fs::read_to_string(&console).unwrap_or_default();
        assert!(
            clock.0.elapsed() < LIMIT,
            "not within {LIMIT:?}; messages heard by radio: {:?}; the board says:\n{}",
            seen.borrow(),
            said()
        );
        thread::sleep(Duration::from_micros(500));
    }
    let said = fs::read_to_string(&console).unwrap();
    println!("{said}");
    assert_eq!(rcp.borrow().refused(), 0, "every frame that the board sent was whole");
    for line in ["rcp.set-up +1", "rcp.resets +1", "packets.forwarded +1", "uplink = 1"] {
        assert!(said.lines().any(|said| said.trim() == line), "{line} is not in what the board says:\n{said}");
    }
    assert!(!said.contains("rcp.bad-check"), "nothing is garbled here:\n{said}");
}
