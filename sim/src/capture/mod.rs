//! Packet captures: pcapng with nanosecond virtual timestamps.
//!
//! [`Writer`] writes what Wireshark and tshark open: one section, an interface description for each wire or NIC that is
//! captured, an enhanced packet block for each frame (draft-ietf-opsawg-pcapng-03). Little-endian always, so that the
//! same run gives the same file on every machine. It writes only; nothing here reads captures.

use std::io::{self, BufWriter, Write};

/// What the frames of an interface are (pcap's LINKTYPE numbers).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum LinkType {
    /// Ethernet from the destination address on, without preamble and frame check sequence.
    #[default]
    Ethernet = 1,
    /// IEEE 802.15.4 from the frame control field on, without the frame check sequence.
    Ieee802154 = 230,
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const SECTION_LENGTH_UNKNOWN: u64 = u64::MAX;
const NO_SNAP_LENGTH: u32 = 0;

const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_SECTION_APPLICATION: u16 = 4;
const OPTION_INTERFACE_NAME: u16 = 2;
const OPTION_INTERFACE_DESCRIPTION: u16 = 3;
const OPTION_INTERFACE_TIME_RESOLUTION: u16 = 9;
const OPTION_PACKET_FLAGS: u16 = 2;

/// A block's type and its two lengths.
const BLOCK_FRAME: usize = 12;
/// Interface, timestamp and two lengths.
const PACKET_FIELDS: usize = 20;
const PACKET_FLAGS_VALUE: usize = 4;

/// One captured wire or NIC of a [`Writer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interface(u32);

/// Which way a frame went, seen from its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The interface received it.
    Inbound,
    /// The interface sent it.
    Outbound,
    /// The interface is a wire: it only saw the frame pass.
    Passing,
}

impl Direction {
    /// Bits 0 and 1 of `epb_flags`.
    fn flags(self) -> u32 {
        match self {
            Direction::Passing => 0,
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        }
    }
}

/// Writes a capture. It buffers: [`finish`](Self::finish) it to learn whether all could be written.
#[derive(Debug)]
pub struct Writer<W: Write> {
    output: BufWriter<W>,
    epoch_ns: u64,
    interfaces: u32,
}

impl<W: Write> Writer<W> {
    /// Begins a capture. Timestamps will be `epoch_ns` later than the world's time: what its clock started at, in
    /// nanoseconds since the Unix epoch, or zero.
    ///
    /// # Errors
    /// When the output fails.
    pub fn new(output: W, epoch_ns: u64) -> io::Result<Self> {
        let mut writer = Writer { output: BufWriter::new(output), epoch_ns, interfaces: 0 };
        let application = b"wavetank";
        let length = 16 + option_length(application.len()) + option_length(0);
        writer.begin(SECTION_HEADER, length)?;
        writer.put(&BYTE_ORDER_MAGIC.to_le_bytes())?;
        writer.put(&1_u16.to_le_bytes())?;
        writer.put(&0_u16.to_le_bytes())?;
        writer.put(&SECTION_LENGTH_UNKNOWN.to_le_bytes())?;
        writer.option(OPTION_SECTION_APPLICATION, application)?;
        writer.option(OPTION_END, b"")?;
        writer.end(length)?;
        Ok(writer)
    }

    /// Adds an interface of Ethernet, at any time before its first frame. An empty description is left out.
    ///
    /// # Errors
    /// When the output fails; `InvalidInput` when a text is longer than 65,535 bytes.
    pub fn interface(&mut self, name: &str, description: &str) -> io::Result<Interface> {
        self.interface_of(LinkType::Ethernet, name, description)
    }

    /// Adds an interface, at any time before its first frame. An empty description is left out.
    ///
    /// # Errors
    /// As [`interface`](Self::interface).
    pub fn interface_of(&mut self, link: LinkType, name: &str, description: &str) -> io::Result<Interface> {
        let texts = [(OPTION_INTERFACE_NAME, name), (OPTION_INTERFACE_DESCRIPTION, description)];
        let said = texts.iter().filter(|(_, text)| !text.is_empty());
        let options: usize = said.clone().map(|(_, text)| option_length(text.len())).sum();
        let length = 8 + options + option_length(1) + option_length(0);
        said.clone().try_for_each(|(_, text)| check_option(text))?;

        self.begin(INTERFACE_DESCRIPTION, length)?;
        self.put(&(link as u16).to_le_bytes())?;
        self.put(&0_u16.to_le_bytes())?;
        self.put(&NO_SNAP_LENGTH.to_le_bytes())?;
        for (code, text) in said {
            self.option(*code, text.as_bytes())?;
        }
        // Ten to the power of minus nine.
        self.option(OPTION_INTERFACE_TIME_RESOLUTION, &[9])?;
        self.option(OPTION_END, b"")?;
        self.end(length)?;

        let interface = Interface(self.interfaces);
        self.interfaces += 1;
        Ok(interface)
    }

