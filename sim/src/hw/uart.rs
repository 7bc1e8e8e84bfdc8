//! A serial line (UART) at the level of bytes: eight data bits, no parity, one stop bit.
//!
//! A [`Port`] belongs to a board and outlives its node's restarts; what is at the other end is a [`Peer`], which says which
//! bytes come when and hears what is sent. Node code holds a [`Serial`], which speaks embedded-io-async. Bytes come whether
//! anybody reads them or not: those that find the receiver's FIFO full are lost, and the next read says so
//! ([`Error::Overrun`]). A byte whose stop bit is not one is lost, too, and its read says so ([`Error::Framing`]): so it is
//! with every byte when the ends' clocks differ by too much. Reads are cancel-safe. Not here: parity, breaks, flow control.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

use super::ailment::{Ailment, Case, Faulty, Ills, Onset};
use super::bench::Bench;

/// A start bit, eight data bits and a stop bit.
const BITS: u64 = 10;
/// The receiver looks at the middle of the stop bit, nine bits and a half after the edge that it counts from: clocks that
/// differ by more than half a bit over that read another bit there. In parts in a million.
const MISMATCH_PPM: u64 = 1_000_000 * 5 / 95;

/// What is at the other end of a line. Times are the world's nanoseconds.
pub trait Peer {
    /// The next byte that it sends, and when it begins to; `None` if it has nothing to send. Called once for each byte; after
    /// `None` again when a byte has come from the node, or its port was stirred ([`Port::stir`]).
    fn next(&mut self) -> Option<(u64, u8)>;

    /// A byte from the node has come, at `now_ns`.
    fn hear(&mut self, _now_ns: u64, _byte: u8) {}
}

/// Why a byte is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its stop bit was not one.
    #[error("a byte without a stop bit")]
    Framing,
    /// Bytes came, and those before them had not been read.
    #[error("bytes were lost because nobody read those before them")]
    Overrun,
}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Framing => ErrorKind::InvalidData,
            Self::Overrun => ErrorKind::Other,
        }
    }
}

/// One line of a board; a cheap handle.
#[derive(Clone)]
pub struct Port {
    line: Rc<RefCell<Line>>,
}

struct Line {
    peer: Box<dyn Peer>,
    bit_ns: u64,
    /// By how much the peer's clock is off, in parts in a million.
    mismatch_ppm: u64,
    /// The next byte that comes, and when it is there.
    coming: Option<(u64, u8)>,
    fifo: VecDeque<Result<u8, Error>>,
    fifo_max: usize,
    /// When the transmitter is free.
    free_at_ns: u64,
    ills: Ills,
    /// Who waits for a byte while none is coming.
    reader: Option<Waker>,
}

impl Port {
    /// A line of `baud` bits a second to a peer that sends and hears at `peer_baud`, with a FIFO of so many bytes in front of
    /// the node.
    ///
    /// # Panics
    /// If a clock stands still, or the FIFO holds nothing.
    pub fn new(baud: u32, peer_baud: u32, fifo_max: usize, peer: impl Peer + 'static) -> Self {
        assert!(baud > 0 && peer_baud > 0 && fifo_max > 0, "a line has clocks and a FIFO");
        let mismatch_ppm = u64::from(baud.abs_diff(peer_baud)) * 1_000_000 / u64::from(baud);
        let mut line = Line {
            peer: Box::new(peer),
            bit_ns: 1_000_000_000 / u64::from(baud),
            mismatch_ppm,
            coming: None,
            fifo: VecDeque::new(),
            fifo_max,
            free_at_ns: 0,
            ills: Ills::default(),
            reader: None,
        };
        line.expect_next();
        Self { line: Rc::new(RefCell::new(line)) }
    }

    /// The peer has something to send, and had nothing before.
    pub fn stir(&self) {
        let reader = self.line.borrow_mut().stir();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The receiver is switched on at `now_ns`: what came before has not been heard.
    pub fn switch_on(&self, now_ns: u64) {
        let line = &mut *self.line.borrow_mut();
        while line.coming.is_some_and(|(at_ns, _)| at_ns <= now_ns) {
            line.expect_next();
        }
        line.fifo.clear();
        line.free_at_ns = now_ns;
    }
}

impl Line {
    fn expect_next(&mut self) {
        let whole_ns = BITS * self.bit_ns;
        self.coming = self.peer.next().map(|(begins_ns, byte)| (begins_ns.saturating_add(whole_ns), byte));
    }

    /// Asks a peer that had nothing to send whether it has now; whom to wake if so.
    fn stir(&mut self) -> Option<Waker> {
        if self.coming.is_none() {
            self.expect_next();
        }
        self.reader.take_if(|_| self.coming.is_some())
    }

