//! Stories of TCP connections.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod beginnings;
mod flood;
mod options;
mod recovery;
#[path = "../support/mod.rs"]
mod support;

use std::{future::poll_fn, net::SocketAddr, rc::Rc};

use embedded_io_async::{Read, ReadExactError, Write};
use futures_util::future::{join, join_all};
use support::{Host, Sea, Verdict};
use wavetank_stack::{
    Duration, Reason,
    tcp::{Error, Listener, Options, Stream},
    time::timeout,
};

const SERVER: &str = "192.0.2.1";

fn at(port: u16) -> SocketAddr {
    SocketAddr::new(SERVER.parse().unwrap(), port)
}

/// A client and a server on one switch.
fn pair() -> (Sea, Host, Host) {
    let sea = Sea::new();
    let server = sea.host(&["192.0.2.1/24", "2001:db8::1/64"]);
    let client = sea.host(&["192.0.2.2/24", "2001:db8::2/64"]);
    (sea, server, client)
}

async fn read_to_end(stream: &mut Stream<'_>) -> Result<Vec<u8>, Error> {
    let (mut all, mut some) = (Vec::new(), [0; 1_000]);
    loop {
        match stream.read(&mut some).await? {
            0 => return Ok(all),
            len => all.extend_from_slice(&some[..len]),
        }
    }
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// Connects a client to a server that listens at port 80.
async fn connected(server: &Host, client: &Host) -> (Stream<'static>, Stream<'static>) {
    let listener = Listener::bind(&server.stack, 80, 4, Options::default()).unwrap();
    let (served, calling) = join(listener.accept(), Stream::connect(&client.stack, at(80), Options::default())).await;
    (served, calling.unwrap())
}

#[test]
fn an_echo_comes_back() {
    let (sea, server, client) = pair();
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        assert_eq!(served.remote_addr(), calling.local_addr());
        assert_eq!(served.local_addr(), at(80));
        let echo = async {
            let mut buffer = [0; 16];
            let len = served.read(&mut buffer).await.unwrap();
            served.write_all(&buffer[..len]).await.unwrap();
            assert_eq!(served.read(&mut buffer).await, Ok(0));
        };
        let call = async {
            calling.write_all(b"ahoy").await.unwrap();
            let mut buffer = [0; 4];
            calling.read_exact(&mut buffer).await.unwrap();
            assert_eq!(&buffer, b"ahoy");
            drop(calling);
        };
        join(echo, call).await;
    });
}

#[test]
fn what_is_lent_is_read_in_order_to_its_end() {
    let (sea, server, client) = pair();
    sea.run(async move {
        let (served, mut calling) = connected(&server, &client).await;
        let send = async {
            calling.write_all(&pattern(20_000)).await.unwrap();
            calling.shutdown();
        };
        let receive = async {
            let mut all = Vec::new();
            // Less is taken than was lent, so that it lies across the ring's end sometimes.
            let mut take = |bytes: &[u8]| {
                let taken = &bytes[..bytes.len().div_ceil(3)];
                all.extend_from_slice(taken);
                taken.len()
            };
            while poll_fn(|cx| served.poll_read_with(cx, &mut take)).await.unwrap() > 0 {}
            all
        };
        let ((), all) = join(send, receive).await;
        assert_eq!(all, pattern(20_000));
    });
}

#[test]
fn ipv6_connects_by_neighbour_discovery() {
    let (sea, server, client) = pair();
    sea.run(async move {
        let listener = Listener::bind(&server.stack, 80, 1, Options::default()).unwrap();
        let to = "[2001:db8::1]:80".parse().unwrap();
        let (mut served, calling) =
            join(listener.accept(), Stream::connect(&client.stack, to, Options::default())).await;
        let mut calling = calling.unwrap();
        let send = async {
            calling.write_all(&pattern(20_000)).await.unwrap();
            calling.shutdown();
        };
        let ((), all) = join(send, read_to_end(&mut served)).await;
        assert_eq!(all.unwrap(), pattern(20_000));
    });
}

