//! What prefixes are shortened to (RFC 6282, section 3.1.2), agreed on in advance or learnt from a router (RFC 6775, section 4.2).

use core::cell::Cell;
use core::net::Ipv6Addr;

use super::{Options, halves};

/// How many contexts a network can have: their numbers have four bits.
pub const NUMBERS: u8 = 16;

/// A prefix that is left out of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    prefix: Ipv6Addr,
    bits: u8,
    /// Whether addresses may be shortened by it. Those that were are restored all the same: not everybody hears of a change at
    /// once (RFC 6775, section 7.2).
    pub compresses: bool,
}

impl Context {
    /// The first `bits` bits of a prefix; more than 128 are 128.
    pub const fn new(prefix: Ipv6Addr, bits: u8) -> Self {
        let bits = if bits > 128 { 128 } else { bits };
        Self { prefix: Ipv6Addr::from_bits(prefix.to_bits() & mask(bits)), bits, compresses: true }
    }

    /// The same, by which nothing is shortened any more.
    #[must_use]
    pub const fn fading(mut self) -> Self {
        self.compresses = false;
        self
    }

    /// The prefix; what does not count of it is zero.
    pub const fn prefix(&self) -> Ipv6Addr {
        self.prefix
    }

    /// How many bits of it count.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// The address that it makes of an interface's identifier: its own bits count before the identifier's, and what neither has is
    /// zero (RFC 6282, section 3.1.1).
    pub(super) const fn complete(&self, identifier: u64) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.prefix.to_bits() | identifier as u128 & !mask(self.bits))
    }
}

const fn mask(bits: u8) -> u128 {
    match bits {
        0 => 0,
        bits => u128::MAX << (128 - bits as u32),
    }
}

/// The context of link-local addresses, which needs no number.
pub(super) const LINK_LOCAL: Context = Context::new(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64);

/// Contexts that are learnt while the link is in use, by number: who learns writes, the link reads.
#[derive(Debug)]
pub struct Contexts([Cell<Option<Context>>; NUMBERS as usize]);

impl Contexts {
    /// None is known yet.
    pub const fn new() -> Self {
        Self([const { Cell::new(None) }; NUMBERS as usize])
    }

    /// What that number stands for.
    pub fn of(&self, number: u8) -> Option<Context> {
        self.0.get(usize::from(number))?.get()
    }

    /// Has that number stand for something else, or for nothing. Numbers beyond [`NUMBERS`] stand for nothing.
    pub fn set(&self, number: u8, context: Option<Context>) {
        if let Some(place) = self.0.get(usize::from(number)) {
            place.set(context);
        }
    }
}

impl Default for Contexts {
    fn default() -> Self {
        Self::new()
    }
}

/// All contexts of a link.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) options: &'a Options,
    pub(super) learnt: Option<&'a Contexts>,
}

impl Known<'_> {
    /// What a number stands for; what was agreed on counts before what was learnt.
    pub(super) fn of(self, number: u8) -> Option<Context> {
        let agreed = self.options.contexts.get(usize::from(number)).copied().flatten();
        agreed.map(|prefix| Context::new(prefix, 64)).or_else(|| self.learnt?.of(number))
    }

    /// The context that leaves out the most of an address, of those by which it may be shortened.
    pub(super) fn shortest(self, address: Ipv6Addr) -> Option<(u8, Context)> {
        if address.is_unspecified() || address.is_multicast() {
            return None;
        }
        let numbers = (0..NUMBERS).filter_map(|number| Some((number, self.of(number)?)));
        let fits = |(_, context): &(u8, Context)| context.compresses && context.complete(halves(address).1) == address;
        // The first of those that are as long as each other.
        numbers.filter(fits).rev().max_by_key(|(_, context)| context.bits)
    }
}
