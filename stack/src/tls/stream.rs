//! Shaking hands, and the stream that comes of it.

use core::fmt;
use core::future::poll_fn;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use embedded_io_async::{ErrorType, Read, Write};
use embedded_tls::{
    Aes128GcmSha256, CryptoProvider, CryptoRngCore, MaxFragmentLength, TlsConfig, TlsConnection, TlsContext, TlsError,
    TlsVerifier,
};
use heapless::Vec;
use rand_core::CryptoRng;
use rustls_pki_types::{CertificateDer, ServerName};

use super::{
    Memory, ROOTS_MAX, Trust,
    entropy::Entropy,
    error::Error,
    verify::{ByKey, ByRoots, anchors},
    wire::{Wire, failed},
};

/// The longest record of TLS, with what stands around it.
const RECORD_MAX: usize = 16_640;
/// What stands around a record's data at most.
const AROUND: usize = 256 + 5;

/// A byte stream that nobody but the two ends can read or change.
///
/// Its futures may be dropped at any time and made anew: what was read is read, what was written is written, once.
pub struct Stream<'m, S> {
    below: S,
    wire: Wire<'m>,
    connection: TlsConnection<'m, Wire<'m>, Aes128GcmSha256>,
}

/// Shakes hands over `stream`, as its client. `rng` makes the keys: whoever can guess it can read everything.
///
/// # Errors
/// [`Error`]; the stream is then lost. To bound the time that it takes, use [`timeout`](crate::time::timeout).
pub async fn connect<'m, S, R, const READ: usize, const WRITE: usize>(
    mut stream: S,
    memory: &'m mut Memory<READ, WRITE>,
    trust: &Trust<'_>,
    rng: R,
) -> Result<Stream<'m, S>, Error>
where
    S: Read + Write,
    R: CryptoRng,
{
    let Memory { read, write, certificate, incoming, outgoing } = memory;
    let wire = Wire::new(incoming, outgoing);
    let mut connection = TlsConnection::new(wire, &mut read[..], &mut write[..]);
    let mut config = TlsConfig::new();
    if let Some(length) = fragment_length(READ) {
        config = config.with_max_fragment_length(length);
    }
    match trust {
        Trust::Key { identity, key } => {
            let config = config.with_psk(key, &[identity]);
            let provider = Provider { verifier: &mut ByKey, rng: Entropy(rng) };
            let opening = pin!(connection.open(TlsContext::new(&config, provider)));
            wire.carry(&mut stream, opening).await??;
        }
        Trust::Roots { certificates, name, clock } => {
            let now = clock.now_unix_micros().ok_or(Error::NoTime)?;
            let mut roots = Vec::<CertificateDer<'_>, ROOTS_MAX>::new();
            for root in *certificates {
                roots.push(CertificateDer::from(*root)).map_err(|_| Error::Roots)?;
            }
            let anchors = anchors(&roots).map_err(|_| Error::Roots)?;
            let server = ServerName::try_from(*name).map_err(|_| Error::Name)?;
            // What is told to the server beforehand is a host's name (RFC 6066, section 3).
            if matches!(server, ServerName::DnsName(_)) {
                config = config.with_server_name(name);
            }
            let now = Duration::from_micros(now);
            let (transcript, verdict) = (None, None);
            let mut verifier = ByRoots { roots: &anchors, name: server, now, certificate, transcript, verdict };
            let provider = Provider { verifier: &mut verifier, rng: Entropy(rng) };
            let opened = {
                let opening = pin!(connection.open(TlsContext::new(&config, provider)));
                wire.carry(&mut stream, opening).await?
            };
            if let Some(Err(error)) = verifier.verdict {
                return Err(Error::Certificate(error));
            }
            opened?;
            // Whoever showed nothing, or signed nothing, is nobody.
            verifier.verdict.ok_or(Error::Unauthenticated)?.map_err(Error::Certificate)?;
        }
    }
    Ok(Stream { below: stream, wire, connection })
}

/// How long the server's records may be, if they have to be shorter than usual.
fn fragment_length(room: usize) -> Option<MaxFragmentLength> {
    match room {
        RECORD_MAX.. => None,
        room if room >= 4_096 + AROUND => Some(MaxFragmentLength::Bits12),
        room if room >= 2_048 + AROUND => Some(MaxFragmentLength::Bits11),
        room if room >= 1_024 + AROUND => Some(MaxFragmentLength::Bits10),
        _ => Some(MaxFragmentLength::Bits9),
    }
}

struct Provider<'v, V, R> {
    verifier: &'v mut V,
    rng: Entropy<R>,
}

impl<V: TlsVerifier<Aes128GcmSha256>, R: CryptoRng> CryptoProvider for Provider<'_, V, R> {
    type CipherSuite = Aes128GcmSha256;
    /// Nothing is signed: there are no clients' certificates.
    type Signature = [u8; 0];

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut self.rng
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, TlsError> {
        Ok(&mut *self.verifier)
    }
}

impl<S: Read + Write> Stream<'_, S> {
    /// Says that nothing more will be written, as TLS wants it, and gives the stream below back.
    ///
    /// # Errors
    /// If that could not be said.
    pub async fn close(self) -> Result<S, Error> {
        let Self { mut below, wire, connection } = self;
        wire.send(&mut below).await?;
        let closed = wire.carry(&mut below, pin!(connection.close())).await?;
        closed.map_err(|(_, error)| error)?;
        Ok(below)
    }
}

impl<S> ErrorType for Stream<'_, S> {
    type Error = Error;
}

/// 0 is the end that the server said. A stream below that just ends is an error: somebody may have cut it.
impl<S: Read + Write> Read for Stream<'_, S> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        loop {
            let polled = {
                let mut reading = pin!(self.connection.read(out));
                // It waits for a record to begin, if at all: there it may be dropped.
                poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await
            };
            match polled {
                Poll::Ready(Err(TlsError::ConnectionClosed)) => return Ok(0),
                Poll::Ready(outcome) => return Ok(outcome?),
                Poll::Pending => self.wire.receive(&mut self.below).await?,
            }
        }
    }
}

/// What is written is gathered to a record, and sent when that is full, or at a flush.
impl<S: Read + Write> Write for Stream<'_, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        // With nothing before it a record is taken whole, and at once.
        self.wire.send(&mut self.below).await?;
        Ok(self.connection.write(bytes).await?)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        // What was written lies in the connection or on the wire, and never in both.
        self.connection.flush().await?;
        self.wire.send(&mut self.below).await?;
        self.below.flush().await.map_err(failed)
    }
}

impl<S> fmt::Debug for Stream<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}
