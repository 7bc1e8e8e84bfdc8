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

/// The address that `text` writes, if it writes one that this build speaks.
#[cfg(all(feature = "dns", feature = "ipv6"))]
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

/// The address that `text` writes, if it writes one that this build speaks: four numbers without superfluous zeros. The standard
/// library's parser does for every kind of address at once, which takes a kilobyte.
#[cfg(all(feature = "dns", not(feature = "ipv6")))]
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    let (mut octets, mut at) = ([0; 4], 0);
    for part in text.as_bytes().split(|byte| *byte == b'.') {
        let mut number: u16 = 0;
        for byte in part {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 || number > 99 {
                return None;
            }
            number = number * 10 + u16::from(digit);
        }
        if part.is_empty() || (part.len() > 1 && part[0] == b'0') {
            return None;
        }
        *octets.get_mut(at)? = u8::try_from(number).ok()?;
        at += 1;
    }
    (at == 4).then(|| IpAddr::from(octets))
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
