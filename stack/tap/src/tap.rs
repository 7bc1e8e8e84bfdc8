//! An Ethernet card whose cable ends in the kernel.

use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use tokio::io::{AsyncRead, ReadBuf};
use tokio_tun::Tun;

/// Ethernet's header, and the longest packet that it carries.
const FRAME_MAX: usize = 14 + 1_500;

/// A TAP device. It is gone when this is dropped.
///
/// It must be made, and polled, in a tokio runtime.
pub struct Tap {
    tun: Tun,
    address: [u8; 6],
    frame: Box<[u8]>,
    /// Frames that the kernel did not take.
    refused: u64,
    broken: Option<io::Error>,
}

/// Why a TAP device could not be opened.
#[derive(Debug)]
pub struct OpenError {
    name: String,
    cause: tokio_tun::Error,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, cause } = self;
        write!(
            f,
            "the TAP device {name} cannot be opened: {cause}; it needs /dev/net/tun, and root or a device of one's own \
             (ip tuntap add {name} mode tap user $USER)"
        )
    }
}

impl std::error::Error for OpenError {}

impl Tap {
    /// Opens the TAP device `name`, making it if there is none. `address` is our end's Ethernet address; the
    /// kernel's end has one of its own.
    ///
    /// # Errors
    /// [`OpenError`] where there is no `/dev/net/tun`, the right is missing, or somebody else has the device.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(name: &str, address: [u8; 6]) -> Result<Self, OpenError> {
        let failed = |cause| OpenError { name: name.to_owned(), cause };
        let tun = Tun::builder().name(name).tap().build().map_err(failed)?;
        let tun = tun.into_iter().next().ok_or_else(|| failed(io::Error::from(io::ErrorKind::NotFound).into()))?;
        Ok(Self { tun, address, frame: vec![0; FRAME_MAX].into(), refused: 0, broken: None })
    }

    /// The kernel's name of the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        self.tun.name()
    }

    /// How many frames the kernel did not take, because its end is down or its queue full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// What ended the device, if something did: it was deleted, for example.
    #[must_use]
    pub fn broken(&self) -> Option<&io::Error> {
        self.broken.as_ref()
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("name", &self.name()).finish_non_exhaustive()
    }
}

impl Driver for Tap {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, Room<'_>)> {
        if self.broken.is_some() {
            return None;
        }
        let mut frame = ReadBuf::new(&mut self.frame);
        match Pin::new(&mut self.tun).poll_read(cx, &mut frame) {
            Poll::Ready(Ok(())) => {
                let len = frame.filled().len();
                let room = Room { tun: &self.tun, refused: &mut self.refused };
                Some((Received(&mut self.frame[..len]), room))
            }
            Poll::Ready(Err(error)) => {
                self.broken = Some(error);
                None
            }
            Poll::Pending => None,
        }
    }

    fn transmit(&mut self, _cx: &mut Context<'_>) -> Option<Room<'_>> {
        // What the kernel does not take at once, it drops, as any cable may.
        Some(Room { tun: &self.tun, refused: &mut self.refused })
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        if self.broken.is_some() { LinkState::Down } else { LinkState::Up }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

/// A frame that the kernel sent.
pub struct Received<'a>(&'a mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame to the kernel.
pub struct Room<'a> {
    tun: &'a Tun,
    refused: &'a mut u64,
}

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = [0; FRAME_MAX];
        let frame = &mut frame[..len];
        let result = f(frame);
        if self.tun.try_send(frame).is_err() {
            *self.refused += 1;
        }
        result
    }
}