fn bulk_both_ways(one_in: Option<u64>, seed: u64) -> Duration {
    let (sea, server, client) = pair();
    if let Some(one_in) = one_in {
        sea.storm(seed, one_in);
    }
    let clock = sea.clone();
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        const LEN: usize = 200_000;
        let both = async |stream: &mut Stream<'static>| {
            let (mut read, mut write) = stream.split();
            let send = async {
                write.write_all(&pattern(LEN)).await.unwrap();
                write.shutdown();
            };
            let receive = async {
                let (mut all, mut some) = (Vec::new(), [0; 700]);
                loop {
                    match read.read(&mut some).await.unwrap() {
                        0 => break all,
                        len => all.extend_from_slice(&some[..len]),
                    }
                }
            };
            let ((), all) = join(send, receive).await;
            assert_eq!(all, pattern(LEN));
        };
        join(both(&mut served), both(&mut calling)).await;
    });
    clock.now()
}

#[test]
fn bulk_arrives_both_ways() {
    assert!(bulk_both_ways(None, 0) < Duration::from_secs(1));
}

#[test]
fn bulk_arrives_through_loss_and_reordering() {
    let took: Duration = (0..8).map(|seed| bulk_both_ways(Some(25), seed)).sum();
    // By timeouts alone it takes 110 s, and with holes that selective acknowledgements tell of 70 s.
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn the_same_storm_takes_the_same_time() {
    assert_eq!(bulk_both_ways(Some(20), 7), bulk_both_ways(Some(20), 7));
}

#[test]
fn a_half_closed_connection_still_carries_the_other_way() {
    let (sea, server, client) = pair();
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        calling.write_all(b"question").await.unwrap();
        calling.shutdown();
        assert_eq!(calling.write(b"more").await, Err(Error::Closed));
        assert_eq!(read_to_end(&mut served).await.unwrap(), b"question");
        let send = async {
            served.write_all(&pattern(30_000)).await.unwrap();
            drop(served);
        };
        let ((), all) = join(send, read_to_end(&mut calling)).await;
        assert_eq!(all.unwrap(), pattern(30_000));
    });
}

#[test]
fn exactly_as_much_is_read_or_it_is_told_why_not() {
    let (sea, server, client) = pair();
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        let say = async {
            // More than the buffers hold, so that it takes several turns.
            calling.write_all(&pattern(50_000)).await.unwrap();
            calling.shutdown();
            calling.acknowledged().await.unwrap();
        };
        let hear = async {
            let mut heard = vec![0; 49_990];
            served.read_exact(&mut []).await.unwrap();
            served.read_exact(&mut heard).await.unwrap();
            assert_eq!(heard, pattern(50_000)[..49_990]);
            assert_eq!(served.read_exact(&mut [0; 11]).await, Err(ReadExactError::UnexpectedEof));
        };
        join(say, hear).await;
        calling.abort();
        assert_eq!(calling.read_exact(&mut [0; 1]).await, Err(ReadExactError::Other(Error::Aborted)));
        assert_eq!(calling.write_all(b"more").await, Err(Error::Aborted));
    });
}

#[test]
fn owned_halves_close_one_by_one() {
    let (sea, server, client) = pair();
    sea.run(async move {
        let (mut served, calling) = connected(&server, &client).await;
        let (mut read, mut write) = calling.into_split();
        write.write_all(b"last words").await.unwrap();
        drop(write);
        assert_eq!(read_to_end(&mut served).await.unwrap(), b"last words");
        served.write_all(b"heard").await.unwrap();
        let mut heard = [0; 5];
        read.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"heard");
    });
}

