//! A body on its way in: where it ends, and what of it came with its head.

use core::ops::Range;

use embedded_io_async::Read;

use super::chunked::Decoder;
use super::error::BodyError;
use super::head::Framing;

/// What of a body is still to be read.
#[derive(Clone, Debug)]
pub(super) struct Body {
    ends: Ends,
    /// Bytes that came with the head and still lie in the buffer that it was read into.
    buffered: Range<usize>,
    /// Whether there were bytes behind the end that nobody can read any more.
    excess: bool,
}

#[derive(Clone, Copy, Debug)]
enum Ends {
    Length(u64),
    Chunked(Decoder),
    UntilClose,
    Done,
}

impl Body {
    pub(super) fn new(framing: Framing, buffered: Range<usize>) -> Self {
        let ends = match framing {
            Framing::Empty => Ends::Done,
            Framing::Length(length) => Ends::Length(length),
            Framing::Chunked => Ends::Chunked(Decoder::new()),
            Framing::UntilClose => Ends::UntilClose,
        };
        Body { ends, buffered, excess: false }
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self.ends, Ends::Done)
    }

    /// The bytes left to read, if it is known how many.
    pub(super) fn remaining(&self) -> Option<u64> {
        match self.ends {
            Ends::Length(left) => Some(left),
            Ends::Done => Some(0),
            Ends::Chunked(_) | Ends::UntilClose => None,
        }
    }

    /// Bytes in the buffer that are not part of the body; only once that is done.
    pub(super) fn behind(&self) -> Range<usize> {
        self.buffered.clone()
    }

    /// Whether bytes behind the end are lost.
    pub(super) fn has_excess(&self) -> bool {
        self.excess
    }

    /// Reads some of it: first what came with the head and lies in `buffer`, then from the stream. 0 is the end, or an
    /// empty `out`.
    pub(super) async fn read<S: Read>(
        &mut self,
        stream: &mut S,
        buffer: &[u8],
        out: &mut [u8],
    ) -> Result<usize, BodyError<S::Error>> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            let limit = match self.ends {
                Ends::Done => return Ok(0),
                Ends::Length(left) => usize::try_from(left).unwrap_or(usize::MAX).min(out.len()),
                Ends::Chunked(_) | Ends::UntilClose => out.len(),
            };
            let place = &mut out[..limit];
            let count = if self.buffered.is_empty() {
                stream.read(place).await.map_err(BodyError::Io)?.min(limit)
            } else {
                self.take_buffered(buffer, place)
            };
            if let Some(data) = self.decode(&mut out[..count])? {
                return Ok(data);
            }
        }
    }

    fn take_buffered(&mut self, buffer: &[u8], out: &mut [u8]) -> usize {
        let count = out.len().min(self.buffered.len());
        let from = self.buffered.start;
        out[..count].copy_from_slice(&buffer[from..from + count]);
        self.buffered.start += count;
        count
    }

    /// Undoes the framing of `bytes`, the next that were received: none means the stream has ended.
    /// Gives the data now at their front; `None` if there is none yet.
    fn decode<E>(&mut self, bytes: &mut [u8]) -> Result<Option<usize>, BodyError<E>> {
        if bytes.is_empty() && !matches!(self.ends, Ends::UntilClose) {
            return Err(BodyError::Truncated);
        }
        match &mut self.ends {
            Ends::Done => Ok(Some(0)),
            Ends::UntilClose => {
                if bytes.is_empty() {
                    self.ends = Ends::Done;
                }
                Ok(Some(bytes.len()))
            }
            Ends::Length(left) => {
                *left -= bytes.len() as u64;
                if *left == 0 {
                    self.ends = Ends::Done;
                }
                Ok(Some(bytes.len()))
            }
            Ends::Chunked(decoder) => {
                let decoded = decoder.decode(bytes).map_err(|_malformed| BodyError::Chunk)?;
                let done = decoder.is_done();
                if done {
                    self.ends = Ends::Done;
                    self.excess = decoded.excess > 0;
                }
                Ok((decoded.data > 0 || done).then_some(decoded.data))
            }
        }
    }
}
