//! A learning Ethernet switch (IEEE 802.1D, clause 7): it learns where addresses are and floods what it does not know.

use super::LinkId;
use crate::hash::Map;

/// A switch of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SwitchId(pub(crate) u32);

#[derive(Default)]
pub(crate) struct Switch {
    pub(crate) ports: Vec<Port>,
    /// The port behind which an address was last seen.
    stations: Map<u64, u32>,
}

pub(crate) struct Port {
    /// The link out of it.
    pub(crate) link: LinkId,
    /// The last address that was learned here, unless it has been seen elsewhere since. Behind most ports there is but
    /// one: for its frames, `stations` need not be asked.
    station: Option<u64>,
}

impl Port {
    pub(crate) fn new(link: LinkId) -> Self {
        Self { link, station: None }
    }
}

/// Where a frame leaves a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forward {
    To(u32),
    /// To every port but the one that it came in by.
    Flood,
    /// It would leave where it came in.
    Nowhere,
}

impl Switch {
    pub(crate) fn forward(&mut self, port: u32, frame: &[u8]) -> Forward {
        let (Some(destination), Some(source)) = (address(frame, 0), address(frame, 6)) else {
            return Forward::Nowhere;
        };
        if self.ports[port as usize].station != Some(source) {
            self.learn(port, source);
        }
        match self.stations.get(&destination) {
            Some(&out) if out == port => Forward::Nowhere,
            Some(&out) => Forward::To(out),
            None => Forward::Flood,
        }
    }
}

impl Switch {
    #[cold]
    fn learn(&mut self, port: u32, source: u64) {
        if is_group(source) {
            return;
        }
        if let Some(before) = self.stations.insert(source, port)
            && let memory = &mut self.ports[before as usize].station
            && *memory == Some(source)
        {
            *memory = None;
        }
        self.ports[port as usize].station = Some(source);
    }
}

fn address(frame: &[u8], at: usize) -> Option<u64> {
    let bytes: [u8; 6] = frame.get(at..at + 6)?.try_into().ok()?;
    Some(bytes.iter().fold(0, |address, &byte| address << 8 | u64::from(byte)))
}

const fn is_group(address: u64) -> bool {
    address >> 40 & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(to: u8, from: u8) -> [u8; 14] {
        let mut frame = [0; 14];
        frame[..6].copy_from_slice(&[if to == 255 { 255 } else { 2 }, 0, 0, 0, 0, to]);
        frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, from]);
        frame
    }

    #[test]
    fn learns_floods_and_moves() {
        let mut switch = Switch::default();
        switch.ports.extend((0..3).map(|link| Port::new(LinkId(link))));
        assert_eq!(switch.forward(0, &frame(2, 1)), Forward::Flood);
        assert_eq!(switch.forward(1, &frame(1, 2)), Forward::To(0));
        assert_eq!(switch.forward(0, &frame(2, 1)), Forward::To(1));
        assert_eq!(switch.forward(0, &frame(255, 1)), Forward::Flood);
        assert_eq!(switch.forward(2, &frame(2, 1)), Forward::To(1));
        assert_eq!(switch.forward(1, &frame(1, 2)), Forward::To(2), "the station moved");
        assert_eq!(switch.forward(2, &frame(1, 3)), Forward::Nowhere);
        assert_eq!(switch.forward(0, &[0; 5]), Forward::Nowhere, "too short for an address");
    }
}