#[test]
fn a_dropped_stream_delivers_what_was_written() {
    let (sea, server, client) = pair();
    let stacks = (server.stack.clone(), client.stack.clone());
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        calling.write_all(&pattern(4_000)).await.unwrap();
        drop(calling);
        assert_eq!(read_to_end(&mut served).await.unwrap(), pattern(4_000));
    });
    sea.pass(Duration::from_secs(15));
    assert_eq!((stacks.0.connections(), stacks.1.connections()), (0, 0), "TIME-WAIT is over");
}

#[test]
fn dropping_unread_data_resets() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    sea.run(async move {
        let (served, mut calling) = connected(&server, &client).await;
        calling.write_all(b"nobody reads this").await.unwrap();
        clock.sleep(Duration::from_millis(100)).await;
        drop(served);
        assert_eq!(calling.read(&mut [0; 8]).await, Err(Error::Reset));
        assert_eq!(calling.write(b"x").await, Err(Error::Reset));
    });
}

#[test]
fn data_after_the_stream_was_dropped_resets() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    sea.run(async move {
        let (served, mut calling) = connected(&server, &client).await;
        drop(served);
        clock.sleep(Duration::from_millis(100)).await;
        calling.write_all(b"anybody?").await.unwrap();
        clock.sleep(Duration::from_millis(100)).await;
        assert_eq!(calling.write(b"x").await, Err(Error::Reset));
    });
}

#[test]
fn an_abort_is_heard_at_both_ends() {
    let (sea, server, client) = pair();
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        calling.abort();
        assert_eq!(calling.read(&mut [0; 8]).await, Err(Error::Aborted));
        assert_eq!(served.read(&mut [0; 8]).await, Err(Error::Reset));
    });
}

#[test]
fn nobody_listening_refuses() {
    let (sea, server, client) = pair();
    let stats = server.stack.clone();
    sea.run(async move {
        let refused = Stream::connect(&client.stack, at(81), Options::default()).await;
        assert_eq!(refused.unwrap_err(), Error::Refused);
        assert_eq!(client.stack.connections(), 0);
    });
    assert_eq!(stats.stats().dropped(Reason::NoSocket), 1);
}

#[test]
fn a_silent_host_times_out_and_an_absent_one_is_unreachable() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    sea.run(async move {
        let absent = Stream::connect(&client.stack, "192.0.2.99:80".parse().unwrap(), Options::default()).await;
        assert_eq!(absent.unwrap_err(), Error::Unreachable);
        assert!(clock.now() < Duration::from_secs(4));
        let beyond = Stream::connect(&client.stack, "203.0.113.1:80".parse().unwrap(), Options::default()).await;
        assert_eq!(beyond.unwrap_err(), Error::NoRoute);
        let (_served, _calling) = connected(&server, &client).await;
        clock.filter(|_, frame| if frame[12..14] == [8, 0] { Verdict::Lose } else { Verdict::Pass });
        let mut options = Options::default();
        options.timeout = Some(Duration::from_secs(5));
        let before = clock.now();
        let silent = Stream::connect(&client.stack, at(80), options).await;
        assert_eq!(silent.unwrap_err(), Error::TimedOut);
        assert_eq!((clock.now() - before).as_secs(), 5);
    });
}

#[test]
fn a_cut_cable_times_writing_out_but_not_idling() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    sea.run(async move {
        let (_served, mut calling) = connected(&server, &client).await;
        let mut options = Options::default();
        options.timeout = Some(Duration::from_secs(20));
        calling.set_options(options);
        clock.plug(server.card, false);
        clock.sleep(Duration::from_secs(1_000)).await;
        calling.write_all(b"still there?").await.unwrap();
        let before = clock.now();
        assert_eq!(calling.read(&mut [0; 8]).await, Err(Error::TimedOut));
        let waited = clock.now() - before;
        assert!((20..25).contains(&waited.as_secs()), "{waited:?}");
    });
}

