//! Brings frames to a server, one `POST /images/NAME/NUMBER` at a time, in pieces as the network takes them.

use core::fmt::{Debug, Write as _};
use core::net::SocketAddr;
use core::pin::pin;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use embedded_io_async::{Read, Write};
use embedded_storage_async::nor_flash::NorFlash;
use heapless::String;
use sha2::{Digest as _, Sha256};
use wavetank_stack::http::{Connection, Request};
use wavetank_stack::time::timeout;
use wavetank_stack::{Clock, Probe, Stack};

use super::frames::{Frame, PIECE};
use super::{Config, HEAD_BYTES, Shared, metrics};
use crate::DeviceId;
use crate::dial::connect;

/// `/images/`, an id, `/` and a number.
const TARGET_MAX: usize = 8 + DeviceId::LEN_MAX + 1 + 20;
const HOST_MAX: usize = 64;
/// `sha-256=:`, 32 bytes in base 64, `:` (RFC 9530, section 2).
const DIGEST_LEN: usize = 9 + 44 + 1;

/// What became of a frame.
enum Fate {
    Kept,
    Refused,
    /// It arrived as something else.
    Damaged,
    /// The flash gave something else than was written.
    Rotten,
    /// Nobody knows.
    Unknown,
}

/// One connection, until something is wrong; answers whether anything arrived by then.
pub(super) async fn visit<F, C, P>(stack: &Stack<'_>, shared: &Shared<'_, F, C, P>, config: &Config) -> bool
where
    F: NorFlash<Error: Debug>,
    C: Clock,
    P: Probe,
{
    let clock = shared.clock;
    let dialled = {
        let dialling = pin!(connect(stack, clock, config.server));
        timeout(clock, config.patience, dialling).await
    };
    let Ok(Some(mut stream)) = dialled else { return false };
    let (mut head, mut arrived) = ([0; HEAD_BYTES], false);
    let mut connection = Connection::new(&mut stream, &mut head);
    loop {
        let (slot, frame) = shared.oldest().await;
        shared.under_way.set(Some(frame.number));
        shared.probe.count(metrics::UPLOADS_BEGUN, 1);
        let fate = bring(&mut connection, shared, config, slot, &frame).await;
        let done = match fate {
            Fate::Kept => {
                shared.acknowledged(frame.number);
                true
            }
            Fate::Refused => {
                shared.probe.count(metrics::FRAMES_REJECTED, 1);
                shared.vitals.lost(1);
                true
            }
            Fate::Rotten => {
                shared.probe.count(metrics::FRAMES_ROTTEN, 1);
                shared.vitals.lost(1);
                shared.vitals.flash_failed();
                true
            }
            Fate::Damaged => {
                shared.probe.count(metrics::FRAMES_DAMAGED, 1);
                false
            }
            Fate::Unknown => false,
        };
        if done {
            arrived = true;
            shared.vitals.reached(true);
            shared.let_go(slot, frame.number).await;
        }
        shared.under_way.set(None);
        if matches!(fate, Fate::Unknown | Fate::Rotten) {
            stream.abort();
            return arrived;
        }
        if !connection.is_ready() {
            return arrived;
        }
    }
}

async fn bring<S, F, C, P>(
    connection: &mut Connection<'_, S>,
    shared: &Shared<'_, F, C, P>,
    config: &Config,
    slot: usize,
    frame: &Frame,
) -> Fate
where
    S: Read + Write,
    F: NorFlash<Error: Debug>,
    C: Clock,
    P: Probe,
{
    let (mut target, host) = (String::<TARGET_MAX>::new(), host(config.server));
    write!(target, "/images/{}/{}", config.id, frame.number).expect("there is room for any id and number");
    let digest = digest(&frame.sha256);
    let headers = [("Content-Type", "application/octet-stream"), ("Content-Digest", digest.as_str())];
    let request = Request::post(&target, &host, b"").with_headers(&headers);
    let beginning = pin!(connection.begin(&request, Some(frame.length.into())));
    let Ok(Ok(mut upload)) = timeout(shared.clock, config.patience, beginning).await else { return Fate::Unknown };
    let (mut hash, mut at) = (Sha256::new(), 0);
    while at < frame.length {
        let mut piece = [0; PIECE];
        let len = PIECE.min((frame.length - at) as usize);
        if shared.read(slot, at, &mut piece[..len]).await.is_err() {
            return Fate::Unknown;
        }
        hash.update(&piece[..len]);
        if at + len as u32 == frame.length && hash.clone().finalize()[..] != frame.sha256 {
            return Fate::Rotten;
        }
        // A slow network takes its time for a frame; one that takes nothing at all is gone.
        let writing = pin!(upload.write_all(&piece[..len]));
        if !matches!(timeout(shared.clock, config.patience, writing).await, Ok(Ok(()))) {
            return Fate::Unknown;
        }
        shared.probe.count(metrics::BYTES_SENT, len as u64);
        at += len as u32;
    }
    let answering = pin!(async {
        let mut response = upload.finish().await.ok()?;
        let status = response.status();
        // The word is given; a body that breaks off costs the connection, which then says so itself.
        let _ = response.drain().await;
        Some(status)
    });
    match timeout(shared.clock, config.drain, answering).await {
        Ok(Some(200 | 201)) => Fate::Kept,
        Ok(Some(422)) => Fate::Damaged,
        Ok(Some(404 | 409 | 413)) => Fate::Refused,
        _ => Fate::Unknown,
    }
}

fn host(server: SocketAddr) -> String<HOST_MAX> {
    let mut host = String::new();
    write!(host, "{server}").expect("there is room for any address");
    host
}

/// The value of `Content-Digest`.
fn digest(sha256: &[u8; 32]) -> String<DIGEST_LEN> {
    let mut base64 = [0; 44];
    let len = BASE64_STANDARD.encode_slice(sha256, &mut base64).expect("32 bytes are 44 digits");
    let digits = str::from_utf8(&base64[..len]).expect("digits are ASCII");
    let mut text = String::new();
    write!(text, "sha-256=:{digits}:").expect("there is room");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_servers_read_it() {
        // RFC 9530, appendix B.1: of {"hello": "world"} and a line feed.
        let sha256: [u8; 32] = Sha256::digest(b"{\"hello\": \"world\"}\n").into();
        assert_eq!(digest(&sha256), "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
    }
}
