//! TCP segments in Ethernet frames: what is read of them, cut out of them and made in their name (RFC 9293, section 3.1).

use std::net::IpAddr;
use std::ops::Range;

use crate::net::impair::{complement, sum};
use crate::net::vlan::{TAG_BYTES, tag};

pub(super) const FIN: u8 = 0x01;
pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

const TCP: u8 = 6;
const TCP_HEADER_BYTES: usize = 20;

/// An address and a port.
pub(super) type Endpoint = (IpAddr, u16);

/// A segment where it lies.
pub(super) struct Segment<'a> {
    frame: &'a [u8],
    /// Where the headers of IP and TCP begin, where the data does, and where the packet ends.
    ip: usize,
    tcp: usize,
    data: usize,
    end: usize,
}

impl<'a> Segment<'a> {
    /// The segment in a frame, if it is whole in it.
    pub(super) fn of(frame: &'a [u8]) -> Option<Self> {
        let ip = 14 + tag(frame).map_or(0, |_| TAG_BYTES);
        let packet = frame.get(ip..)?;
        let (header, end) = match frame.get(ip - 2..ip)? {
            [0x08, 0x00] => ipv4(packet)?,
            [0x86, 0xDD] => ipv6(packet)?,
            _ => return None,
        };
        let segment = packet.get(header..end)?;
        let data = usize::from(segment.get(12)? >> 4) * 4;
        let is_whole = (TCP_HEADER_BYTES..=segment.len()).contains(&data);
        is_whole.then_some(Self { frame, ip, tcp: ip + header, data: ip + header + data, end: ip + end })
    }

    fn tcp(&self) -> &'a [u8] {
        &self.frame[self.tcp..]
    }

    /// The virtual network that its frame's tag names; 0 without.
    pub(super) fn vlan(&self) -> u16 {
        tag(self.frame).unwrap_or(0)
    }

    pub(super) fn source(&self) -> Endpoint {
        (self.address(0), self.word(0))
    }

    pub(super) fn destination(&self) -> Endpoint {
        (self.address(1), self.word(2))
    }

    pub(super) fn sequence(&self) -> u32 {
        self.long(4)
    }

    /// What the sender expects next, if it says so.
    pub(super) fn acknowledgment(&self) -> Option<u32> {
        self.has(ACK).then(|| self.long(8))
    }

    pub(super) fn flags(&self) -> u8 {
        self.tcp()[13]
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags() & flag != 0
    }

    /// Whether it asks for a connection.
    pub(super) fn opens(&self) -> bool {
        self.flags() & (SYN | ACK) == SYN
    }

    pub(super) fn data_len(&self) -> usize {
        self.end - self.data
    }

    /// The sequence number behind it.
    pub(super) fn next(&self) -> u32 {
        let marks = u32::from(self.has(SYN)) + u32::from(self.has(FIN));
        self.sequence().wrapping_add(self.data_len() as u32).wrapping_add(marks)
    }

    /// A frame with a part of its data, and its flags but for those.
    pub(super) fn piece(&self, from: usize, to: usize, without: u8) -> Vec<u8> {
        self.part(self.sequence().wrapping_add(from as u32), from..to, self.flags() & !without)
    }

    /// A frame with the first of its data, and nothing after that.
    pub(super) fn ending(&self, to: usize) -> Vec<u8> {
        self.part(self.sequence(), 0..to, (self.flags() & !PSH) | FIN)
    }

    /// A frame without data, and with another sequence number.
    pub(super) fn renumbered(&self, sequence: u32) -> Vec<u8> {
        self.part(sequence, 0..0, self.flags())
    }

    fn part(&self, sequence: u32, data: Range<usize>, flags: u8) -> Vec<u8> {
        let mut part = self.frame[..self.data].to_vec();
        part.extend_from_slice(&self.frame[self.data + data.start..self.data + data.end]);
        let head = Layout { ip: self.ip, tcp: self.tcp };
        head.number(&mut part, sequence);
        part[self.tcp + 13] = flags;
        head.complete(&mut part);
        part
    }

    /// All flags that stand on the last piece of a segment only.
    pub(super) const LAST: u8 = FIN | PSH;

    /// What can speak in its sender's name, and to it.
    pub(super) fn head(&self) -> Head {
        let bytes = self.frame[..self.tcp + TCP_HEADER_BYTES].to_vec();
        Head { layout: Layout { ip: self.ip, tcp: self.tcp }, bytes }
    }

    fn address(&self, place: usize) -> IpAddr {
        if self.frame[self.ip] >> 4 == 4 {
            let from = self.ip + 12 + place * 4;
            let octets: [u8; 4] = self.frame[from..from + 4].try_into().expect("four bytes");
            return octets.into();
        }
        let from = self.ip + 8 + place * 16;
        let octets: [u8; 16] = self.frame[from..from + 16].try_into().expect("sixteen bytes");
        octets.into()
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.tcp()[at], self.tcp()[at + 1]])
    }

    fn long(&self, at: usize) -> u32 {
        u32::from(self.word(at)) << 16 | u32::from(self.word(at + 2))
    }
}