#[test]
fn a_reader_that_pauses_for_an_hour_times_nobody_out() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        let send = async {
            calling.write_all(&pattern(50_000)).await.unwrap();
            calling.shutdown();
        };
        let receive = async {
            clock.sleep(Duration::from_secs(3_000)).await;
            read_to_end(&mut served).await.unwrap()
        };
        let ((), all) = join(send, receive).await;
        assert_eq!(all, pattern(50_000));
    });
}

#[test]
fn a_long_idle_connection_closes_in_peace() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    sea.run(async move {
        let (mut served, calling) = connected(&server, &client).await;
        clock.sleep(Duration::from_secs(3_000)).await;
        drop(calling);
        assert_eq!(served.read(&mut [0; 8]).await, Ok(0));
    });
}

#[test]
fn keep_alive_notices_a_cut_cable() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    sea.run(async move {
        let (_served, mut calling) = connected(&server, &client).await;
        let mut options = Options::default();
        options.keep_alive = Some(Duration::from_secs(10));
        options.timeout = Some(Duration::from_secs(35));
        calling.set_options(options);
        let idle = timeout(&clock.clock(), Duration::from_secs(300), calling.read(&mut [0; 8])).await;
        assert!(idle.is_err(), "answers to keep-alives keep it alive");
        clock.plug(server.card, false);
        let before = clock.now();
        assert_eq!(calling.read(&mut [0; 8]).await, Err(Error::TimedOut));
        let waited = clock.now() - before;
        assert!((35..60).contains(&waited.as_secs()), "{waited:?}");
    });
}

#[test]
fn callers_beyond_the_backlog_wait_their_turn() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    let stack = server.stack.clone();
    sea.run(async move {
        let listener = Listener::bind(&server.stack, 80, 2, Options::default()).unwrap();
        let calls = join_all((0..6).map(|_| Stream::connect(&client.stack, at(80), Options::default())));
        let accept = async {
            clock.sleep(Duration::from_millis(100)).await;
            assert_eq!(server.stack.connections(), 2);
            let mut accepted = Vec::new();
            for _ in 0..6 {
                accepted.push(listener.accept().await);
            }
            accepted
        };
        let (calling, accepted) = join(calls, accept).await;
        assert!(calling.iter().all(Result::is_ok));
        assert_eq!(accepted.len(), 6);
    });
    assert!(stack.stats().dropped(Reason::BacklogFull) >= 4);
}

#[test]
fn a_dropped_listener_breaks_off_who_was_not_accepted() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    sea.run(async move {
        let listener = Listener::bind(&server.stack, 80, 4, Options::default()).unwrap();
        assert_eq!(Listener::bind(&server.stack, 80, 4, Options::default()).unwrap_err(), Error::InUse);
        let mut calling = Stream::connect(&client.stack, at(80), Options::default()).await.unwrap();
        drop(listener);
        assert_eq!(calling.read(&mut [0; 8]).await, Err(Error::Reset));
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(server.stack.connections(), 0);
        let refused = Stream::connect(&client.stack, at(80), Options::default()).await;
        assert_eq!(refused.unwrap_err(), Error::Refused);
        Listener::bind(&server.stack, 80, 4, Options::default()).unwrap();
    });
}

#[test]
fn a_caller_that_gives_up_leaves_the_backlog() {
    let (sea, server, client) = pair();
    let clock = sea.clone();
    sea.run(async move {
        let listener = Listener::bind(&server.stack, 80, 1, Options::default()).unwrap();
        // Now the two know where they are.
        drop(join(listener.accept(), Stream::connect(&client.stack, at(80), Options::default())).await);
        clock.sleep(Duration::from_secs(20)).await;
        for _ in 0..5 {
            let call = Stream::connect(&client.stack, at(80), Options::default());
            // The SYN arrives, its answer does not come back in time.
            assert!(timeout(&clock.clock(), Duration::from_micros(700), call).await.is_err());
            clock.sleep(Duration::from_millis(20)).await;
            assert_eq!(server.stack.connections(), 0, "the late answer was reset");
        }
        let (accepted, calling) =
            join(listener.accept(), Stream::connect(&client.stack, at(80), Options::default())).await;
        assert_eq!(accepted.remote_addr(), calling.unwrap().local_addr());
    });
}

