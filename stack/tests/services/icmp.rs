//! Pings, and what the network says about datagrams that do not arrive.

use core::net::IpAddr;

use wavetank_stack::{
    Duration,
    icmp::{Error, Pinger, Unreachable},
    tcp, udp,
};

use super::{route, to};
use crate::support::{LATENCY_US, Sea};

#[test]
fn pings_tell_the_round_trip() {
    let sea = Sea::new();
    let _there = sea.host(&["192.0.2.1/24", "2001:db8::1/64"]);
    let here = sea.host(&["192.0.2.2/24", "2001:db8::2/64"]);
    let clock = sea.clock();
    sea.run(async move {
        let mut pinger = Pinger::new(&here.stack).unwrap();
        for there in ["192.0.2.1", "2001:db8::1"] {
            let there: IpAddr = there.parse().unwrap();
            // The first one has to find the neighbour.
            pinger.ping(&clock, there, 56, Duration::from_secs(1)).await.unwrap();
            let reply = pinger.ping(&clock, there, 56, Duration::from_secs(1)).await.unwrap();
            assert_eq!((reply.from, reply.round_trip), (there, Duration::from_micros(2 * LATENCY_US)));
        }
        let nobody = "192.0.2.9".parse().unwrap();
        assert_eq!(pinger.ping(&clock, nobody, 8, Duration::from_secs(1)).await, Err(Error::TimedOut));
        let beyond = "203.0.113.9".parse().unwrap();
        let unrouted = pinger.ping(&clock, beyond, 8, Duration::from_secs(1)).await;
        assert_eq!(unrouted, Err(Error::NotSent(udp::Error::NoRoute)));
    });
}

#[test]
fn pingers_do_not_hear_each_others_replies() {
    let sea = Sea::new();
    let _there = sea.host(&["192.0.2.1/24"]);
    let here = sea.host(&["192.0.2.2/24"]);
    let clock = sea.clock();
    sea.run(async move {
        let there = "192.0.2.1".parse().unwrap();
        let (mut one, mut other) = (Pinger::new(&here.stack).unwrap(), Pinger::new(&here.stack).unwrap());
        let patience = Duration::from_secs(1);
        let both =
            futures_util::future::join(one.ping(&clock, there, 8, patience), other.ping(&clock, there, 16, patience));
        let (one, other) = both.await;
        assert_eq!((one.unwrap().sequence, other.unwrap().sequence), (1, 1));
        assert_eq!(here.stack.stats().dropped_in_all(), 0);
    });
}

#[test]
fn a_client_hears_that_nobody_listens_and_a_server_does_not() {
    let sea = Sea::new();
    let _there = sea.host(&["192.0.2.1/24", "2001:db8::1/64"]);
    let here = sea.host(&["192.0.2.2/24", "2001:db8::2/64"]);
    let clock = sea.clock();
    sea.run(async move {
        let mut options = udp::Options::default();
        let server = udp::Socket::bind(&here.stack, 0, options).unwrap();
        options.errors = true;
        let client = udp::Socket::bind(&here.stack, 0, options).unwrap();
        for remote in ["192.0.2.1:9", "[2001:db8::1]:9"].map(to) {
            let undelivered = Err(udp::Error::Undelivered { remote, why: Unreachable::Port });
            client.send_to(b"anybody?", remote).await.unwrap();
            assert_eq!(client.recv_from(&mut [0; 8]).await, undelivered);
            server.send_to(b"anybody?", remote).await.unwrap();
            let silence = Duration::from_secs(1);
            let heard = wavetank_stack::time::timeout(&clock, silence, server.recv_from(&mut [0; 8])).await;
            assert!(heard.is_err(), "{heard:?}");
        }
        assert_eq!(here.stack.stats().icmp_errors_received, 4);
    });
}

/// An ICMP message about a segment of ours, as a router sends it.
fn prohibited(about: &[u8], router_mac: [u8; 6]) -> Vec<u8> {
    let quoted = &about[14..14 + 28];
    let mut message = vec![3, 13, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(quoted);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum);
    let mut header = vec![0x45, 0, 0, (20 + message.len()) as u8, 0, 0, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1];
    header.extend_from_slice(&about[26..30]);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    [&about[6..12], &router_mac, &[8, 0], &header, &message].concat()
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    (!(sum as u16)).to_be_bytes()
}

#[test]
fn a_connection_that_is_being_opened_hears_that_it_cannot_be() {
    let sea = Sea::new();
    let router = sea.card();
    let here = sea.host_with(&["192.0.2.2/24"], &[route("192.0.2.1")], |_| ());
    // A router that answers for its address, and lets nothing pass.
    let clock = sea.clone();
    let mac = router.mac();
    sea.spawn(async move {
        loop {
            clock.sleep(Duration::from_millis(1)).await;
            while let Some(frame) = router.next_frame() {
                if frame[12..14] == [8, 6] && frame[38..42] == [192, 0, 2, 1] {
                    let mut answer = [&frame[6..12], &mac[..], &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2], &mac].concat();
                    answer.extend_from_slice(&[192, 0, 2, 1]);
                    answer.extend_from_slice(&frame[22..32]);
                    router.send(answer);
                } else if frame[12..14] == [8, 0] {
                    router.send(prohibited(&frame, mac));
                }
            }
        }
    });
    let clock = sea.clone();
    sea.run(async move {
        let opened = tcp::Stream::connect(&here.stack, to("203.0.113.9:80"), tcp::Options::default()).await;
        assert_eq!(opened.unwrap_err(), tcp::Error::Unreachable);
        assert!(clock.now() < Duration::from_millis(100), "at once: {:?}", clock.now());
        assert_eq!(here.stack.connections(), 0);
    });
}
