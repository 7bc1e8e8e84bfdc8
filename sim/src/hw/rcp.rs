//! A radio co-processor (RCP): the other end of a serial line that speaks Spinel in HDLC-lite frames, and a radio of IEEE
//! 802.15.4 behind it, as OpenThread's are (draft-rquattle-spinel-unified-00, sections 3 to 5 and appendix A.1; RFC 1662, section
//! C.2). Written from these, and not from the driver that speaks to it.
//!
//! [`Rcp`] is logic without IO: it is told the time with the bytes that come and the frames that its radio hears, and is asked for
//! the bytes that it says and the frames that its radio sends. [`Module`] is one that is soldered to a board, with its [`Port`]:
//! whoever runs the node serves it with the interface that is its radio ([`Module::serve`]). It lives on while the node's program
//! does not; its settings are gone with its power.
//!
//! - Frames pass once its host has switched it on and told it to hand frames on. It hears what is for its address and its
//!   network, on its channel.
//! - It sends one frame at a time, and says what became of it once the air has told ([`Rcp::settle`]): that it was sent, with the
//!   acknowledgement if it asked for one; that nobody acknowledged it, or that the channel was never free (the draft's
//!   SPINEL_STATUS_NO_ACK, 17, and SPINEL_STATUS_CCA_FAILURE, 18), and no more than that, as OpenThread's LinkRawTransmitDone
//!   does. What is lost between it and its antenna it does not know of: that frame is one that nobody heard.
//! - It resets itself, and hangs, when it is told to in advance ([`Whims`]).
//!
//! Not here: what of Spinel a host of a radio does not need. How often it tries is the air's to say for all stations alike, and not
//! its host's for each frame.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future as _, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::{Driver, RxToken, TxToken};

use super::bench::Bench;
use super::uart::{Peer, Port};
use crate::net::DropReason;
use crate::net::air::Fate;

/// The longest frame of a radio, with its check sequence (IEEE 802.15.4-2006, clause 6.4.1).
const PSDU_MAX: usize = 127;
/// The check sequence, which the air's frames here do not have.
const FCS: usize = 2;
/// An octet on the air at 250 kbit/s, and what stands before each frame: preamble, delimiter and length.
const OCTET_NS: u64 = 32_000;
const PREAMBLE: u64 = 6;
/// How long it listens for an acknowledgement: macAckWaitDuration, 54 symbols (clause 7.4.2).
const ACK_WAIT_NS: u64 = 864_000;
/// How often it sends a frame again that nobody acknowledges, if its host does not say (macMaxFrameRetries).
const RETRIES: u8 = 3;
/// From a question's last byte to its answer's first.
const THINKS_NS: u64 = 200_000;
/// How long it takes to come up.
const BOOTS_NS: u64 = 20_000_000;
/// How many frames its radio has heard wait for the line.
const HEARD_MAX: usize = 16;

const FLAG: u8 = 0x7e;
const ESCAPE: u8 = 0x7d;

/// Why it was reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its power came.
    PowerOn = 112,
    /// Its host told it to.
    Software = 114,
    /// Its own watchdog bit.
    Watchdog = 120,
}

const STATUS_OK: u8 = 0;
const STATUS_INVALID_STATE: u8 = 4;
const STATUS_INVALID_COMMAND: u8 = 5;
const STATUS_PARSE_ERROR: u8 = 9;
const STATUS_BUSY: u8 = 12;
const STATUS_PROP_NOT_FOUND: u8 = 13;
const STATUS_DROPPED: u8 = 14;
const STATUS_NO_ACK: u8 = 17;
const STATUS_CCA_FAILURE: u8 = 18;

/// What it does of its own accord, in nanoseconds since the world's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whims {
    /// When it resets itself, in order.
    pub resets_ns: Vec<u64>,
    /// From when to when it hangs, in order: it hears and says nothing, by radio or line.
    pub hangs_ns: Vec<(u64, u64)>,
}

/// What its host has told it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settings {
    is_on: bool,
    passes: bool,
    channel: u8,
    network: u16,
    address: [u8; 8],
}

