//! What reaches the state, and what it asks for.

use std::time::Duration;

use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Size;
use wavetank_sim::net::CableId;
use wavetank_sim::node::NodeId;
use wavetank_sim::session::Pace;
use wavetank_sim::time::Instant;
use wavetank_sim::world::Snapshot;

use crate::Opening;

/// Something happened.
#[derive(Debug)]
pub(crate) enum Message {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has this size now.
    Resize(Size),
    /// The helm answers an order.
    Seen {
        sighting: Box<Sighting>,
        /// Wall time since watching began.
        wall: Duration,
    },
}

/// What the helm saw after it carried out an order.
#[derive(Debug)]
pub(crate) struct Sighting {
    pub(crate) snapshot: Snapshot,
    pub(crate) run: Run,
    /// How long the world was held up to be looked at.
    pub(crate) cost: Duration,
    /// What came of an order, if that is not plain.
    pub(crate) notice: Option<String>,
    /// What was seen of the time after this is not what will come: something that the person did was undone.
    pub(crate) is_undone: bool,
}

/// A place in the run's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// After so many events of the queue.
    Event(u64),
    /// When that time has come, with all that happens at it.
    Time(Instant),
    /// Where an expectation first breaks, or a node's code fails; at the end if neither happens.
    Failure,
}

/// What the run is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    Running,
    Paused,
    /// It has reached its end; expectations are decided.
    Ended,
    /// It cannot go on: tasks keep waking each other.
    Stuck,
}

impl Run {
    /// Whether nothing will happen any more.
    pub(crate) const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Stuck)
    }
}

/// What the loop is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Steer(Order),
    /// Draw everything anew: something else has written on the screen.
    Repaint,
    Quit,
}

/// What the helm is asked to do. It answers each with a [`Sighting`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Look,
    Run(Pace),
    Pause,
    /// Take one event.
    StepEvent,
    /// Run for so much virtual time.
    StepTime(Duration),
    /// Stand there, be it ahead or behind.
    Go(Place),
    /// Have this happen to the run, from now on.
    Do(Deed),
}

impl Opening {
    /// What has the helm go there.
    pub(crate) const fn order(self, pace: Pace) -> Order {
        match self {
            Self::Running => Order::Run(pace),
            _ => self.still(),
        }
    }

    /// What has the helm go there and stay.
    pub(crate) const fn still(self) -> Order {
        match self {
            Self::Running => Order::Look,
            Self::At(at) => Order::Go(Place::Time(at)),
            Self::Failure => Order::Go(Place::Failure),
        }
    }
}

/// What the person can do to the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// A node loses its power for so long.
    CutPower(NodeId, Duration),
    /// A node crashes, and is started again after so long.
    Crash(NodeId, Duration),
    /// A node is reset.
    Reset(NodeId),
    /// A cable is cut for so long.
    CutCable(CableId, Duration),
}
