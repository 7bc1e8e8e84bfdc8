//! A radio of IEEE 802.15.4 behind a serial line: a radio co-processor (RCP) that speaks Spinel in HDLC-lite frames, as those of
//! OpenThread do (draft-rquattle-spinel-unified-00; RFC 1662 for the check sequence). So a board without a radio of its own
//! has one by a module of any maker.
//!
//! [`split`] gives two halves. The [`Radio`] is a driver of radio frames, for [`lowpan`](crate::lowpan) or whoever else speaks
//! [`embassy_net_driver`]. The [`Link`] is run beside it, over the line:
//!
//! - It resets the co-processor, sees that it is one, and tells it network, channel and address. Then frames pass, one after
//!   the other on their way out, as the co-processor says what became of each.
//! - Who does not answer is asked again, and then begun anew with, after pauses that grow ([`Options::pause_max`]). Who resets
//!   itself is set up again at once; that it did is seen by its word or, if that was lost, by what it answers.
//! - While it is not there the radio's link is down, and frames that are to be sent are dropped and counted: nobody waits for a
//!   silent co-processor, and what it wakes up to is not old.
//! - What comes damaged, or is nonsense, is counted under a reason ([`Count`]).
//!
//! All memory is fixed. Dropping [`Link::run`] at any await loses at most what was on the line; the next run begins with a
//! reset.
//!
//! The address is the host's to choose ([`Options::address`]), and not the co-processor's own: so it is known before anything is
//! heard of it, and stays when the module is changed for another. Acknowledgements, waiting for a free channel, sending again and
//! the frames' check sequences are the co-processor's.
//!
//! Not here: the draft's other interfaces (SPI), its network co-processors, security of the link layer, scans, several
//! networks by one radio.
//!
//! ```
//! use core::net::Ipv6Addr;
//! use embedded_io_async::{Read, Write};
//! use wavetank_stack::lowpan::{self, Counts, Lowpan};
//! use wavetank_stack::{Clock, Config, Resources, Stack, rcp};
//!
//! async fn by_module(from: impl Read, to: impl Write, clock: impl Clock + Copy) {
//!     let options = rcp::Options::new([2, 0, 0, 0, 0, 0, 0, 1], 0xbeef, 15);
//!     let mut memory = rcp::Memory::<4>::new();
//!     let (radio, mut line) = rcp::split(&mut memory, options);
//!     let (mut packets, counts) = (lowpan::Memory::<2>::new(), Counts::new());
//!     let link = Lowpan::new(radio, clock, &mut packets, &counts, lowpan::Options::new(0xbeef));
//!     let own = [link.address().link_local()];
//!     let mut resources: Resources<'_> = Resources::new();
//!     let (stack, mut runner) = Stack::new(&mut resources, link, clock, &Config::new(&own, &[]), 7);
//!     # let _ = &stack;
//!     // Beside it whatever the station does.
//!     runner.run_with(line.run(from, to, &clock, &())).await;
//! }
//! ```

mod count;
mod hdlc;
mod link;
mod radio;
mod spinel;

use core::cell::RefCell;
use core::fmt;

pub use count::{Count, UP};
pub use link::Link;
pub use radio::{Radio, Received, Room};

use self::radio::Shared;
use crate::time::Duration;

/// The longest frame of IEEE 802.15.4, without its check sequence.
pub const FRAME_MAX: usize = 125;

/// What a co-processor is told, and how it is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The radio's address, an EUI-64, its first byte first.
    pub address: [u8; 8],
    /// The number of its network (PAN).
    pub pan: u16,
    /// The channel: 11 to 26 at 2.4 GHz.
    pub channel: u8,
    /// How strongly it sends, in dBm; as it likes if this is left out.
    pub power_dbm: Option<i8>,
    /// How often the channel may be busy before a frame is given up.
    pub backoffs: u8,
    /// How often a frame is sent again that nobody acknowledges.
    pub retries: u8,
    /// How long an answer may take: longer than a frame may wait for a free channel.
    pub patience: Duration,
    /// How often a question is asked before the co-processor is taken for gone; at least 1.
    pub tries: u8,
    /// Who was not heard for so long is asked whether it is there.
    pub beat: Duration,
    /// From one try to set it up to the next, at first; doubled for each further one.
    pub pause: Duration,
    /// The longest such pause.
    pub pause_max: Duration,
}

impl Options {
    /// The usual settings: four backoffs and three retries; half a second for an answer, three tries, a question after ten
    /// silent seconds; pauses of half a second to sixteen seconds.
    pub const fn new(address: [u8; 8], pan: u16, channel: u8) -> Self {
        Self {
            address,
            pan,
            channel,
            power_dbm: None,
            backoffs: 4,
            retries: 3,
            patience: Duration::from_millis(500),
            tries: 3,
            beat: Duration::from_secs(10),
            pause: Duration::from_millis(500),
            pause_max: Duration::from_secs(16),
        }
    }
}

/// The EUI-64 that is made of an Ethernet address (RFC 4291, appendix A): for a radio on a board that has a number of its own
/// already.
pub const fn eui_of([a, b, c, d, e, f]: [u8; 6]) -> [u8; 8] {
    [a, b, c, 0xff, 0xfe, d, e, f]
}

/// Fixed memory for one radio: for so many frames each way.
pub struct Memory<const FRAMES: usize = 4> {
    shared: RefCell<Shared<FRAMES>>,
}

impl<const FRAMES: usize> Memory<FRAMES> {
    /// Memory that nobody uses yet.
    pub const fn new() -> Self {
        const { assert!(FRAMES > 0, "a frame needs a place") };
        Self { shared: RefCell::new(Shared::new()) }
    }
}

impl<const FRAMES: usize> Default for Memory<FRAMES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const FRAMES: usize> fmt::Debug for Memory<FRAMES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

/// The driver of a radio, and what has to be run beside it. See the [module](self).
pub fn split<const FRAMES: usize>(
    memory: &mut Memory<FRAMES>,
    options: Options,
) -> (Radio<'_, FRAMES>, Link<'_, FRAMES>) {
    *memory.shared.get_mut() = Shared::new();
    (Radio::new(&memory.shared, options.address), Link::new(&memory.shared, options))
}
