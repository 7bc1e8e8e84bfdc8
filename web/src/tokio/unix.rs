//! Unix sockets.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hyper_util::rt::TokioIo;
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

impl UnixListener {
    /// Listens at this path. A socket that nobody listens at any longer is replaced; a file of any other kind is not.
    ///
    /// # Errors
    /// If the path cannot be had.
    pub fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        use std::os::unix::fs::FileTypeExt as _;

        let path = path.as_ref().to_owned();
        let is_left_over = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.file_type().is_socket())
            && std::os::unix::net::UnixStream::connect(&path).is_err();
        if is_left_over {
            fs::remove_file(&path)?;
        }
        Ok(Self { listener: tokio::net::UnixListener::bind(&path)?, path: Some(path) })
    }

    /// The path that is listened at, if it has one.
    #[must_use]
    pub fn path(&self) -> Option<PathBuf> {
        self.listener.local_addr().ok()?.as_pathname().map(Path::to_owned)
    }
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
