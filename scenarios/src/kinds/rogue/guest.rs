//! What can be done with a stack that keeps to the rules below.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;

use embedded_io_async::{Read as _, Write as _};
use futures::future::{Either, join_all, select};
use wavetank_sim::node::Node;
use wavetank_stack::dhcp::{CLIENT_PORT, Kind, MESSAGE_MAX, Message, SERVER_PORT};
use wavetank_stack::{Duration, Stack, tcp, udp};

use super::{Config, Does};
use crate::runtime::{Network, TankClock, TankProbe};

/// The longest topic that a packet of the broker's longest length has room for.
const TOPIC_MAX: usize = 65_000;

/// Misbehaves until it has enough; connections that are open then are reset.
pub(super) async fn run(node: &Node, config: &Config, network: &Network) {
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(node.clock()), &network.config(), network.seed(node));
    let to =
        SocketAddr::new(config.to.unwrap_or(Ipv4Addr::BROADCAST).into(), config.port.unwrap_or(config.does.port()));
    let own = network.v4().map_or(Ipv4Addr::UNSPECIFIED, |(own, _)| own);
    let rogue = Rogue { node, config, stack: &stack, own, to };
    let misbehaving = pin!(rogue.misbehave());
    let enough = pin!(node.clock().sleep(config.until.as_duration() - config.from.as_duration()));
    match runner.run_with(stack.telling(TankProbe(node.clone()), select(misbehaving, enough))).await {
        Either::Left(((), _)) | Either::Right(((), _)) => {}
    }
}

struct Rogue<'a> {
    node: &'a Node,
    config: &'a Config,
    stack: &'a Stack<'static>,
    own: Ipv4Addr,
    to: SocketAddr,
}

