//! What a connection's options do, seen on the wire.

use std::{cell::RefCell, rc::Rc};

use embedded_io_async::{Read, Write};
use futures_util::future::join;
use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpOption, TcpPacket};
use wavetank_stack::{
    Duration,
    tcp::{Listener, Options, Stream},
};

use crate::{
    at, pair, pattern,
    support::{Host, LATENCY_US, Sea, Verdict},
};

/// A segment as it was sent.
#[derive(Clone, Debug)]
struct Sent {
    at: Duration,
    from: usize,
    sequence: u32,
    acknowledges: u32,
    /// As it stands there, not scaled.
    window: u16,
    /// The shift that a SYN announces.
    scale: Option<u8>,
    opens: bool,
    len: usize,
}

impl Sent {
    fn read(at: Duration, from: usize, frame: &[u8]) -> Option<Self> {
        let (header, packet) = frame.split_at(14);
        if header[12..] != [8, 0] {
            return None;
        }
        let packet = Ipv4Packet::new_checked(packet).unwrap();
        if packet.next_header() != IpProtocol::Tcp {
            return None;
        }
        let segment = TcpPacket::new_checked(packet.payload()).unwrap();
        let (mut options, mut scale) = (segment.options(), None);
        while !options.is_empty() {
            let (rest, option) = TcpOption::parse(options).unwrap();
            if let TcpOption::WindowScale(shift) = option {
                scale = Some(shift);
            }
            options = rest;
        }
        Some(Self {
            at,
            from,
            sequence: segment.seq_number().0 as u32,
            acknowledges: segment.ack_number().0 as u32,
            window: segment.window_len(),
            scale,
            opens: segment.syn(),
            len: segment.payload().len(),
        })
    }
}

