//! Known-good and known-bad futures: what is wrong is found, told with its place, and nothing else is.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embedded_io_async::{Read, Write};
use futures::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use wavetank_contract::{Broken, Law, Script, Stream, cancellation, polls, reads, writes};

const TEXT: &[u8] = b"the tide\ncomes in\nand goes out\n";

#[test]
fn well_kept_streams_keep_the_contract() {
    let lines = polls(|script| {
        let stream = Stream::new(script, TEXT);
        let lines = async { futures::io::BufReader::new(stream).lines().map(Result::ok).collect::<Vec<_>>().await };
        (lines, || false)
    });
    assert_eq!(lines.map(|lines| lines.len()), Ok(3));
    let copied = polls(|script| {
        let (mut from, mut to) = (Stream::new(script, TEXT), Stream::new(script, b""));
        let copying = async move {
            let mut all = Vec::new();
            AsyncReadExt::read_to_end(&mut from, &mut all).await.ok()?;
            AsyncWriteExt::write_all(&mut to, &all).await.ok()?;
            AsyncWriteExt::close(&mut to).await.ok()?;
            Some((to.written(), to.is_closed()))
        };
        (copying, || false)
    });
    assert_eq!(copied, Ok(Some((TEXT.to_vec(), true))));
}

/// Frames of four bytes, with or without a memory of what was read of the next.
struct Frames {
    stream: Stream,
    frame: [u8; 4],
    have: usize,
}

impl Frames {
    async fn next_carelessly(&mut self) -> Option<[u8; 4]> {
        let mut frame = [0; 4];
        Read::read_exact(&mut self.stream, &mut frame).await.ok()?;
        Some(frame)
    }

    async fn next_carefully(&mut self) -> Option<[u8; 4]> {
        while self.have < 4 {
            self.have += match Read::read(&mut self.stream, &mut self.frame[self.have..]).await {
                Ok(count @ 1..) => count,
                _ => return None,
            };
        }
        self.have = 0;
        Some(self.frame)
    }
}

#[test]
fn a_read_that_loses_bytes_is_found_with_its_place() {
    let frames = |script: &_| (Frames { stream: Stream::new(script, TEXT), frame: [0; 4], have: 0 }, || false);
    let awaits = cancellation(frames, async |frames: &mut Frames| frames.next_carefully().await, 5);
    assert!(awaits.as_ref().is_ok_and(|awaits| *awaits > 50), "each of many awaits was tried: {awaits:?}");
    let Err(broken) = cancellation(frames, async |frames: &mut Frames| frames.next_carelessly().await, 5) else {
        panic!("read_exact loses what it has");
    };
    assert!(matches!(broken.law, Law::NotCancelSafe { .. }), "{broken}");
    let told = broken.to_string();
    assert!(told.contains("not cancel-safe") && told.contains("DROP"), "{told}");
    assert!(broken.awaits[0].contains("tests/contract.rs:"), "the careless await comes first: {told}");
}

#[test]
fn writing_all_is_not_cancel_safe() {
    let streams = |script: &_| (Stream::new(script, b""), || false);
    let broken = cancellation(
        streams,
        async |stream: &mut Stream| {
            let _ = Write::write_all(stream, b"wave").await;
            stream.written()
        },
        3,
    );
    assert!(matches!(broken, Err(Broken { law: Law::NotCancelSafe { .. }, .. })), "{broken:?}");
}

#[test]
fn an_await_that_the_kit_knows_nothing_of_is_told_if_it_is_marked() {
    let broken = cancellation(
        |script: &Script| ((Stream::new(script, TEXT), script.clone()), || false),
        async |(stream, script): &mut (Stream, Script)| {
            let mut pair = [0; 2];
            // The stream's own place would be told; what is marked around it is nearer to whoever asks.
            let read = script.here(Read::read_exact(stream, &mut pair)).await;
            read.is_ok().then_some(pair)
        },
        4,
    );
    let broken = broken.expect_err("read_exact loses what it has");
    assert!(broken.awaits.len() == 1 && broken.awaits[0].contains("tests/contract.rs:"), "{broken}");
    let Law::NotCancelSafe { wait, .. } = broken.law else { panic!("{broken}") };
    assert!(wait > 0 && broken.to_string().contains(&format!("dropped at its await number {wait}")), "{broken}");
}