#[test]
fn a_card_with_little_room_loses_nothing() {
    let (sea, server, client) = pair();
    sea.narrow(server.card, 1);
    sea.narrow(client.card, 2);
    sea.record();
    let clock = sea.clone();
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        let send = async {
            served.write_all(&pattern(100_000)).await.unwrap();
            served.shutdown();
        };
        let ((), all) = join(send, read_to_end(&mut calling)).await;
        assert_eq!(all.unwrap(), pattern(100_000));
        let sent = clock.recorded().iter().filter(|frame| frame.len() > 1_000).count();
        assert!(sent < 90, "{sent} segments: some were sent twice");
    });
}

#[test]
fn four_thousand_connections_at_one_server() {
    let sea = Sea::new();
    let server = sea.host(&["192.0.2.1/16"]);
    let clients: Vec<Host> = (0..8).map(|i| sea.host(&[&format!("192.0.3.{i}/16")])).collect();
    let mut options = Options::default();
    (options.receive_bytes, options.send_bytes) = (256, 256);
    let clock = sea.clone();
    sea.run(async move {
        let listener = Rc::new(Listener::bind(&server.stack, 80, 500, options).unwrap());
        let serving = clock.clone();
        clock.spawn(async move {
            loop {
                let mut stream = listener.accept().await;
                serving.spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                        stream.write_all(&buffer[..len]).await.unwrap();
                    }
                });
            }
        });
        let mut streams = Vec::new();
        for client in &clients {
            for _ in 0..5 {
                let calls = (0..100).map(|_| Stream::connect(&client.stack, at(80), options));
                streams.extend(join_all(calls).await.into_iter().map(Result::unwrap));
            }
        }
        assert_eq!((streams.len(), server.stack.connections()), (4_000, 4_000));
        for stream in &mut streams {
            stream.write_all(b"ping").await.unwrap();
        }
        for stream in &mut streams {
            let mut pong = [0; 4];
            stream.read_exact(&mut pong).await.unwrap();
            assert_eq!(&pong, b"ping");
        }
        drop(streams);
        clock.sleep(Duration::from_secs(12)).await;
        assert_eq!(server.stack.connections(), 0);
        assert!(clients.iter().all(|client| client.stack.connections() == 0));
    });
}

/// A growing stack that is told how much there is of everything, and told otherwise later.
#[cfg(feature = "alloc")]
mod pooled {
    use std::cell::{Cell, RefCell};
    use std::net::SocketAddr;
    use std::rc::Rc;

    use embedded_io_async::{Read, Write};
    use wavetank_stack::tcp::{Error, Listener, Options, Stream};
    use wavetank_stack::{Pool, Pools, Reason, udp};

    use super::{Duration, Sea, at};

    #[derive(Debug, Default)]
    struct Limits {
        connections: Cell<usize>,
        ran_out: RefCell<Vec<Pool>>,
    }

    impl Pools for Limits {
        fn room(&self, pool: Pool) -> usize {
            match pool {
                Pool::Connections => self.connections.get(),
                Pool::Sockets => 1,
                Pool::StreamBytes => 100,
                Pool::DatagramBytes => 64,
                _ => usize::MAX,
            }
        }

        fn ran_out(&self, pool: Pool) {
            self.ran_out.borrow_mut().push(pool);
        }
    }

