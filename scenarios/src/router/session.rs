//! How long what a NAT or a firewall remembers of a connection is worth remembering.

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::time::{Duration, Instant};

use super::packet::{ICMP, ICMPV6, Packet, TCP, UDP};

/// What has ports, or something like them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Queries of ICMP, by their identifier.
    Icmp,
}

impl Protocol {
    pub(super) fn of(packet: &Packet<impl AsRef<[u8]>>) -> Option<Self> {
        match packet.transport().0 {
            TCP => Some(Self::Tcp),
            UDP => Some(Self::Udp),
            ICMP | ICMPV6 => Some(Self::Icmp),
            _ => None,
        }
    }
}

/// For how long nothing may pass until a connection is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// UDP.
    pub udp: Duration,
    /// TCP connections that are open.
    pub tcp: Duration,
    /// TCP connections that are being opened, or were closed.
    pub tcp_transitory: Duration,
    /// Queries of ICMP.
    pub icmp: Duration,
}

impl Default for Timeouts {
    /// What RFC 4787 (REQ-5), RFC 5382 (REQ-5) and RFC 5508 (REQ-1) ask for: 5 minutes, 2 hours and 4 minutes, 4
    /// minutes, 60 seconds.
    fn default() -> Self {
        Self {
            udp: Duration::from_secs(300),
            tcp: Duration::from_secs(7_440),
            tcp_transitory: Duration::from_secs(240),
            icmp: Duration::from_secs(60),
        }
    }
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    Out,
    In,
}

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) expires: Instant,
    /// Whether each side has opened, and closed.
    opened: [bool; 2],
    closed: [bool; 2],
    reset: bool,
}

impl Session {
    pub(super) fn new() -> Self {
        Self { expires: Instant::START, opened: [false; 2], closed: [false; 2], reset: false }
    }

    /// A packet of it passes, and keeps it alive.
    pub(super) fn note(&mut self, protocol: Protocol, packet: &Packet, way: Way, timeouts: &Timeouts, now: Instant) {
        let lasts = match protocol {
            Protocol::Udp => timeouts.udp,
            Protocol::Icmp => timeouts.icmp,
            Protocol::Tcp => {
                self.follow(packet, way);
                let is_open = self.opened == [true; 2] && self.closed != [true; 2] && !self.reset;
                if is_open { timeouts.tcp } else { timeouts.tcp_transitory }
            }
        };
        self.expires = now + lasts;
    }

    fn follow(&mut self, packet: &Packet, way: Way) {
        let flags = packet.payload().get(13).copied().unwrap_or(0);
        let (fin, syn, rst) = (flags & 1 != 0, flags & 2 != 0, flags & 4 != 0);
        let side = way as usize;
        if syn {
            if self.closed == [true; 2] || self.reset {
                (self.opened, self.closed, self.reset) = ([false; 2], [false; 2], false);
            }
            self.opened[side] = true;
        } else if self.opened == [false; 2] {
            // It was open before this router knew of it.
            self.opened = [true; 2];
        }
        self.closed[side] |= fin;
        self.reset |= rst;
    }
}
