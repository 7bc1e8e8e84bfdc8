//! ICMP that reaches sockets: echo replies (RFC 792, RFC 4443, section 4.2), and errors about packets of ours
//! (RFC 1122, section 3.2.2; RFC 4443, section 2.4).
//!
//! An echo socket is a slot of the table of UDP sockets whose port is the identifier.

use core::task::{Poll, Waker};

use super::{
    Core,
    datagrams::Datagram,
    packet::{ICMP, ICMPV6, Packet, TCP, UDP},
    udp::Kind,
    wakes::Waiter,
};
use crate::{
    icmp::Unreachable,
    ip::{IpAddr, SocketAddr},
    stats::Reason,
    tcp, udp,
};

/// An ICMP message's header, the identifier and sequence of an echo included.
pub(crate) const ECHO_HEADER: usize = 8;

/// What the network said about something that a socket sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trouble {
    pub(crate) remote: SocketAddr,
    pub(crate) by: IpAddr,
    pub(crate) why: Unreachable,
}

impl Core<'_> {
    /// An echo socket, with an identifier that no other has.
    pub(crate) fn bind_echo(&mut self, options: &udp::Options) -> Result<u32, udp::Error> {
        let identifier = self.ephemeral_port(|core, port| core.tables.udp.find(Kind::Echo, port).is_none());
        self.claim_socket(Kind::Echo, None, identifier.ok_or(udp::Error::InUse)?, options)
    }

    /// Writes the header of an echo request, whose checksum is still zero.
    pub(crate) fn echo_header(&self, at: u32, to: IpAddr, sequence: u16, message: &mut [u8]) {
        let [i0, i1] = self.bound(at).1.to_be_bytes();
        let [s0, s1] = sequence.to_be_bytes();
        let kind = if to.is_ipv4() { 8 } else { 128 };
        message[..ECHO_HEADER].copy_from_slice(&[kind, 0, 0, 0, i0, i1, s0, s1]);
    }

    /// Takes an echo reply, whose checksum is right.
    pub(super) fn echo_reply(&mut self, packet: &Packet<'_>) -> Result<(), Reason> {
        let Some(&[i0, i1]) = packet.payload.get(4..6).and_then(<[u8]>::first_chunk) else {
            return Err(Reason::Malformed);
        };
        let udp = &mut self.tables.udp;
        let at = udp.find(Kind::Echo, u16::from_be_bytes([i0, i1])).ok_or(Reason::NoSocket)?;
        let slot = udp.slot_mut(at);
        let about = Datagram { remote: SocketAddr::new(packet.source, 0), local: Some(packet.destination), hint: None };
        if !slot.received.push(packet.payload, about) {
            return Err(Reason::ReceiveBufferFull);
        }
        self.wakes.wake(&mut slot.reader);
        Ok(())
    }

    /// Hands the oldest reply to `take`, or tells what the network said instead.
    pub(crate) fn poll_echo<R>(
        &mut self,
        at: u32,
        take: impl FnOnce(&[u8], &Datagram) -> R,
        waker: &Waker,
        replaced: &mut Option<Waiter>,
    ) -> Poll<Result<R, (IpAddr, Unreachable)>> {
        if let Some(trouble) = self.take_trouble(at) {
            return Poll::Ready(Err((trouble.by, trouble.why)));
        }
        self.poll_datagram(at, take, waker, replaced).map(Ok)
    }

    /// What the network said last about something that the socket sent, once.
    #[inline]
    pub(crate) fn take_trouble(&mut self, at: u32) -> Option<Trouble> {
        self.tables.udp.slot_mut(at).trouble.take()
    }

    /// Takes an error message, and tells the socket that it is about.
    pub(super) fn icmp_error(&mut self, packet: &Packet<'_>) {
        self.stats.note(|stats| &mut stats.icmp_errors_received);
        let [kind, code, ..] = *packet.payload else {
            return;
        };
        let why = match packet.source {
            IpAddr::V4(_) => Unreachable::v4(kind, code),
            #[cfg(feature = "ipv6")]
            IpAddr::V6(_) => Unreachable::v6(kind, code),
        };
        let quoted = packet.payload.get(ECHO_HEADER..).and_then(Quoted::read);
        let (Some(why), Some(quoted)) = (why, quoted) else {
            return;
        };
        // Whoever quotes a packet that was not ours is mistaken, or lies.
        if self.local.is_own(&quoted.source) {
            let trouble = |port| Trouble { remote: SocketAddr::new(quoted.destination, port), by: packet.source, why };
            match quoted.protocol {
                UDP => self.trouble(Kind::Udp, quoted.first, trouble(quoted.second)),
                ICMP | ICMPV6 => self.trouble(Kind::Echo, quoted.third, trouble(0)),
                TCP => self.opening_failed(&quoted, why),
                _ => {}
            }
        }
    }

    fn trouble(&mut self, kind: Kind, port: u16, trouble: Trouble) {
        if let Some(at) = self.tables.udp.find(kind, port) {
            let slot = self.tables.udp.slot_mut(at);
            if slot.errors {
                slot.trouble = Some(trouble);
                self.wakes.wake(&mut slot.reader);
            }
        }
    }

    /// A connection that is being opened gives up when it hears that it cannot be; one that is open goes on, as the
    /// word may be forged, and routes come back (RFC 5461; RFC 5927, section 5.2).
    fn opening_failed(&mut self, quoted: &Quoted, why: Unreachable) {
        let error = match why {
            Unreachable::Port | Unreachable::Protocol => tcp::Error::Refused,
            Unreachable::Host | Unreachable::Network | Unreachable::Prohibited => tcp::Error::Unreachable,
            _ => return,
        };
        let flow = super::connection::Flow::new((quoted.source, quoted.first), (quoted.destination, quoted.second));
        let Some(at) = self.tables.connections.find(&flow) else {
            return;
        };
        let slot = &mut self.tables.connections.slots[at as usize];
        if slot.socket().state() == smoltcp::socket::tcp::State::SynSent {
            slot.error = Some(error);
            slot.wipe();
            self.settle(at);
        }
    }
}

