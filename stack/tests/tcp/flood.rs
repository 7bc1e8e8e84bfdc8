//! Calls from stations that are not there: what is opened for them is never answered.

use std::net::Ipv4Addr;

use futures_util::future::join;
use smoltcp::wire::{IpAddress, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};
use wavetank_stack::{
    Duration, Reason,
    tcp::{Listener, Options, Stream},
    time::timeout,
};

use crate::{
    at, pair,
    support::{Card, Sea},
};

/// A card that calls a server in the names of others.
struct Forger {
    card: Card,
    /// Where the server is.
    server: [u8; 6],
    called: u32,
    /// In the names of how many.
    names: u32,
}

impl Forger {
    fn new(sea: &Sea, server: usize, names: u32) -> Self {
        Self { card: sea.card(), server: sea.mac(server), called: 0, names }
    }

    /// Asks for the server in that one's name, so that it knows where to send its answers.
    fn introduce(&mut self, name: Ipv4Addr) {
        let mac = self.card.mac();
        let mut frame = [&self.server[..], &mac, &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1], &mac, &name.octets()].concat();
        frame.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
        self.card.send(frame);
    }

    /// Calls port 80 in the name of the next one.
    fn call(&mut self) {
        self.called = self.called % self.names + 1;
        let source = Ipv4Addr::new(192, 0, 2, 50 + (self.called % 200) as u8);
        self.introduce(source);
        let segment = TcpRepr {
            src_port: 1_024 + (self.called % 50_000) as u16,
            dst_port: 80,
            control: TcpControl::Syn,
            seq_number: TcpSeqNumber(self.called.wrapping_mul(0x9e37_79b9).cast_signed()),
            ack_number: None,
            window_len: 1_024,
            window_scale: None,
            max_seg_size: Some(1_460),
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        self.say(source, &segment);
    }

    /// Sends a segment in the name of that one.
    fn say(&self, source: Ipv4Addr, segment: &TcpRepr<'_>) {
        let checks = smoltcp::phy::ChecksumCapabilities::default();
        let (from, to) = (IpAddress::from(source), IpAddress::v4(192, 0, 2, 1));
        let header = Ipv4Repr {
            src_addr: source,
            dst_addr: Ipv4Addr::new(192, 0, 2, 1),
            next_header: IpProtocol::Tcp,
            payload_len: segment.buffer_len(),
            hop_limit: 64,
        };
        let mut frame = [&self.server[..], &self.card.mac(), &[8, 0]].concat();
        frame.resize(14 + header.buffer_len() + segment.buffer_len(), 0);
        header.emit(&mut Ipv4Packet::new_unchecked(&mut frame[14..]), &checks);
        segment.emit(&mut TcpPacket::new_unchecked(&mut frame[34..]), &from, &to, &checks);
        self.card.send(frame);
    }

    /// The segments that came since, by their control, number and acknowledgment.
    fn heard(&self) -> Vec<(TcpControl, u32, Option<u32>)> {
        let checks = smoltcp::phy::ChecksumCapabilities::default();
        let parse = |frame: Vec<u8>| {
            let packet = Ipv4Packet::new_checked(frame.get(14..)?).ok()?;
            let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
            let segment = TcpPacket::new_checked(packet.payload()).ok()?;
            let told = TcpRepr::parse(&segment, &from, &to, &checks).ok()?;
            let number = |number: TcpSeqNumber| number.0.cast_unsigned();
            Some((told.control, number(told.seq_number), told.ack_number.map(number)))
        };
        std::iter::from_fn(|| self.card.next_frame()).filter_map(parse).collect()
    }
}

/// Whether somebody who calls a listener with a backlog of 16 beside so many forged calls a second, comes in within half a minute;
/// and how many calls the backlog had no room for.
fn comes_in_beside(calls_a_second: u32, names: u32) -> (bool, u64) {
    let (sea, server, client) = pair();
    let (mut forger, story, stack) = (Forger::new(&sea, server.card, names), sea.clone(), server.stack.clone());
    let is_in = sea.run(async move {
        let listener = Listener::bind(&server.stack, 80, 16, Options::default()).unwrap();
        let flood = async {
            for _ in 0..35 * calls_a_second {
                forger.call();
                story.sleep(Duration::from_secs(1) / calls_a_second).await;
                while forger.card.next_frame().is_some() {}
            }
        };
        let honest = async {
            story.sleep(Duration::from_secs(5)).await;
            let call = Stream::connect(&client.stack, at(80), Options::default());
            timeout(&story.clock(), Duration::from_secs(30), join(call, listener.accept())).await
        };
        let ((), met) = join(flood, honest).await;
        assert!(server.stack.connections() <= 17, "{}", server.stack.connections());
        met.is_ok_and(|(call, accepted)| call.is_ok_and(|call| call.local_addr() == accepted.remote_addr()))
    });
    (is_in, stack.stats().dropped(Reason::BacklogFull))
}

