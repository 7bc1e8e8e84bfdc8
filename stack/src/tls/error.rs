//! What can go wrong.

use embedded_io_async::ErrorKind;
use embedded_tls::TlsError;

/// Why there is no connection, or no more of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody has told the time yet, without which no certificate can be believed.
    #[error("the time is not known, without which no certificate is believed")]
    NoTime,
    /// More roots than there is room for, or one that is no certificate.
    #[error("the pinned roots cannot be used")]
    Roots,
    /// The name is neither a host's nor an address.
    #[error("not a name that a certificate can be for")]
    Name,
    /// The server is not who it should be.
    #[error("the server's certificate: {0}")]
    Certificate(CertificateError),
    /// The server came to the end of the handshake without having shown who it is.
    #[error("the server did not show who it is")]
    Unauthenticated,
    /// The server refused, with this alert (RFC 8446, section 6).
    #[error("the server refused: alert {0}")]
    Refused(u8),
    /// A message or record is longer than the memory for it.
    #[error("a record or message is longer than there is memory for")]
    TooLong,
    /// What came cannot be understood, or was changed on its way.
    #[error("what came is no TLS 1.3, or was changed on its way")]
    Protocol,
    /// The connection was closed.
    #[error("closed")]
    Closed,
    /// The stream below failed.
    #[error("the stream failed: {0:?}")]
    Stream(ErrorKind),
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// None of the roots vouches for it.
    #[error("no pinned root vouches for it")]
    Untrusted,
    /// It holds no longer.
    #[error("it has expired")]
    Expired,
    /// It does not hold yet.
    #[error("it is not valid yet")]
    NotYetValid,
    /// It is for another name.
    #[error("it is for another name")]
    WrongName,
    /// It is signed, or has a key, of a kind that is not understood.
    #[error("its signature or key is of a kind that is not understood")]
    Unsupported,
    /// It is longer than [`CERTIFICATE_MAX`](super::CERTIFICATE_MAX), or there are too many.
    #[error("it is too long, or leads through too many others")]
    TooLong,
    /// What was signed with its key was not.
    #[error("the server does not have its key")]
    BadSignature,
    /// It breaks a rule of RFC 5280, or cannot be read.
    #[error("it cannot be read, or breaks a rule")]
    Invalid,
}

impl From<TlsError> for Error {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::ConnectionClosed => Error::Closed,
            TlsError::HandshakeAborted(_, description) => Error::Refused(description as u8),
            TlsError::InsufficientSpace | TlsError::OutOfMemory => Error::TooLong,
            TlsError::Io(kind) => Error::Stream(kind),
            TlsError::IoError => Error::Stream(ErrorKind::Other),
            _ => Error::Protocol,
        }
    }
}

impl From<webpki::Error> for CertificateError {
    fn from(error: webpki::Error) -> Self {
        match error {
            webpki::Error::CertExpired { .. } => CertificateError::Expired,
            webpki::Error::CertNotValidYet { .. } => CertificateError::NotYetValid,
            webpki::Error::CertNotValidForName(_) => CertificateError::WrongName,
            webpki::Error::UnknownIssuer => CertificateError::Untrusted,
            webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
            webpki::Error::UnsupportedSignatureAlgorithmContext(_)
            | webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => CertificateError::Unsupported,
            _ => CertificateError::Invalid,
        }
    }
}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Error::Stream(kind) => *kind,
            Error::Closed => ErrorKind::BrokenPipe,
            Error::Certificate(_) | Error::Unauthenticated => ErrorKind::PermissionDenied,
            Error::Refused(_) => ErrorKind::ConnectionRefused,
            Error::TooLong => ErrorKind::OutOfMemory,
            Error::NoTime | Error::Roots | Error::Name => ErrorKind::InvalidInput,
            Error::Protocol => ErrorKind::InvalidData,
        }
    }
}
