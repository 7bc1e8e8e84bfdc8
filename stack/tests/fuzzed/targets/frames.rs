//! Frames on the link of a device that listens to everything: neighbours, routers, pings, and whatever they say to ports.

use std::net::Ipv6Addr;

use embedded_io_async::{Read as _, Write as _};
use futures_util::future::{join, join4};
use wavetank_stack::mdns::{Responder, Service};
use wavetank_stack::{Cidr, Config, Duration, Stack, Verify, coap, slaac, tcp, udp};

use super::hand::Hand;
use super::shore::{draws, ipv4};
use super::support::{Card, Sea, SeaClock};

const OWN: [u8; 4] = [192, 0, 2, 1];
const PEER: [u8; 4] = [192, 0, 2, 53];
const SERVICE: Service<'static> = Service { instance: "Lamp", kind: "_http._tcp", port: 80, text: &["v=1"] };

struct Nothing;

impl coap::Resource for Nothing {
    fn answer(&mut self, _: &coap::Asked<'_>, _: &mut [u8]) -> coap::Answer {
        coap::Answer::just(coap::Code::NOT_FOUND)
    }
}

/// Each piece is a frame, or what is put into one, as the byte before it says; or time passes.
pub fn send(bytes: &[u8]) {
    let sea = Sea::new();
    let card = sea.card();
    let own = card.mac();
    let addresses: [Cidr; 2] = ["192.0.2.1/24", "2001:db8::1/64"].map(|text| text.parse().unwrap());
    let mut config = Config::new(&addresses, &[]);
    // A fuzzer that has to guess checksums finds nothing else.
    config.verify = Verify::Never;
    let (stack, mut runner) = Stack::shared(card, sea.clock(), &config, 7);
    sea.spawn(async move { runner.run().await });
    let (device, clock) = (stack.clone(), sea.clock());
    sea.spawn(async move { listen(&device, &clock).await });
    let peer = sea.card();
    sea.pass(Duration::from_secs(2));
    let (mut hand, mut sent) = (Hand(bytes), 0);
    while let (Some(kind), Some(piece)) = (hand.byte(), hand.piece()) {
        let quiet = u64::from(kind >> 3) * 500;
        if let Some(frame) = frame(kind & 7, piece, own, &peer) {
            peer.send(frame);
            sent += 1;
        }
        sea.pass(Duration::from_millis(1 + quiet));
        assert!(stack.connections() <= 8 && stack.udp_sockets() <= 8);
    }
    sea.pass(Duration::from_secs(60));
    let said = std::iter::from_fn(|| peer.next_frame()).count();
    // Of its own accord a device says some dozens of things in this time; to each frame it says a few.
    assert!(said <= 200 + 24 * sent, "{said} frames to {sent}");
    sea.dry_up();
}

async fn listen(stack: &Stack<'_>, clock: &SeaClock) {
    let streams = async {
        let listener = tcp::Listener::bind(stack, 80, 2, tcp::Options::default()).unwrap();
        loop {
            let mut stream = listener.accept().await;
            let mut buffer = [0; 64];
            while let Ok(len @ 1..) = stream.read(&mut buffer).await {
                if stream.write_all(&buffer[..len]).await.is_err() {
                    break;
                }
            }
        }
    };
    let datagrams = async {
        let socket = udp::Socket::bind(stack, 7, udp::Options::default()).unwrap();
        let mut buffer = [0; 1_500];
        loop {
            if let Ok((len, from)) = socket.recv_from(&mut buffer).await {
                let _ = socket.send_to(&buffer[..len], from).await;
            }
        }
    };
    let mut server: coap::Server<Nothing, 64> = coap::Server::new(Nothing, 7);
    let resources = coap::serve(stack, clock, &mut server, std::future::pending::<()>);
    let services = [SERVICE];
    let mut responder = Responder::new(stack, clock, draws(), "lamp", &services);
    let names = responder.run(|_| ());
    let mut client = slaac::Client::new(stack, clock, draws());
    let routers = client.run(|_| ());
    let _ = join4(streams, datagrams, resources, join(names, routers)).await;
}

fn frame(kind: u8, piece: &[u8], own: [u8; 6], peer: &Card) -> Option<Vec<u8>> {
    let mac = peer.mac();
    match kind {
        0 if piece.len() >= 14 => Some(piece.to_vec()),
        // Of any protocol, by IPv4 and by IPv6.
        1 => piece.split_first().map(|(&protocol, rest)| ipv4(own, mac, protocol, PEER, OWN, rest)),
        2 => piece.split_first().map(|(&next, rest)| ipv6(mac, next, rest)),
        // To a port.
        3 => {
            let (ports, payload) = piece.split_first_chunk::<4>()?;
            let len = (8 + payload.len()) as u16;
            Some(ipv4(own, mac, 17, PEER, OWN, &[ports, &len.to_be_bytes()[..], &[0, 0], payload].concat()))
        }
        // To those who look for names.
        4 => {
            let len = (8 + piece.len()) as u16;
            let udp = [&5_353_u16.to_be_bytes()[..], &5_353_u16.to_be_bytes(), &len.to_be_bytes(), &[0, 0], piece];
            Some(ipv4([1, 0, 0x5e, 0, 0, 251], mac, 17, PEER, [224, 0, 0, 251], &udp.concat()))
        }
        _ => None,
    }
}

/// A packet of a neighbour to all of the link.
fn ipv6(mac: [u8; 6], next: u8, payload: &[u8]) -> Vec<u8> {
    let from = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x53).octets();
    let to = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).octets();
    let len = (payload.len() as u16).to_be_bytes();
    [&[0x33, 0x33, 0, 0, 0, 1][..], &mac, &[0x86, 0xdd, 0x60, 0, 0, 0], &len, &[next, 255], &from, &to, payload]
        .concat()
}