    /// Takes in what has come by `now_ns`.
    fn catch_up(&mut self, now_ns: u64) {
        while let Some((_, byte)) = self.coming.filter(|(at_ns, _)| *at_ns <= now_ns) {
            self.expect_next();
            let came = self.came(byte);
            if self.fifo.len() < self.fifo_max {
                self.fifo.push_back(came);
            } else if let Some(last) = self.fifo.back_mut() {
                // The receiver tells it with the last byte that it had room for.
                *last = Err(Error::Overrun);
            }
        }
    }

    /// A byte, as the receiver has it.
    fn came(&mut self, mut byte: u8) -> Result<u8, Error> {
        let mut mismatch_ppm = self.mismatch_ppm;
        let mut error = None;
        for ill in self.ills.iter_mut() {
            match ill.ailment {
                Ailment::UartBaud { drift_ppb } => {
                    mismatch_ppm += u64::from(drift_ppb.unsigned_abs()) / 1_000;
                    if mismatch_ppm > MISMATCH_PPM {
                        ill.case.felt(byte.into());
                    }
                }
                Ailment::UartFraming { odds } => {
                    let strikes = ill.strikes(odds);
                    if strikes {
                        ill.case.felt(byte.into());
                        error = Some(Error::Framing);
                    }
                }
                Ailment::UartOverrun { odds } => {
                    let strikes = ill.strikes(odds);
                    if strikes {
                        ill.case.felt(byte.into());
                        error = error.or(Some(Error::Overrun));
                    }
                }
                Ailment::UartNoise { odds } => {
                    let strikes = ill.strikes(odds);
                    let bit = ill.stream.below(8);
                    if strikes {
                        ill.case.felt(bit);
                        byte ^= 1 << bit;
                    }
                }
                _ => {}
            }
        }
        if mismatch_ppm > MISMATCH_PPM {
            error = Some(Error::Framing);
        }
        error.map_or(Ok(byte), Err)
    }
}

impl Faulty for Port {
    fn begin(&self, ailment: Ailment, onset: Onset) {
        let line = &mut *self.line.borrow_mut();
        line.catch_up(onset.now_ns);
        line.ills.begin(ailment, onset, 0);
    }

    fn end(&self, case: Case) {
        let line = &mut *self.line.borrow_mut();
        // What came meanwhile and was not read yet came to an ailing line.
        if let Some(now_ns) = case.now_ns() {
            line.catch_up(now_ns);
        }
        line.ills.end(case);
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").finish_non_exhaustive()
    }
}

/// A node's end of a [`Port`].
#[derive(Clone, Debug)]
pub struct Serial<B> {
    port: Port,
    bench: B,
}

impl<B: Bench> Serial<B> {
    /// The line of a node that has just booted.
    pub fn new(port: Port, bench: B) -> Self {
        Self { port, bench }
    }

    fn now_ns(&self) -> u64 {
        self.bench.now_ns() + self.bench.debt_ns()
    }
}

impl<B> ErrorType for Serial<B> {
    type Error = Error;
}

impl<B: Bench> Read for Serial<B> {
    async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            let next_ns = {
                let line = &mut *self.port.line.borrow_mut();
                line.catch_up(self.now_ns());
                let good = line.fifo.iter().take_while(|came| came.is_ok()).count().min(bytes.len());
                if good > 0 {
                    let came = line.fifo.drain(..good);
                    bytes.iter_mut().zip(came.flatten()).for_each(|(room, byte)| *room = byte);
                    return Ok(good);
                }
                if let Some(Err(error)) = line.fifo.pop_front() {
                    return Err(error);
                }
                line.coming.map(|(at_ns, _)| at_ns)
            };
            match next_ns {
                Some(at_ns) => self.bench.sleep_until_ns(at_ns).await,
                None => {
                    poll_fn(|cx| {
                        let line = &mut *self.port.line.borrow_mut();
                        if line.coming.is_some() {
                            return Poll::Ready(());
                        }
                        line.reader = Some(cx.waker().clone());
                        Poll::Pending
                    })
                    .await;
                }
            }
        }
    }
}

impl<B: Bench> Write for Serial<B> {
    /// Sends all that it is given; dropped, it goes on in the transmitter.
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let (start_ns, end_ns) = {
            let line = &mut *self.port.line.borrow_mut();
            let start_ns = self.now_ns().max(line.free_at_ns);
            let byte_ns = BITS * line.bit_ns;
            for (at_ns, byte) in (1..).map(|number| start_ns + number * byte_ns).zip(bytes) {
                line.peer.hear(at_ns, *byte);
            }
            line.free_at_ns = start_ns + bytes.len() as u64 * byte_ns;
            (start_ns, line.free_at_ns)
        };
        self.port.stir();
        self.bench.works(start_ns, end_ns);
        self.bench.sleep_until_ns(end_ns).await;
        Ok(bytes.len())
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let free_at_ns = self.port.line.borrow().free_at_ns;
        self.bench.sleep_until_ns(free_at_ns).await;
        Ok(())
    }
}
