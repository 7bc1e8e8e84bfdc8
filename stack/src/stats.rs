//! What went in, what went out, and under which reason the rest was dropped.

use crate::engine::Incident;

/// Why a packet came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Its headers contradict themselves or its length.
    Malformed,
    /// A checksum is wrong.
    Checksum,
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
    /// Its Ethernet or IP destination is somebody else, as behind a switch that has not learnt yet.
    NotForUs,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Reason; 11] = [
        Reason::Malformed,
        Reason::Checksum,
        Reason::Unsupported,
        Reason::Fragment,
        Reason::NoSocket,
        Reason::BacklogFull,
        Reason::ReceiveBufferFull,
        Reason::NoRoute,
        Reason::NeighbourSilent,
        Reason::NeighbourQueueFull,
        Reason::NotForUs,
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

/// How many counters there are beside those of what was dropped, and of frames.
const OWN: usize = 8;
const INCIDENTS: usize = OWN + TOLD.len();

/// What was dropped for a reason that somebody may want to hear of: for any but the last. That a packet was for somebody else is none.
const TOLD: &[Reason] = Reason::ALL.split_at(Reason::ALL.len() - 1).0;

pub(crate) type Incidents = [u32; INCIDENTS];

/// The names of all counters but those of frames and of what was for somebody else, and what each counts: as [`Stack::telling`](crate::Stack::telling) tells them.
pub const COUNTERS: [(&str, &str); INCIDENTS] = [
    ("stack.retransmissions", "segments (TCP) that were sent again, probes included"),
    ("stack.resets.received", "connections that the other side reset or refused"),
    ("stack.resets.sent", "connections that were reset from here"),
    ("stack.timeouts", "connections that ended because the other side owed an answer for too long"),
    ("stack.slots-wanting", "connections, listeners and sockets that were not to be had, as every slot was taken"),
    ("stack.time-wait-reclaimed", "connections that gave way before their time of waiting was over"),
    ("stack.neighbours-failed", "neighbours that were asked for and did not answer"),
    ("stack.icmp-errors", "error messages of the network about packets of ours"),
    (Reason::Malformed.name(), "packets dropped: they contradict themselves"),
    (Reason::Checksum.name(), "packets dropped: a checksum is wrong"),
    (Reason::Unsupported.name(), "packets dropped: of a protocol that the stack does not speak"),
    (Reason::Fragment.name(), "packets dropped: fragments that made no whole"),
    (Reason::NoSocket.name(), "packets dropped: nobody listens there"),
    (Reason::BacklogFull.name(), "packets dropped: a listener had as many callers as it may"),
    (Reason::ReceiveBufferFull.name(), "packets dropped: a socket had no room"),
    (Reason::NoRoute.name(), "packets dropped: no route leads there"),
    (Reason::NeighbourSilent.name(), "packets dropped: the neighbour did not answer"),
    (Reason::NeighbourQueueFull.name(), "packets dropped: too much waited for the neighbour already"),
];

/// The counters of one stack, since it was made. All but those of frames go around after four thousand million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Frames that the driver handed over.
    pub frames_received: u64,
    /// Frames that were handed to the driver.
    pub frames_sent: u64,
    /// Neighbours that were asked for and did not answer.
    pub neighbours_failed: u32,
    /// Error messages of the network about packets of ours (ICMP).
    pub icmp_errors_received: u32,
    /// Connections taken over from TIME-WAIT before its end, for want of a free one.
    pub time_wait_reclaimed: u32,
    /// Segments (TCP) that were sent again; questions whether the other side is there, or takes something again, included.
    pub retransmissions: u32,
    /// Connections that the other side reset or refused.
    pub resets_received: u32,
    /// Connections that were reset here.
    pub resets_sent: u32,
    /// Connections that ended because the other side owed an answer for too long.
    pub timeouts: u32,
    /// Connections, listeners and sockets that were not to be had, because every slot was taken.
    pub slots_wanting: u32,
    dropped: [u32; Reason::ALL.len()],
    /// How often one of what [`COUNTERS`] names was counted.
    incidents: u32,
}

impl Stats {
    /// How many packets were dropped for `reason`.
    pub const fn dropped(&self, reason: Reason) -> u64 {
        self.dropped[reason as usize] as u64
    }

    /// How many packets were dropped.
    pub fn dropped_in_all(&self) -> u64 {
        self.dropped.iter().map(|count| u64::from(*count)).sum()
    }

    /// Another one whenever one of what [`COUNTERS`] names was counted.
    pub(crate) const fn edition(&self) -> u32 {
        self.incidents
    }

    /// What [`COUNTERS`] names.
    pub(crate) fn incidents(&self) -> Incidents {
        let mut all = [0; INCIDENTS];
        let (own, dropped) = all.split_at_mut(OWN);
        own.copy_from_slice(&[
            self.retransmissions,
            self.resets_received,
            self.resets_sent,
            self.timeouts,
            self.slots_wanting,
            self.time_wait_reclaimed,
            self.neighbours_failed,
            self.icmp_errors_received,
        ]);
        for (count, reason) in dropped.iter_mut().zip(TOLD) {
            *count = self.dropped[*reason as usize];
        }
        all
    }

    /// A frame of a connection's may have been sent, of which something may be worth counting.
    #[inline]
    pub(crate) fn sent_one(&mut self, sent: bool, incident: Option<Incident>) {
        self.frames_sent += u64::from(sent);
        match incident {
            None => {}
            Some(Incident::Again) => self.note(|stats| &mut stats.retransmissions),
            Some(Incident::Reset) => self.note(|stats| &mut stats.resets_sent),
        }
    }

    pub(crate) fn drop(&mut self, reason: Reason) {
        if reason == Reason::NotForUs {
            let count = &mut self.dropped[reason as usize];
            *count = count.wrapping_add(1);
        } else {
            self.note(|stats| &mut stats.dropped[reason as usize]);
        }
    }

    /// Counts one of what [`COUNTERS`] names.
    pub(crate) fn note(&mut self, counter: impl FnOnce(&mut Self) -> &mut u32) {
        let count = counter(self);
        *count = count.wrapping_add(1);
        self.incidents = self.incidents.wrapping_add(1);
    }
}
