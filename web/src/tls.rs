//! TLS (RFC 8446) in front of any listener, by [rustls](https://docs.rs/rustls).
//!
//! Certificates come from PEM files ([`config`]), or a `rustls::ServerConfig` is given as it is. Which protocol is spoken is
//! agreed upon in the handshake (ALPN, RFC 7301): HTTP/2 with the feature `http2`, HTTP/1.1 otherwise.
//!
//! ```no_run
//! use wavetank_web::tls::{self, TlsListener};
//! use wavetank_web::tokio::{TokioListener, TokioRuntime};
//! use wavetank_web::{App, serve};
//!
//! let mut app = App::new();
//! app.at("/health").get(async || "ok");
//! let service = app.into_service()?;
//!
//! let config = tls::config("chain.pem", "key.pem")?;
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! runtime.block_on(async {
//!     let listener = TlsListener::new(TokioListener::bind("0.0.0.0:443").await?, config);
//!     serve(listener, service, TokioRuntime, std::future::pending()).await;
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod stream;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Listener, Peer};

pub use rustls::ServerConfig;
pub use stream::TlsStream;

/// Why certificates cannot be served with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the kind that is looked for.
    #[error("{path} holds no {what} in PEM", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is looked for in it: `certificate` or `private key`.
        what: &'static str,
        /// Why there is none.
        source: pem::Error,
    },
    /// The key is not the certificate's, or of a kind that is not known.
    #[error("the key in {key} cannot serve for the certificate in {certificates}", key = key.display(), certificates = certificates.display())]
    Pair {
        /// The file of the certificates.
        certificates: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// What a server needs to know for TLS 1.2 and 1.3, from PEM files: a chain of certificates that begins with the server's own,
/// and its private key (PKCS #8, PKCS #1 or SEC 1). Clients are not asked for certificates.
///
/// # Errors
/// If a file cannot be read, or both do not belong together.
pub fn config(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Arc<ServerConfig>, TlsError> {
    let (certificates, key) = (certificates.as_ref(), key.as_ref());
    let none = |path: &Path, what| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, what, source }
    };
    let chain = CertificateDer::pem_file_iter(certificates)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .and_then(|chain| if chain.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(chain) })
        .map_err(none(certificates, "certificate"))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(none(key, "private key"))?;
    let unfit = |source| TlsError::Pair { certificates: certificates.to_owned(), key: key.to_owned(), source };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = versions.map_err(unfit)?.with_no_client_auth().with_single_cert(chain, private).map_err(unfit)?;
    config.alpn_protocols = protocols();
    Ok(Arc::new(config))
}

/// What can be spoken after the handshake, the best first, as ALPN names it.
#[must_use]
pub fn protocols() -> Vec<Vec<u8>> {
    let http2 = cfg!(feature = "http2").then(|| b"h2".to_vec());
    http2.into_iter().chain([b"http/1.1".to_vec()]).collect()
}

/// Secures what another listener accepts.
///
/// A connection is handed on before its handshake: that is done when it is first read, so that a client that dawdles keeps
/// nobody else waiting and falls to [`Options::head_timeout`](crate::Options::head_timeout).
#[derive(Debug)]
pub struct TlsListener<L> {
    listener: L,
    config: Arc<ServerConfig>,
}

impl<L: Listener> TlsListener<L> {
    /// Secures this listener's connections as the configuration says.
    #[must_use]
    pub fn new(listener: L, config: Arc<ServerConfig>) -> Self {
        Self { listener, config }
    }
}

impl<L: Listener> Listener for TlsListener<L> {
    type Io = TlsStream<L::Io>;

    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        let (io, peer) = self.listener.accept().await?;
        Ok((TlsStream::new(io, &self.config)?, peer))
    }
}
