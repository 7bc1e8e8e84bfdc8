//! The memory of a stack that has no allocator.

use core::{array, cell::RefCell};

use smoltcp::{
    iface::{SocketSet, SocketStorage},
    socket::tcp,
};

#[cfg(feature = "reassembly")]
use crate::engine::{FragmentPlace, Fragments};
use crate::{
    config::Config,
    engine::{
        Connection, Connections, Core, Datagrams, Entry, Listener, Listeners, Neighbour, Neighbours, Room, Tables,
        UdpSocket, UdpSockets, Waiting,
    },
    pools::Pool,
    table::{Deadline, Deadlines, Index, Storage},
};

/// How many datagrams a UDP socket's rings hold each.
const DATAGRAMS: usize = 4;

/// Fixed memory for one stack: all of it is here, and none is added.
///
/// - `TCP`: connections at a time, those included that linger after their stream was dropped;
/// - `UDP`: UDP sockets at a time;
/// - `STREAM_BYTES`: the size of a connection's receive buffer, and of its send buffer;
/// - `DATAGRAM_BYTES`: the size of a UDP socket's receive ring, and the longest packet that can be put together;
/// - `LISTENERS`: TCP listeners at a time;
/// - `NEIGHBOURS`: neighbours remembered;
/// - `FRAGMENTED`: packets that are put together of their fragments at a time; only with the feature `reassembly`;
/// - `SEND_BYTES`: the size of a UDP socket's send ring, and the longest packet that can wait for a neighbour;
/// - `WAITING`: packets that can wait for neighbours at a time.
pub struct Resources<
    'r,
    const TCP: usize = 4,
    const UDP: usize = 2,
    const STREAM_BYTES: usize = 2_048,
    const DATAGRAM_BYTES: usize = 1_536,
    const LISTENERS: usize = 1,
    const NEIGHBOURS: usize = 8,
    const FRAGMENTED: usize = 0,
    const SEND_BYTES: usize = DATAGRAM_BYTES,
    const WAITING: usize = 2,
