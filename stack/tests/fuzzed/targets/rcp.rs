//! What a radio co-processor says over its line, in good frames and bad, and what is to be sent meanwhile.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::{Driver, RxToken, TxToken};
use embedded_io_async::{ErrorType, Read};
use wavetank_stack::rcp::{FRAME_MAX, Memory, Options, split};

use super::hand::Hand;
use super::script::{Script, Still};

/// What it answers while it is set up: that it was reset, its version and capabilities, and each property as it was set.
const SET_UP: [&[u8]; 9] = [
    &[0x80, 6, 0, 114],
    &[0x81, 6, 1, 4, 3],
    &[0x82, 6, 5, 0x81, 0x04],
    &[0x83, 6, 0x20, 1],
    &[0x84, 6, 0x21, 15],
    &[0x85, 6, 0x36, 0xef, 0xbe],
    &[0x86, 6, 0x35, 0xfe, 0xff],
    &[0x87, 6, 0x34, 2, 0, 0, 0, 0, 0, 0, 9],
    &[0x88, 6, 0x37, 1],
];

/// Bytes that come piece by piece, each when the last has been dealt with.
struct Drip {
    pieces: VecDeque<Vec<u8>>,
    is_due: bool,
}

impl ErrorType for Drip {
    type Error = Infallible;
}

impl Read for Drip {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        poll_fn(|_| {
            self.is_due = !self.is_due;
            let Some(piece) = self.pieces.front_mut().filter(|_| self.is_due) else { return Poll::Pending };
            let rest = piece.split_off(piece.len().min(out.len()));
            out[..piece.len()].copy_from_slice(piece);
            let len = std::mem::replace(piece, rest).len();
            if piece.is_empty() {
                self.pieces.pop_front();
            }
            Poll::Ready(Ok(len))
        })
        .await
    }
}

fn sum(frame: &[u8]) -> [u8; 2] {
    const CRC: crc::Crc<u16> = crc::Crc::<u16>::new(&crc::CRC_16_IBM_SDLC);
    CRC.checksum(frame).to_le_bytes()
}

fn framed(frame: &[u8]) -> Vec<u8> {
    let check = sum(frame);
    let escaped = frame.iter().chain(&check).flat_map(|&byte| match byte {
        0x7e | 0x7d => vec![0x7d, byte ^ 0x20],
        _ => vec![byte],
    });
    escaped.chain([0x7e]).collect()
}

/// The first byte says whether the co-processor is set up first. Before each piece stands what it is: bytes as they are; a
/// frame; a radio's frame that was heard, with what was heard beside it; or a frame that is to be sent.
pub fn send(bytes: &[u8]) {
    let (mut hand, mut pieces, mut leaving) = (Hand(bytes), VecDeque::new(), VecDeque::new());
    if hand.byte().is_some_and(|first| first % 2 == 1) {
        pieces.extend(SET_UP.map(framed));
    }
    while let (Some(kind), Some(piece)) = (hand.byte(), hand.piece()) {
        match kind % 4 {
            0 if piece.is_empty() => {}
            0 => pieces.push_back(piece.to_vec()),
            1 => pieces.push_back(framed(piece)),
            2 => pieces.push_back(framed(&[&[0x80, 6, 0x71], piece].concat())),
            _ => leaving.push_back(&piece[..piece.len().min(FRAME_MAX)]),
        }
    }
    let turns = 8 + 2 * pieces.iter().map(|piece| piece.len() / 64 + 1).sum::<usize>();
    let mut memory = Memory::<2>::new();
    let (mut radio, mut link) = split(&mut memory, Options::new([2, 0, 0, 0, 0, 0, 0, 9], 0xbeef, 15));
    let mut sent = Script::new(&[], 0);
    {
        let mut running = pin!(link.run(Drip { pieces, is_due: false }, &mut sent, &Still, &()));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..turns {
            let Poll::Pending = running.as_mut().poll(&mut cx);
            if let Some((frame, _)) = radio.receive(&mut cx) {
                frame.consume(|frame| assert!(frame.len() <= FRAME_MAX));
            }
            if !leaving.is_empty()
                && let Some(room) = radio.transmit(&mut cx)
            {
                let frame = leaving.pop_front().unwrap_or_default();
                room.consume(frame.len(), |out| out.copy_from_slice(frame));
            }
        }
    }
    for between in sent.sent.split(|byte| *byte == 0x7e).filter(|between| !between.is_empty()) {
        let (mut frame, mut bytes) = (Vec::new(), between.iter());
        while let Some(&byte) = bytes.next() {
            frame.push(if byte == 0x7d { bytes.next().expect("an escape escapes") ^ 0x20 } else { byte });
        }
        let check = frame.split_off(frame.len().saturating_sub(2));
        assert_eq!(check, sum(&frame), "what goes out is whole");
        assert_eq!(frame.first().map(|header| header & 0xf0), Some(0x80));
    }
}