/// A reader that remembers, where there was nothing for now, for how much room it was asked.
struct Stubborn(Stream, Option<usize>);

impl AsyncRead for Stubborn {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let room = self.1.take().unwrap_or(buffer.len());
        let mut own = vec![0; room];
        match Pin::new(&mut self.0).poll_read(cx, &mut own) {
            Poll::Pending => {
                self.1 = Some(room);
                Poll::Pending
            }
            // What there is no room for any more is lost.
            Poll::Ready(read) => Poll::Ready(read.map(|count| {
                let count = count.min(buffer.len());
                buffer[..count].copy_from_slice(&own[..count]);
                count
            })),
        }
    }
}

#[test]
fn a_reader_gives_the_same_whatever_room_it_has() {
    let read = reads(|script| (Stream::new(script, TEXT), || false));
    assert_eq!(read, Ok(Ok(TEXT.to_vec())));
    let buffered = reads(|script| (futures::io::BufReader::with_capacity(5, Stream::new(script, TEXT)), || false));
    assert_eq!(buffered, Ok(Ok(TEXT.to_vec())));
    let broken = reads(|script| (Stubborn(Stream::new(script, TEXT), None), || false));
    assert!(matches!(broken, Err(Broken { law: Law::Differs { .. }, .. })), "{broken:?}");
}

/// A writer that says of all that it is offered that it has it, and hands on what the stream below takes at once.
struct Boastful(Stream);

impl AsyncWrite for Boastful {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes).map_ok(|_| bytes.len())
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }
}

#[test]
fn a_writer_lets_the_same_come_out_whatever_it_is_offered() {
    let looked_at = |stream: &Stream| {
        let stream = stream.clone();
        move || stream.written()
    };
    let written = writes(
        |script| {
            let stream = Stream::new(script, b"");
            (futures::io::BufWriter::with_capacity(5, stream.clone()), looked_at(&stream), || false)
        },
        TEXT,
    );
    assert_eq!(written, Ok(Ok(TEXT.to_vec())));
    let broken = writes(
        |script| {
            let stream = Stream::new(script, b"");
            (Boastful(stream.clone()), looked_at(&stream), || false)
        },
        TEXT,
    );
    assert!(matches!(broken, Err(Broken { law: Law::Differs { .. }, .. })), "{broken:?}");
}

/// An event that keeps the waker of its first poll only.
struct FirstWaker(Rc<(Cell<bool>, Cell<Option<Waker>>)>, bool);

impl Future for FirstWaker {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0.0.get() {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut self.1, true) {
            self.0.1.set(Some(cx.waker().clone()));
        }
        Poll::Pending
    }
}

#[test]
fn a_waker_that_is_kept_too_long_is_found() {
    let broken = polls(|_| {
        let event = Rc::new((Cell::new(false), Cell::new(None)));
        let future = FirstWaker(Rc::clone(&event), false);
        let happens = move || {
            event.0.set(true);
            event.1.take().map(Waker::wake).is_some()
        };
        (future, happens)
    });
    let broken = broken.expect_err("its waker moves");
    assert_eq!(broken.law, Law::NeverWoken);
    assert!(broken.to_string().contains("poll-again"), "{broken}");
}

#[test]
fn a_future_that_counts_its_polls_is_found() {
    let broken = polls(|script| {
        let (mut stream, mut polled) = (Stream::new(script, TEXT), 0);
        let reading = async move {
            let mut byte = [0];
            let mut reading = std::pin::pin!(Read::read(&mut stream, &mut byte));
            poll_fn(|cx| {
                polled += 1;
                reading.as_mut().poll(cx).map(drop)
            })
            .await;
            polled
        };
        (reading, || false)
    });
    assert!(matches!(broken, Err(Broken { law: Law::Differs { .. }, .. })), "{broken:?}");
}

#[test]
fn what_waits_for_nothing_is_found() {
    let broken = polls(|_| (std::future::pending::<()>(), || false));
    assert_eq!(broken.map_err(|broken| broken.law), Err(Law::NeverWoken));
}