> {
    stream_bytes: [[[u8; STREAM_BYTES]; 2]; TCP],
    sockets: [[SocketStorage<'r>; 1]; TCP],
    connections: [Connection<'r>; TCP],
    connection_deadlines: [Deadline; TCP],
    listeners: [Listener; LISTENERS],
    datagram_bytes: [[u8; DATAGRAM_BYTES]; UDP],
    send_bytes: [[u8; SEND_BYTES]; UDP],
    datagrams: [[[Entry; DATAGRAMS]; 2]; UDP],
    udp: [UdpSocket<'r>; UDP],
    neighbours: [Neighbour; NEIGHBOURS],
    neighbour_deadlines: [Deadline; NEIGHBOURS],
    waiting_bytes: [[u8; SEND_BYTES]; WAITING],
    waiting: [Room<'r>; WAITING],
    #[cfg(feature = "reassembly")]
    fragment_bytes: [[u8; DATAGRAM_BYTES]; FRAGMENTED],
    #[cfg(feature = "reassembly")]
    fragments: [FragmentPlace<'r>; FRAGMENTED],
    core: Option<RefCell<Core<'r>>>,
}

impl<
    'r,
    const TCP: usize,
    const UDP: usize,
    const STREAM_BYTES: usize,
    const DATAGRAM_BYTES: usize,
    const LISTENERS: usize,
    const NEIGHBOURS: usize,
    const FRAGMENTED: usize,
    const SEND_BYTES: usize,
    const WAITING: usize,
> Resources<'r, TCP, UDP, STREAM_BYTES, DATAGRAM_BYTES, LISTENERS, NEIGHBOURS, FRAGMENTED, SEND_BYTES, WAITING>
{
    /// Memory that no stack uses yet.
    pub fn new() -> Self {
        let no_ring = || Datagrams::new(Storage::Fixed(&mut []), Storage::Fixed(&mut []));
        Self {
            stream_bytes: [[[0; STREAM_BYTES]; 2]; TCP],
            sockets: [const { [SocketStorage::EMPTY; 1] }; TCP],
            connections: array::from_fn(|_| Connection::new(SocketSet::new(&mut [][..]))),
            connection_deadlines: [Deadline::NONE; TCP],
            listeners: array::from_fn(|_| Listener::free()),
            datagram_bytes: [[0; DATAGRAM_BYTES]; UDP],
            send_bytes: [[0; SEND_BYTES]; UDP],
            datagrams: [[[Entry::EMPTY; DATAGRAMS]; 2]; UDP],
            udp: array::from_fn(|_| UdpSocket::new(no_ring(), no_ring())),
            neighbours: [const { Neighbour::FREE }; NEIGHBOURS],
            neighbour_deadlines: [Deadline::NONE; NEIGHBOURS],
            waiting_bytes: [[0; SEND_BYTES]; WAITING],
            waiting: array::from_fn(|_| Room::new(Storage::Fixed(&mut []))),
            #[cfg(feature = "reassembly")]
            fragment_bytes: [[0; DATAGRAM_BYTES]; FRAGMENTED],
            #[cfg(feature = "reassembly")]
            fragments: array::from_fn(|_| FragmentPlace::new(Storage::Fixed(&mut []))),
            core: None,
        }
    }

    /// Makes tables of the memory, and of them, by `make`, a core that lies in it too.
    pub(crate) fn lend(
        &'r mut self,
        config: &Config<'_>,
        seed: u64,
        make: impl FnOnce(Tables<'r>) -> Core<'r>,
    ) -> &'r RefCell<Core<'r>> {
        let limits = &config.limits;
        let stream_bytes = limits.within(Pool::StreamBytes, STREAM_BYTES);
        let streams = self.sockets.iter_mut().zip(&mut self.stream_bytes);
        for (slot, (storage, [receive, send])) in self.connections.iter_mut().zip(streams) {
            let (receive, send) = (&mut receive[..stream_bytes], &mut send[..stream_bytes]);
            let mut set = SocketSet::new(&mut storage[..]);
            set.add(tcp::Socket::new(tcp::SocketBuffer::new(receive), tcp::SocketBuffer::new(send)));
            slot.lend(set);
        }
        let rings = self.datagrams.iter_mut().zip(self.datagram_bytes.iter_mut().zip(&mut self.send_bytes));
        let datagram_bytes = limits.within(Pool::DatagramBytes, DATAGRAM_BYTES.max(SEND_BYTES));
        for (slot, ([received, to_send], (receive, send))) in self.udp.iter_mut().zip(rings) {
            let (receive, send) =
                (&mut receive[..DATAGRAM_BYTES.min(datagram_bytes)], &mut send[..SEND_BYTES.min(datagram_bytes)]);
            slot.lend(
                Datagrams::new(Storage::Fixed(received), Storage::Fixed(receive)),
                Datagrams::new(Storage::Fixed(to_send), Storage::Fixed(send)),
            );
        }
        for (room, bytes) in self.waiting.iter_mut().zip(&mut self.waiting_bytes) {
            room.lend(Storage::Fixed(bytes));
        }
        #[cfg(feature = "reassembly")]
        for (place, bytes) in self.fragments.iter_mut().zip(&mut self.fragment_bytes) {
            *place = FragmentPlace::new(Storage::Fixed(bytes));
        }
        let neighbours = limits.within(Pool::Neighbours, NEIGHBOURS).max(1).min(NEIGHBOURS);
        let waiting = limits.within(Pool::Waiting, WAITING);
        let tables = Tables {
            connections: Connections::new(
                Storage::Fixed(&mut self.connections),
                Index::scanning(),
                Deadlines::new(Storage::Fixed(&mut self.connection_deadlines)),
                seed,
            ),
            listeners: Listeners::new(Storage::Fixed(&mut self.listeners), Index::scanning()),
            udp: UdpSockets::new(Storage::Fixed(&mut self.udp), Index::scanning()),
            neighbours: Neighbours::new(
                Storage::Fixed(&mut self.neighbours[..neighbours]),
                Index::scanning(),
                Deadlines::new(Storage::Fixed(&mut self.neighbour_deadlines)),
                neighbours,
                seed,
                config.neighbour_reachable,
            ),
            waiting: Waiting::new(Storage::Fixed(&mut self.waiting[..waiting])),
            #[cfg(feature = "reassembly")]
            fragments: Fragments::new(
                Storage::Fixed(&mut self.fragments),
                limits.within(Pool::Reassembly, DATAGRAM_BYTES),
            ),
        };
        self.core.insert(RefCell::new(make(tables)))
    }
}

impl<
    const TCP: usize,
    const UDP: usize,
    const STREAM_BYTES: usize,
    const DATAGRAM_BYTES: usize,
    const LISTENERS: usize,
    const NEIGHBOURS: usize,
    const FRAGMENTED: usize,
    const SEND_BYTES: usize,
    const WAITING: usize,
> Default
    for Resources<'_, TCP, UDP, STREAM_BYTES, DATAGRAM_BYTES, LISTENERS, NEIGHBOURS, FRAGMENTED, SEND_BYTES, WAITING>
{
    fn default() -> Self {
        Self::new()
    }
}
