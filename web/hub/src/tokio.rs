//! The hub on real sockets.

mod sockets;

use std::future::Future;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::pin::pin;

#[cfg(unix)]
use futures_util::future::{Either, select};
use redb::Database;
use wavetank_web::Served;
#[cfg(feature = "tls")]
use wavetank_web::tls::TlsError;
use wavetank_web::tokio::TokioRuntime;

use crate::{Config, Hub, RedbStore, StoreError};

#[cfg(feature = "tls")]
pub use sockets::TlsFiles;
pub use sockets::{Place, Sockets};

/// Why the hub could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address or the path cannot be listened at.
    #[error("cannot listen at {place}")]
    Listen {
        /// Where it was asked to.
        place: Place,
        /// Why not.
        source: io::Error,
    },
    /// What it was started with is not to be listened at.
    #[error("cannot take over the sockets that it was started with")]
    Inherited(#[source] io::Error),
    /// The certificates cannot be served with.
    #[cfg(feature = "tls")]
    #[error("cannot serve over TLS")]
    Tls(#[from] TlsError),
    /// The data file cannot be opened or made.
    #[error("cannot open the data file {path}", path = path.display())]
    Data {
        /// The path asked for.
        path: PathBuf,
        /// Why not.
        #[source]
        source: StoreError,
    },
    /// The database in memory cannot be made.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runtime cannot be started, or the signal not be listened for.
    #[error("cannot start")]
    Start(#[source] io::Error),
}

/// redb would take up to 1 GiB.
const CACHE_BYTES: usize = 64 * 1024 * 1024;

/// Serves the hub on a current-thread tokio runtime until `stop` resolves. Readings go to the file at `data`, which is
/// made if need be, or without one to memory. `bound` is told each place that is listened at, as `http://127.0.0.1:8080`,
/// `https://127.0.0.1:8443` or `unix:/run/hub.sock`, which matters where port 0 was asked for.
///
/// # Errors
/// If a socket, a certificate or the data cannot be had.
pub async fn serve_tokio(
    sockets: &Sockets,
    data: Option<&Path>,
    config: Config,
    mut bound: impl FnMut(&str),
    stop: impl Future<Output = ()>,
) -> Result<Served, ServeError> {
    // Before anything else: the descriptors that it was started with are nobody's until they are taken.
    let sockets = sockets.open().await?;
    let store = match data {
        None => RedbStore::in_memory()?,
        Some(path) => open(path).map_err(|source| ServeError::Data { path: path.to_owned(), source })?,
    };
    let hub = Hub::new(store, &TokioRuntime, (), config)?;
    sockets.places.iter().for_each(|place| bound(place));
    Ok(hub.serve(sockets.listeners, TokioRuntime, stop).await)
}

/// Serves the hub as a command does: prints where it listens, and stops gracefully on Ctrl-C, or when it is told to
/// terminate.
///
/// # Errors
/// As [`serve_tokio`].
pub fn run_tokio(sockets: &Sockets, data: Option<&Path>, config: Config) -> Result<Served, ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
    let bound = |place: &str| {
        // Whoever does not read it can be served all the same.
        let _ = writeln!(io::stdout(), "telemetry-hub listening on {place}");
    };
    let stop = async {
        if let Err(error) = told_to_stop().await {
            tracing::error!(%error, "cannot listen for signals; stopping");
        }
    };
    runtime.block_on(serve_tokio(sockets, data, config, bound, stop))
}

#[cfg(unix)]
async fn told_to_stop() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    match select(pin!(tokio::signal::ctrl_c()), pin!(terminate.recv())).await {
        Either::Left((interrupted, _)) => interrupted,
        Either::Right(_) => Ok(()),
    }
}

#[cfg(not(unix))]
async fn told_to_stop() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

fn open(path: &Path) -> Result<RedbStore, StoreError> {
    RedbStore::open(Database::builder().set_cache_size(CACHE_BYTES).create(path)?)
}
