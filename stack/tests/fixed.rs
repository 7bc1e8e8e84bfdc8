//! The stack in fixed memory: no allocator in it, whatever else the test allocates.
//!
//! Built without features this tests what boards run.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use embedded_io_async::{Read, Write};
use futures_util::future::{Either, join, select};
use support::Sea;
use wavetank_stack::{
    Cidr, Config, Duration, Resources, Stack,
    tcp::{Error, Listener, Options, Stream},
    time::timeout,
    udp,
};

#[test]
fn two_boards_talk_in_fixed_memory() {
    let sea = Sea::new();
    let clock = sea.clone();
    sea.run(async move {
        let addresses: [Cidr; 4] =
            ["192.0.2.1/24", "2001:db8::1/64", "192.0.2.2/24", "2001:db8::2/64"].map(|text| text.parse().unwrap());
        let mut server_memory = Resources::<'_, 2, 1, 1_024, 600>::new();
        let mut client_memory = Resources::<'_, 2, 1, 1_024, 600>::new();
        let (server, mut serving) =
            Stack::new(&mut server_memory, clock.card(), clock.clock(), &Config::new(&addresses[..2], &[]), 1);
        let (client, mut calling) =
            Stack::new(&mut client_memory, clock.card(), clock.clock(), &Config::new(&addresses[2..], &[]), 2);
        let serve = serving.run_with(async {
            let listener = Listener::bind(&server, 80, 2, Options::default()).unwrap();
            assert_eq!(Listener::bind(&server, 81, 2, Options::default()).unwrap_err(), Error::ListenersFull);
            let echo = udp::Socket::bind(&server, 7, udp::Options::default()).unwrap();
            assert_eq!(udp::Socket::bind(&server, 8, udp::Options::default()).unwrap_err(), udp::Error::Full);
            assert_eq!(server.stats().slots_wanting, 2);
            let streams = async {
                loop {
                    let mut stream = listener.accept().await;
                    let mut buffer = [0; 256];
                    while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                        stream.write_all(&buffer[..len]).await.unwrap();
                    }
                }
            };
            let datagrams = async {
                let mut buffer = [0; 256];
                loop {
                    let (len, from) = echo.recv_from(&mut buffer).await.unwrap();
                    echo.send_to(&buffer[..len], from).await.unwrap();
                }
            };
            join(streams, datagrams).await;
        });
        let call = calling.run_with(async {
            let socket = udp::Socket::bind(&client, 0, udp::Options::default()).unwrap();
            let mut buffer = [0; 64];
            for (tcp, udp) in [("192.0.2.1:80", "192.0.2.1:7"), ("[2001:db8::1]:80", "[2001:db8::1]:7")] {
                // More connections than slots: those in TIME-WAIT make room.
                for number in 0..6_u8 {
                    let mut stream = Stream::connect(&client, tcp.parse().unwrap(), Options::default()).await.unwrap();
                    stream.write_all(&[number; 64]).await.unwrap();
                    stream.read_exact(&mut buffer).await.unwrap();
                    assert_eq!(buffer, [number; 64]);
                    socket.send_to(&[number], udp.parse().unwrap()).await.unwrap();
                    assert_eq!(socket.recv_from(&mut buffer).await.unwrap().0, 1);
                    assert_eq!(buffer[0], number);
                }
            }
            assert!(client.stats().time_wait_reclaimed > 0);
            // The last one closes first.
            clock.sleep(Duration::from_millis(100)).await;
            let held = join(
                Stream::connect(&client, "192.0.2.1:80".parse().unwrap(), Options::default()),
                Stream::connect(&client, "192.0.2.1:80".parse().unwrap(), Options::default()),
            );
            let held = timeout(&clock.clock(), Duration::from_secs(90), held).await.unwrap();
            assert!(held.0.is_ok() && held.1.is_ok());
            let third = Stream::connect(&client, "192.0.2.1:80".parse().unwrap(), Options::default()).await;
            assert_eq!(third.unwrap_err(), Error::Full);
        });
        let Either::Right(_) = select(Box::pin(serve), Box::pin(call)).await else {
            panic!("the server never ends");
        };
    });
}

