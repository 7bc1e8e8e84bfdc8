//! What a link counts.

/// Gauge: 1 while the co-processor is set up and answers, else 0.
pub const UP: &str = "rcp";

/// What a [`Link`](super::Link) counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Count {
    /// Times that it was set up.
    SetUp,
    /// Times that it was reset, and we had not asked for it.
    Reset,
    /// Questions, and frames to be sent, that it did not answer in time.
    Silence,
    /// What it refused.
    Refused,
    /// What it said without being asked, or too late.
    Unasked,
    /// What it said that is none of Spinel.
    Malformed,
    /// Frames on the line with a wrong check sequence.
    BadCheck,
    /// Frames on the line that were longer than any that is of use.
    TooLong,
    /// Frames on the line that were given up, or of which bytes were lost.
    Aborted,
    /// Times that the line itself failed.
    LineError,
    /// Frames by radio that came damaged.
    Damaged,
    /// Frames by radio that found no room.
    NoRoom,
    /// Frames that were to be sent while the co-processor was not there, that it dropped, or of which it said nothing.
    Unsent,
    /// Frames that nobody acknowledged.
    NoAck,
    /// Frames that found no free channel.
    Busy,
}

impl Count {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::SetUp,
        Self::Reset,
        Self::Silence,
        Self::Refused,
        Self::Unasked,
        Self::Malformed,
        Self::BadCheck,
        Self::TooLong,
        Self::Aborted,
        Self::LineError,
        Self::Damaged,
        Self::NoRoom,
        Self::Unsent,
        Self::NoAck,
        Self::Busy,
    ];

    /// The name of its counter, for a [`Probe`](crate::Probe).
    pub const fn name(self) -> &'static str {
        match self {
            Self::SetUp => "rcp.set-up",
            Self::Reset => "rcp.resets",
            Self::Silence => "rcp.silences",
            Self::Refused => "rcp.refused",
            Self::Unasked => "rcp.unasked",
            Self::Malformed => "rcp.malformed",
            Self::BadCheck => "rcp.bad-check",
            Self::TooLong => "rcp.too-long",
            Self::Aborted => "rcp.aborted",
            Self::LineError => "rcp.line-errors",
            Self::Damaged => "rcp.damaged",
            Self::NoRoom => "rcp.no-room",
            Self::Unsent => "rcp.unsent",
            Self::NoAck => "rcp.no-ack",
            Self::Busy => "rcp.busy",
        }
    }
}