/// What an error message quotes of the packet that it is about: its header, and the first bytes of what follows.
struct Quoted {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    first: u16,
    second: u16,
    third: u16,
}

impl Quoted {
    fn read(bytes: &[u8]) -> Option<Self> {
        let (addresses, protocol, payload) = match bytes.first()? >> 4 {
            4 => {
                let header_len = usize::from(bytes[0] & 0xf) * 4;
                // Ports come with the first fragment only.
                let offset = u16::from_be_bytes(*bytes.get(6..8)?.first_chunk()?) & 0x1fff;
                if header_len < 20 || offset != 0 {
                    return None;
                }
                let octets = |from| Some(IpAddr::from(*bytes.get(from..)?.first_chunk::<4>()?));
                ((octets(12)?, octets(16)?), *bytes.get(9)?, bytes.get(header_len..)?)
            }
            #[cfg(feature = "ipv6")]
            6 => {
                let octets = |from| Some(IpAddr::from(*bytes.get(from..)?.first_chunk::<16>()?));
                ((octets(8)?, octets(24)?), *bytes.get(6)?, bytes.get(40..)?)
            }
            _ => return None,
        };
        let word =
            |from: usize| payload.get(from..).and_then(<[u8]>::first_chunk).map(|word| u16::from_be_bytes(*word));
        Some(Self {
            source: addresses.0,
            destination: addresses.1,
            protocol,
            first: word(0)?,
            second: word(2)?,
            third: word(4)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_quote_is_read_or_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), v6: bool) {
            if let Some(first) = bytes.first_mut() {
                *first = if v6 { 0x60 } else { 0x45 };
            }
            let _ = Quoted::read(&bytes);
        }
    }
}