impl Rogue<'_> {
    async fn misbehave(&self) {
        match self.config.does {
            Does::NakStorm => self.refuse_everybody().await,
            Does::OptionBomb => self.bomb().await,
            _ => drop(join_all((0..self.config.times).map(|number| self.connections(number))).await),
        }
    }

    async fn pause(&self) {
        self.node.clock().sleep(self.config.period.as_duration()).await;
    }

    /// One connection after the other.
    async fn connections(&self, number: u16) {
        let mut options = tcp::Options::default();
        if self.config.does == Does::ZeroWindow {
            (options.receive_bytes, options.timeout) = (64, None);
        }
        for turn in 0_u32.. {
            self.node.count("rogue.tries", 1);
            if let Ok(mut stream) = tcp::Stream::connect(self.stack, self.to, options).await {
                let ended = match self.config.does {
                    Does::SlowLoris => self.dawdle(&mut stream).await,
                    Does::ZeroWindow => self.take_nothing(&mut stream).await,
                    _ => self.shout(&mut stream, number, turn).await,
                };
                debug_assert!(ended.is_err(), "it goes on until somebody ends it");
            }
            self.node.count("rogue.cut", 1);
            self.pause().await;
        }
    }

    async fn dawdle(&self, stream: &mut tcp::Stream<'_>) -> Result<(), tcp::Error> {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: hub\r\nX-Slow: ").await?;
        loop {
            self.pause().await;
            stream.write_all(b"a").await?;
        }
    }

    async fn take_nothing(&self, stream: &mut tcp::Stream<'_>) -> Result<(), tcp::Error> {
        loop {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n").await?;
            self.pause().await;
        }
    }

    async fn shout(&self, stream: &mut tcp::Stream<'_>, number: u16, turn: u32) -> Result<(), tcp::Error> {
        stream.write_all(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x03").await?;
        stream.write_all(format!("r{:02}", number % 100).as_bytes()).await?;
        for sort in turn.. {
            let mut packet = vec![0x30];
            match sort % 3 {
                // A name as long as it fits, kept for those who come later.
                0 => {
                    packet[0] = 0x31;
                    packet.extend(remaining(TOPIC_MAX + 4));
                    packet.extend((TOPIC_MAX as u16).to_be_bytes());
                    packet.resize(packet.len() + TOPIC_MAX, b'a' + (number % 26) as u8);
                    packet.extend([0, b'x']);
                }
                // A name that says that it is longer than its packet.
                1 => packet.extend([4, 0xff, 0xff, b'a', b'b']),
                // A packet that is longer than any, and does not come.
                _ => packet.extend([0xff, 0xff, 0xff, 0x7f, 0, 1, b'a', 0]),
            }
            self.node.count("rogue.tries", 1);
            stream.write_all(&packet).await?;
            let (clock, mut heard) = (TankClock(self.node.clock()), [0; 64]);
            let answer = stream.read(&mut heard);
            match wavetank_stack::time::timeout(&clock, self.config.period.as_duration(), answer).await {
                Ok(Ok(0)) => return Err(tcp::Error::Reset),
                Ok(Ok(_)) => self.node.count("rogue.heard", 1),
                Ok(Err(error)) => return Err(error),
                Err(_) => {}
            }
        }
        Ok(())
    }

    async fn bomb(&self) {
        let Ok(socket) = udp::Socket::bind(self.stack, 0, udp::Options::default()) else { return };
        for id in 0_u16.. {
            for kind in 0..self.config.times {
                self.node.count("rogue.tries", 1);
                let _ =
                    socket.send_to(&bomb(id.wrapping_mul(self.config.times).wrapping_add(kind), kind), self.to).await;
            }
            let hear = async {
                let mut answer = [0; 1_500];
                while socket.recv_from(&mut answer).await.is_ok() {
                    self.node.count("rogue.heard", 1);
                }
            };
            let clock = TankClock(self.node.clock());
            let _ = wavetank_stack::time::timeout(&clock, self.config.period.as_duration(), hear).await;
        }
    }

    /// Whoever asks for an address is refused, before and behind the server's word; and everybody now and then.
    async fn refuse_everybody(&self) {
        let Ok(socket) = udp::Socket::bind(self.stack, SERVER_PORT, udp::Options::default()) else { return };
        let everybody = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), CLIENT_PORT);
        let mut buffer = [0; 1_500];
        loop {
            let Ok((len, _)) = socket.recv_from(&mut buffer).await else { continue };
            let Ok(asked) = Message::parse(&buffer[..len]) else { continue };
            if !matches!(asked.kind, Kind::Discover | Kind::Request) {
                continue;
            }
            let mut refusal = Message::new(Kind::Nak, asked.xid, asked.mac);
            // In the name of whoever is asked.
            refusal.server = asked.server.or(Some(self.own));
            let mut out = [0; MESSAGE_MAX];
            let refusal = refusal.emit(None, &mut out);
            for _ in 0..self.config.times {
                self.node.count("rogue.tries", 1);
                let _ = socket.send_to(refusal, everybody).await;
            }
            self.node.clock().sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A packet's length, as MQTT writes it.
fn remaining(mut len: usize) -> Vec<u8> {
    let mut digits = Vec::new();
    loop {
        let digit = (len & 0x7f) as u8;
        len >>= 7;
        digits.push(digit | if len > 0 { 0x80 } else { 0 });
        if len == 0 {
            return digits;
        }
    }
}

/// One of four sorts of messages that nobody should send.
fn bomb(id: u16, sort: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    let mut message = vec![0x41, 2, high, low, 7];
    match sort % 4 {
        // Six hundred options without a value, each of another number.
        0 => message.resize(message.len() + 600, 0x10),
        // One that must be understood, and that nobody knows (65001).
        1 => message.extend([0xe0, 0xfc, 0xdc, 0xff, b'x']),
        // A number that is none, and a length that goes beyond the end.
        2 => message.extend([0xee, 0xff, 0xff, 0xff, 0xff]),
        // A path of four hundred segments, none of which says anything.
        _ => {
            message.push(0xb1);
            message.push(b'a');
            for _ in 0..400 {
                message.extend([0x01, b'a']);
            }
        }
    }
    message
}
