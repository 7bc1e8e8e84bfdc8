//! With which number each connection begins (RFC 9293, section 3.4.1; RFC 6528).
//!
//! A clock, and for each flow a hash of it that nobody outside can know. So one connection after the other of a flow begins
//! behind the one before: where the other side waits out the TIME-WAIT of that one, it takes the call at once, and what the network
//! kept back of it is told from what is new. To whoever does not see a flow its numbers are random.
//!
//! smoltcp draws its numbers itself, and can be given none. But the interface that it draws with can be given a seed, and its
//! generator (PCG, of 64 bits of state and 32 of output) can be reckoned backwards: each connection begins with an interface whose
//! next draw is the number that we want. If a later smoltcp drew otherwise, numbers would be random, as they are with it alone.

use super::connection::Flow;
use crate::time::Instant;

/// What only we know.
#[derive(Clone, Copy)]
pub(crate) struct Beginnings {
    key: [u32; 2],
}

impl Beginnings {
    pub(crate) const fn new(secret: u64) -> Self {
        Self { key: [secret as u32, (secret >> 32) as u32] }
    }

    /// The number for a connection that begins `now`. The clock ticks once a microsecond: so a flow may send a megabyte a second,
    /// on average over its life, before its next connection would begin in the midst of it; and the clock takes over an hour to go
    /// around, far more than anybody waits out a TIME-WAIT.
    pub(crate) fn of(self, flow: &Flow, now: Instant) -> u32 {
        half_sip_hash(self.key, flow.words()).wrapping_add(now.as_micros() as u32)
    }
}

/// HalfSipHash-2-4 (Aumasson and Bernstein's SipHash, over words of 32 bits) of whole words.
fn half_sip_hash([k0, k1]: [u32; 2], words: impl ExactSizeIterator<Item = u32>) -> u32 {
    let mut v = [k0, k1, 0x6c79_6765 ^ k0, 0x7465_6462 ^ k1];
    let last = ((words.len() * 4) as u32) << 24;
    for word in words.chain([last]) {
        v[3] ^= word;
        stir(&mut v, 2);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    stir(&mut v, 4);
    v[1] ^ v[3]
}

fn stir(v: &mut [u32; 4], rounds: u32) {
    let [mut a, mut b, mut c, mut d] = *v;
    for _ in 0..rounds {
        a = a.wrapping_add(b);
        b = b.rotate_left(5) ^ a;
        a = a.rotate_left(16);
        c = c.wrapping_add(d);
        d = d.rotate_left(8) ^ c;
        a = a.wrapping_add(d);
        d = d.rotate_left(7) ^ a;
        c = c.wrapping_add(b);
        b = b.rotate_left(13) ^ c;
        c = c.rotate_left(16);
    }
    *v = [a, b, c, d];
}

/// smoltcp's generator goes from a state `s` to `s * FACTOR + SUM`.
const FACTOR: u64 = 0xbb2e_fcec_3c39_611d;
const SUM: u64 = 0x7590_ef39;
/// What undoes the factor: each step of Newton's doubles how many of its low bits are right.
const UNDOING: u64 = {
    let mut undoing = FACTOR;
    let mut step = 0;
    while step < 5 {
        undoing = undoing.wrapping_mul(2_u64.wrapping_sub(FACTOR.wrapping_mul(undoing)));
        step += 1;
    }
    undoing
};

/// The seed of an interface of smoltcp whose second draw is `number`. The first is its own, when it is made, and repeated if it
/// comes to nothing.
pub(super) fn seed_for(number: u32) -> u64 {
    let back = |state: u64| state.wrapping_sub(SUM).wrapping_mul(UNDOING);
    // Of a state whose three highest bits are clear it gives bits 29 to 60.
    let mut second = u64::from(number) << 29;
    loop {
        let first = back(second);
        let drawn = (first >> (29 - (first >> 61))) as u32;
        if (drawn ^ drawn >> 16) as u16 != 0 {
            return back(first);
        }
        second += 1;
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use proptest::prelude::*;

    /// The first of the reference implementation's vectors that are of whole words: key 00 to 07, message 00, 01, and so on.
    #[test]
    fn the_hash_is_that_of_the_reference() {
        let word = |i: u32| u32::from_le_bytes(core::array::from_fn(|at| (4 * i) as u8 + at as u8));
        for (words, hash) in [(0, [0xa9, 0x35, 0x9f, 0x5b]), (1, [0x2a, 0x6e, 0x46, 0x89])] {
            let message: Vec<u32> = (0..words).map(word).collect();
            assert_eq!(half_sip_hash([word(0), word(1)], message.into_iter()), u32::from_le_bytes(hash));
        }
    }

    /// smoltcp's own generator, which is not public.
    fn draws(seed: u64) -> impl Iterator<Item = u32> {
        let mut state = seed;
        core::iter::repeat_with(move || {
            state = state.wrapping_mul(FACTOR).wrapping_add(SUM);
            (state >> (29 - (state >> 61))) as u32
        })
    }

    proptest! {
        #[test]
        fn the_second_draw_is_what_is_wanted(number: u32) {
            let drawn: Vec<u32> = draws(seed_for(number)).take(2).collect();
            prop_assert_ne!((drawn[0] ^ drawn[0] >> 16) as u16, 0);
            prop_assert_eq!(drawn[1], number);
        }
    }

    /// Numbers before whose draw smoltcp would draw once more.
    #[test]
    fn a_first_draw_that_comes_to_nothing_is_left_out() {
        let nothing = |number: &u32| {
            let first = (u64::from(*number) << 29).wrapping_sub(SUM).wrapping_mul(UNDOING);
            let drawn = (first >> (29 - (first >> 61))) as u32;
            (drawn ^ drawn >> 16) as u16 == 0
        };
        let mut seen = 0;
        for number in (0..1 << 18).filter(nothing) {
            assert_eq!(draws(seed_for(number)).nth(1), Some(number));
            seen += 1;
        }
        assert!(seen > 0);
    }
}
