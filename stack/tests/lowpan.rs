//! Two stacks and a radio channel between them: 6LoWPAN over IEEE 802.15.4.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use core::cell::RefCell;
use core::net::{IpAddr, Ipv6Addr};
use core::task::Context;
use std::net::SocketAddr;
use std::process::Command;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState};
use embedded_io_async::{Read, Write};
use futures_util::future::{Either, join, select};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use support::{Card, Received, Room, Sea};
use wavetank_stack::forward::{Offer, advertise};
use wavetank_stack::lowpan::{self, Address, Contexts, Counts, FRAME_MAX, Lowpan, Memory, Options};
use wavetank_stack::slaac::{Client, Event};
use wavetank_stack::time::timeout;
use wavetank_stack::{Cidr, Config, Duration, Stack, tcp, udp};

/// A card as a radio: what it sends is data to everybody who hears it, so the sea hands it to all.
struct Radio(Card, [u8; 8]);

impl Driver for Radio {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room<'_>)> {
        self.0.receive(cx)
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room<'_>> {
        self.0.transmit(cx)
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.0.link_state(cx)
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ieee802154(self.1)
    }
}

const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 0);
const EUIS: [[u8; 8]; 2] = [[2, 0, 0, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 0, 0, 2]];
const BYTES: usize = 8_000;

fn address_of(number: usize, prefix: Ipv6Addr) -> IpAddr {
    Address::Extended(EUIS[number]).within(prefix).address()
}

/// Bytes both ways by TCP and a datagram of `datagram` bytes there and back, to the address under that prefix. Answers
/// with the frames that were sent.
fn talk(sea: &Sea, prefix: Ipv6Addr, datagram: usize) -> Vec<Vec<u8>> {
    sea.record();
    let there = sea.clone();
    sea.run(async move {
        let sea = there;
        let options = Options::new(0xbeef).with_prefix(PREFIX);
        let (mut memories, counts) = ([Memory::<2>::new(), Memory::<2>::new()], [Counts::new(), Counts::new()]);
        let [first, second] = &mut memories;
        let radios = EUIS.map(|eui| Radio(sea.card(), eui));
        // A radio sends one frame after the other.
        radios.iter().for_each(|radio| sea.narrow(radio.0.index, 1));
        let [one, other] = radios;
        let addresses = [0, 1].map(|number| {
            let own = Address::Extended(EUIS[number]);
            [own.link_local(), own.within(PREFIX)]
        });
        let one = Lowpan::new(one, sea.clock(), first, &counts[0], options);
        let other = Lowpan::new(other, sea.clock(), second, &counts[1], options);
        let (server, mut serving) = Stack::shared(one, sea.clock(), &Config::new(&addresses[0], &[]), 1);
        let (client, mut calling) = Stack::shared(other, sea.clock(), &Config::new(&addresses[1], &[]), 2);
        let serve = serving.run_with(async {
            let listener = tcp::Listener::bind(&server, 80, 1, tcp::Options::default()).unwrap();
            let echo = udp::Socket::bind(&server, 7, udp::Options::default()).unwrap();
            let datagrams = async {
                let mut buffer = [0; 1_500];
                loop {
                    let (len, from) = echo.recv_from(&mut buffer).await.unwrap();
                    echo.send_to(&buffer[..len], from).await.unwrap();
                }
            };
            let streams = async {
                loop {
                    let mut stream = listener.accept().await;
                    let mut buffer = [0; 512];
                    while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                        stream.write_all(&buffer[..len]).await.unwrap();
                    }
                }
            };
            join(datagrams, streams).await;
        });
        let call = calling.run_with(async {
            let hub = address_of(0, prefix);
            let mut stream =
                tcp::Stream::connect(&client, SocketAddr::new(hub, 80), tcp::Options::default()).await.unwrap();
            let sent: Vec<u8> = (0..BYTES).map(|i| (i * 7 % 251) as u8).collect();
            let mut came = vec![0; BYTES];
            {
                let (mut reader, mut writer) = stream.split();
                let (wrote, read) = join(writer.write_all(&sent), reader.read_exact(&mut came)).await;
                wrote.unwrap();
                read.unwrap();
            }
            assert!(came == sent, "the bytes came back as they went");
            let socket = udp::Socket::bind(&client, 0xf0b1, udp::Options::default()).unwrap();
            let mut buffer = [0; 1_500];
            for _ in 0..200 {
                socket.send_to(&sent[..datagram], SocketAddr::new(hub, 7)).await.unwrap();
                let heard = socket.recv_from(&mut buffer);
                if let Ok(heard) = wavetank_stack::time::timeout(&sea.clock(), Duration::from_secs(2), heard).await {
                    assert_eq!(&buffer[..heard.unwrap().0], &sent[..datagram]);
                    return;
                }
            }
            panic!("no datagram of so many came back");
        });
        let Either::Right(_) = select(Box::pin(serve), Box::pin(call)).await else {
            panic!("the server never ends");
        };
        for counts in &counts {
            assert_eq!((counts.malformed.get(), counts.unsendable.get()), (0, 0));
        }
    });
    sea.recorded()
}

