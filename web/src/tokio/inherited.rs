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
/// cleared, so that no child takes them for its own, and the descriptors are closed where another program is run in place of
/// this one. `LISTEN_FDNAMES` stays, and means nothing without the other two. An empty `LISTEN_PID` is as good as none, and
/// then they are for whoever looks. To be called within a tokio runtime, and before other threads are started, for the
/// environment is changed.
///
/// # Errors
/// If one of them is not a socket that listens, of TCP or Unix.
pub fn inherited() -> Result<Vec<Inherited>, InheritedError> {
    Ok(inherited_by_name()?.into_iter().map(|(_, socket)| socket).collect())
}

/// As [`inherited()`], each with its name: what its unit says by `FileDescriptorName=`, or the unit's own name. For those who
/// serve one over TLS and another without, say. A socket that is handed over without a name is `unknown`, as it is to
/// `sd_listen_fds_with_names(3)`.
///
/// # Errors
/// As of [`inherited()`].
pub fn inherited_by_name() -> Result<Vec<(String, Inherited)>, InheritedError> {
    let names = std::env::var("LISTEN_FDNAMES").ok();
    let mut handed = ListenFd::from_env();
    (0..handed.len())
        .map(|index| match take(&mut handed, index) {
            Ok(socket) => Ok((name(names.as_deref(), index), socket)),
            Err(source) => Err(InheritedError { descriptor: FIRST + index, source }),
        })
        .collect()
}

/// The one at this place of `LISTEN_FDNAMES`, where they stand between colons.
fn name(names: Option<&str>, index: usize) -> String {
    names.and_then(|names| names.split(':').nth(index)).unwrap_or("unknown").to_owned()
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

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn sockets_have_the_names_of_their_places() {
        let names: Vec<String> = (0..4).map(|index| name(Some("http:hub.socket:"), index)).collect();
        assert_eq!(names, ["http", "hub.socket", "", "unknown"]);
        assert_eq!(name(None, 0), "unknown");
    }
}