/// What its host says, being put together.
#[derive(Debug, Default)]
struct Inbox {
    between: Vec<u8>,
    /// Whole frames, and when their last byte came.
    whole: VecDeque<(u64, Vec<u8>)>,
}

/// A frame that it sends, and its question.
#[derive(Debug)]
struct Sending {
    tid: u8,
    /// Its number, if it is to be acknowledged.
    asks: Option<u8>,
    /// How long all its tries take if nobody hears them.
    tries_ns: u64,
    /// Until when it is sent if nobody hears it; else the air says what became of it.
    unheard_until_ns: Option<u64>,
}

/// A radio co-processor. See the [module](self).
#[derive(Debug)]
pub struct Rcp {
    /// The channel of its world.
    channel: u8,
    byte_ns: u64,
    whims: Whims,
    settings: Settings,
    inbox: Inbox,
    sending: Option<Sending>,
    /// Bytes that it says, and when each begins.
    says: VecDeque<(u64, u8)>,
    free_ns: u64,
    /// Frames that its radio sends.
    leaving: VecDeque<Vec<u8>>,
    /// Times that it was reset, by whom ever.
    resets: u32,
    /// Bytes between flags that were no frame.
    refused: u32,
}

impl Rcp {
    /// A co-processor that has no power yet, on the air of that channel, at a line of so many bits a second.
    ///
    /// # Panics
    /// If its line has no clock.
    #[must_use]
    pub fn new(channel: u8, baud: u32, whims: Whims) -> Self {
        assert!(baud > 0, "a line has a clock");
        Self {
            channel,
            byte_ns: 10 * 1_000_000_000 / u64::from(baud),
            whims,
            settings: Settings::default(),
            inbox: Inbox::default(),
            sending: None,
            says: VecDeque::new(),
            free_ns: 0,
            leaving: VecDeque::new(),
            resets: 0,
            refused: 0,
        }
    }

    /// It is reset at `now_ns`, forgets all that it was told, and says so once it is up.
    pub fn reset(&mut self, now_ns: u64, reason: Reason) {
        self.resets += 1;
        (self.settings, self.inbox, self.sending) = Default::default();
        self.says.clear();
        self.leaving.clear();
        self.free_ns = now_ns;
        self.say(now_ns + BOOTS_NS, &[0x80, 6, 0, reason as u8]);
    }

    /// How often it was reset so far, its first start with it.
    #[must_use]
    pub fn resets(&self) -> u32 {
        self.resets
    }

    /// How often bytes between flags were no frame.
    #[must_use]
    pub fn refused(&self) -> u32 {
        self.refused
    }

