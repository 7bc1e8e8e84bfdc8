//! What is run over the line: whoever hears, and whoever asks.

use core::cell::{Cell, RefCell};
use core::convert::Infallible;
use core::fmt;
use core::future::{pending, poll_fn};
use core::pin::pin;
use core::task::{Context, Poll};

use embedded_io_async::{Read, Write};

use super::hdlc::{self, Decoder, Fault};
use super::radio::{Frame, Shared, keep};
use super::spinel::{
    Command, HEARD_MAX, Heard, Message, Notice, SENT_MAX, TID_MASK, VERSION_MAJOR, property as prop, status,
};
use super::{Count, Options, UP};
use crate::probe::Probe;
use crate::time::{Clock, Duration, Instant, timeout};

/// How much is read at a time.
const READ: usize = 64;
/// A short address that is none.
const NO_SHORT: u16 = 0xfffe;

/// What is run beside a [`Radio`](super::Radio). See the [module](super).
pub struct Link<'m, const FRAMES: usize> {
    shared: &'m RefCell<Shared<FRAMES>>,
    options: Options,
}

impl<'m, const FRAMES: usize> Link<'m, FRAMES> {
    pub(super) const fn new(shared: &'m RefCell<Shared<FRAMES>>, options: Options) -> Self {
        Self { shared, options }
    }

    /// Keeps the co-processor at the other end of the line set up, and passes frames, for ever. `probe` is told of all that
    /// [`Count`] names, and of [`UP`].
    ///
    /// A line that ends (a read of nothing) is waited at: it is for whoever gave it to drop this and begin anew.
    pub async fn run<C: Clock>(
        &mut self,
        from: impl Read,
        to: impl Write,
        clock: &C,
        probe: &impl Probe,
    ) -> Infallible {
        let _down = Down(self.shared);
        let talk = Talk { shared: self.shared, options: &self.options, clock, probe, said: Said::new(clock.now()) };
        let mut hearing = pin!(talk.hear(from));
        let mut asking = pin!(talk.ask_on_and_on(to));
        poll_fn(|cx| {
            keep(&mut self.shared.borrow_mut().link, cx);
            // What is heard comes first, so that who asks is told in the same poll.
            if let Poll::Ready(never) = hearing.as_mut().poll(cx) {
                match never {}
            }
            asking.as_mut().poll(cx)
        })
        .await
    }
}

/// Whoever stops running a link leaves a radio that is not there.
struct Down<'m, const FRAMES: usize>(&'m RefCell<Shared<FRAMES>>);

impl<const FRAMES: usize> Drop for Down<'_, FRAMES> {
    fn drop(&mut self) {
        let mut shared = self.0.borrow_mut();
        shared.link = None;
        shared.set_up(false);
    }
}

/// What the co-processor has said to whoever waits for it.
struct Said {
    /// The question that waits.
    tid: Cell<u8>,
    answer: Cell<Option<Answer>>,
    /// It was reset, and nobody has dealt with that yet.
    reset: Cell<bool>,
    heard_at: Cell<Instant>,
}

impl Said {
    fn new(now: Instant) -> Self {
        Self { tid: Cell::new(0), answer: Cell::new(None), reset: Cell::new(false), heard_at: Cell::new(now) }
    }
}

#[derive(Clone, Copy)]
enum Answer {
    /// How it went.
    Status(u32),
    /// The property that was asked for or set, as far as anybody wants to know.
    Value { property: u32, number: Option<u32>, has_raw: bool },
}

/// Why a question has no answer that is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// It says nothing.
    Silent,
    /// It was reset meanwhile.
    Reset,
    /// It will not, or cannot.
    Refused,
}

struct Talk<'a, const FRAMES: usize, C, P> {
    shared: &'a RefCell<Shared<FRAMES>>,
    options: &'a Options,
    clock: &'a C,
    probe: &'a P,
    said: Said,
}

