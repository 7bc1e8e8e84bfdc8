//! Raw sockets: protocols that the stack does not speak, and ICMP beside it.

use std::net::IpAddr;

use wavetank_stack::{
    Duration, Reason,
    icmp::Pinger,
    raw::{Arrival, Error, Socket, Version},
    udp,
};

use crate::support::Sea;

/// A protocol for experiments (RFC 3692).
const TRIAL: u8 = 253;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn packets_of_a_protocol_go_both_ways_in_both_versions() {
    let sea = Sea::new();
    let (one, other) = (sea.host(&["192.0.2.1/24", "2001:db8::1/64"]), sea.host(&["192.0.2.2/24", "2001:db8::2/64"]));
    sea.run(async move {
        for (version, here, there) in
            [(Version::V4, "192.0.2.1", "192.0.2.2"), (Version::V6, "2001:db8::1", "2001:db8::2")]
        {
            let ours = Socket::bind(&one.stack, version, TRIAL, udp::Options::default()).unwrap();
            let theirs = Socket::bind(&other.stack, version, TRIAL, udp::Options::default()).unwrap();
            let twice = Socket::bind(&one.stack, version, TRIAL, udp::Options::default());
            assert_eq!(twice.err(), Some(Error::Socket(udp::Error::InUse)));
            ours.set_hop_limit(7);
            ours.send_to(b"soundings", ip(there)).await.unwrap();
            let mut buffer = [0; 16];
            let came = Arrival { remote: ip(here), local: ip(there), hop_limit: 7 };
            assert_eq!(theirs.recv_from(&mut buffer).await, Ok((9, came)));
            assert_eq!(&buffer[..9], b"soundings");
            theirs.send_from(b"echoed", ip(there), ip(here)).await.unwrap();
            let came = Arrival { remote: ip(there), local: ip(here), hop_limit: 64 };
            assert_eq!(ours.recv_from(&mut buffer).await, Ok((6, came)));
            ours.send_to(&[0; 40], ip(there)).await.unwrap();
            assert_eq!(theirs.recv_from(&mut buffer).await, Err(Error::Socket(udp::Error::Truncated)));
        }
        let ours = Socket::bind(&one.stack, Version::V4, TRIAL, udp::Options::default()).unwrap();
        assert_eq!(ours.send_to(b"", ip("2001:db8::2")).await, Err(Error::Socket(udp::Error::BadAddress)));
        let longest = 1_500 - 20;
        assert_eq!(ours.send_to(&vec![0; longest + 1], ip("192.0.2.2")).await, Err(Error::Socket(udp::Error::TooLong)));
        assert_eq!(ours.send_to(&vec![0; longest], ip("192.0.2.2")).await, Ok(()));
        for stacks_own in [6, 17] {
            let taken = Socket::bind(&one.stack, Version::V6, stacks_own, udp::Options::default());
            assert_eq!(taken.err(), Some(Error::Taken(stacks_own)));
        }
        assert_eq!(one.stack.udp_sockets(), 1, "what was dropped is free");
    });
}

#[test]
fn only_where_nobody_speaks_a_protocol_the_sender_is_told() {
    let sea = Sea::new();
    let (one, other) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.2/24"]));
    let (asker, answerer) = (one.stack.clone(), other.stack.clone());
    let clock = sea.clone();
    sea.run(async move {
        let socket = Socket::bind(&asker, Version::V4, TRIAL, udp::Options::default()).unwrap();
        let theirs = Socket::bind(&answerer, Version::V4, TRIAL, udp::Options::default()).unwrap();
        socket.send_to(b"?", ip("192.0.2.2")).await.unwrap();
        theirs.recv_from(&mut [0; 4]).await.unwrap();
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!((asker.stats().icmp_errors_received, answerer.stats().dropped_in_all()), (0, 0));
        drop(theirs);
        socket.send_to(b"?", ip("192.0.2.2")).await.unwrap();
        clock.sleep(Duration::from_secs(1)).await;
        let told = asker.stats().icmp_errors_received;
        assert_eq!((told, answerer.stats().dropped(Reason::Unsupported)), (1, 1), "RFC 1122, section 3.2.2.1");
    });
}

#[test]
fn icmp_is_heard_beside_the_stack_which_goes_on_answering() {
    let sea = Sea::new();
    let (one, other) = (sea.host(&["192.0.2.1/24", "fe80::1/64"]), sea.host(&["192.0.2.2/24", "fe80::2/64"]));
    let clock = sea.clock();
    sea.run(async move {
        for (version, protocol, there, echo) in [(Version::V4, 1, "192.0.2.2", 8), (Version::V6, 58, "fe80::2", 128)] {
            let listening = Socket::bind(&other.stack, version, protocol, udp::Options::default()).unwrap();
            let mut pinger = Pinger::new(&one.stack).unwrap();
            let reply = pinger.ping(&clock, ip(there), 8, Duration::from_secs(1)).await;
            assert_eq!(reply.map(|reply| reply.from), Ok(ip(there)));
            let mut buffer = [0; 64];
            loop {
                let (len, _) = listening.recv_from(&mut buffer).await.unwrap();
                if buffer[0] == echo {
                    assert_eq!(len, 16);
                    break;
                }
            }
            // An echo request of our own making, whose checksum is the stack's work where it covers addresses.
            let asking = Socket::bind(&one.stack, version, protocol, udp::Options::default()).unwrap();
            let mut request = [echo, 0, 0, 0, 0xab, 0xcd, 0, 1];
            if version == Version::V4 {
                let sum: u32 = request.chunks(2).map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
                request[2..4].copy_from_slice(&(!((sum & 0xffff) + (sum >> 16)) as u16).to_be_bytes());
            }
            asking.send_to(&request, ip(there)).await.unwrap();
            loop {
                let (len, from) = asking.recv_from(&mut buffer).await.unwrap();
                if len == 8 && buffer[4..8] == request[4..] {
                    assert_eq!((from.remote, buffer[0]), (ip(there), if echo == 8 { 0 } else { 129 }));
                    break;
                }
            }
        }
    });
}