#[test]
fn who_calls_beside_a_flood_comes_in() {
    // 16 half-open connections a second give way.
    let (is_in, forgotten) = comes_in_beside(12, 50_000);
    assert!(is_in && forgotten > 300, "{forgotten} forged calls made way");
}

/// The same few, who never confirm their calls, though each is heard from twice a second.
#[test]
fn who_calls_again_and_again_keeps_nobody_out() {
    let (is_in, forgotten) = comes_in_beside(32, 16);
    assert!(is_in, "{forgotten} forged calls made way");
}

#[test]
fn a_flood_that_is_no_more_leaves_nothing_behind() {
    let (sea, server, client) = pair();
    let mut forger = Forger::new(&sea, server.card, 50_000);
    let story = sea.clone();
    sea.run(async move {
        let listener = Listener::bind(&server.stack, 80, 16, Options::default()).unwrap();
        for _ in 0..5_000 {
            forger.call();
            story.sleep(Duration::from_millis(1)).await;
            while forger.card.next_frame().is_some() {}
        }
        story.sleep(Duration::from_secs(1)).await;
        let call = Stream::connect(&client.stack, at(80), Options::default());
        let met = timeout(&story.clock(), Duration::from_secs(1), join(call, listener.accept())).await;
        assert!(met.is_ok_and(|(call, _)| call.is_ok()), "the first who calls then comes in");
        story.sleep(Duration::from_secs(120)).await;
        assert_eq!(server.stack.connections(), 0, "of the forged ones none is left");
    });
}

/// RFC 9293, sections 3.6.1 and 3.10.7.4.
#[test]
fn a_call_on_a_flow_in_time_wait_is_answered_where_somebody_listens() {
    let (sea, server, _client) = pair();
    let mut forger = Forger::new(&sea, server.card, 1);
    let (name, story) = (Ipv4Addr::new(192, 0, 2, 77), sea.clone());
    let say = move |forger: &Forger, control, sequence: u32, ack: Option<u32>| {
        let number = |number: u32| TcpSeqNumber(number.cast_signed());
        let segment = TcpRepr {
            src_port: 5_000,
            dst_port: 80,
            control,
            seq_number: number(sequence),
            ack_number: ack.map(number),
            window_len: 1_024,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        forger.say(name, &segment);
    };
    sea.run(async move {
        let rest = || story.sleep(Duration::from_millis(50));
        let listener = Listener::bind(&server.stack, 80, 4, Options::default()).unwrap();
        forger.introduce(name);
        // A call; the server closes first, and waits.
        say(&forger, TcpControl::Syn, 1_000, None);
        rest().await;
        let [(TcpControl::Syn, theirs, Some(1_001))] = forger.heard()[..] else { panic!("no answer to the call") };
        say(&forger, TcpControl::None, 1_001, Some(theirs + 1));
        drop(listener.accept().await);
        rest().await;
        assert_eq!(forger.heard(), [(TcpControl::Fin, theirs + 1, Some(1_001))]);
        say(&forger, TcpControl::Fin, 1_001, Some(theirs + 2));
        rest().await;
        assert_eq!(forger.heard(), [(TcpControl::None, theirs + 2, Some(1_002))]);
        assert_eq!(server.stack.connections(), 1, "TIME-WAIT");
        // The same flow again, as it was called once before, and as if it were before its end: that is heard with silence.
        for before in [1_000, 1_001, 1_001_u32.wrapping_sub(1 << 30)] {
            say(&forger, TcpControl::Syn, before, None);
            rest().await;
            assert_eq!((forger.heard(), server.stack.connections()), (vec![], 1), "{before}");
        }
        // And as it goes on: it is the new one's.
        say(&forger, TcpControl::Syn, 500_000, None);
        rest().await;
        let [(TcpControl::Syn, theirs, Some(500_001))] = forger.heard()[..] else {
            panic!("no answer to the second call")
        };
        say(&forger, TcpControl::None, 500_001, Some(theirs + 1));
        let again = listener.accept().await;
        assert_eq!((again.remote_addr().port(), server.stack.connections()), (5_000, 1));
        // Where nobody listens any more, the old one stays, and says what it knows.
        drop((again, listener));
        rest().await;
        say(&forger, TcpControl::Fin, 500_001, Some(theirs + 2));
        rest().await;
        forger.heard();
        say(&forger, TcpControl::Syn, 900_000, None);
        rest().await;
        let told = forger.heard();
        assert!(told.iter().all(|(control, _, ack)| *control != TcpControl::Syn && *ack == Some(500_002)), "{told:?}");
        assert_eq!(server.stack.connections(), 1);
    });
}
