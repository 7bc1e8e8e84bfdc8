//! A piece of an image by HTTP.

use core::fmt::Debug;

use embedded_io_async::{Read, Write};
use embedded_storage_async::nor_flash::NorFlash;

use super::updater::FillError;
use super::{Download, Error, Updater};
use crate::http::{BodyError, Condition, Connection, Part, PartError, Range, Request, SendError, Timed, TimedError};
use crate::time::{Clock, Duration, timeout};

/// Where an image is had.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The server, as its `Host` header has it.
    pub host: &'a str,
    /// The image's path there.
    pub target: &'a str,
    /// Pages of the flash that are asked for at a time; 0 counts as 1.
    pub pages: u32,
    /// How long an answer may take, and how long its body may stand still.
    pub patience: Duration,
}

/// What came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// A piece of it; there is more.
    Piece,
    /// The last piece: it can be [finished](Updater::finish).
    All,
    /// What the server hands out by now is another. The next piece is the first one; better ask first what there is.
    Changed,
}

/// Why no piece came. What was whole of it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError<E: Debug, S> {
    /// The server took too long.
    #[error("timed out")]
    TimedOut,
    /// The exchange failed.
    #[error("{0}")]
    Send(SendError<S>),
    /// The body broke off.
    #[error("{0}")]
    Body(BodyError<S>),
    /// The answer is of no use.
    #[error("{0}")]
    Part(#[from] PartError),
    /// The flash cannot be written.
    #[error("{0}")]
    Store(#[from] Error<E>),
}

/// Fetches the next piece of a download into its slot: one exchange, whose connection serves on afterwards as it allows.
///
/// A piece counts once it is on the flash, by whole pages. A server that knows no ranges sends all of it at once. Its entity
/// tag, if it is a strong one, goes along (`If-Range`), so that no image is pieced together of two; the hash would tell, too,
/// but late.
///
/// # Errors
/// [`FetchError`]
pub async fn fetch<S: Read + Write, F: NorFlash<Error: Debug>>(
    connection: &mut Connection<'_, S>,
    source: &Source<'_>,
    download: &mut Download,
    updater: &mut Updater<F>,
    clock: &impl Clock,
) -> Result<Fetched, FetchError<F::Error, S::Error>> {
    if download.is_complete() {
        return Ok(Fetched::All);
    }
    let (length, done) = (download.manifest().length, download.done());
    let piece = Updater::<F>::page_len().saturating_mul(source.pages.max(1)).min(length - done);
    let answer = {
        let mut request = Request::get(source.target, source.host);
        request.range = Some(Range::piece(done.into(), piece.into()));
        request.condition = download.tag().map(Condition::IfRange);
        timeout(clock, source.patience, connection.send(&request)).await
    };
    let mut response = answer.map_err(|_| FetchError::TimedOut)?.map_err(FetchError::Send)?;
    let same_state = download.tag().is_none_or(|tag| response.etag().is_none_or(|etag| etag == tag));
    let (fits, len) = match response.part()? {
        Part::Piece(part) => {
            let whole = part.complete.is_none_or(|complete| complete == length.into());
            (same_state && whole && part.len() == piece.into(), piece)
        }
        Part::Whole => {
            let fits = response.remaining().is_none_or(|whole| whole == length.into());
            if done > 0 {
                updater.restart(download).await?;
            }
            (fits, length)
        }
        Part::Unchanged => return Err(PartError::Status(304).into()),
        Part::Changed | Part::Beyond(_) => (false, 0),
    };
    if !fits {
        updater.restart(download).await?;
        return Ok(Fetched::Changed);
    }
    if download.done() == 0 {
        Updater::<F>::tag(download, response.etag());
    }
    let filled = {
        let mut body = Timed::new(&mut response, clock, source.patience);
        updater.fill(download, &mut body, len).await
    };
    filled.map_err(|error| match error {
        FillError::Store(error) => FetchError::Store(error),
        FillError::Body(TimedError::TimedOut) => FetchError::TimedOut,
        FillError::Body(TimedError::Stream(error)) => FetchError::Body(error),
        FillError::Truncated => FetchError::Body(BodyError::Truncated),
    })?;
    // The end of a body in chunks is a few bytes more: the connection says itself whether it serves on.
    let mut more = [0];
    if response.remaining() != Some(0) {
        let _ = timeout(clock, source.patience, response.read(&mut more)).await;
    }
    Ok(if download.is_complete() { Fetched::All } else { Fetched::Piece })
}