/// The lengths of an IPv4 header and of its packet, if that is TCP and no fragment.
fn ipv4(packet: &[u8]) -> Option<(usize, usize)> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let len = usize::from(header[0] & 0x0F) * 4;
    let is_fragment = header[6] & 0x3F != 0 || header[7] != 0;
    let is_tcp = header[0] >> 4 == 4 && len >= 20 && header[9] == TCP && !is_fragment;
    is_tcp.then(|| (len, usize::from(u16::from_be_bytes([header[2], header[3]]))))
}

/// The same of IPv6. Who puts headers in between is not tampered with.
fn ipv6(packet: &[u8]) -> Option<(usize, usize)> {
    let header: &[u8; 40] = packet.first_chunk()?;
    let is_tcp = header[0] >> 4 == 6 && header[6] == TCP;
    is_tcp.then(|| (40, 40 + usize::from(u16::from_be_bytes([header[4], header[5]]))))
}

/// Where the headers in a frame begin.
#[derive(Clone, Copy)]
struct Layout {
    ip: usize,
    tcp: usize,
}

impl Layout {
    fn number(self, frame: &mut [u8], sequence: u32) {
        frame[self.tcp + 4..self.tcp + 8].copy_from_slice(&sequence.to_be_bytes());
    }

    /// Writes the lengths and checksums of a frame that has been changed.
    fn complete(self, frame: &mut [u8]) {
        let Self { ip, tcp } = self;
        let segment_len = frame.len() - tcp;
        let addresses = if frame[ip] >> 4 == 4 {
            let total = (frame.len() - ip) as u16;
            frame[ip + 2..ip + 4].copy_from_slice(&total.to_be_bytes());
            frame[ip + 10..ip + 12].fill(0);
            let header = complement(sum(&frame[ip..tcp]));
            frame[ip + 10..ip + 12].copy_from_slice(&header);
            ip + 12..ip + 20
        } else {
            frame[ip + 4..ip + 6].copy_from_slice(&(segment_len as u16).to_be_bytes());
            ip + 8..ip + 40
        };
        frame[tcp + 16..tcp + 18].fill(0);
        let pseudo = sum(&frame[addresses]) + u64::from(TCP) + segment_len as u64;
        let whole = complement(pseudo + sum(&frame[tcp..]));
        frame[tcp + 16..tcp + 18].copy_from_slice(&whole);
    }
}

/// The headers of a segment that somebody sent.
pub(super) struct Head {
    layout: Layout,
    bytes: Vec<u8>,
}

impl Head {
    /// A reset in its sender's name.
    pub(super) fn reset(&self, sequence: u32, acknowledgment: Option<u32>) -> Vec<u8> {
        let flags = RST | if acknowledgment.is_some() { ACK } else { 0 };
        self.made(sequence, acknowledgment.unwrap_or(0), flags, [0; 2])
    }

    /// A segment without data in its sender's name, with the window that it gave last.
    pub(super) fn says(&self, sequence: u32, acknowledgment: u32, flags: u8) -> Vec<u8> {
        let window = self.layout.tcp + 14;
        self.made(sequence, acknowledgment, flags | ACK, [self.bytes[window], self.bytes[window + 1]])
    }

    fn made(&self, sequence: u32, acknowledgment: u32, flags: u8, window: [u8; 2]) -> Vec<u8> {
        let Layout { tcp, .. } = self.layout;
        let mut frame = self.bytes.clone();
        self.layout.number(&mut frame, sequence);
        frame[tcp + 8..tcp + 12].copy_from_slice(&acknowledgment.to_be_bytes());
        // No options and nothing urgent.
        frame[tcp + 12] = 5 << 4;
        frame[tcp + 13] = flags;
        frame[tcp + 14..tcp + 16].copy_from_slice(&window);
        frame[tcp + 16..].fill(0);
        self.layout.complete(&mut frame);
        frame
    }

    /// The same in the name of whom it was for.
    pub(super) fn turned(&self) -> Self {
        let Layout { ip, tcp } = self.layout;
        let mut bytes = self.bytes.clone();
        bytes[..12].rotate_left(6);
        let (addresses, len) = if bytes[ip] >> 4 == 4 { (ip + 12, 4) } else { (ip + 8, 16) };
        bytes[addresses..addresses + 2 * len].rotate_left(len);
        bytes[tcp..tcp + 4].rotate_left(2);
        Self { layout: self.layout, bytes }
    }
}
