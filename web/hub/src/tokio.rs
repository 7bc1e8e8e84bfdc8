//! The hub on a real socket.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::pin::pin;

#[cfg(unix)]
use futures_util::future::{Either, select};
use redb::Database;
use wavetank_web::Served;
use wavetank_web::tokio::{TokioListener, TokioRuntime};

use crate::{Config, Hub, RedbStore, StoreError};

/// Why the hub could not be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened at.
    #[error("cannot listen at {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
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
/// made if need be, or without one to memory. `bound` is told the address, which matters where port 0 was asked for.
///
/// # Errors
/// If the address or the data cannot be had.
pub async fn serve_tokio(
    listen: SocketAddr,
    data: Option<&Path>,
    config: Config,
    bound: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()>,
) -> Result<Served, ServeError> {
    let store = match data {
        None => RedbStore::in_memory()?,
        Some(path) => open(path).map_err(|source| ServeError::Data { path: path.to_owned(), source })?,
    };
    let hub = Hub::new(store, &TokioRuntime, (), config)?;
    let refused = |source| ServeError::Listen { address: listen, source };
    let listener = TokioListener::bind(listen).await.map_err(refused)?;
    bound(listener.local_addr().map_err(refused)?);
    Ok(hub.serve(listener, TokioRuntime, stop).await)
}

/// Serves the hub as a command does: prints where it listens, and stops gracefully on Ctrl-C, or when it is told to
/// terminate.
///
/// # Errors
/// As [`serve_tokio`].
pub fn run_tokio(listen: SocketAddr, data: Option<&Path>, config: Config) -> Result<Served, ServeError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
    let bound = |address| {
        // Whoever does not read it can be served all the same.
        let _ = writeln!(io::stdout(), "telemetry-hub listening on http://{address}");
    };
    let stop = async {
        if let Err(error) = told_to_stop().await {
            tracing::error!(%error, "cannot listen for signals; stopping");
        }
    };
    runtime.block_on(serve_tokio(listen, data, config, bound, stop))
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
