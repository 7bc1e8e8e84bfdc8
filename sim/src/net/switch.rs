//! A learning Ethernet switch (IEEE 802.1D, clause 7): it learns where addresses are and floods what it does not know.

use super::{LinkId, PortVlan};
use crate::hash::{Flat, Map};
use crate::prefetch;
use crate::time::{Duration, nanos};

/// What a switch can be told; by default its table has no end and nothing in it grows old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SwitchConfig {
    /// How many addresses it can keep; what it has no room for it floods.
    pub stations_max: Option<usize>,
    /// After how long it forgets an address that it has not heard.
    pub ageing: Option<Duration>,
}

/// A switch of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SwitchId(pub(crate) u32);

#[derive(Default)]
pub(crate) struct Switch {
    pub(crate) ports: Vec<Port>,
    /// The port behind which an address was last seen.
    stations: Flat<u64, u32>,
    /// In the place of `stations`, where the table has bounds.
    pub(super) bounded: Option<Box<Bounded>>,
}

/// A table with bounds, or of several virtual networks.
#[derive(Default)]
pub(super) struct Bounded {
    stations_max: usize,
    ageing_ns: u64,
    /// The port behind which an address was last seen, and when.
    stations: Map<u64, (u32, u64)>,
    /// When the table is next looked through, should it be full.
    swept_until: u64,
    /// The virtual networks of the ports, if there are any.
    pub(super) vlans: Option<Vec<PortVlan>>,
}

pub(crate) struct Port {
    /// The link out of it.
    pub(crate) link: LinkId,
    /// The last address that was learned here, unless it has been seen elsewhere since. Behind most ports there is but
    /// one: for its frames, `stations` need not be asked.
    station: Option<u64>,
    /// Whether it leads to another switch of a full mesh: what came in by one such port leaves by none (the split horizon
    /// of RFC 4762, section 4.4), so that nothing goes around in circles.
    pub(crate) is_trunk: bool,
}

impl Port {
    pub(crate) fn new(link: LinkId, is_trunk: bool) -> Self {
        Self { link, station: None, is_trunk }
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
    /// Whether a port carries a virtual network.
    pub(super) fn carries(&self, port: u32, vlan: u16) -> bool {
        self.bounded.as_ref().is_some_and(|table| table.vlan(port).carries(vlan))
    }

    pub(crate) fn new(config: &SwitchConfig) -> Self {
        Self { bounded: Bounded::new(config), ..Self::default() }
    }

    /// Lets the port that leads to a link take part in virtual networks.
    pub(crate) fn set_vlan(&mut self, link: LinkId, vlan: PortVlan) {
        let Some(port) = self.ports.iter().position(|port| port.link == link) else { return };
        let table = self.bounded.get_or_insert_with(|| Bounded::of(&SwitchConfig::default()));
        let vlans = table.vlans.get_or_insert_default();
        if vlans.len() <= port {
            vlans.resize(port + 1, PortVlan::UNTOLD);
        }
        vlans[port] = vlan;
    }

    pub(crate) fn forward(&mut self, port: u32, frame: &[u8]) -> Forward {
        let (Some(destination), Some(source)) = (address(frame, 0), address(frame, 6)) else {
            return Forward::Nowhere;
        };
        if self.ports[port as usize].station != Some(source) {
            self.learn(port, source);
        }
        match self.stations.get(destination) {
            Some(out) if out == port => Forward::Nowhere,
            Some(out) => Forward::To(out),
            None => Forward::Flood,
        }
    }

    /// A frame comes in by that port soon.
    pub(super) fn fetch(&self, port: u32, frame: &[u8]) {
        prefetch::first(&self.ports[port as usize]);
        if let Some(destination) = address(frame, 0) {
            self.stations.fetch(destination);
        }
    }

    /// And leaves by another.
    pub(super) fn fetch_egress(&self, frame: &[u8]) {
        self.egress(frame).into_iter().for_each(prefetch::first);
    }

    /// The port by which a frame would leave, if its destination is known.
    pub(super) fn egress(&self, frame: &[u8]) -> Option<&Port> {
        let out = self.stations.get(address(frame, 0)?)?;
        Some(&self.ports[out as usize])
    }
}

impl Bounded {
    /// The most that a switch forgets in one go is what has grown old, and it looks for that once a second.
    const SWEEP_NS: u64 = 1_000_000_000;

