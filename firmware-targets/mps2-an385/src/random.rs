//! Random numbers on a board that has no source of entropy.
//!
//! NOT FOR PRODUCTION: the seed is the Ethernet address and the counter's value at boot. That keeps two
//! boards apart, which the jitter of retries needs, and nothing secret: sequence numbers and ports can be
//! guessed. A product takes a part with a true random number generator and puts that here.

use core::convert::Infallible;

use rand_core::TryRng;

/// SplitMix64 over a guessable seed.
pub struct Guessable {
    state: u64,
}

impl Guessable {
    /// Mixes what little sets this board apart.
    pub fn new(address: [u8; 6], counter: u64) -> Self {
        let [a, b, c, d, e, f] = address;
        Guessable { state: u64::from_le_bytes([a, b, c, d, e, f, 0, 0]) ^ counter.rotate_left(40) }
    }
}

impl TryRng for Guessable {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.try_next_u64().map(|word| (word >> 32) as u32)
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ self.state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(mixed ^ mixed >> 31)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for chunk in out.chunks_mut(8) {
            let word = self.try_next_u64()?.to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        Ok(())
    }
}
