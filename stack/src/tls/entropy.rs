//! The caller's generator, under the trait of the edition that `embedded-tls` knows.

use rand_core::CryptoRng;

pub(super) struct Entropy<R>(pub(super) R);

impl<R: CryptoRng> rand_core_06::RngCore for Entropy<R> {
    fn next_u32(&mut self) -> u32 {
        self.0.next_u32()
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core_06::Error> {
        self.0.fill_bytes(bytes);
        Ok(())
    }
}

impl<R: CryptoRng> rand_core_06::CryptoRng for Entropy<R> {}