#[test]
fn a_stream_and_long_datagrams_in_frames_of_125_bytes() {
    let frames = talk(&Sea::new(), PREFIX, 1_200);
    assert!(frames.iter().all(|frame| frame.len() <= FRAME_MAX));
    assert!(frames.len() > 2 * BYTES / 100, "{} frames", frames.len());
}

#[test]
fn a_channel_that_loses_and_reorders() {
    let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0);
    for seed in 0..5 {
        let sea = Sea::new();
        sea.storm(seed, 30);
        talk(&sea, link_local, 300);
    }
}

#[test]
fn a_packet_of_which_a_piece_is_lost_makes_room_for_the_next() {
    let sea = Sea::new();
    let there = sea.clone();
    sea.run(async move {
        let sea = there;
        let options = Options::new(0xbeef);
        let (mut memory, mut other, counts) = (Memory::<1>::new(), Memory::<1>::new(), Counts::new());
        let radios = EUIS.map(|eui| Radio(sea.card(), eui));
        let [one, two] = radios;
        let own = [0, 1].map(|number| [Address::Extended(EUIS[number]).link_local()]);
        let receiver = Lowpan::new(one, sea.clock(), &mut memory, &counts, options);
        let unheard = Counts::new();
        let sender = Lowpan::new(two, sea.clock(), &mut other, &unheard, options);
        let (receiver, mut receiving) = Stack::shared(receiver, sea.clock(), &Config::new(&own[0], &[]), 1);
        let (sender, mut sending) = Stack::shared(sender, sea.clock(), &Config::new(&own[1], &[]), 2);
        let hear = async {
            let socket = udp::Socket::bind(&receiver, 7, udp::Options::default()).unwrap();
            socket.recv_from(&mut [0; 600]).await.unwrap().0
        };
        let tell = async {
            let socket = udp::Socket::bind(&sender, 0, udp::Options::default()).unwrap();
            let to = SocketAddr::new(own[0][0].address(), 7);
            let mut left = 1;
            sea.filter(move |_, frame| {
                // The first later fragment.
                let lost = frame[21] >> 3 == 0b11100 && left > 0;
                left -= i32::from(lost);
                if lost { support::Verdict::Lose } else { support::Verdict::Pass }
            });
            socket.send_to(&[1; 500], to).await.unwrap();
            sea.sleep(Duration::from_secs(1)).await;
            socket.send_to(&[2; 501], to).await.unwrap();
            std::future::pending::<()>().await;
        };
        let heard = select(Box::pin(receiving.run_with(hear)), Box::pin(sending.run_with(tell))).await;
        let Either::Left((len, _)) = heard else {
            panic!("the sender never ends");
        };
        assert_eq!(len, 501);
        assert_eq!((counts.incomplete.get(), counts.no_room.get()), (1, 0));
    });
}

fn v6(own: Cidr) -> Ipv6Addr {
    let IpAddr::V6(own) = own.address() else { unreachable!("a radio's addresses are of IPv6") };
    own
}

fn addresses_of(stack: &Stack<'_>) -> Vec<Ipv6Addr> {
    stack.addresses().map(v6).collect()
}

