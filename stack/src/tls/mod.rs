//! TLS 1.3, a client's side, over any byte stream: no alloc, memory that is lent.
//!
//! [`connect`] shakes hands over a stream, [`tcp::Stream`](crate::tcp::Stream) or any other, and gives a [`Stream`] that
//! is read and written as that was. Whom it talks to it knows by [`Trust`]: by certificates that lead to pinned roots, at
//! a time that a [`WallClock`] tells, or by a key that both sides had before.
//!
//! Records, keys and the handshake are `embedded-tls`'s; paths of certificates are `rustls-webpki`'s, signatures
//! RustCrypto's. `embedded-tls` takes a handshake for complete in which the server showed no certificate at all, or
//! signed nothing: here such a one is refused.
//!
//! - One suite, TLS_AES_128_GCM_SHA256, and one group, P-256. Certificates with keys on P-256 and P-384; RSA needs an
//!   allocator, and is refused.
//! - No revocation, no client certificates, no resumption, no early data.
//! - A server that does not know `max_fragment_length` (RFC 6066, section 4) may send records of 16 KiB, whatever
//!   [`Memory`] has room for; then [`Error::TooLong`] is what comes of it.
//!
//! Futures of a [`Stream`] may be dropped at any await, as `select` does, if those of the stream below may. [`connect`] and
//! [`Stream::close`] take the stream with them.

mod algorithms;
mod entropy;
mod error;
mod stream;
mod verify;
mod wire;

pub use error::{CertificateError, Error};
pub use stream::{Stream, connect};

use core::cell::RefCell;
use core::fmt;

use heapless::Vec;

use self::wire::{Incoming, Outgoing};
use crate::time::WallClock;

/// How many roots may be pinned.
pub const ROOTS_MAX: usize = 8;
/// The longest certificate that a server may have itself.
pub const CERTIFICATE_MAX: usize = 2_048;

/// By what the server is known.
#[derive(Clone, Copy)]
pub enum Trust<'a> {
    /// By a certificate for its name that one of the roots vouches for (RFC 5280, RFC 6125).
    Roots {
        /// The roots, as X.509 certificates in DER; at most [`ROOTS_MAX`].
        certificates: &'a [&'a [u8]],
        /// The name that the server was called by, or its address: what its certificate must be for.
        name: &'a str,
        /// Certificates hold for a time: nobody is trusted before this knows it.
        clock: &'a dyn WallClock,
    },
    /// By a key that nobody else has (RFC 8446, section 2.2; external keys).
    Key {
        /// The key's name, which everybody can read.
        identity: &'a [u8],
        /// The key, of 32 bytes or more of entropy.
        key: &'a [u8],
    },
}

impl fmt::Debug for Trust<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trust::Roots { certificates, name, .. } => {
                f.debug_struct("Roots").field("certificates", &certificates.len()).field("name", name).finish()
            }
            // Keys do not belong into logs.
            Trust::Key { .. } => f.debug_struct("Key").finish_non_exhaustive(),
        }
    }
}

/// Fixed memory for one connection: for two records each way, one as it comes or leaves, and one that is worked at.
///
/// With less than 16,640 bytes to `READ` into, the server is asked for records of 512, 1,024, 2,048 or 4,096 bytes. The
/// larger of the two has to hold the server's certificates, 4 KiB or more with intermediate ones.
pub struct Memory<const READ: usize = 16_640, const WRITE: usize = 1_024> {
    read: [u8; READ],
    write: [u8; WRITE],
    /// The server's own certificate, between the message that has it and the one that is signed with its key.
    certificate: Vec<u8, CERTIFICATE_MAX>,
    incoming: RefCell<Incoming<[u8; READ]>>,
    outgoing: RefCell<Outgoing<[u8; WRITE]>>,
}

impl<const READ: usize, const WRITE: usize> Memory<READ, WRITE> {
    /// Memory that no connection uses yet.
    pub const fn new() -> Self {
        let (incoming, outgoing) = (RefCell::new(Incoming::new()), RefCell::new(Outgoing::new()));
        Self { read: [0; READ], write: [0; WRITE], certificate: Vec::new(), incoming, outgoing }
    }
}

impl<const READ: usize, const WRITE: usize> Default for Memory<READ, WRITE> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const READ: usize, const WRITE: usize> fmt::Debug for Memory<READ, WRITE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}