    fn new(config: &SwitchConfig) -> Option<Box<Self>> {
        let is_bounded = config.stations_max.is_some() || config.ageing.is_some();
        is_bounded.then(|| Self::of(config))
    }

    fn of(config: &SwitchConfig) -> Box<Self> {
        Box::new(Self {
            stations_max: config.stations_max.unwrap_or(usize::MAX),
            ageing_ns: config.ageing.map_or(u64::MAX, nanos),
            ..Self::default()
        })
    }

    /// How a port takes part in virtual networks.
    pub(super) fn vlan(&self, port: u32) -> &PortVlan {
        self.vlans.as_ref().and_then(|vlans| vlans.get(port as usize)).unwrap_or(&PortVlan::UNTOLD)
    }

    pub(super) fn forward(&mut self, now: u64, port: u32, frame: &[u8]) -> Forward {
        self.forward_within(now, port, 0, frame)
    }

    /// An address may be in one virtual network here and in another one there.
    pub(super) fn forward_within(&mut self, now: u64, port: u32, vlan: u16, frame: &[u8]) -> Forward {
        let of_vlan = |address: u64| address | u64::from(vlan) << 48;
        let (Some(destination), Some(source)) = (address(frame, 0), address(frame, 6)) else {
            return Forward::Nowhere;
        };
        let (is_group, destination, source) = (is_group(source), of_vlan(destination), of_vlan(source));
        if !is_group && self.has_room(now, source) {
            self.stations.insert(source, (port, now));
        }
        match self.stations.get(&destination) {
            Some(&(_, seen)) if now - seen > self.ageing_ns => Forward::Flood,
            Some(&(out, _)) if out == port => Forward::Nowhere,
            Some(&(out, _)) => Forward::To(out),
            None => Forward::Flood,
        }
    }

    fn has_room(&mut self, now: u64, source: u64) -> bool {
        if self.stations.len() < self.stations_max || self.stations.contains_key(&source) {
            return true;
        }
        if now >= self.swept_until {
            self.swept_until = now + Self::SWEEP_NS;
            let ageing_ns = self.ageing_ns;
            self.stations.retain(|_, (_, seen)| now - *seen <= ageing_ns);
        }
        self.stations.len() < self.stations_max
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
        switch.ports.extend((0..3).map(|link| Port::new(LinkId(link), false)));
        assert_eq!(switch.forward(0, &frame(2, 1)), Forward::Flood);
        assert_eq!(switch.forward(1, &frame(1, 2)), Forward::To(0));
        assert_eq!(switch.forward(0, &frame(2, 1)), Forward::To(1));
        assert_eq!(switch.forward(0, &frame(255, 1)), Forward::Flood);
        assert_eq!(switch.forward(2, &frame(2, 1)), Forward::To(1));
        assert_eq!(switch.forward(1, &frame(1, 2)), Forward::To(2), "the station moved");
        assert_eq!(switch.forward(2, &frame(1, 3)), Forward::Nowhere);
        assert_eq!(switch.forward(0, &[0; 5]), Forward::Nowhere, "too short for an address");
    }

    #[test]
    fn a_table_with_bounds_forgets_and_floods() {
        let config = SwitchConfig { stations_max: Some(2), ageing: Some(Duration::from_secs(300)) };
        let mut table = Bounded::new(&config).expect("bounds");
        let at = |s: u64| s * 1_000_000_000;
        assert_eq!(table.forward(0, 0, &frame(2, 1)), Forward::Flood);
        assert_eq!(table.forward(0, 1, &frame(1, 2)), Forward::To(0));
        assert_eq!(table.forward(at(1), 2, &frame(1, 3)), Forward::To(0), "there is no room for a third");
        assert_eq!(table.forward(at(2), 0, &frame(3, 1)), Forward::Flood);
        assert_eq!(table.forward(at(301), 0, &frame(2, 1)), Forward::Flood, "it has not been heard for too long");
        assert_eq!(table.forward(at(302), 2, &frame(1, 3)), Forward::To(0), "which makes room");
        assert_eq!(table.forward(at(303), 0, &frame(3, 1)), Forward::To(2));
        assert!(Bounded::new(&SwitchConfig::default()).is_none());
    }
}