/// A router by radio says its prefix; a radio that has no address makes its own of it, without asking who has them (RFC 6775).
#[test]
fn a_radio_makes_its_addresses_of_what_a_router_says() {
    let sea = Sea::new();
    let there = sea.clone();
    sea.record();
    sea.run(async move {
        let sea = there;
        let options = Options::new(0xbeef).with_prefix(PREFIX);
        let (mut memories, counts) = ([Memory::<2>::new(), Memory::<2>::new()], Counts::new());
        let [first, second] = &mut memories;
        let [router, radio] = EUIS.map(|eui| Radio(sea.card(), eui));
        let [ours, theirs] = EUIS.map(Address::Extended);
        let own = [ours.link_local(), ours.within(PREFIX)];
        let router = Lowpan::new(router, sea.clock(), first, &counts, options);
        let radio = Lowpan::new(radio, sea.clock(), second, &counts, options);
        let (router, mut routing) = Stack::shared(router, sea.clock(), &Config::new(&own, &[]), 1);
        let (radio, mut running) = Stack::shared(radio, sea.clock(), &Config::new(&[], &[]), 2);
        let mut offer = Offer::new(PREFIX);
        (offer.valid, offer.preferred) = (Duration::from_secs(2_700), Duration::from_secs(1_800));
        let echo = async {
            let (socket, mut bytes) = (udp::Socket::bind(&router, 7, udp::Options::default()).unwrap(), [0; 16]);
            loop {
                let (len, from) = socket.recv_from(&mut bytes).await.unwrap();
                socket.send_to(&bytes[..len], from).await.unwrap();
            }
        };
        let advertising = async {
            let clock = sea.clock();
            let word = advertise(&router, &clock, ChaCha8Rng::seed_from_u64(1), offer);
            // Until it falls silent for good.
            _ = timeout(&clock, Duration::from_secs(60), word).await;
            std::future::pending::<()>().await;
        };
        let [link_local, global, by] = [theirs.link_local(), theirs.within(PREFIX), ours.link_local()].map(v6);
        let (clock, events) = (sea.clock(), RefCell::new(Vec::new()));
        let configured = async {
            let mut client = Client::by_radio(&radio, &clock, ChaCha8Rng::seed_from_u64(2), theirs);
            client.run(|event| events.borrow_mut().push(event)).await.unwrap();
        };
        let story = async {
            sea.sleep(Duration::from_secs(10)).await;
            let told = [Event::Configured(link_local), Event::Router(by), Event::Configured(global)];
            assert_eq!(*events.borrow(), told);
            // It is an address to be reached at, and the only one of its kind.
            let socket = udp::Socket::bind(&radio, 0, udp::Options::default()).unwrap();
            socket.send_to(b"ahoy", SocketAddr::new(ours.within(PREFIX).address(), 7)).await.unwrap();
            assert_eq!(socket.recv_from(&mut [0; 16]).await.unwrap().0, 4);
            assert_eq!(addresses_of(&radio), [link_local, global]);
            // What the router no longer says runs out.
            sea.sleep(Duration::from_secs(2_800)).await;
            assert_eq!(events.borrow()[3..], [Event::Expired(by), Event::Expired(global)]);
            assert_eq!(addresses_of(&radio), [link_local]);
        };
        let configuring = select(Box::pin(configured), Box::pin(story));
        let routed = routing.run_with(join(echo, advertising));
        let Either::Right((Either::Right(_), _)) =
            select(Box::pin(routed), Box::pin(running.run_with(configuring))).await
        else {
            panic!("the story ends first")
        };
    });
    // Nobody was asked whether they have an address: no packet of ICMP's 135, whose sender has none.
    let ndisc = |frame: &Vec<u8>| frame.windows(3).any(|bytes| bytes[0] == 135 && bytes[1..] == [0, 0]);
    assert!(!sea.recorded().iter().any(ndisc));
}

const BEYOND: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 0);
const HUB: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 2, 0, 0, 0, 0x99);
/// For so long contexts are good, and so long the router is one, in seconds. It speaks for the first minute.
const VALID: u64 = 120;
const LIFETIME: u64 = 300;

