//! MAC addresses that stay as they are when other nodes come and go.

use std::collections::BTreeSet;

use twox_hash::XxHash3_128;

/// Gives out addresses, each once.
#[derive(Default)]
pub(super) struct Macs {
    taken: BTreeSet<[u8; 6]>,
}

impl Macs {
    /// The locally administered unicast address of a node on a network. It depends on the two
    /// names alone, unless another pair of names already has it, which is one chance in a trillion.
    pub(super) fn assign(&mut self, network: &str, node: &str) -> [u8; 6] {
        let mut turn = 0_u32;
        loop {
            let hash = XxHash3_128::oneshot(format!("mac/{network}/{node}/{turn}").as_bytes());
            let [a, b, c, d, e, ..] = hash.to_le_bytes();
            let mac = [0x02, a, b, c, d, e];
            if self.taken.insert(mac) {
                return mac;
            }
            turn += 1;
        }
    }
}