/// Two hosts, those connections between which have these options, the server's first; what each does with its end; and each
/// segment that was sent, over cables that take so long more than usual.
fn seen<S: Future, C: Future>(
    late: Duration,
    [serving, calling]: [Options; 2],
    serve: impl FnOnce(Sea, Stream<'static>) -> S + 'static,
    call: impl FnOnce(Sea, Stream<'static>) -> C + 'static,
) -> Wire {
    let (sea, server, client) = pair();
    let log = Rc::new(RefCell::new(Vec::new()));
    let (clock, notes) = (sea.clone(), log.clone());
    sea.filter(move |from, frame| {
        notes.borrow_mut().extend(Sent::read(clock.now(), from, frame));
        Verdict::Delay(late.as_micros() as u64)
    });
    let (server_card, client_card, story) = (server.card, client.card, sea.clone());
    sea.run(async move {
        let (served, called) = connected(&server, &client, serving, calling).await;
        join(serve(story.clone(), served), call(story, called)).await;
    });
    // The filter holds the sea.
    sea.calm();
    Wire { sent: log.take(), server: server_card, client: client_card, took: sea.now() }
}

struct Wire {
    sent: Vec<Sent>,
    server: usize,
    client: usize,
    took: Duration,
}

impl Wire {
    fn data_from(&self, card: usize) -> impl Iterator<Item = &Sent> {
        self.sent.iter().filter(move |sent| sent.from == card && sent.len > 0)
    }

    /// The most octets that were on their way from there, or unread at the other end, at a time.
    fn most_in_flight(&self, card: usize) -> u32 {
        let (mut until, mut most) = (None::<u32>, 0);
        for sent in &self.sent {
            match (sent.from == card, until) {
                (false, _) if !sent.opens || sent.acknowledges != 0 => until = Some(sent.acknowledges),
                (true, Some(until)) => {
                    let flight = sent.sequence.wrapping_add(sent.len as u32).wrapping_sub(until);
                    most = most.max(flight.cast_signed().max(0).cast_unsigned());
                }
                _ => {}
            }
        }
        most
    }

    /// The largest window that was offered there, in octets, by the shift that was agreed (RFC 7323, section 2.2).
    fn widest(&self, card: usize) -> u32 {
        let shift = |from_here: bool| {
            self.sent.iter().find(|sent| sent.opens && (sent.from == card) == from_here).and_then(|sent| sent.scale)
        };
        // Scaled only where both said that they scale, and never in a SYN.
        let shift = shift(true).and_then(|own| shift(false).map(|_| own)).unwrap_or(0);
        let windows = self.sent.iter().filter(|sent| sent.from == card && !sent.opens);
        windows.map(|sent| u32::from(sent.window) << shift).max().unwrap_or(0)
    }
}

/// Connects a client to a server that listens at port 80.
async fn connected(
    server: &Host,
    client: &Host,
    serving: Options,
    calling: Options,
) -> (Stream<'static>, Stream<'static>) {
    let listener = Listener::bind(&server.stack, 80, 4, serving).unwrap();
    let (served, called) = join(listener.accept(), Stream::connect(&client.stack, at(80), calling)).await;
    (served, called.unwrap())
}

fn options(set: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    set(&mut options);
    options
}

const BULK: usize = 2 << 20;

async fn pass(mut stream: Stream<'static>) {
    let (mut read, mut write) = stream.split();
    let send = async {
        write.write_all(&pattern(BULK)).await.unwrap();
        write.shutdown();
    };
    let receive = async {
        let mut all = vec![0; BULK];
        read.read_exact(&mut all).await.unwrap();
        assert_eq!(read.read(&mut [0]).await, Ok(0));
        all
    };
    assert!(join(send, receive).await.1 == pattern(BULK), "what arrived is not what was sent");
}

/// 2 MiB each way, 50 ms long ways, with so large buffers.
fn bulk(buffer: usize) -> Wire {
    let large = options(|options| {
        (options.receive_bytes, options.send_bytes) = (buffer, buffer);
        options.congestion_control = false;
    });
    seen(Duration::from_millis(50), [large; 2], |_, served| pass(served), |_, called| pass(called))
}

#[test]
fn windows_beyond_64_kib_are_scaled_both_ways() {
    let (wide, narrow) = (bulk(1 << 20), bulk(65_535));
    for (card, other) in [(wide.server, wide.client), (wide.client, wide.server)] {
        assert!(wide.widest(card) >= 1 << 19 && wide.widest(card) <= 1 << 20, "offered: {}", wide.widest(card));
        assert!(wide.most_in_flight(other) > 1 << 19, "used: {}", wide.most_in_flight(other));
    }
    for card in [narrow.server, narrow.client] {
        assert!(narrow.widest(card) <= 65_535 && narrow.most_in_flight(card) <= 65_535);
    }
    // 2 MiB are two windows of 1 MiB, and 32 of 64 KiB: a round trip, of 101 ms, each.
    assert!(wide.took < Duration::from_millis(600), "{:?}", wide.took);
    assert!(narrow.took > Duration::from_secs(3), "{:?}", narrow.took);
}

/// Writes ten octets, one each 100 µs: a round trip is ten times as long.
async fn trickle(sea: Sea, mut stream: Stream<'static>) {
    for octet in 0..10 {
        stream.write_all(&[octet]).await.unwrap();
        sea.sleep(Duration::from_micros(100)).await;
    }
    stream.shutdown();
    while stream.read(&mut [0; 16]).await.unwrap() > 0 {}
}

async fn take(mut stream: Stream<'static>) {
    let mut all = [0; 10];
    stream.read_exact(&mut all).await.unwrap();
    assert_eq!(all, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    stream.shutdown();
}

#[test]
fn nagle_gathers_what_is_small_until_the_last_is_acknowledged() {
    let gathered = |nagle| {
        let prompt = options(|options| options.ack_delay = None);
        let writer = options(|options| options.nagle = nagle);
        let wire = seen(Duration::ZERO, [prompt, writer], |_, served| take(served), trickle);
        wire.data_from(wire.client).map(|sent| (sent.at, sent.len)).collect::<Vec<_>>()
    };
    assert_eq!(gathered(false).len(), 10, "each by itself, at once");
    let few = gathered(true);
    assert!(few.len() <= 3, "{few:?}");
    assert_eq!(few.iter().map(|(_, len)| len).sum::<usize>(), 10);
    let round_trip = Duration::from_micros(2 * LATENCY_US);
    assert!(few[0].1 == 1 && few[1].0 - few[0].0 >= round_trip, "the first waits for none, the others for it: {few:?}");
}

#[test]
fn an_acknowledgement_waits_as_long_as_it_may_for_data_to_travel_with() {
    let waited = |ack_delay: Option<Duration>, answer_ms| {
        let taker = options(|options| options.ack_delay = ack_delay);
        let once = |_, mut called: Stream<'static>| async move {
            called.write_all(b"?").await.unwrap();
            assert_eq!(called.read(&mut [0; 8]).await, Ok(1));
        };
        let late = move |sea: Sea, mut served: Stream<'static>| async move {
            assert_eq!(served.read(&mut [0; 8]).await, Ok(1));
            sea.sleep(Duration::from_millis(answer_ms)).await;
            served.write_all(b"!").await.unwrap();
            sea.sleep(Duration::from_millis(400)).await;
        };
        let wire = seen(Duration::ZERO, [taker, Options::default()], late, once);
        let asked = wire.data_from(wire.client).next().expect("a question");
        let over = asked.sequence.wrapping_add(1);
        let heard = |sent: &&Sent| sent.from == wire.server && sent.acknowledges == over;
        wire.sent.iter().find(heard).expect("an acknowledgement").at - asked.at
    };
    let way = Duration::from_micros(LATENCY_US);
    assert_eq!(waited(None, 400), way, "at once");
    let patient = waited(Some(Duration::from_millis(180)), 400);
    assert!((180..=182).contains(&patient.as_millis()), "{patient:?}");
    // It travels with the answer.
    let carried = waited(Some(Duration::from_millis(180)), 100);
    assert!((100..=102).contains(&carried.as_millis()), "{carried:?}");
    // Whoever takes longer than others do is asked.
    let asked = waited(Some(Duration::from_millis(500)), 400);
    assert!((200..=205).contains(&asked.as_millis()), "{asked:?}");
}

#[test]
fn no_second_full_segment_goes_without_an_acknowledgement() {
    let patient = options(|options| options.ack_delay = Some(Duration::from_millis(500)));
    let read = |_, mut served: Stream<'static>| async move {
        served.read_exact(&mut [0; 40_000]).await.unwrap();
    };
    let write = |_, mut called: Stream<'static>| async move {
        called.write_all(&pattern(40_000)).await.unwrap();
        assert_eq!(called.flush().await, Ok(()));
    };
    // The last segment is a short one: by Nagle it would wait for the others.
    let hasty = options(|options| options.nagle = false);
    let wire = seen(Duration::ZERO, [patient, hasty], read, write);
    // RFC 9293, section 3.8.6.3: where each waited, this would take seconds.
    let (first, last) = (wire.data_from(wire.client).next().unwrap(), wire.data_from(wire.client).last().unwrap());
    assert!(last.at - first.at < Duration::from_millis(100), "{:?}", last.at - first.at);
    let answers = wire.sent.iter().filter(|sent| sent.from == wire.server && sent.len == 0).count();
    assert!(answers >= 40_000 / 1_460 / 2, "{answers} acknowledgements");
}