/// A radio asks a station beyond its router once before the router has said how addresses there are shortened, once after, once when
/// that has run out, and at last when it is forgotten. Answers with the frames of each time, and how many of them made no sense to
/// the radio.
fn talk_beyond() -> Vec<(Vec<Vec<u8>>, u32)> {
    let sea = Sea::new();
    let there = sea.clone();
    sea.run(async move {
        let sea = there;
        let [ours, theirs] = EUIS.map(Address::Extended);
        let mut options = Options::new(0xbeef).with_prefix(PREFIX);
        options.router = Some(ours);
        let (mut memories, counts) = ([Memory::<2>::new(), Memory::<2>::new()], [Counts::new(), Counts::new()]);
        let [first, second] = &mut memories;
        let (said, learnt) = (Contexts::new(), Contexts::new());
        let [router, radio] = EUIS.map(|eui| Radio(sea.card(), eui));
        let router = Lowpan::new(router, sea.clock(), first, &counts[0], options).learning(&said);
        let radio = Lowpan::new(radio, sea.clock(), second, &counts[1], options).learning(&learnt);
        let own = [ours.link_local(), ours.within(PREFIX), Cidr::v6(HUB, 64)];
        let (router, mut routing) = Stack::shared(router, sea.clock(), &Config::new(&own, &[]), 1);
        let (radio, mut running) = Stack::shared(radio, sea.clock(), &Config::new(&[], &[]), 2);
        let mut offer = Offer::new(PREFIX);
        (offer.valid, offer.preferred) = (Duration::from_secs(VALID), Duration::from_secs(VALID));
        offer.lifetime = Duration::from_secs(LIFETIME);
        offer.contexts = [Some(lowpan::Context::new(PREFIX, 64)), Some(lowpan::Context::new(BEYOND, 64)), None, None];
        let echo = async {
            let (socket, mut bytes) = (udp::Socket::bind(&router, 7, udp::Options::default()).unwrap(), [0; 16]);
            loop {
                let (len, from) = socket.recv_from(&mut bytes).await.unwrap();
                // It shortens only once it has said so; then always, though others may have forgotten.
                said.set(
                    1,
                    Some(lowpan::Context::new(BEYOND, 64)).map(|it| if bytes[0] > 0 { it } else { it.fading() }),
                );
                socket.send_from(&bytes[..len], HUB.into(), from).await.unwrap();
            }
        };
        let advertising = async {
            let clock = sea.clock();
            sea.sleep(Duration::from_secs(5)).await;
            let word = advertise(&router, &clock, ChaCha8Rng::seed_from_u64(1), offer);
            _ = timeout(&clock, Duration::from_secs(60), word).await;
            std::future::pending::<()>().await;
        };
        let clock = sea.clock();
        let configured = async {
            let rng = ChaCha8Rng::seed_from_u64(2);
            let mut client = Client::by_radio(&radio, &clock, rng, theirs).learning(&learnt);
            client.run(|_| ()).await.unwrap();
        };
        let story = async {
            let mut seen = Vec::new();
            let socket = udp::Socket::bind(&radio, 0xf0b1, udp::Options::default()).unwrap();
            radio.add_address(theirs.within(PREFIX)).unwrap();
            for (number, at) in [(0, 3), (1, 30), (2, 60 + VALID + 10), (3, 60 + VALID + 2 * LIFETIME + 20)] {
                sea.sleep(Duration::from_secs(at).saturating_sub(sea.now())).await;
                let before = counts[1].malformed.get();
                sea.record();
                // A prefix that has run out takes its address along, but the question is of the link, not of that.
                _ = radio.add_address(theirs.within(PREFIX));
                socket.send_to(&[number], SocketAddr::new(HUB.into(), 7)).await.unwrap();
                let heard = timeout(&clock, Duration::from_secs(2), socket.recv_from(&mut [0; 16])).await.is_ok();
                assert_eq!(heard, number < 3, "the last answer is shortened by what is forgotten");
                let is_datagram = |frame: &Vec<u8>| frame[frame.len() - 7] & 0xf8 == 0xf0 && frame.ends_with(&[number]);
                let frames = sea.recorded().into_iter().filter(is_datagram);
                seen.push((frames.collect(), counts[1].malformed.get() - before));
            }
            seen
        };
        let configuring = select(Box::pin(configured), Box::pin(story));
        let routed = routing.run_with(join(echo, advertising));
        let ended = select(Box::pin(routed), Box::pin(running.run_with(configuring))).await;
        let Either::Right((Either::Right((seen, _)), _)) = ended else { panic!("the story ends first") };
        seen
    })
}

