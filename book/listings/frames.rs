//! Reading frames of four bytes, while there is something else to do.

use embedded_io_async::Read;
use futures::future::{Either, select};
use std::pin::pin;
use wavetank_contract::{Script, Stream, cancellation};

use crate::clock::Clock;

/// Reads frames from a byte stream.
pub struct Frames<R> {
    stream: R,
    frame: [u8; 4],
    have: usize,
}

impl<R: Read> Frames<R> {
    pub fn new(stream: R) -> Self {
        Self { stream, frame: [0; 4], have: 0 }
    }

    /// NOT CANCEL-SAFE: what `read_exact` has of a frame lies in this future, and goes with it.
    pub async fn next_carelessly(&mut self) -> Option<[u8; 4]> {
        let mut frame = [0; 4];
        self.stream.read_exact(&mut frame).await.ok()?;
        Some(frame)
    }

    /// Cancel-safe: what was read lies in `self`, and nothing is awaited between reading it and
    /// keeping it.
    pub async fn next(&mut self) -> Option<[u8; 4]> {
        while self.have < self.frame.len() {
            match self.stream.read(&mut self.frame[self.have..]).await {
                Ok(count @ 1..) => self.have += count,
                _ => return None,
            }
        }
        self.have = 0;
        Some(self.frame)
    }
}

/// Handles frames, and does some housekeeping whenever none came for 100 ms.
pub async fn serve<R: Read>(
    frames: &mut Frames<R>,
    clock: &Clock,
    mut handle: impl FnMut([u8; 4]),
) {
    loop {
        let next = pin!(frames.next());
        match select(next, clock.sleep(100)).await {
            Either::Left((Some(frame), _)) => handle(frame),
            Either::Left((None, _)) => return,
            // The timer won. `next` is dropped here, wherever it was.
            Either::Right(((), _)) => {}
        }
    }
}

fn frames(script: &Script) -> (Frames<Stream>, impl FnMut() -> bool + use<>) {
    (Frames::new(Stream::new(script, b"tideebbsflow")), || false)
}

fn text(frame: [u8; 4]) -> String {
    String::from_utf8_lossy(&frame).into_owned()
}

#[test]
fn a_frame_is_not_torn_by_dropping_its_reader() {
    let awaits = cancellation(frames, async |frames| frames.next().await.map(text), 3);
    assert!(awaits.is_ok_and(|awaits| awaits > 0));
}

#[test]
fn the_careless_way_is_found() {
    let broken = cancellation(frames, async |frames| frames.next_carelessly().await.map(text), 3);
    let told = broken.expect_err("it loses bytes").to_string();
    let lines: Vec<&str> = told.lines().filter(|line| !line.contains(".rs:")).collect();
    assert_eq!(lines, TOLD);
    assert!(told.contains("it waited at ") && told.contains("listings/frames.rs:"), "{told}");
}

/// What the kit says, but for the places in the code.
const TOLD: [&str; 2] = [
    "not cancel-safe: dropped at its await number 1 and begun anew it comes to \
     [Some(\"tide\"), Some(\"ebbs\"), None], \
     else to [Some(\"tide\"), Some(\"ebbs\"), Some(\"flow\")]",
    "  schedule 1: poll read-3 read-1 poll read-4 poll read-3 not-now DROP poll read-1 read-0",
];