    /// Whether it passes frames.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.settings.is_on && self.settings.passes
    }

    fn hangs(&self, now_ns: u64) -> bool {
        self.whims.hangs_ns.iter().any(|(from_ns, until_ns)| (*from_ns..*until_ns).contains(&now_ns))
    }

    /// A byte of its host's is there at `now_ns`, which need not be now.
    pub fn hear(&mut self, now_ns: u64, byte: u8) {
        if self.hangs(now_ns) {
            return;
        }
        if byte != FLAG {
            self.inbox.between.push(byte);
            return;
        }
        let between = std::mem::take(&mut self.inbox.between);
        if between.is_empty() {
            return;
        }
        match unframed(&between) {
            Some(frame) => self.inbox.whole.push_back((now_ns, frame)),
            None => self.refused += 1,
        }
    }

    /// Its radio has heard a frame, without its check sequence.
    pub fn receive(&mut self, now_ns: u64, frame: &[u8]) {
        let (address, network) = (self.settings.address, self.settings.network);
        if self.hangs(now_ns) || !self.passes() || self.settings.channel != self.channel {
            return;
        }
        let waiting = self.says.iter().filter(|(_, byte)| *byte == FLAG).count() / 2;
        if !is_for(frame, address, network) || waiting >= HEARD_MAX {
            return;
        }
        let mut said = vec![0x80, 6, 0x71];
        said.extend(psdu(frame));
        said.extend(beside(self.channel));
        self.say(now_ns, &said);
    }

    /// Does what is due by `now_ns`; answers when it wants to be asked again.
    pub fn advance(&mut self, now_ns: u64) -> Option<u64> {
        while let Some(at_ns) = self.whims.resets_ns.first().copied().filter(|at_ns| *at_ns <= now_ns) {
            self.whims.resets_ns.remove(0);
            self.reset(at_ns, Reason::Watchdog);
        }
        self.whims.hangs_ns.retain(|(_, until_ns)| *until_ns > now_ns);
        while let Some((at_ns, frame)) = self.inbox.whole.pop_front_if(|(at_ns, _)| *at_ns <= now_ns) {
            self.answer(at_ns, &frame);
        }
        let unheard = |sending: &mut Sending| sending.unheard_until_ns.is_some_and(|until_ns| until_ns <= now_ns);
        if let Some(Sending { tid, asks, unheard_until_ns, .. }) = self.sending.take_if(unheard) {
            let status = if asks.is_some() { STATUS_NO_ACK } else { STATUS_OK };
            self.tell_sent(unheard_until_ns.unwrap_or(now_ns), tid, status, None);
        }
        let whole_ns = self.inbox.whole.front().map(|(at_ns, _)| *at_ns);
        let sent_ns = self.sending.as_ref().and_then(|sending| sending.unheard_until_ns);
        [whole_ns, sent_ns, self.whims.resets_ns.first().copied()].into_iter().flatten().min()
    }

    /// The air says what became of the frame that its radio sends.
    pub fn settle(&mut self, now_ns: u64, fate: Fate) {
        let Some(sending) = self.sending.take_if(|sending| sending.unheard_until_ns.is_none()) else { return };
        let Sending { tid, asks, tries_ns, .. } = sending;
        let status = match fate {
            Ok(()) => STATUS_OK,
            Err(DropReason::NoAck) => STATUS_NO_ACK,
            Err(DropReason::AirBusy) => STATUS_CCA_FAILURE,
            // It was not even tried.
            Err(DropReason::QueueFull | DropReason::DutyCycle | DropReason::NodeDown) => STATUS_DROPPED,
            Err(_) => {
                let unheard_until_ns = Some(now_ns + tries_ns);
                self.sending = Some(Sending { tid, asks, tries_ns, unheard_until_ns });
                return;
            }
        };
        self.tell_sent(now_ns, tid, status, asks);
    }

    /// Tells its host what became of a frame: no frame is pending, the header is as it was; and, if it was sent, the
    /// acknowledgement.
    fn tell_sent(&mut self, now_ns: u64, tid: u8, status: u8, acknowledged: Option<u8>) {
        let mut said = vec![0x80 | tid, 6, 0, status, 0, 0];
        if status == STATUS_OK {
            match acknowledged {
                // IEEE 802.15.4-2006, clause 7.2.2.3.
                Some(number) => said.extend(psdu(&[2, 0, number])),
                None => said.extend([0, 0]),
            }
            said.extend(beside(self.channel));
        }
        self.say(now_ns, &said);
    }

    /// The next frame that its radio sends, without its check sequence.
    pub fn transmit(&mut self) -> Option<Vec<u8>> {
        self.leaving.pop_front()
    }

    /// The next byte that it says, and when that begins.
    pub fn next_byte(&mut self) -> Option<(u64, u8)> {
        self.says.pop_front()
    }

    fn say(&mut self, now_ns: u64, frame: &[u8]) {
        if self.hangs(now_ns) {
            return;
        }
        for byte in framed(frame) {
            let begins_ns = self.free_ns.max(now_ns + THINKS_NS);
            self.free_ns = begins_ns + self.byte_ns;
            self.says.push_back((begins_ns, byte));
        }
    }

    fn status(&mut self, now_ns: u64, tid: u8, status: u8) {
        self.say(now_ns, &[0x80 | tid, 6, 0, status]);
    }

    /// Does what a frame of its host's says.
    fn answer(&mut self, now_ns: u64, frame: &[u8]) {
        let &[header, command, ref rest @ ..] = frame else { return };
        if header & 0xf0 != 0x80 {
            return;
        }
        let tid = header & 0x0f;
        match (command, number(rest)) {
            (0, _) => self.status(now_ns, tid, STATUS_OK),
            (1, _) => self.reset(now_ns, Reason::Software),
            (2, Some((property, _))) => match self.property(property) {
                Some(value) => self.tell(now_ns, tid, property, &value),
                None => self.status(now_ns, tid, STATUS_PROP_NOT_FOUND),
            },
            (3, Some((0x71, value))) => self.send(now_ns, tid, value),
            (3, Some((property, value))) => match self.set(property, value) {
                Ok(()) => self.tell(now_ns, tid, property, value),
                Err(status) => self.status(now_ns, tid, status),
            },
            (2 | 3, None) => self.status(now_ns, tid, STATUS_PARSE_ERROR),
            _ => self.status(now_ns, tid, STATUS_INVALID_COMMAND),
        }
    }

    fn tell(&mut self, now_ns: u64, tid: u8, property: u32, value: &[u8]) {
        let mut said = vec![0x80 | tid, 6];
        said.extend(packed(property));
        said.extend(value);
        self.say(now_ns, &said);
    }

    fn property(&self, property: u32) -> Option<Vec<u8>> {
        let settings = &self.settings;
        Some(match property {
            0x00 => vec![STATUS_OK],
            // The protocol's version, and what it is: a radio's interface of IEEE 802.15.4.
            0x01 => vec![4, 3],
            0x02 => b"WAVETANK/RCP\0".to_vec(),
            0x03 => vec![3],
            // Configured as a radio; frames as they are.
            0x05 => [packed(34), packed(513)].concat(),
            0x20 => vec![settings.is_on.into()],
            0x21 => vec![settings.channel],
            0x34 => settings.address.to_vec(),
            0x36 => settings.network.to_le_bytes().to_vec(),
            0x37 => vec![settings.passes.into()],
            _ => return None,
        })
    }

    fn set(&mut self, property: u32, value: &[u8]) -> Result<(), u8> {
        let settings = &mut self.settings;
        match (property, value) {
            (0x20, &[is_on]) => settings.is_on = is_on != 0,
            (0x21, &[channel]) => settings.channel = channel,
            // How strongly it sends is the air's to say; a short address is none of these networks'.
            (0x25, [_]) | (0x35, [_, _]) => {}
            (0x34, value) if value.len() == 8 => settings.address.copy_from_slice(value),
            (0x36, &[low, high]) => settings.network = u16::from_le_bytes([low, high]),
            (0x37, _) if !settings.is_on => return Err(STATUS_INVALID_STATE),
            (0x37, &[passes]) => settings.passes = passes != 0,
            (0x20 | 0x21 | 0x25 | 0x34..=0x37, _) => return Err(STATUS_PARSE_ERROR),
            _ => return Err(STATUS_PROP_NOT_FOUND),
        }
        Ok(())
    }

    /// Sends a frame: its length, its bytes, the channel, and what has its usual value if it is left out.
    fn send(&mut self, now_ns: u64, tid: u8, value: &[u8]) {
        if !self.passes() {
            return self.status(now_ns, tid, STATUS_INVALID_STATE);
        }
        if self.sending.is_some() {
            return self.status(now_ns, tid, STATUS_BUSY);
        }
        let frame = value.split_first_chunk().and_then(|(len, rest)| {
            let len = usize::from(u16::from_le_bytes(*len));
            let (frame, beside) = rest.split_at_checked(len)?;
            let fits = (FCS + 1..=PSDU_MAX).contains(&len);
            fits.then_some((&frame[..len - FCS], *beside.first()?, beside.get(2).copied().unwrap_or(RETRIES)))
        });
        let Some((frame, channel, retries)) = frame else { return self.status(now_ns, tid, STATUS_PARSE_ERROR) };
        let octets_ns = ((frame.len() + FCS) as u64 + PREAMBLE) * OCTET_NS;
        let asks = asks(frame);
        let tries_ns = match asks {
            Some(_) => (octets_ns + ACK_WAIT_NS) * (u64::from(retries) + 1),
            None => octets_ns,
        };
        // On another channel nobody of this world hears it.
        let unheard_until_ns = (channel != self.channel).then_some(now_ns + tries_ns);
        if unheard_until_ns.is_none() {
            self.leaving.push_back(frame.to_vec());
        }
        self.sending = Some(Sending { tid, asks, tries_ns, unheard_until_ns });
    }
}