/// What a router says that is shortened, hosts shorten; and no longer when it is not said again (RFC 6775, sections 4.2 and 5.4.3).
#[test]
fn a_radio_shortens_what_its_router_says() {
    let seen = talk_beyond();
    let number = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).collect::<Vec<_>>();
    // 21 bytes before it, then IPHC: two bytes, the contexts' numbers, whole addresses or what is left of them, UDP's header and a byte.
    let (long, short) = (21 + 2 + 16 + 6 + 1, 21 + 2 + 1 + 8 + 6 + 1);
    assert_eq!(seen[0].1 + seen[1].1 + seen[2].1, 0);
    assert_eq!(number(&seen[0].0), [long, long]);
    assert_eq!(number(&seen[1].0), [short, short], "the hub's number is no radio's: eight bytes of it");
    assert_eq!(seen[1].0[0][21..24], [0x7e, 0xf5, 0x01], "from context 0 to context 1");
    assert_eq!(seen[1].0[1][21..24], [0x7e, 0xd7, 0x10], "and back");
    assert_eq!(number(&seen[2].0), [long, short], "what others shorten is restored still");
    assert_eq!((number(&seen[3].0), seen[3].1), (vec![long, short], 1), "and then no more");
}

#[test]
fn tshark_reads_what_a_router_has_shortened() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("tshark is not installed: its reading of 6LoWPAN's contexts was not checked");
        return;
    }
    let frames: Vec<_> = talk_beyond().into_iter().flat_map(|(frames, _)| frames).collect();
    let capture = Capture::new(&frames);
    assert_eq!(capture.read("_ws.malformed || udp.checksum.status == \"Bad\""), "");
    let (asked, answered) = ("ipv6.dst == 2001:db8:0:2::99", "ipv6.src == 2001:db8:0:2::99");
    let both = |filter: &str| capture.read(&format!("{filter} && udp.port == 61617")).lines().count();
    assert_eq!([both(asked), both(answered)], [4, 4]);
    let by_context = capture.read("6lowpan.iphc.sci == 0 && 6lowpan.iphc.dci == 1");
    assert_eq!(by_context.lines().count(), 1);
}

/// Frames as tshark reads them.
struct Capture {
    path: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Capture {
    fn new(frames: &[Vec<u8>]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("radio.pcap");
        // IEEE 802.15.4 without check sequences is link type 230.
        let mut capture = Vec::new();
        for word in [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65_535, 230] {
            capture.extend(word.to_le_bytes());
        }
        for (number, frame) in (0_u32..).zip(frames) {
            for word in [number, 0, frame.len() as u32, frame.len() as u32] {
                capture.extend(word.to_le_bytes());
            }
            capture.extend(frame);
        }
        std::fs::write(&path, capture).unwrap();
        Self { path, _folder: folder }
    }

    fn read(&self, filter: &str) -> String {
        let output = Command::new("tshark")
            .arg("-r")
            .arg(&self.path)
            .args(["-o", "6lowpan.context0:2001:db8:0:1::/64", "-o", "6lowpan.context1:2001:db8:0:2::/64"])
            .args(["-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE", "-Y", filter])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn tshark_reads_every_frame() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("tshark is not installed: its reading of 6LoWPAN was not checked");
        return;
    }
    let frames = talk(&Sea::new(), PREFIX, 600);
    let capture = Capture::new(&frames);
    let read = |filter: &str| capture.read(filter);
    assert_eq!(read("_ws.malformed || tcp.checksum.status == \"Bad\" || udp.checksum.status == \"Bad\""), "");
    assert_eq!(read("6lowpan").lines().count(), frames.len());
    assert_eq!(read("udp && ipv6.src == 2001:db8:0:1::1 && udp.length == 608").lines().count(), 1);
    let stream: usize = read("tcp.len > 0").lines().count();
    assert!(stream > 2 * BYTES / 1_280, "{stream} segments");
}
