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