/// A frame's number, if it is to be acknowledged (IEEE 802.15.4-2006, clause 7.2.1.1).
fn asks(frame: &[u8]) -> Option<u8> {
    let &[low, _, number, ..] = frame else { return None };
    (low & 0x20 != 0).then_some(number)
}

/// Whether a data frame is for that address in that network, or for everybody in it.
fn is_for(frame: &[u8], address: [u8; 8], network: u16) -> bool {
    let &[_, high, _, pan_low, pan_high, ref rest @ ..] = frame else { return false };
    let to = u16::from_le_bytes([pan_low, pan_high]);
    let is_ours = match high >> 2 & 3 {
        2 => rest.starts_with(&[0xff, 0xff]),
        3 => rest.get(..8).is_some_and(|bytes| bytes.iter().rev().eq(&address)),
        _ => false,
    };
    is_ours && (to == network || to == 0xffff)
}

/// A radio's frame behind its length, with room for its check sequence.
fn psdu(frame: &[u8]) -> Vec<u8> {
    let len = (frame.len() + FCS) as u16;
    [&len.to_le_bytes()[..], frame, &[0; FCS]].concat()
}

/// What was heard beside a frame: strengths, flags; channel, quality and time; how it was received.
fn beside(channel: u8) -> Vec<u8> {
    [&[0xc4, 0x80, 0, 0, 10, 0, channel, 0xff][..], &[0; 8], &[1, 0, 0]].concat()
}

