//! Writing a datagram's packet: IPv4 (RFC 791) or IPv6 (RFC 8200), UDP (RFC 768), payload.

use super::{
    checksum::Sum,
    packet::{Computed, UDP},
};
use crate::ip::IpAddr;

const UDP_HEADER: usize = 8;
const V4_HEADERS: usize = 20 + UDP_HEADER;
const V6_HEADERS: usize = 40 + UDP_HEADER;

/// The lengths of the headers of a datagram to `to`.
#[inline]
pub(crate) fn headers_len(to: IpAddr) -> usize {
    if to.is_ipv4() { V4_HEADERS } else { V6_HEADERS }
}

/// What a datagram's headers say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Headers {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) hop_limit: u8,
}

impl Headers {
    /// Writes the whole packet, which is as long as headers and payload.
    ///
    /// # Panics
    /// If the addresses are of two families.
    #[inline]
    pub(crate) fn write(&self, packet: &mut [u8], payload: &[u8], compute: Computed) {
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.write_v4(source.octets(), destination.octets(), packet, payload, compute);
            }
            #[cfg(feature = "ipv6")]
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.write_v6(&source.octets(), &destination.octets(), packet, payload, compute.udp);
            }
            #[cfg(feature = "ipv6")]
            _ => unreachable!("a datagram's addresses are of one family"),
        }
    }

    #[inline]
    fn write_v4(
        &self,
        [a, b, c, d]: [u8; 4],
        [e, f, g, h]: [u8; 4],
        packet: &mut [u8],
        payload: &[u8],
        compute: Computed,
    ) {
        const DONT_FRAGMENT: u16 = 0x4000;
        let (headers, rest) = packet.split_first_chunk_mut().expect("the packet is as long as it should be");
        rest.copy_from_slice(payload);
        let len = (V4_HEADERS + payload.len()) as u16;
        let addresses = Sum::default().four([a, b, c, d]).four([e, f, g, h]);
        let [i0, i1] = match compute.ipv4 {
            true => {
                let ttl = u16::from_be_bytes([self.hop_limit, UDP]);
                addresses.words([0x4500, len, DONT_FRAGMENT, ttl]).bytes()
            }
            false => [0; 2],
        };
        let [[s0, s1], [d0, d1], [l0, l1], [c0, c1]] = self.udp(addresses, rest, compute.udp);
        let ([t0, t1], [f0, f1]) = (len.to_be_bytes(), DONT_FRAGMENT.to_be_bytes());
        *headers = [
            0x45,
            0,
            t0,
            t1,
            0,
            0,
            f0,
            f1,
            self.hop_limit,
            UDP,
            i0,
            i1,
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
            s0,
            s1,
            d0,
            d1,
            l0,
            l1,
            c0,
            c1,
        ];
    }

    #[cfg(feature = "ipv6")]
    #[inline(never)]
    fn write_v6(&self, source: &[u8; 16], destination: &[u8; 16], packet: &mut [u8], payload: &[u8], compute: bool) {
        let (headers, rest) =
            packet.split_first_chunk_mut::<V6_HEADERS>().expect("the packet is as long as it should be");
        rest.copy_from_slice(payload);
        let udp = self.udp(Sum::default().add(source).add(destination), rest, compute);
        let [l0, l1] = udp[2];
        headers[..8].copy_from_slice(&[0x60, 0, 0, 0, l0, l1, UDP, self.hop_limit]);
        headers[8..24].copy_from_slice(source);
        headers[24..40].copy_from_slice(destination);
        headers[40..].copy_from_slice(udp.as_flattened());
    }

    /// UDP's header: the ports, the length, the checksum.
    #[inline(always)]
    fn udp(&self, addresses: Sum, payload: &[u8], compute: bool) -> [[u8; 2]; 4] {
        let len = (UDP_HEADER + payload.len()) as u16;
        let sum = || addresses.words([UDP.into(), len, self.source_port, self.destination_port, len]);
        let checksum = match compute {
            true => match sum().add(payload).bytes() {
                // Zero means that there is none.
                [0, 0] => [0xff; 2],
                checksum => checksum,
            },
            false => [0; 2],
        };
        [self.source_port.to_be_bytes(), self.destination_port.to_be_bytes(), len.to_be_bytes(), checksum]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::{
        phy::ChecksumCapabilities,
        wire::{IpAddress, IpProtocol, IpRepr, UdpPacket, UdpRepr},
    };
    use std::{vec, vec::Vec};

    proptest! {
        #[test]
        fn packets_are_as_smoltcp_writes_them(
            v6: bool,
            [source, destination]: [u128; 2],
            [source_port, destination_port]: [u16; 2],
            hop_limit: u8,
            payload in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let address = |bits: u128| match v6 {
                true => IpAddr::from(bits.to_be_bytes()),
                false => IpAddr::from((bits as u32).to_be_bytes()),
            };
            let (source, destination) = (address(source), address(destination));
            let headers = Headers { source, destination, source_port, destination_port, hop_limit };
            let mut packet = vec![0xa5; headers_len(destination) + payload.len()];
            headers.write(&mut packet, &payload, Computed { ipv4: true, tcp: true, udp: true });

            let udp = UdpRepr { src_port: source_port, dst_port: destination_port };
            let (from, to) = (IpAddress::from(source), IpAddress::from(destination));
            let ip = IpRepr::new(from, to, IpProtocol::Udp, UDP_HEADER + payload.len(), hop_limit);
            let mut expected: Vec<u8> = vec![0; ip.buffer_len()];
            let caps = ChecksumCapabilities::default();
            ip.emit(&mut expected[..], &caps);
            let mut rest = UdpPacket::new_unchecked(&mut expected[ip.header_len()..]);
            udp.emit(&mut rest, &from, &to, payload.len(), |buffer| buffer.copy_from_slice(&payload), &caps);
            prop_assert_eq!(packet, expected);
        }
    }
}