impl<const FRAMES: usize, C: Clock, P: Probe> Talk<'_, FRAMES, C, P> {
    fn count(&self, count: Count) {
        self.probe.count(count.name(), 1);
    }

    async fn hear(&self, mut from: impl Read) -> Infallible {
        let mut decoder = Decoder::<HEARD_MAX>::new();
        let mut bytes = [0; READ];
        loop {
            match from.read(&mut bytes).await {
                Ok(0) => pending::<()>().await,
                Ok(len) => {
                    for &byte in &bytes[..len] {
                        match decoder.take(byte) {
                            Some(Ok(frame)) => self.take(frame),
                            Some(Err(fault)) => self.count(match fault {
                                Fault::Check => Count::BadCheck,
                                Fault::Long => Count::TooLong,
                                Fault::Aborted => Count::Aborted,
                            }),
                            None => {}
                        }
                    }
                }
                Err(_) => {
                    self.count(Count::LineError);
                    decoder.spoil();
                    // A line that fails at once and each time leaves others their turn.
                    once_more().await;
                }
            }
        }
    }

    /// Takes what the co-processor says.
    fn take(&self, frame: &[u8]) {
        let Some(notice) = Notice::parse(frame) else { return self.count(Count::Malformed) };
        self.said.heard_at.set(self.clock.now());
        if notice.status().is_some_and(|told| status::RESET.contains(&told)) {
            self.said.reset.set(true);
        } else if notice.tid != 0 {
            self.answer(&notice);
        } else if notice.property == prop::STREAM_RAW {
            self.arrive(&notice);
        } else {
            self.count(Count::Unasked);
        }
    }

    fn answer(&self, notice: &Notice<'_>) {
        if notice.tid != self.said.tid.get() {
            return self.count(Count::Unasked);
        }
        let answer = if notice.property == prop::LAST_STATUS {
            let Some(told) = notice.status() else { return self.count(Count::Malformed) };
            Answer::Status(told)
        } else {
            let (property, number) = (notice.property, notice.number());
            Answer::Value { property, number, has_raw: property == prop::CAPS && notice.has_raw() }
        };
        self.said.tid.set(0);
        self.said.answer.set(Some(answer));
    }

    fn arrive(&self, notice: &Notice<'_>) {
        let shared = &mut *self.shared.borrow_mut();
        match notice.heard() {
            // Whoever is not set up yet hears what is on another channel.
            Heard::Frame(_) if !shared.is_up => self.count(Count::Unasked),
            Heard::Frame(frame) => {
                let frame = Frame::from_slice(frame).expect("it was measured");
                match shared.arrived.push_back(frame) {
                    Ok(()) => shared.wake_driver(),
                    Err(_) => self.count(Count::NoRoom),
                }
            }
            Heard::Damaged => self.count(Count::Damaged),
            Heard::Malformed => self.count(Count::Malformed),
            Heard::Own => {}
        }
    }

    async fn ask_on_and_on(&self, to: impl Write) -> Infallible {
        let mut asking = Asking { talk: self, to, tid: 0, line: [0; hdlc::encoded_max(SENT_MAX)] };
        self.probe.gauge(UP, 0);
        let mut pause = self.options.pause;
        let mut was_reset = false;
        loop {
            match asking.set_up(was_reset).await {
                Ok(()) => {
                    self.count(Count::SetUp);
                    self.turn(true);
                    pause = self.options.pause;
                    was_reset = asking.serve().await == Trouble::Reset;
                    self.turn(false);
                }
                Err(Trouble::Reset) => was_reset = true,
                Err(Trouble::Silent | Trouble::Refused) => {
                    // Whoever comes to life says so, and need not be waited for.
                    was_reset = self.reset_within(pause).await;
                    pause = (pause * 2).min(self.options.pause_max);
                }
            }
            self.tell_unsent();
        }
    }

    /// The co-processor is set up, or no longer.
    fn turn(&self, is_up: bool) {
        self.probe.gauge(UP, is_up.into());
        self.shared.borrow_mut().set_up(is_up);
    }

    fn tell_unsent(&self) {
        let unsent = core::mem::take(&mut self.shared.borrow_mut().unsent);
        if unsent > 0 {
            self.probe.count(Count::Unsent.name(), unsent.into());
        }
    }

    /// Whether it says within that time that it was reset.
    async fn reset_within(&self, time: Duration) -> bool {
        let reset = poll_fn(|_| if self.said.reset.take() { Poll::Ready(()) } else { Poll::Pending });
        timeout(self.clock, time, reset).await.is_ok()
    }

    /// Waits for the answer to the question that was asked last.
    async fn answered(&self, by: Instant) -> Result<Answer, Trouble> {
        let answer = poll_fn(|_| {
            if self.said.reset.get() {
                return Poll::Ready(Err(Trouble::Reset));
            }
            self.said.answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)))
        });
        let time = by.saturating_duration_since(self.clock.now());
        let answer = timeout(self.clock, time, answer).await.unwrap_or_else(|_| {
            self.count(Count::Silence);
            Err(Trouble::Silent)
        });
        // What comes now comes too late.
        self.said.tid.set(0);
        if let Err(Trouble::Reset) = answer {
            self.said.reset.set(false);
            self.count(Count::Reset);
        }
        answer
    }

    /// The next frame that is to be sent, if there is one; otherwise who drives the link wakes us.
    fn next_frame(&self) -> Option<Frame> {
        let shared = &mut *self.shared.borrow_mut();
        let frame = shared.leaving.pop_front();
        if frame.is_some() {
            shared.wake_driver();
        }
        frame
    }
}