/// A packed number, and what stands behind it.
fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let end = bytes.iter().take(3).position(|byte| *byte < 0x80)?;
    let number = bytes[..=end].iter().rev().fold(0, |number, byte| number << 7 | u32::from(byte & 0x7f));
    Some((number, &bytes[end + 1..]))
}

fn packed(number: u32) -> Vec<u8> {
    match number {
        0..0x80 => vec![number as u8],
        0x80..0x4000 => vec![number as u8 | 0x80, (number >> 7) as u8],
        _ => vec![number as u8 | 0x80, (number >> 7) as u8 | 0x80, (number >> 14) as u8],
    }
}

/// The check sequence: the remainder of x¹⁶ + x¹² + x⁵ + 1, the lowest bit first, with its start and its end turned.
fn check(frame: &[u8]) -> u16 {
    !frame.iter().fold(0xffff_u16, |sum, byte| {
        let mixed = (sum as u8) ^ byte;
        let mixed = u16::from(mixed ^ mixed << 4);
        (sum >> 8) ^ mixed << 8 ^ mixed << 3 ^ mixed >> 4
    })
}

fn framed(frame: &[u8]) -> Vec<u8> {
    let mut line = vec![FLAG];
    for byte in frame.iter().copied().chain(check(frame).to_le_bytes()) {
        match byte {
            FLAG | ESCAPE | 0x11 | 0x13 | 0xf8 => line.extend([ESCAPE, byte ^ 0x20]),
            _ => line.push(byte),
        }
    }
    line.push(FLAG);
    line
}

/// What stands between two flags, if it is a frame.
fn unframed(between: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = between.iter();
    let mut frame = Vec::with_capacity(between.len());
    while let Some(&byte) = bytes.next() {
        frame.push(if byte == ESCAPE { bytes.next()? ^ 0x20 } else { byte });
    }
    let (told, len) = (*frame.last_chunk::<2>()?, frame.len() - 2);
    frame.truncate(len);
    (len > 0 && check(&frame) == u16::from_le_bytes(told)).then_some(frame)
}

/// A co-processor that is soldered to a board; a cheap handle.
#[derive(Clone, Debug)]
pub struct Module {
    shared: Rc<RefCell<Shared>>,
    port: Port,
}

#[derive(Debug)]
struct Shared {
    rcp: Rcp,
    /// Who serves it.
    server: Option<Waker>,
}

/// The module's end of its line.
struct Ear(Rc<RefCell<Shared>>);

