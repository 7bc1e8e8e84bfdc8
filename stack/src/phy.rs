//! Any device of smoltcp's as a driver: what implements [`smoltcp::phy::Device`], a tap of smoltcp's own, a fault injector or a
//! loopback, can be below a [`Stack`](crate::Stack).
//!
//! Two things are not the same in the two worlds. Such a device lends what it received unchangeably, and a driver lends it so
//! that it may be written to: so each frame is copied, once, into memory that is lent. And such a device wakes nobody: it is
//! looked at when the stack has a turn anyway, right after something was sent, and every so often ([`Options::look_every`]).
//!
//! This is the one place where smoltcp's types are in the stack's interface, and smoltcp's version is part of it.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Waker},
};

use embassy_net_driver::{Capabilities, Checksum, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use smoltcp::phy::{self, Device};

use crate::time::{Clock, Duration};

/// How a device is driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// How often to look whether something came, while nothing else makes the stack look; `None` if that is not needed: all
    /// that comes is an answer of the device's own, as with a loopback. Default: 1 ms.
    pub look_every: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { look_every: Some(Duration::from_millis(1)) }
    }
}

/// A device of smoltcp's as a driver.
pub struct Phy<'b, D, C: Clock> {
    device: D,
    clock: C,
    hardware: HardwareAddress,
    received: &'b mut [u8],
    options: Options,
    timer: Option<C::Timer>,
    waker: Option<Waker>,
}

impl<'b, D: Device, C: Clock> Phy<'b, D, C> {
    /// A device whose frames are IP packets ([`phy::Medium::Ip`]). `received` holds the longest of them.
    ///
    /// # Panics
    /// If `received` is shorter than the device's longest frame.
    pub fn ip(device: D, clock: C, received: &'b mut [u8], options: Options) -> Self {
        Self::new(device, clock, HardwareAddress::Ip, received, options)
    }

    /// A device whose frames are Ethernet's (smoltcp's `Medium::Ethernet`), with that address. `received` holds the longest of
    /// them.
    ///
    /// # Panics
    /// If `received` is shorter than the device's longest frame.
    pub fn ethernet(device: D, clock: C, mac: [u8; 6], received: &'b mut [u8], options: Options) -> Self {
        Self::new(device, clock, HardwareAddress::Ethernet(mac), received, options)
    }

    fn new(device: D, clock: C, hardware: HardwareAddress, received: &'b mut [u8], options: Options) -> Self {
        let longest = device.capabilities().max_transmission_unit;
        assert!(
            received.len() >= longest,
            "the longest frame has {longest} bytes, and there is room for {}",
            received.len()
        );
        Self { device, clock, hardware, received, options, timer: None, waker: None }
    }

    /// The device.
    pub fn device(&self) -> &D {
        &self.device
    }

    fn now(&self) -> smoltcp::time::Instant {
        smoltcp::time::Instant::from_micros(i64::try_from(self.clock.now().as_micros()).unwrap_or(i64::MAX))
    }
}

impl<D, C: Clock<Timer: Unpin>> Phy<'_, D, C> {
    /// Sees to it that the device is looked at again: after something was sent, and after a while.
    fn look_again(&mut self, cx: &mut Context<'_>) {
        self.register(cx);
        let Some(every) = self.options.look_every else { return };
        loop {
            let clock = &self.clock;
            let timer = self.timer.get_or_insert_with(|| clock.timer(clock.now() + every));
            if Pin::new(timer).poll(cx).is_pending() {
                return;
            }
            self.timer = None;
        }
    }

    fn register(&mut self, cx: &Context<'_>) {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
        }
    }
}

impl<D: Device, C: Clock<Timer: Unpin>> Driver for Phy<'_, D, C> {
    type RxToken<'t>
        = Received<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t, D::TxToken<'t>>
    where
        Self: 't;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received<'_>, Self::TxToken<'_>)> {
        self.look_again(cx);
        let now = self.now();
        let (frame, room) = self.device.receive(now)?;
        let received = &mut *self.received;
        // A device that breaks its word about its longest frame has sent one that is none: the stack counts it.
        let len = phy::RxToken::consume(frame, |frame| match received.get_mut(..frame.len()) {
            Some(place) => {
                place.copy_from_slice(frame);
                frame.len()
            }
            None => 0,
        });
        Some((Received(&mut received[..len]), Room { token: room, waker: self.waker.as_ref() }))
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Self::TxToken<'_>> {
        self.register(cx);
        let now = self.now();
        let room = self.device.transmit(now)?;
        Some(Room { token: room, waker: self.waker.as_ref() })
    }

    fn link_state(&mut self, _cx: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let device = self.device.capabilities();
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = device.max_transmission_unit;
        capabilities.max_burst_size = device.max_burst_size;
        let checksum = &mut capabilities.checksum;
        checksum.ipv4 = left_to_us(&device.checksum.ipv4);
        checksum.udp = left_to_us(&device.checksum.udp);
        checksum.tcp = left_to_us(&device.checksum.tcp);
        checksum.icmpv4 = left_to_us(&device.checksum.icmpv4);
        #[cfg(feature = "ipv6")]
        {
            checksum.icmpv6 = left_to_us(&device.checksum.icmpv6);
        }
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.hardware
    }
}

fn left_to_us(checksum: &phy::Checksum) -> Checksum {
    match checksum {
        phy::Checksum::Both => Checksum::Both,
        phy::Checksum::Rx => Checksum::Rx,
        phy::Checksum::Tx => Checksum::Tx,
        phy::Checksum::None => Checksum::None,
    }
}

/// A frame that came.
pub struct Received<'t>(&'t mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame.
pub struct Room<'t, T> {
    token: T,
    waker: Option<&'t Waker>,
}

impl<T: phy::TxToken> TxToken for Room<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        // What is sent may be what comes: a loopback has nobody else to say so.
        if let Some(waker) = self.waker {
            waker.wake_by_ref();
        }
        self.token.consume(len, f)
    }
}

impl<D, C: Clock> fmt::Debug for Phy<'_, D, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Phy").field("hardware", &self.hardware).finish_non_exhaustive()
    }
}
