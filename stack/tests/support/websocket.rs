//! The server's end of a WebSocket, frame by frame, and a handshake that is known beforehand.

#![allow(unreachable_pub, reason = "shared by test files that are crates of their own")]

use std::convert::Infallible;

use embedded_io_async::{Read, Write};

use crate::support::Dice;

/// Entropy whose first sixteen bytes are RFC 6455's example, whose answer is known.
pub struct Known {
    first: bool,
    dice: Dice,
}

pub fn known() -> Known {
    Known { first: true, dice: Dice::new(7) }
}

impl rand_core::TryRng for Known {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.dice.roll() as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.dice.roll())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        if std::mem::take(&mut self.first) {
            bytes.copy_from_slice(b"the sample nonce");
        } else {
            bytes.fill_with(|| self.dice.roll() as u8);
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Known {}

/// The answer to it.
pub const ACCEPTED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// The server's end of a socket.
pub struct Peer<S> {
    pub stream: S,
}

impl<S: Read + Write> Peer<S> {
    /// Answers a caller's request with `answer`.
    pub async fn answer(mut stream: S, answer: &[u8]) -> Self {
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).await.unwrap();
            head.push(byte[0]);
        }
        assert!(String::from_utf8(head).unwrap().contains("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
        stream.write_all(answer).await.unwrap();
        stream.flush().await.unwrap();
        Self { stream }
    }

    pub async fn say(&mut self, first: u8, payload: &[u8]) {
        let len = payload.len();
        let mut frame = if len < 126 { vec![first, len as u8] } else { vec![first, 126, (len >> 8) as u8, len as u8] };
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next frame of the client's, which must be masked.
    pub async fn hear(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).await.ok()?;
        assert!(head[1] & 0x80 != 0, "a client's frames are masked");
        let len = match head[1] & 0x7f {
            126 => {
                let mut len = [0; 2];
                self.stream.read_exact(&mut len).await.ok()?;
                u16::from_be_bytes(len).into()
            }
            len => usize::from(len),
        };
        let mut rest = vec![0; 4 + len];
        self.stream.read_exact(&mut rest).await.ok()?;
        let (mask, payload) = rest.split_at(4);
        Some((head[0], payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()))
    }
}