/// Who is told that there is less has less, in memory that is there for more; and more again when more may be.
#[cfg(feature = "alloc")]
#[test]
fn fixed_memory_can_be_made_smaller() {
    use std::{cell::Cell, rc::Rc};
    use wavetank_stack::{Limits, Pool, Pools, Reason};

    #[derive(Debug, Default)]
    struct Scarce {
        connections: Cell<usize>,
        ran_out: Cell<u32>,
        made_do: Cell<u32>,
    }

    impl Pools for Scarce {
        fn room(&self, pool: Pool) -> usize {
            match pool {
                Pool::Connections => self.connections.get(),
                Pool::Sockets => 1,
                Pool::StreamBytes => 100,
                Pool::DatagramBytes => 64,
                // One, and that it cannot be without.
                Pool::Neighbours => 0,
                Pool::Waiting => 1,
                _ => usize::MAX,
            }
        }

        fn ran_out(&self, _: Pool) {
            self.ran_out.set(self.ran_out.get() + 1);
        }

        fn made_do(&self, _: Pool) {
            self.made_do.set(self.made_do.get() + 1);
        }
    }

    let sea = Sea::new();
    let clock = sea.clone();
    let others = [2, 3].map(|number| sea.host(&[&format!("192.0.2.{number}/24")]));
    let scarce = Rc::new(Scarce::default());
    sea.run(async move {
        let mut memory = Resources::<'_, 4, 2, 1_024, 600>::new();
        let address: [Cidr; 1] = ["192.0.2.1/24".parse().unwrap()];
        let mut config = Config::new(&address, &[]);
        config.limits = Limits::of(scarce.clone());
        let (stack, mut runner) = Stack::new(&mut memory, clock.card(), clock.clock(), &config, 1);
        assert_eq!(scarce.made_do.get(), 4, "both buffers, neighbours, what waits");
        let calling = runner.run_with(async {
            let listeners =
                others.each_ref().map(|other| Listener::bind(&other.stack, 80, 8, Options::default()).unwrap());
            let sockets =
                others.each_ref().map(|other| udp::Socket::bind(&other.stack, 9, udp::Options::default()).unwrap());
            let socket = udp::Socket::bind(&stack, 0, udp::Options::default()).unwrap();
            assert_eq!(udp::Socket::bind(&stack, 8, udp::Options::default()).unwrap_err(), udp::Error::Full);
            let to = |other: usize, port: u16| format!("192.0.2.{}:{port}", other + 2).parse().unwrap();
            // Of three that would wait for a neighbour one does.
            for number in 1..=3_u8 {
                socket.send_to(&[number], to(0, 9)).await.unwrap();
            }
            let mut read = [0; 300];
            assert_eq!(sockets[0].recv_from(&mut read).await.unwrap().0, 1);
            assert_eq!(stack.stats().dropped(Reason::NeighbourQueueFull), 2);
            assert!(socket.send_to(&[0; 65], to(0, 9)).await.is_err(), "longer than its buffer");
            // One neighbour after the other is remembered, and asked for again.
            let asked = stack.stats().frames_sent;
            for number in [0, 1, 0, 1] {
                socket.send_to(&[7], to(number, 9)).await.unwrap();
                sockets[number].recv_from(&mut read).await.unwrap();
            }
            assert_eq!(stack.stats().frames_sent - asked, 4 + 3, "three questions");
            // No connection, then one.
            let connect = || Stream::connect(&stack, to(0, 80), Options::default());
            assert_eq!(connect().await.unwrap_err(), Error::Full);
            scarce.connections.set(1);
            let mut stream = connect().await.unwrap();
            assert_eq!(connect().await.unwrap_err(), Error::Full);
            assert_eq!(stream.write(&[7; 300]).await, Ok(100), "its buffer is that long");
            listeners[0].accept().await.read_exact(&mut read[..100]).await.unwrap();
            scarce.connections.set(9);
            assert!(connect().await.is_ok());
            assert_eq!(scarce.ran_out.get(), 3);
        });
        calling.await;
    });
}