    /// Adds a frame that `interface` saw at `at_ns` of the world's time.
    ///
    /// Frames may come in any order of time, but Wireshark reads best what is sorted. A frame's comment stands beside
    /// it in Wireshark; an empty one is left out.
    ///
    /// # Errors
    /// When the output fails; `InvalidInput` when the interface is of another writer, the comment is longer than 65,535
    /// bytes, the frame is longer than 2³² or the instant beyond the year 2554. Nothing of the frame is written then,
    /// unless it is the output that fails.
    pub fn frame(
        &mut self,
        interface: Interface,
        at_ns: u64,
        direction: Direction,
        bytes: &[u8],
        comment: Option<&str>,
    ) -> io::Result<()> {
        if interface.0 >= self.interfaces {
            return Err(invalid("the interface is of another capture"));
        }
        let comment = comment.filter(|comment| !comment.is_empty());
        comment.map_or(Ok(()), check_option)?;
        let captured = u32::try_from(bytes.len()).map_err(|_| invalid("the frame is too long for a capture"))?;
        let timestamp =
            self.epoch_ns.checked_add(at_ns).ok_or_else(|| invalid("the time is too late for a capture"))?;

        let comment_length = comment.map_or(0, |comment| option_length(comment.len()));
        let options = option_length(PACKET_FLAGS_VALUE) + comment_length + option_length(0);
        let length = PACKET_FIELDS + padded(bytes.len()) + options;
        self.begin(ENHANCED_PACKET, length)?;
        self.put(&interface.0.to_le_bytes())?;
        self.put(&high_half(timestamp).to_le_bytes())?;
        self.put(&low_half(timestamp).to_le_bytes())?;
        self.put(&captured.to_le_bytes())?;
        self.put(&captured.to_le_bytes())?;
        self.put_padded(bytes)?;
        if let Some(comment) = comment {
            self.option(OPTION_COMMENT, comment.as_bytes())?;
        }
        self.option(OPTION_PACKET_FLAGS, &direction.flags().to_le_bytes())?;
        self.option(OPTION_END, b"")?;
        self.end(length)
    }

    /// Hands on what is buffered.
    ///
    /// # Errors
    /// When the output fails.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Hands on what is buffered, and gives back the output.
    ///
    /// # Errors
    /// When the output fails.
    pub fn finish(self) -> io::Result<W> {
        self.output.into_inner().map_err(io::IntoInnerError::into_error)
    }

    fn begin(&mut self, kind: u32, length: usize) -> io::Result<()> {
        self.put(&kind.to_le_bytes())?;
        self.end(length)
    }

    /// The block's whole length, which stands at both of its ends.
    fn end(&mut self, length: usize) -> io::Result<()> {
        let whole = u32::try_from(BLOCK_FRAME + length).map_err(|_| invalid("the frame is too long for a capture"))?;
        self.put(&whole.to_le_bytes())
    }

    fn option(&mut self, code: u16, value: &[u8]) -> io::Result<()> {
        let length = u16::try_from(value.len()).map_err(|_| invalid("a text is too long for a capture"))?;
        self.put(&code.to_le_bytes())?;
        self.put(&length.to_le_bytes())?;
        self.put_padded(value)
    }

    fn put_padded(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.put(bytes)?;
        self.put(&[0; 3][..padded(bytes.len()) - bytes.len()])
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)
    }
}

fn option_length(value_length: usize) -> usize {
    4 + padded(value_length)
}

/// Everything in a capture starts at a multiple of 32 bits.
fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}

fn check_option(text: &str) -> io::Result<()> {
    if u16::try_from(text.len()).is_err() {
        return Err(invalid("a text is too long for a capture"));
    }
    Ok(())
}

fn high_half(word: u64) -> u32 {
    u32::try_from(word >> 32).expect("half a word")
}

fn low_half(word: u64) -> u32 {
    u32::try_from(word & 0xffff_ffff).expect("half a word")
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}
