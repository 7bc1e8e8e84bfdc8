//! Addresses with their prefix length: `10.0.0.10/24`, `fd00::10/64`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address and how many of its bits name the subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr {
    /// The address itself.
    pub ip: IpAddr,
    /// At most 32 for IPv4, 128 for IPv6.
    pub prefix: u8,
}

impl Cidr {
    /// Reads `10.0.0.10/24`.
    ///
    /// # Errors
    /// What is wrong, and how it is written.
    pub fn parse(text: &str) -> Result<Self, (String, String)> {
        let example = "write \"10.0.0.10/24\" or \"fd00::10/64\"".to_owned();
        let Some((ip, prefix)) = text.split_once('/') else {
            return Err(match text.parse::<IpAddr>() {
                Ok(ip) => {
                    let usual = if ip.is_ipv4() { 24 } else { 64 };
                    let help = format!("write \"{text}/{usual}\" if the subnet has {usual} bits");
                    ("an address needs its prefix length".into(), help)
                }
                Err(_) => (format!("\"{text}\" is not an address"), example),
            });
        };
        let Ok(ip) = ip.parse::<IpAddr>() else {
            return Err((format!("`{ip}` is not an address"), example));
        };
        let bits = bits(ip);
        match prefix.parse() {
            Ok(length) if length <= bits && !prefix.starts_with('+') => Ok(Self { ip, prefix: length }),
            _ => Err((format!("`{prefix}` is not a prefix length"), format!("it is between 0 and {bits} here"))),
        }
    }

    /// The address `steps` further on, if there is one.
    #[must_use]
    pub fn step(self, steps: u32) -> Option<Self> {
        let ip = match self.ip {
            IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits().checked_add(steps)?)),
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits().checked_add(u128::from(steps))?)),
        };
        Some(Self { ip, ..self })
    }

    /// Whether the address lies in this subnet.
    #[must_use]
    pub fn contains(self, ip: IpAddr) -> bool {
        match (self.ip, ip) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let apart = u128::from(own.to_bits() ^ other.to_bits());
                apart.checked_shr(32 - u32::from(self.prefix)) == Some(0)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let apart = own.to_bits() ^ other.to_bits();
                apart.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Why no host can have this address: it is the subnet's own, its broadcast address, or a group's.
    #[must_use]
    pub fn unfit_for_host(self) -> Option<&'static str> {
        if self.ip.is_unspecified() {
            return Some("the unspecified address");
        }
        if self.ip.is_multicast() {
            return Some("a multicast address");
        }
        let IpAddr::V4(ip) = self.ip else { return None };
        if ip.is_broadcast() {
            return Some("the broadcast address");
        }
        if self.prefix >= 31 {
            return None;
        }
        let hosts = u32::MAX >> self.prefix;
        match ip.to_bits() & hosts {
            0 => Some("the subnet's own address"),
            host if host == hosts => Some("the subnet's broadcast address"),
            _ => None,
        }
    }
}

fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.ip, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        Cidr::parse(text).expect("an address")
    }

    #[test]
    fn subnets_contain_what_shares_their_prefix() {
        assert!(cidr("10.0.0.10/24").contains("10.0.0.200".parse().expect("ip")));
        assert!(!cidr("10.0.0.10/24").contains("10.0.1.10".parse().expect("ip")));
        assert!(cidr("0.0.0.0/0").contains("255.1.2.3".parse().expect("ip")));
        assert!(cidr("::/0").contains("fd00::1".parse().expect("ip")));
        assert!(!cidr("fd00::1/64").contains("fd00:0:0:1::1".parse().expect("ip")));
        assert!(!cidr("fd00::1/64").contains("10.0.0.1".parse().expect("ip")));
        assert!(cidr("10.0.0.1/32").contains("10.0.0.1".parse().expect("ip")));
    }

    #[test]
    fn some_addresses_fit_no_host() {
        assert!(cidr("10.0.0.0/24").unfit_for_host().is_some());
        assert!(cidr("10.0.0.255/24").unfit_for_host().is_some());
        assert!(cidr("10.0.0.0/31").unfit_for_host().is_none());
        assert!(cidr("224.0.0.1/4").unfit_for_host().is_some());
        assert!(cidr("fd00::/64").unfit_for_host().is_none());
        assert_eq!(cidr("255.255.255.254/8").step(9), None);
    }

    #[test]
    fn a_bare_address_is_told_its_prefix() {
        let (what, help) = Cidr::parse("10.0.0.1").expect_err("no prefix");
        assert!(what.contains("prefix length"));
        assert!(help.contains("\"10.0.0.1/24\""));
        assert!(Cidr::parse("10.0.0.1/33").is_err());
        assert!(Cidr::parse("10.0.0.1/+3").is_err());
    }
}
