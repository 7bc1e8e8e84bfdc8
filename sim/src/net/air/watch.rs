//! What became of a frame, for a radio's node that asks for that ([`Nic::watch`]): a radio's driver learns whether its frame was
//! acknowledged, and whether it found the air free at all.
//!
//! A frame that is watched bears a number of its station's; nobody else's does. Copies of it that links make are not it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::wifi::News;
use crate::executor::Wakee;
use crate::kernel::Kernel;
use crate::net::link::Destination;
use crate::net::transit::{Net, Port};
use crate::net::{DropReason, Frame, LinkId, Nic};

/// What became of a frame: its station was done with it (it was sent and, if it asked for that, acknowledged), or it was lost, on
/// the cable to the station or by the station's word ([`DropReason::AirBusy`], [`DropReason::NoAck`]).
pub type Fate = Result<(), DropReason>;

/// What a station keeps for whoever watches its frames.
#[derive(Default)]
pub(in crate::net) struct Watched {
    /// Frames whose fate is open: what each bears, and its turn.
    open: RefCell<VecDeque<(u8, u64)>>,
    settled: RefCell<VecDeque<(u64, Fate)>>,
    wakee: RefCell<Option<Wakee>>,
    /// What the last frame bears; 0 is borne by those that nobody watches.
    last: Cell<u8>,
    sent: Cell<u64>,
    /// Nobody asks any more.
    is_over: Cell<bool>,
}

impl Watched {
    /// What the next frame is to bear.
    pub(in crate::net) fn enlist(&self) -> u8 {
        if self.is_over.get() {
            return 0;
        }
        let mark = self.last.get() % u8::MAX + 1;
        self.last.set(mark);
        self.open.borrow_mut().push_back((mark, self.sent.get()));
        self.sent.set(self.sent.get() + 1);
        mark
    }

    /// What became of a frame that bears this; whom to wake.
    fn settle(&self, mark: u8, fate: Fate) -> Option<Wakee> {
        let mut open = self.open.borrow_mut();
        // An earlier life's is none of these.
        let place = open.iter().position(|(of, _)| *of == mark)?;
        let (_, turn) = open.remove(place)?;
        self.settled.borrow_mut().push_back((turn, fate));
        self.wakee.borrow().clone()
    }
}

/// What became of the frames that an interface sends from now on. See [`Nic::watch`].
pub struct Watch {
    watched: Rc<Watched>,
    kernel: Rc<Kernel>,
}

impl Watch {
    /// The next frame of which it is known what became of it: its turn among those that were sent since they are watched, from 0
    /// on, and its [`Fate`].
    pub fn poll_next(&self, context: &Context<'_>) -> Poll<(u64, Fate)> {
        if let Some(settled) = self.watched.settled.borrow_mut().pop_front() {
            return Poll::Ready(settled);
        }
        let mut wakee = self.watched.wakee.borrow_mut();
        if !wakee.as_ref().is_some_and(|wakee| self.kernel.is_wakee(wakee, context.waker())) {
            let old = wakee.replace(self.kernel.wakee(context.waker()));
            drop(wakee);
            drop(old);
        }
        Poll::Pending
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.watched.is_over.set(true);
        let wakee = self.watched.wakee.borrow_mut().take();
        drop(wakee);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("sent", &self.watched.sent.get()).finish_non_exhaustive()
    }
}

impl Nic {
    /// Has the world say what becomes of each frame that is sent by this from now on; `None` if it is no radio of IEEE 802.15.4
    /// at a station, for a cable says nothing. It ends what was watched before.
    #[must_use]
    pub fn watch(&mut self) -> Option<Watch> {
        let link = self.core.link.get().filter(|_| self.core.is_radio())?;
        let net = &mut *self.kernel.net.borrow_mut();
        let &Destination::Station(station) = &net.links[link.index()].to else { return None };
        let place = &mut net.airs.stations[station as usize].watched;
        // What is still on its way from an earlier life bears other numbers.
        let last = place.as_ref().map_or(0, |before| before.last.get());
        let watched = Rc::new(Watched { last: Cell::new(last), ..Watched::default() });
        *place = Some(Rc::clone(&watched));
        self.watched = Some(Rc::clone(&watched));
        Some(Watch { watched, kernel: Rc::clone(&self.kernel) })
    }
}

impl Net {
    /// A frame that is watched is no more.
    #[cold]
    pub(in crate::net) fn tell_fate(&mut self, port: &mut Port<'_>, frame: &Frame, fate: Fate) {
        let link = LinkId(frame.link);
        let &Destination::Station(station) = &self.links[link.index()].to else { return };
        let watched = self.airs.stations[station as usize].watched.as_ref();
        if let Some(wakee) = watched.and_then(|watched| watched.settle(frame.watch, fate)) {
            self.tell(port, News::Wake(wakee));
        }
    }
}
