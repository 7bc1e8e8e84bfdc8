//! Frames of radios, whole packets and pieces; and packets of any sort on their way out.

use std::collections::VecDeque;
use std::net::Ipv6Addr;
use std::task::{Context, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use wavetank_stack::lowpan::{self, Contexts, Counts, FRAME_MAX, Lowpan, Memory, Options, PACKET_MAX, sniff};

use super::hand::Hand;
use super::script::Still;

const OWN: [u8; 8] = [2, 0, 0, 0, 0, 0, 0, 9];
const PREFIX: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 1, 0, 0, 0, 0);

/// Frames that have come, and how many were sent.
#[derive(Default)]
struct Radio {
    come: VecDeque<Vec<u8>>,
    sent: usize,
}

struct Frame(Vec<u8>);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, f: F) -> R {
        f(&mut self.0)
    }
}

struct Room<'a>(&'a mut usize);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        assert!(len <= FRAME_MAX, "a frame is not longer than that");
        *self.0 += 1;
        f(&mut vec![0xa5; len])
    }
}

impl Driver for Radio {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, _: &mut Context<'_>) -> Option<(Frame, Room<'_>)> {
        let frame = self.come.pop_front()?;
        Some((Frame(frame), Room(&mut self.sent)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room<'_>> {
        Some(Room(&mut self.sent))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ieee802154(OWN)
    }
}

/// Before each piece stands what it is: a whole frame; what is behind the header of one by one of two radios; or a packet that
/// is to be sent.
pub fn send(bytes: &[u8]) {
    let (mut hand, mut frames, mut packets) = (Hand(bytes), VecDeque::new(), Vec::new());
    while let (Some(kind), Some(piece)) = (hand.byte(), hand.piece()) {
        match kind % 4 {
            0 => frames.push_back(piece.to_vec()),
            3 => packets.push(&piece[..piece.len().min(PACKET_MAX)]),
            by => {
                let mut own = OWN;
                own.reverse();
                let to = [&own[..], &[by, 0, 0, 0, 0, 0, 0, 2]].concat();
                frames.push_back([&[0x61, 0xdc, 7, 0xef, 0xbe], &to[..], piece].concat());
            }
        }
    }
    let options = Options::new(0xbeef).with_prefix(PREFIX);
    let learnt = Contexts::new();
    for (number, bits) in [(1, 0), (2, 48), (3, 64), (7, 112), (15, 128)] {
        learnt.set(number, Some(lowpan::Context::new(PREFIX, bits)));
    }
    for frame in &frames {
        _ = sniff(frame, &options, Some(&learnt));
    }
    let (came, radio) = (frames.len(), Radio { come: frames, sent: 0 });
    let (mut memory, counts) = (Memory::<2>::new(), Counts::new());
    let mut link = Lowpan::new(radio, Still, &mut memory, &counts, options).learning(&learnt);
    let mut cx = Context::from_waker(Waker::noop());
    let mut taken = 0;
    while let Some((packet, room)) = link.receive(&mut cx) {
        taken += 1;
        packet.consume(|packet| {
            assert!(packet.len() <= PACKET_MAX);
            // It is handed on, wherever it says.
            room.consume(packet.len(), |out| out.copy_from_slice(packet));
        });
    }
    for packet in packets {
        let room = link.transmit(&mut cx).expect("the radio always has room");
        room.consume(packet.len(), |out| out.copy_from_slice(packet));
    }
    assert!(link.transmit(&mut cx).is_some(), "what was to be sent was sent");
    assert!(taken <= came, "{taken} packets in {came} frames");
}
