//! The segment that asks the other side of a connection what it has: a byte that it has acknowledged, which it has to answer at
//! once (RFC 9293, sections 3.8.4 and 3.10.7.4). smoltcp does not write it unless nothing else is on its way.

use embassy_net_driver::TxToken;
use smoltcp::{
    phy::ChecksumCapabilities,
    wire::{IpProtocol, IpRepr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber},
};

use super::{
    Connection,
    packet::{Computed, complete, smol},
    port::Header,
};

impl Connection<'_> {
    /// Asks, behind `header`.
    #[cold]
    pub(super) fn ask(&mut self, header: Header, room: impl TxToken, compute: Computed) {
        let (local, remote) = (self.flow.local(), self.flow.remote());
        let (source, destination) = (smol(local.ip()), smol(remote.ip()));
        let (acknowledged, window) = self.frontier.said();
        let segment = TcpRepr {
            src_port: local.port(),
            dst_port: remote.port(),
            control: TcpControl::None,
            seq_number: TcpSeqNumber(self.losses.ask() as i32),
            ack_number: Some(TcpSeqNumber(acknowledged as i32)),
            window_len: window,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[0],
        };
        let hop_limit = self.socket().hop_limit().unwrap_or(64);
        let ip = IpRepr::new(source, destination, IpProtocol::Tcp, segment.buffer_len(), hop_limit);
        // What is written is completed as any packet of smoltcp's.
        let caps = ChecksumCapabilities::ignored();
        header.send_seldom(room, ip.buffer_len(), &mut |packet| {
            ip.emit(&mut packet[..], &caps);
            let mut rest = TcpPacket::new_unchecked(&mut packet[ip.header_len()..]);
            segment.emit(&mut rest, &source, &destination, &caps);
            complete(packet, compute);
        });
    }
}
