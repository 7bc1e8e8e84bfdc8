//! Sockets that were opened before the program began: systemd's socket activation.

use std::io;
use std::os::fd::AsFd;

use listenfd::ListenFd;

use super::{TokioListener, UnixListener};
use crate::Listeners;

/// Why a socket that was handed over cannot be listened at.
#[derive(Debug, thiserror::Error)]
#[error("the socket handed over as descriptor {descriptor} is neither a TCP nor a Unix socket that listens")]
pub struct InheritedError {
    /// Its number: 3 is the first.
    pub descriptor: usize,
    /// What the system says of it.
    #[source]
    pub source: io::Error,
}

/// The first descriptor that is handed over (`SD_LISTEN_FDS_START`).
const FIRST: usize = 3;

/// A socket that the program was started with.
#[derive(Debug)]
pub enum Inherited {
    /// Of TCP.
    Tcp(TokioListener),
    /// At a path, which whoever made it clears away.
    Unix(UnixListener),
}

/// The sockets that the program was started with, by systemd's protocol (`sd_listen_fds(3)`: `LISTEN_FDS` and `LISTEN_PID`), in
/// the order of their descriptors. None if there are none for this process. They are handed out once: the variables are
/// cleared, so that no child takes them for its own (`LISTEN_FDNAMES` stays, and means nothing without them). An empty
/// `LISTEN_PID` is as good as none, and then they are for whoever looks. To be called within a tokio runtime, and before other threads are
/// started, for the environment is changed.
///
/// # Errors
/// If one of them is not a socket that listens, of TCP or Unix.
pub fn inherited() -> Result<Vec<Inherited>, InheritedError> {
    let mut handed = ListenFd::from_env();
    (0..handed.len())
        .map(|index| take(&mut handed, index).map_err(|source| InheritedError { descriptor: FIRST + index, source }))
        .collect()
}

fn take(handed: &mut ListenFd, index: usize) -> io::Result<Inherited> {
    let gone = || io::Error::other("it was taken before");
    if let Ok(socket) = handed.take_tcp_listener(index) {
        let socket = socket.ok_or_else(gone)?;
        check_listens(&socket)?;
        socket.set_nonblocking(true)?;
        return Ok(Inherited::Tcp(tokio::net::TcpListener::from_std(socket)?.into()));
    }
    let socket = handed.take_unix_listener(index)?.ok_or_else(gone)?;
    check_listens(&socket)?;
    socket.set_nonblocking(true)?;
    Ok(Inherited::Unix(tokio::net::UnixListener::from_std(socket)?.into()))
}

/// A connection that is handed over is of the same type as a listener, and accepts nobody ever. Only Linux has systemd, and a way
/// to ask.
fn check_listens(socket: &impl AsFd) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if !socket2::SockRef::from(socket).is_listener()? {
        let told = "nobody listens at it: is it a connection, from a unit of systemd with `Accept=yes`?";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, told));
    }
    let _ = socket;
    Ok(())
}

impl Extend<Inherited> for Listeners {
    fn extend<T: IntoIterator<Item = Inherited>>(&mut self, sockets: T) {
        for socket in sockets {
            match socket {
                Inherited::Tcp(listener) => self.push(listener),
                Inherited::Unix(listener) => self.push(listener),
            }
        }
    }
}
