//! Shaking hands, and the stream that comes of it.

use core::fmt;
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
};

/// The longest record of TLS, with what stands around it.
const RECORD_MAX: usize = 16_640;
/// What stands around a record's data at most.
const AROUND: usize = 256 + 5;

/// A byte stream that nobody but the two ends can read or change.
pub struct Stream<'m, S: Read + Write> {
    connection: TlsConnection<'m, S, Aes128GcmSha256>,
}

/// Shakes hands over `stream`, as its client. `rng` makes the keys: whoever can guess it can read everything.
///
/// # Errors
/// [`Error`]; the stream is then lost. To bound the time that it takes, use [`timeout`](crate::time::timeout).
pub async fn connect<'m, S, R, const READ: usize, const WRITE: usize>(
    stream: S,
    memory: &'m mut Memory<READ, WRITE>,
    trust: &Trust<'_>,
    rng: R,
) -> Result<Stream<'m, S>, Error>
where
    S: Read + Write + 'm,
    R: CryptoRng,
{
    let Memory { read, write, certificate } = memory;
    let mut connection = TlsConnection::new(stream, &mut read[..], &mut write[..]);
    let mut config = TlsConfig::new();
    if let Some(length) = fragment_length(READ) {
        config = config.with_max_fragment_length(length);
    }
    match trust {
        Trust::Key { identity, key } => {
            let config = config.with_psk(key, &[identity]);
            let provider = Provider { verifier: &mut ByKey, rng: Entropy(rng) };
            connection.open(TlsContext::new(&config, provider)).await?;
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
            let opened = connection.open(TlsContext::new(&config, provider)).await;
            if let Some(Err(error)) = verifier.verdict {
                return Err(Error::Certificate(error));
            }
            opened?;
            // Whoever showed nothing, or signed nothing, is nobody.
            verifier.verdict.ok_or(Error::Unauthenticated)?.map_err(Error::Certificate)?;
        }
    }
    Ok(Stream { connection })
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
        self.connection.close().await.map_err(|(_, error)| error.into())
    }
}

impl<S: Read + Write> ErrorType for Stream<'_, S> {
    type Error = Error;
}

/// 0 is the end that the server said. A stream below that just ends is an error: somebody may have cut it.
impl<S: Read + Write> Read for Stream<'_, S> {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        match self.connection.read(out).await {
            Err(TlsError::ConnectionClosed) => Ok(0),
            outcome => Ok(outcome?),
        }
    }
}

/// What is written is gathered to a record, and sent when that is full, or at a flush.
impl<S: Read + Write> Write for Stream<'_, S> {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        Ok(self.connection.write(bytes).await?)
    }

    async fn flush(&mut self) -> Result<(), Error> {
        Ok(self.connection.flush().await?)
    }
}

impl<S: Read + Write> fmt::Debug for Stream<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").finish_non_exhaustive()
    }
}
