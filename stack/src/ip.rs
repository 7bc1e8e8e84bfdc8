//! The addresses that this build speaks: IPv4's and IPv6's, or without the feature `ipv6` IPv4's alone, which then need no
//! room for the others, nor code that asks which it is.
//!
//! The engine keeps to these; the public side speaks the standard library's, whatever the features are.

use core::net;

#[cfg(feature = "ipv6")]
pub(crate) use core::net::{IpAddr, SocketAddr};
#[cfg(not(feature = "ipv6"))]
pub(crate) use v4::{IpAddr, SocketAddr};

/// An address from outside, if this build speaks its protocol.
#[cfg(feature = "ipv6")]
#[inline]
pub(crate) const fn spoken(address: net::IpAddr) -> Option<IpAddr> {
    Some(address)
}

/// An address from outside, if this build speaks its protocol.
#[cfg(not(feature = "ipv6"))]
pub(crate) const fn spoken(address: net::IpAddr) -> Option<IpAddr> {
    match address {
        net::IpAddr::V4(address) => Some(IpAddr::V4(address)),
        net::IpAddr::V6(_) => None,
    }
}

/// An address and port from outside, if this build speaks the protocol.
#[cfg(feature = "ipv6")]
#[inline]
pub(crate) fn spoken_at(remote: net::SocketAddr) -> Option<SocketAddr> {
    Some(remote)
}

/// An address and port from outside, if this build speaks the protocol.
#[cfg(not(feature = "ipv6"))]
pub(crate) fn spoken_at(remote: net::SocketAddr) -> Option<SocketAddr> {
    spoken(remote.ip()).map(|address| SocketAddr::new(address, remote.port()))
}

/// An address for outside.
#[cfg(feature = "ipv6")]
#[inline]
pub(crate) const fn told(address: IpAddr) -> net::IpAddr {
    address
}

/// An address for outside.
#[cfg(not(feature = "ipv6"))]
pub(crate) const fn told(address: IpAddr) -> net::IpAddr {
    let IpAddr::V4(address) = address;
    net::IpAddr::V4(address)
}

/// An address and port for outside.
#[cfg(feature = "ipv6")]
#[inline]
pub(crate) fn told_at(remote: SocketAddr) -> net::SocketAddr {
    remote
}

/// An address and port for outside.
#[cfg(not(feature = "ipv6"))]
pub(crate) fn told_at(remote: SocketAddr) -> net::SocketAddr {
    net::SocketAddr::new(told(remote.ip()), remote.port())
}

/// The standard library's types, as far as the engine uses them, of one kind.
#[cfg(not(feature = "ipv6"))]
mod v4 {
    use core::{fmt, net::Ipv4Addr};

    /// Just like [`core::net::IpAddr`], but that it has no IPv6.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub(crate) enum IpAddr {
        V4(Ipv4Addr),
    }

    impl IpAddr {
        pub(crate) const fn is_ipv4(&self) -> bool {
            true
        }

        pub(crate) const fn is_ipv6(&self) -> bool {
            false
        }

        pub(crate) const fn is_unspecified(&self) -> bool {
            let Self::V4(address) = self;
            address.is_unspecified()
        }

        pub(crate) const fn is_multicast(&self) -> bool {
            let Self::V4(address) = self;
            address.is_multicast()
        }
    }

    impl fmt::Display for IpAddr {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let Self::V4(address) = self;
            address.fmt(f)
        }
    }

    impl From<[u8; 4]> for IpAddr {
        fn from(octets: [u8; 4]) -> Self {
            Self::V4(octets.into())
        }
    }

    /// Just like [`core::net::SocketAddr`], of that address.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct SocketAddr {
        address: IpAddr,
        port: u16,
    }

    impl SocketAddr {
        pub(crate) const fn new(address: IpAddr, port: u16) -> Self {
            Self { address, port }
        }

        pub(crate) const fn ip(&self) -> IpAddr {
            self.address
        }

        pub(crate) const fn port(&self) -> u16 {
            self.port
        }
    }
}
