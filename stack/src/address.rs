//! Addresses with their prefixes, and the routes that lead beyond them.

use core::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use crate::ip::{self, spoken, told};

/// An address together with the length of its network's prefix: `192.0.2.7/24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: ip::IpAddr,
    prefix: u8,
}

impl Cidr {
    /// That address, in the network named by its first `prefix` bits.
    ///
    /// # Panics
    /// If the prefix is longer than the address: 32 bits, or 128; without the feature `ipv6`, if it is an IPv6 address.
    pub const fn new(address: IpAddr, prefix: u8) -> Self {
        assert!(prefix <= bits(&address), "the prefix is longer than the address");
        let Some(address) = spoken(address) else {
            panic!("an IPv6 address, and the stack is built without its feature `ipv6`")
        };
        Self { address, prefix }
    }

    /// [`Cidr::new`] for IPv4.
    ///
    /// # Panics
    /// If the prefix is longer than 32 bits.
    pub const fn v4(address: Ipv4Addr, prefix: u8) -> Self {
        Self::new(IpAddr::V4(address), prefix)
    }

    /// [`Cidr::new`] for IPv6.
    ///
    /// # Panics
    /// If the prefix is longer than 128 bits.
    #[cfg(feature = "ipv6")]
    pub const fn v6(address: core::net::Ipv6Addr, prefix: u8) -> Self {
        Self::new(IpAddr::V6(address), prefix)
    }

    /// The address.
    pub const fn address(&self) -> IpAddr {
        told(self.address)
    }

    /// The address as the engine has it.
    #[inline]
    pub(crate) const fn spoken(&self) -> ip::IpAddr {
        self.address
    }

    /// How many of its bits name the network.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether `address` is in this network.
    pub fn contains(&self, address: IpAddr) -> bool {
        spoken(address).is_some_and(|address| self.covers(address))
    }

    /// Whether `address` is in this network.
    #[inline]
    pub(crate) fn covers(&self, address: ip::IpAddr) -> bool {
        match (self.address, address) {
            (ip::IpAddr::V4(own), ip::IpAddr::V4(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            #[cfg(feature = "ipv6")]
            (ip::IpAddr::V6(own), ip::IpAddr::V6(other)) => {
                let differs = own.to_bits() ^ other.to_bits();
                differs.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            #[cfg(feature = "ipv6")]
            _ => false,
        }
    }

    /// The address that means every host of this network: the last of an IPv4 network of at least four.
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            ip::IpAddr::V4(own) if self.prefix < 31 => {
                let host = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
                Some(Ipv4Addr::from_bits(own.to_bits() | host))
            }
            _ => None,
        }
    }
}

const fn bits(address: &IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.prefix)
    }
}

/// Text that is not an address with a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "ipv6", error("expected an address and a prefix length, such as 192.0.2.7/24"))]
#[cfg_attr(not(feature = "ipv6"), error("expected an IPv4 address and a prefix length, such as 192.0.2.7/24"))]
pub struct ParseCidrError;

impl FromStr for Cidr {
    type Err = ParseCidrError;

    fn from_str(text: &str) -> Result<Self, ParseCidrError> {
        let (address, prefix) = text.split_once('/').ok_or(ParseCidrError)?;
        let address: IpAddr = address.parse().map_err(|_| ParseCidrError)?;
        let prefix: u8 = prefix.parse().map_err(|_| ParseCidrError)?;
        if prefix > bits(&address) {
            return Err(ParseCidrError);
        }
        Ok(Self { address: spoken(address).ok_or(ParseCidrError)?, prefix })
    }
}

/// Packets to `to` are handed to the router at `via`. The longest prefix that fits wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Where this route leads.
    pub to: Cidr,
    /// The router, on one of our own networks.
    pub via: IpAddr,
}

impl Route {
    /// The route to everywhere of `via`'s address family.
    ///
    /// # Panics
    /// Without the feature `ipv6`, if it is an IPv6 address.
    pub const fn default_via(via: IpAddr) -> Self {
        let to = match via {
            IpAddr::V4(_) => Cidr::v4(Ipv4Addr::UNSPECIFIED, 0),
            IpAddr::V6(_) => Cidr::new(IpAddr::V6(core::net::Ipv6Addr::UNSPECIFIED), 0),
        };
        Self { to, via }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().expect("a network")
    }

    #[test]
    fn networks_contain_their_own() {
        let net = cidr("192.0.2.7/24");
        assert!(net.contains("192.0.2.200".parse().unwrap()));
        assert!(!net.contains("192.0.3.7".parse().unwrap()));
        assert!(!net.contains("2001:db8::1".parse().unwrap()));
        assert!(cidr("0.0.0.0/0").contains("203.0.113.9".parse().unwrap()));
        assert!(cidr("::/0").contains("2001:db8::1".parse().unwrap()));
        assert!(!cidr("2001:db8::1/128").contains("2001:db8::2".parse().unwrap()));
        assert_eq!(net.broadcast(), Some(Ipv4Addr::new(192, 0, 2, 255)));
        assert_eq!(cidr("192.0.2.7/31").broadcast(), None);
        assert_eq!(cidr("192.0.2.7/0").broadcast(), Some(Ipv4Addr::BROADCAST));
        assert!("192.0.2.7/33".parse::<Cidr>().is_err() && "192.0.2.7".parse::<Cidr>().is_err());
    }
}