    #[test]
    fn what_is_beyond_a_pool_is_refused_until_there_is_room() {
        let limits = Rc::new(Limits { connections: Cell::new(2), ..Limits::default() });
        let (sea, told) = (Sea::new(), Rc::clone(&limits));
        let server = sea.host(&["192.0.2.1/24"]);
        let client =
            sea.host_with(&["192.0.2.2/24"], &[], |config| config.limits = wavetank_stack::Limits::of(told.clone()));
        let (clock, stack) = (sea.clone(), client.stack.clone());
        sea.run(async move {
            let listener = Listener::bind(&server.stack, 80, 8, Options::default()).unwrap();
            let connect = || Stream::connect(&client.stack, at(80), Options::default());
            let (mut first, second) = (connect().await.unwrap(), connect().await.unwrap());
            assert_eq!(connect().await.unwrap_err(), Error::Full);
            // Its buffer takes a hundred bytes, whatever it asks for.
            let mut served = listener.accept().await;
            assert_eq!(first.write(&[7; 300]).await, Ok(100));
            let mut read = [0; 300];
            served.read_exact(&mut read[..100]).await.unwrap();
            // What was closed first waits out its TIME-WAIT, and makes way for who needs its place.
            drop(second);
            drop(listener.accept().await);
            clock.sleep(Duration::from_millis(100)).await;
            let third = connect().await.unwrap();
            assert_eq!(client.stack.stats().time_wait_reclaimed, 1);
            // A pool that shrinks leaves alone what is in use.
            limits.connections.set(0);
            assert_eq!(connect().await.unwrap_err(), Error::Full);
            served.write_all(b"still here").await.unwrap();
            first.read_exact(&mut read[..10]).await.unwrap();
            limits.connections.set(3);
            assert!(connect().await.is_ok());
            drop(third);
            // One socket for datagrams, and none too long for it.
            let socket = udp::Socket::bind(&client.stack, 5, udp::Options::default()).unwrap();
            assert_eq!(udp::Socket::bind(&client.stack, 6, udp::Options::default()).unwrap_err(), udp::Error::Full);
            let other = udp::Socket::bind(&server.stack, 7, udp::Options::default()).unwrap();
            let to: SocketAddr = "192.0.2.2:5".parse().unwrap();
            for octets in [40, 65, 10] {
                other.send_to(&[octets; 65][..octets.into()], to).await.unwrap();
                clock.sleep(Duration::from_millis(10)).await;
            }
            assert_eq!(socket.recv_from(&mut read).await.unwrap().0, 40);
            assert_eq!(socket.recv_from(&mut read).await.unwrap().0, 10);
            let ran_out = limits.ran_out.borrow().clone();
            assert_eq!(ran_out, [Pool::Connections, Pool::Connections, Pool::Sockets]);
        });
        assert_eq!(stack.stats().dropped(Reason::ReceiveBufferFull), 1);
    }

    /// Who calls a server that has no connection left tries again, and comes in when one is free.
    #[test]
    fn callers_wait_for_a_server_whose_pool_has_run_out() {
        let limits = Rc::new(Limits { connections: Cell::new(1), ..Limits::default() });
        let (sea, told) = (Sea::new(), Rc::clone(&limits));
        let server =
            sea.host_with(&["192.0.2.1/24"], &[], |config| config.limits = wavetank_stack::Limits::of(told.clone()));
        let client = sea.host(&["192.0.2.2/24"]);
        let (clock, stack) = (sea.clone(), server.stack.clone());
        sea.run(async move {
            let listener = Listener::bind(&server.stack, 80, 8, Options::default()).unwrap();
            let _first = Stream::connect(&client.stack, at(80), Options::default()).await.unwrap();
            let served = listener.accept().await;
            let later = async {
                clock.sleep(Duration::from_secs(2)).await;
                served.abort();
                drop(served);
            };
            let second = Stream::connect(&client.stack, at(80), Options::default());
            let (second, ()) = super::join(second, later).await;
            assert!(second.is_ok() && clock.now() > Duration::from_secs(2));
        });
        assert!(stack.stats().dropped(Reason::BacklogFull) >= 1);
        assert!(limits.ran_out.borrow().iter().all(|pool| *pool == Pool::Connections));
    }
}
