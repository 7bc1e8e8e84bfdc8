//! Unix sockets.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixStream;

use crate::{Listener, Peer};

/// A listener at a path of the file system: for a proxy on the same machine. The path that it was bound to is removed when it
/// is dropped.
#[derive(Debug)]
pub struct UnixListener {
    listener: tokio::net::UnixListener,
    /// What is to be cleared away; nothing if somebody else has bound it.
    path: Option<PathBuf>,
}

/// Who may connect, unless it is said: the user that the server runs as.
const OWNER: u32 = 0o600;

/// How many may wait to be accepted: as many as wait at a TCP listener of tokio's.
const BACKLOG: i32 = 1024;

impl UnixListener {
    /// Listens at this path, for the user that the server runs as and nobody else (mode 0600, whatever the umask says). A socket
    /// that nobody listens at any longer is replaced; a file of any other kind is not, nor is a socket that this user may not
    /// connect to.
    ///
    /// # Errors
    /// If the path cannot be had.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_with_mode(path, OWNER)
    }

    /// Listens at this path, for whom this mode lets write to it: `0o660` is for the group, too, in which a proxy may be. See
    /// [`UnixListener::bind`]. Nobody can connect before the mode is set.
    ///
    /// # Errors
    /// If the path cannot be had, or the mode not be set.
    pub fn bind_with_mode(path: impl AsRef<Path>, mode: u32) -> io::Result<Self> {
        let path = path.as_ref().to_owned();
        if is_left_over(&path) {
            fs::remove_file(&path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&path)?)?;
        // From here on the path is ours to clear away. Until it listens, whoever connects is refused.
        let ready = fs::set_permissions(&path, Permissions::from_mode(mode)).and_then(|()| {
            socket.listen(BACKLOG)?;
            socket.set_nonblocking(true)?;
            tokio::net::UnixListener::from_std(socket.into())
        });
        match ready {
            Ok(listener) => Ok(Self { listener, path: Some(path) }),
            Err(error) => {
                fs::remove_file(&path)?;
                Err(error)
            }
        }
    }

    /// The path that is listened at, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.listener.local_addr().ok()?.as_pathname().map(Path::to_owned)
    }
}

/// Whether there is a socket at this path that nobody listens at. One that answers nothing but that it is not for us is somebody's.
fn is_left_over(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

impl From<tokio::net::UnixListener> for UnixListener {
    /// Its path is left alone.
    fn from(listener: tokio::net::UnixListener) -> Self {
        Self { listener, path: None }
    }
}

impl Listener for UnixListener {
    type Io = TokioIo<UnixStream>;

    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        let (stream, _) = self.listener.accept().await?;
        Ok((TokioIo::new(stream), Peer::Local))
    }
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        if let Some(path) = &self.path
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(%error, path = %path.display(), "the socket's path was not removed");
        }
    }
}
