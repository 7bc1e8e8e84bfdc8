//! What went in, what went out, and under which reason the rest was dropped.

/// Why a packet came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Its headers contradict themselves or its length.
    Malformed,
    /// A checksum is wrong.
    Checksum,
    /// Its Ethernet or IP destination is somebody else, as behind a switch that has not learnt yet.
    NotForUs,
    /// A protocol, or a header option, that this stack does not speak.
    Unsupported,
    /// A fragment, or a packet that fragments made a part of: they are not put together here, or there is no room, or they
    /// contradict each other, or the rest did not come in a minute.
    Fragment,
    /// Nobody listens at the port; the sender is told.
    NoSocket,
    /// The listener's backlog, or the table of connections, is full.
    BacklogFull,
    /// The socket's receive buffer is full.
    ReceiveBufferFull,
    /// No route leads there.
    NoRoute,
    /// The neighbour did not answer.
    NeighbourSilent,
    /// Too much is waiting for the neighbour's answer already.
    NeighbourQueueFull,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 11] = [
        Reason::Malformed,
        Reason::Checksum,
        Reason::NotForUs,
        Reason::Unsupported,
        Reason::Fragment,
        Reason::NoSocket,
        Reason::BacklogFull,
        Reason::ReceiveBufferFull,
        Reason::NoRoute,
        Reason::NeighbourSilent,
        Reason::NeighbourQueueFull,
    ];

    /// The name of its counter, for a [`Probe`](crate::Probe).
    pub const fn name(self) -> &'static str {
        match self {
            Reason::Malformed => "stack.dropped.malformed",
            Reason::Checksum => "stack.dropped.checksum",
            Reason::NotForUs => "stack.dropped.not-for-us",
            Reason::Unsupported => "stack.dropped.unsupported",
            Reason::Fragment => "stack.dropped.fragment",
            Reason::NoSocket => "stack.dropped.no-socket",
            Reason::BacklogFull => "stack.dropped.backlog-full",
            Reason::ReceiveBufferFull => "stack.dropped.receive-buffer-full",
            Reason::NoRoute => "stack.dropped.no-route",
            Reason::NeighbourSilent => "stack.dropped.neighbour-silent",
            Reason::NeighbourQueueFull => "stack.dropped.neighbour-queue-full",
        }
    }
}

/// The counters of one stack, since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames that the driver handed over.
    pub frames_received: u64,
    /// Frames that were handed to the driver.
    pub frames_sent: u64,
    /// Neighbours that were asked for and did not answer.
    pub neighbours_failed: u64,
    /// Error messages of the network about packets of ours (ICMP).
    pub icmp_errors_received: u64,
    /// Connections taken over from TIME-WAIT before its end, for want of a free one.
    pub time_wait_reclaimed: u64,
    dropped: [u64; Reason::ALL.len()],
}

impl Stats {
    /// How many packets were dropped for `reason`.
    pub const fn dropped(&self, reason: Reason) -> u64 {
        self.dropped[reason as usize]
    }

    /// How many packets were dropped.
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().sum()
    }

    pub(crate) fn drop(&mut self, reason: Reason) {
        self.dropped[reason as usize] += 1;
    }
}
