//! Where the hub is to be had: addresses, paths, and sockets that it was started with; secured or not.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use wavetank_web::Listeners;
#[cfg(feature = "tls")]
use wavetank_web::tls::{self, TlsListener};
use wavetank_web::tokio::TokioListener;
#[cfg(unix)]
use wavetank_web::tokio::{Inherited, UnixListener, inherited};

use super::ServeError;

/// Somewhere to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An address and a port; 0 lets the system choose.
    Tcp(SocketAddr),
    /// A path of the file system, for others on the same machine: `unix:/run/hub.sock`.
    Unix(PathBuf),
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("there is no path after `unix:`"),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text
                .parse()
                .map(Self::Tcp)
                .map_err(|_| "it must be an address and a port, as in 127.0.0.1:8080 or [::1]:8080, or unix:PATH"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The files of a server's identity, in PEM.
#[cfg(feature = "tls")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain of certificates, the server's own first.
    pub certificates: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Where a hub listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sockets {
    /// The places that it opens itself.
    pub listen: Vec<Place>,
    /// Who may connect to the Unix sockets that it opens, as a mode of files: those who may write. Unless set, the user alone that
    /// it runs as (0600).
    pub unix_mode: Option<u32>,
    /// Whether it also takes the sockets that it was started with, by systemd's protocol. They must be taken before the
    /// process has other threads.
    pub inherited: bool,
    /// What is spoken over TCP is secured by this. Unix sockets are not.
    #[cfg(feature = "tls")]
    pub tls: Option<TlsFiles>,
}

impl Sockets {
    /// This address alone, without TLS.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        Self { listen: vec![Place::Tcp(address)], ..Self::default() }
    }

    pub(super) async fn open(&self) -> Result<Open, ServeError> {
        let mut open = Open {
            listeners: Listeners::new(),
            places: Vec::new(),
            #[cfg(feature = "tls")]
            tls: self.tls.as_ref().map(|files| tls::config(&files.certificates, &files.key)).transpose()?,
        };
        #[cfg(unix)]
        if self.inherited {
            for socket in inherited().map_err(|error| ServeError::Inherited(io::Error::other(error)))? {
                match socket {
                    Inherited::Tcp(listener) => open.tcp(listener).map_err(ServeError::Inherited)?,
                    Inherited::Unix(listener) => open.unix(listener),
                }
            }
        }
        for place in &self.listen {
            open.place(place, self.unix_mode)
                .await
                .map_err(|source| ServeError::Listen { place: place.clone(), source })?;
        }
        if open.places.is_empty() {
            let none = io::Error::new(io::ErrorKind::NotFound, "it was started with none, and told no address");
            return Err(ServeError::Inherited(none));
        }
        Ok(open)
    }
}

/// What is listened at.
pub(super) struct Open {
    pub(super) listeners: Listeners,
    pub(super) places: Vec<String>,
    #[cfg(feature = "tls")]
    tls: Option<std::sync::Arc<tls::ServerConfig>>,
}

impl Open {
    async fn place(&mut self, place: &Place, unix_mode: Option<u32>) -> io::Result<()> {
        match place {
            Place::Tcp(address) => self.tcp(TokioListener::bind(address).await?),
            #[cfg(unix)]
            Place::Unix(path) => {
                self.unix(match unix_mode {
                    Some(mode) => UnixListener::bind_with_mode(path, mode)?,
                    None => UnixListener::bind(path)?,
                });
                Ok(())
            }
            #[cfg(not(unix))]
            Place::Unix(_) => {
                let _ = unix_mode;
                Err(io::ErrorKind::Unsupported.into())
            }
        }
    }

    fn tcp(&mut self, listener: TokioListener) -> io::Result<()> {
        let address = listener.local_addr()?;
        #[cfg(feature = "tls")]
        if let Some(config) = &self.tls {
            self.places.push(format!("https://{address}"));
            self.listeners.push(TlsListener::new(listener, config.clone()));
            return Ok(());
        }
        self.places.push(format!("http://{address}"));
        self.listeners.push(listener);
        Ok(())
    }

    #[cfg(unix)]
    fn unix(&mut self, listener: UnixListener) {
        self.places.push(listener.path().map_or_else(|| "unix:".to_owned(), |path| format!("unix:{}", path.display())));
        self.listeners.push(listener);
    }
}