#[test]
fn who_yields_to_congestion_begins_with_little() {
    let first_flight = |congestion_control| {
        let writer = options(|options| {
            (options.congestion_control, options.send_bytes) = (congestion_control, 60_000);
        });
        let reader = options(|options| options.receive_bytes = 60_000);
        let read = |_, mut served: Stream<'static>| async move {
            served.read_exact(&mut [0; 60_000]).await.unwrap();
        };
        let write = |_, mut called: Stream<'static>| async move {
            called.write_all(&pattern(60_000)).await.unwrap();
            assert_eq!(called.flush().await, Ok(()));
        };
        let wire = seen(Duration::from_millis(50), [reader, writer], read, write);
        let start = wire.data_from(wire.client).next().expect("data").at;
        let first = wire.data_from(wire.client).filter(|sent| sent.at - start < Duration::from_millis(100));
        (first.map(|sent| sent.len).sum::<usize>(), wire.took)
    };
    let (all, quick) = first_flight(false);
    assert_eq!(all, 60_000, "all that the window lets");
    let (little, slow) = first_flight(true);
    // RFC 6928, section 2: at most ten segments.
    assert!((1..=14_600).contains(&little), "{little}");
    assert!(slow > quick + Duration::from_millis(100), "it takes round trips: {slow:?} beside {quick:?}");
}
