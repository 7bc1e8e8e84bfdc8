//! Readers and writers: whatever room they are given, and however often they are asked, bytes come once and in order.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use crate::drive::polls;
use crate::{Broken, Script};

/// The most room that a reader or writer is given at a time.
const ROOM_MAX: u64 = 64;
/// How often a reader that has come to its end is asked once more.
const AFTER_THE_END: usize = 2;

/// Reads a reader to its end by many schedules. Each time that it is asked it is given other room, also after it had
/// nothing for now, as happens when a read is dropped and another begun. It must give the same bytes by all of them, and
/// its end again when it is asked once more. Which bytes they are, or the error that came in their place, told in words.
///
/// `make` makes the reader, and what happens around it, as for [`polls`].
///
/// # Errors
///
/// With the first schedule by which it gives something else.
pub fn reads<R, S>(mut make: impl FnMut(&Script) -> (R, S)) -> Result<Result<Vec<u8>, String>, Broken>
where
    R: AsyncRead + Unpin,
    S: FnMut() -> bool,
{
    polls(|script| {
        let (mut reader, stir) = make(script);
        let script = script.clone();
        let reading = async move {
            let (mut all, mut ends) = (Vec::new(), 0);
            while ends <= AFTER_THE_END {
                let read = poll_fn(|cx| poll_read(&mut reader, &script, cx, &mut all)).await;
                match read.map_err(|error| error.to_string())? {
                    0 => ends += 1,
                    _ if ends > 0 => return Err("bytes after the end".to_owned()),
                    _ => {}
                }
            }
            Ok(all)
        };
        (reading, stir)
    })
}

fn poll_read(
    reader: &mut (impl AsyncRead + Unpin),
    script: &Script,
    cx: &mut Context<'_>,
    all: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    // What it wrote where it said it had nothing is not looked at.
    let mut room = vec![0xA5; 1 + script.below(ROOM_MAX) as usize];
    let read = Pin::new(reader).poll_read(cx, &mut room);
    if let Poll::Ready(Ok(count)) = read {
        assert!(count <= room.len(), "a reader gave {count} bytes where there was room for {}", room.len());
        all.extend(&room[..count]);
    }
    read
}

/// Writes `bytes` to a writer by many schedules, then flushes and closes it. Each time that it is asked it is offered
/// another part of what is left, also after it had no room for now, and it is flushed in between. What has come out must be
/// the same by all of them: `came_out` looks at it once the writer is closed.
///
/// `make` makes the writer, what looks, and what happens around it, as for [`polls`].
///
/// # Errors
///
/// With the first schedule by which something else comes out.
pub fn writes<W, L, S>(
    mut make: impl FnMut(&Script) -> (W, L, S),
    bytes: &[u8],
) -> Result<Result<Vec<u8>, String>, Broken>
where
    W: AsyncWrite + Unpin,
    L: FnOnce() -> Vec<u8>,
    S: FnMut() -> bool,
{
    polls(|script| {
        let (mut writer, came_out, stir) = make(script);
        let script = script.clone();
        let writing = async move {
            let written = poll_all(&mut writer, &script, bytes).await;
            written.map_err(|error| error.to_string())?;
            poll_fn(|cx| Pin::new(&mut writer).poll_close(cx)).await.map_err(|error| error.to_string())?;
            Ok(came_out())
        };
        (writing, stir)
    })
}

/// Flushed once in so many writes.
const FLUSH_ONE_IN: u64 = 4;

async fn poll_all(writer: &mut (impl AsyncWrite + Unpin), script: &Script, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let count = poll_fn(|cx| {
            let part = &bytes[..bytes.len().min(1 + script.below(ROOM_MAX) as usize)];
            let written = Pin::new(&mut *writer).poll_write(cx, part);
            if let Poll::Ready(Ok(count)) = written {
                assert!(count <= part.len(), "a writer took {count} bytes of {}", part.len());
            }
            written
        })
        .await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[count..];
        if script.happens(FLUSH_ONE_IN) {
            poll_fn(|cx| Pin::new(&mut *writer).poll_flush(cx)).await?;
        }
    }
    poll_fn(|cx| Pin::new(&mut *writer).poll_flush(cx)).await
}
