//! What a broker has room for.

/// How much of everything there may be. Whoever asks for more is refused: by a reason code, or by the end of the connection where
/// the version has no such code.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Limits {
    /// The longest packet, in bytes. Default: 64 KiB.
    pub packet_max: usize,
    /// The most messages of quality 1 and 2 that wait for one client. Default: 10,000.
    pub queue_max: usize,
    /// How many bytes they may be together: the payloads, twice the topics, and 64 bytes a message. Default: 16 MiB.
    pub queue_bytes_max: usize,
    /// The most of them that are under way to one client. Default: 16.
    pub in_flight_max: usize,
    /// How many bytes are kept for those who come later: the payloads, twice the topics, and 64 bytes a message. Default: 16 MiB.
    pub kept_bytes_max: usize,
    /// The most sessions, those of clients that are away included. Default: 100,000.
    pub sessions_max: usize,
    /// The most subscriptions of one client. Default: 1,000.
    pub subscriptions_max: usize,
    /// How many bytes may wait for one connection to take them before messages of quality 0 are left out for it. Default: 1 MiB. A
    /// client that does not take its answers, either, is ended when so many wait beside all that may be under way to it.
    pub unsent_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            packet_max: 64 * 1024,
            queue_max: 10_000,
            queue_bytes_max: 16 * 1024 * 1024,
            in_flight_max: 16,
            kept_bytes_max: 16 * 1024 * 1024,
            sessions_max: 100_000,
            subscriptions_max: 1_000,
            unsent_bytes_max: 1024 * 1024,
        }
    }
}

impl Limits {
    /// How many bytes wait for a connection at most that takes none.
    pub(super) const fn answers_max(&self) -> usize {
        self.unsent_bytes_max.saturating_add(self.in_flight_max.saturating_mul(self.packet_max))
    }
}
