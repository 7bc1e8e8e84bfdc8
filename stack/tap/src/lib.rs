//! The stack on Linux: network interfaces that end in this process, and a clock, both over tokio.
//!
//! A [`Tap`] is an Ethernet card whose cable's other end is an interface of the kernel. Whatever the kernel can do
//! with an interface, route, bridge, capture, it can do with this one. Opening one needs the right to
//! (`CAP_NET_ADMIN`), or a device that was made for the user beforehand: `ip tuntap add tank0 mode tap user $USER`.
//!
//! On other systems there is nothing in this crate.
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]

mod clock;
mod tap;

pub use clock::HostClock;
pub use tap::{OpenError, Tap};