/// Lets others have their turn.
async fn once_more() {
    let mut is_first = true;
    poll_fn(|cx: &mut Context<'_>| {
        if !core::mem::take(&mut is_first) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Whoever writes to the line.
struct Asking<'t, 'a, const FRAMES: usize, C, P, W> {
    talk: &'t Talk<'a, FRAMES, C, P>,
    to: W,
    /// The last question's.
    tid: u8,
    line: [u8; hdlc::encoded_max(SENT_MAX)],
}

/// What there is to do.
enum Work {
    Send(Frame),
    /// It was silent for long.
    Check,
    Reset,
}

impl<const FRAMES: usize, C: Clock, P: Probe, W: Write> Asking<'_, '_, FRAMES, C, P, W> {
    /// Has it be set up: from a reset on, unless it was reset just now.
    async fn set_up(&mut self, was_reset: bool) -> Result<(), Trouble> {
        if !was_reset {
            self.reset().await?;
        }
        let Options { address, pan, channel, power_dbm, .. } = *self.talk.options;
        match self.ask(Command::Get, prop::PROTOCOL_VERSION, &[]).await? {
            Answer::Value { number: Some(VERSION_MAJOR), .. } => {}
            _ => return self.refused(),
        }
        match self.ask(Command::Get, prop::CAPS, &[]).await? {
            Answer::Value { has_raw: true, .. } => {}
            _ => return self.refused(),
        }
        self.set(prop::PHY_ENABLED, &[1]).await?;
        self.set(prop::PHY_CHAN, &[channel]).await?;
        if let Some(power_dbm) = power_dbm {
            self.set(prop::PHY_TX_POWER, &power_dbm.to_le_bytes()).await?;
        }
        self.set(prop::MAC_PANID, &pan.to_le_bytes()).await?;
        self.set(prop::MAC_SADDR, &NO_SHORT.to_le_bytes()).await?;
        self.set(prop::MAC_LADDR, &address).await?;
        self.set(prop::MAC_RAW_STREAM_ENABLED, &[1]).await
    }

    fn refused<T>(&self) -> Result<T, Trouble> {
        self.talk.count(Count::Refused);
        Err(Trouble::Refused)
    }

    /// Resets it, and waits until it says so.
    async fn reset(&mut self) -> Result<(), Trouble> {
        for _ in 0..self.talk.options.tries.max(1) {
            self.talk.said.reset.set(false);
            // A reset has no answer but its word.
            self.write(&Message::new(0, Command::Reset)).await;
            if self.talk.reset_within(self.talk.options.patience).await {
                return Ok(());
            }
            self.talk.count(Count::Silence);
        }
        Err(Trouble::Silent)
    }

    async fn set(&mut self, property: u32, value: &[u8]) -> Result<(), Trouble> {
        match self.ask(Command::Set, property, value).await? {
            Answer::Value { property: set, .. } if set == property => Ok(()),
            _ => self.refused(),
        }
    }

    /// Asks until it answers, but not for ever.
    async fn ask(&mut self, command: Command, property: u32, value: &[u8]) -> Result<Answer, Trouble> {
        for _ in 0..self.talk.options.tries.max(1) {
            let tid = self.next_tid();
            match self.say(&Message::about(tid, command, property, value)).await {
                Err(Trouble::Silent) => {}
                answer => return answer,
            }
        }
        Err(Trouble::Silent)
    }

    fn next_tid(&mut self) -> u8 {
        // 0 stands for what has no answer.
        self.tid = self.tid % TID_MASK + 1;
        self.tid
    }

    /// Says it, and waits for the answer.
    async fn say(&mut self, message: &Message) -> Result<Answer, Trouble> {
        self.talk.said.answer.set(None);
        self.talk.said.tid.set(self.tid);
        self.write(message).await;
        self.talk.answered(self.talk.clock.now() + self.talk.options.patience).await
    }

    /// Writes to the line. If that takes nothing, or fails, there will be no answer.
    async fn write(&mut self, message: &Message) {
        let len = hdlc::encode(message.bytes(), &mut self.line);
        let Talk { clock, options, .. } = *self.talk;
        let written = async { self.to.write_all(&self.line[..len]).await.is_ok() && self.to.flush().await.is_ok() };
        if timeout(clock, options.patience, written).await == Ok(false) {
            self.talk.count(Count::LineError);
        }
    }

    /// Passes frames on until something is wrong.
    async fn serve(&mut self) -> Trouble {
        loop {
            let outcome = match self.work().await {
                Work::Send(frame) => self.send(&frame).await,
                Work::Check => self.check().await,
                Work::Reset => Err(Trouble::Reset),
            };
            self.talk.tell_unsent();
            if let Err(trouble) = outcome {
                return trouble;
            }
        }
    }

    async fn work(&self) -> Work {
        let talk = self.talk;
        loop {
            let beat_at = talk.said.heard_at.get() + talk.options.beat;
            let work = poll_fn(|_| {
                if talk.said.reset.take() {
                    talk.count(Count::Reset);
                    return Poll::Ready(Work::Reset);
                }
                talk.next_frame().map_or(Poll::Pending, |frame| Poll::Ready(Work::Send(frame)))
            });
            let time = beat_at.saturating_duration_since(talk.clock.now());
            match timeout(talk.clock, time, work).await {
                Ok(work) => return work,
                // It may have been heard meanwhile.
                Err(_) if talk.said.heard_at.get() + talk.options.beat > talk.clock.now() => {}
                Err(_) => return Work::Check,
            }
        }
    }

    /// Has it send a frame, once: whether it did when it does not say so is not known, and the frame would come twice. What nobody
    /// acknowledged, or found no free channel, it has tried as often as it was told ([`Options::retries`], [`Options::backoffs`]).
    async fn send(&mut self, frame: &[u8]) -> Result<(), Trouble> {
        let Options { channel, backoffs, retries, .. } = *self.talk.options;
        let tid = self.next_tid();
        let answer = self.say(&Message::send(tid, frame, channel, backoffs, retries)).await;
        let count = match answer {
            Ok(Answer::Status(status::OK)) => return Ok(()),
            Ok(Answer::Status(status::NO_ACK)) => Count::NoAck,
            Ok(Answer::Status(status::CCA_FAILURE)) => Count::Busy,
            Ok(Answer::Status(status::DROPPED)) | Err(_) => Count::Unsent,
            Ok(_) => Count::Refused,
        };
        self.talk.count(count);
        match answer {
            // It has forgotten that it was set up: the word of its reset was lost.
            Ok(Answer::Status(status::INVALID_STATE)) => self.forgot(),
            Ok(_) => Ok(()),
            Err(Trouble::Silent) => self.check().await,
            Err(trouble) => Err(trouble),
        }
    }

    /// Asks whether it is there, and still set up.
    async fn check(&mut self) -> Result<(), Trouble> {
        match self.ask(Command::Get, prop::MAC_RAW_STREAM_ENABLED, &[]).await? {
            Answer::Value { property: prop::MAC_RAW_STREAM_ENABLED, number: Some(0), .. } => self.forgot(),
            _ => Ok(()),
        }
    }

    fn forgot(&self) -> Result<(), Trouble> {
        self.talk.count(Count::Reset);
        Err(Trouble::Reset)
    }
}

impl<const FRAMES: usize> fmt::Debug for Link<'_, FRAMES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("options", &self.options).finish_non_exhaustive()
    }
}