impl Peer for Ear {
    fn next(&mut self) -> Option<(u64, u8)> {
        self.0.borrow_mut().rcp.next_byte()
    }

    fn hear(&mut self, now_ns: u64, byte: u8) {
        let shared = &mut *self.0.borrow_mut();
        shared.rcp.hear(now_ns, byte);
        if byte == FLAG
            && let Some(server) = &shared.server
        {
            server.wake_by_ref();
        }
    }
}

impl Module {
    /// A module on the air of that channel, with a line of so many bits a second and a FIFO of so many bytes in front of the
    /// node.
    #[must_use]
    pub fn new(channel: u8, baud: u32, fifo_max: usize, whims: Whims) -> Self {
        let shared = Rc::new(RefCell::new(Shared { rcp: Rcp::new(channel, baud, whims), server: None }));
        let port = Port::new(baud, baud, fifo_max, Ear(Rc::clone(&shared)));
        Self { shared, port }
    }

    /// Its line.
    #[must_use]
    pub fn port(&self) -> &Port {
        &self.port
    }

    /// Its power came.
    pub fn power_on(&self, now_ns: u64) {
        self.shared.borrow_mut().rcp.reset(now_ns, Reason::PowerOn);
        self.port.stir();
    }

    /// How often it was reset so far, its first start with it.
    #[must_use]
    pub fn resets(&self) -> u32 {
        self.shared.borrow().rcp.resets()
    }

    /// Has it hear and send by `radio`, for ever. `fates` says what became of each frame that is sent from now on, by its turn
    /// from 0 on, as a [`Watch`](crate::net::air::Watch) does.
    pub async fn serve(
        &self,
        mut radio: impl Driver,
        mut fates: impl FnMut(&mut Context<'_>) -> Poll<(u64, Fate)>,
        bench: impl Bench,
    ) {
        // Nobody hears any more what became of a frame that was sent before.
        self.shared.borrow_mut().rcp.settle(bench.now_ns() + bench.debt_ns(), Err(DropReason::NodeDown));
        let mut sent = 0;
        loop {
            let next_ns = {
                let now_ns = bench.now_ns() + bench.debt_ns();
                let shared = &mut *self.shared.borrow_mut();
                shared.rcp.advance(now_ns)
            };
            self.port.stir();
            let mut sleep = pin!(async {
                match next_ns {
                    Some(at_ns) => bench.sleep_until_ns(at_ns).await,
                    None => pending().await,
                }
            });
            let mut is_first = true;
            poll_fn(|cx| {
                let has_heard = self.pass(&mut radio, &mut sent, &mut fates, &bench, cx);
                // What its host says wakes this, too; then it is asked anew what is due.
                let was_woken = !std::mem::replace(&mut is_first, false);
                if has_heard || was_woken { Poll::Ready(()) } else { sleep.as_mut().poll(cx) }
            })
            .await;
        }
    }

    /// Passes frames both ways, and what became of those that were sent; whether anything came.
    fn pass(
        &self,
        radio: &mut impl Driver,
        sent: &mut u64,
        fates: &mut impl FnMut(&mut Context<'_>) -> Poll<(u64, Fate)>,
        bench: &impl Bench,
        cx: &mut Context<'_>,
    ) -> bool {
        let shared = &mut *self.shared.borrow_mut();
        shared.server = Some(cx.waker().clone());
        while let Some(frame) = shared.rcp.transmit() {
            if let Some(room) = radio.transmit(cx) {
                room.consume(frame.len(), |bytes| bytes.copy_from_slice(&frame));
                *sent += 1;
            }
        }
        let mut has_heard = false;
        while let Poll::Ready((turn, fate)) = fates(cx) {
            // One that was sent before it was reset is nothing to it.
            if turn + 1 == *sent {
                has_heard = true;
                shared.rcp.settle(bench.now_ns() + bench.debt_ns(), fate);
            }
        }
        while let Some((frame, _)) = radio.receive(cx) {
            has_heard = true;
            let now_ns = bench.now_ns() + bench.debt_ns();
            frame.consume(|frame| shared.rcp.receive(now_ns, frame));
        }
        has_heard
    }
}
