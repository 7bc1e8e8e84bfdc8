//! Real sockets: listeners and a runtime for a current-thread tokio. Nothing is spawned on it.
//!
//! ```no_run
//! use wavetank_web::tokio::{TokioListener, TokioRuntime};
//! use wavetank_web::{App, serve};
//!
//! let mut app = App::new();
//! app.at("/health").get(async || "ok");
//! let service = app.into_service()?;
//!
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! runtime.block_on(async {
//!     let listener = TokioListener::bind("127.0.0.1:8080").await?;
//!     serve(listener, service, TokioRuntime, std::future::pending()).await;
//!     Ok::<(), std::io::Error>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An app lives on one thread. More cores are more threads, each with an app, a runtime and a listener of its own at the
//! same address: [`serve_per_core`]. Several addresses, Unix sockets among them, are [`Listeners`](crate::Listeners), and sockets
//! that systemd has opened are [`inherited()`], or [`inherited_by_name()`].

mod cores;
#[cfg(unix)]
mod inherited;
#[cfg(unix)]
mod unix;

use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};

use crate::{Listener, Peer, Runtime};

pub use cores::{serve_per_core, serve_per_core_with};
#[cfg(unix)]
pub use inherited::{Inherited, InheritedError, inherited, inherited_by_name};
#[cfg(unix)]
pub use unix::UnixListener;

/// A TCP listener of tokio's. Connections are set to `TCP_NODELAY`.
#[derive(Debug)]
pub struct TokioListener {
    listener: TcpListener,
}

impl TokioListener {
    /// Listens at this address; port 0 lets the system choose.
    ///
    /// # Errors
    /// If the address cannot be had.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await? })
    }

    /// The address that is listened at.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl From<TcpListener> for TokioListener {
    fn from(listener: TcpListener) -> Self {
        Self { listener }
    }
}

impl Listener for TokioListener {
    type Io = TokioIo<TcpStream>;

    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        let (stream, peer) = self.listener.accept().await?;
        stream.set_nodelay(true)?;
        Ok((TokioIo::new(stream), peer.into()))
    }
}

/// tokio's timer and the system's date.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioRuntime;

impl Runtime for TokioRuntime {
    type Timer = TokioTimer;

    fn timer(&self) -> TokioTimer {
        TokioTimer::new()
    }

    #[allow(clippy::disallowed_methods, reason = "this is the runtime that reads the system's clock")]
    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }
}
