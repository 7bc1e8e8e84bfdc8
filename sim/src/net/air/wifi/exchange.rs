//! What stations and access points send each other, and what becomes of it.

use super::super::{Heard, Transmission};
use super::rates::{ACK_OCTETS, RATES, control};
use super::{Contention, Item, Management, Parting, Payload, Step, number};
use crate::net::transit::{Net, Port};
use crate::net::{DropReason, Frame, LinkId};
use crate::trace::Event;

/// Whom the first is for that a station has to send.
pub(super) enum Target {
    /// There is nothing to send.
    Nothing,
    /// It can be sent no more.
    Lost(DropReason),
    All {
        octets: usize,
    },
    One {
        station: u32,
        octets: usize,
    },
}

/// How long a data frame is on the air that brings an Ethernet frame: header 24, LLC and SNAP 8, check sequence 4 in the place
/// of a header of 14 (IEEE 802.11-2020, clauses 9.2.3 and 5.1.4; RFC 1042).
const fn data_octets(ethernet: usize) -> usize {
    ethernet.saturating_sub(14) + 36
}

impl Management {
    /// How long it is with its header and check sequence and the elements that it usually has.
    const fn octets(self) -> usize {
        match self {
            Self::Beacon => 128,
            Self::AuthenticationRequest | Self::AuthenticationResponse => 34,
            Self::AssociationRequest | Self::AssociationResponse { .. } => 80,
            Self::Deauthentication => 30,
        }
    }
}

/// The addresses of an Ethernet frame: to whom, from whom.
fn addresses(frame: &[u8]) -> Option<[u64; 2]> {
    let (to, rest) = frame.split_first_chunk::<6>()?;
    Some([number(to), number(rest.first_chunk()?)])
}

const fn is_group(mac: u64) -> bool {
    mac >> 40 & 1 == 1
}

impl Net {
    /// A frame comes to a station by its cable: from its node, or from the switch behind an access point.
    pub(in crate::net::air) fn take_to_wifi(&mut self, port: &mut Port<'_>, station: u32, frame: Box<Frame>) {
        let room = self.airs.air(station).queue_frames_max;
        let Some(radio) = self.airs.radio(station) else { return port.pool.put(frame) };
        let is_full = radio.outbox.len() >= room;
        if !radio.is_on() {
            return self.lose(port, frame, DropReason::NodeDown);
        }
        if radio.is_access_point() {
            return self.take_from_switch(port, station, frame, is_full);
        }
        // Who changes over holds what it has to send.
        if radio.client().is_none_or(|client| client.with.is_none()) {
            return self.lose(port, frame, DropReason::NotAssociated);
        }
        if is_full {
            return self.lose(port, frame, DropReason::QueueFull);
        }
        self.enqueue(port, station, Payload::Frame { frame, is_relayed: false });
    }

    fn take_from_switch(&mut self, port: &mut Port<'_>, station: u32, frame: Box<Frame>, is_full: bool) {
        let Some([to, from]) = addresses(frame.bytes()) else { return self.take_in(port, frame) };
        // Whoever speaks from there is here no longer.
        if self.airs.access_point(station).is_some_and(|own| own.client(from).is_some()) {
            self.dismiss(port, station, from);
        }
        let Some(own) = self.airs.access_point(station) else { return };
        let is_for_here = if is_group(to) { !own.clients.is_empty() } else { own.client(to).is_some() };
        if is_for_here && is_full {
            self.lose(port, frame, DropReason::QueueFull);
        } else if is_for_here {
            self.enqueue(port, station, Payload::Frame { frame, is_relayed: false });
        } else if self.is_nowhere(station, to) {
            self.lose(port, frame, DropReason::NotAssociated);
        } else {
            self.take_in(port, frame);
        }
    }

    /// Whether an address is that of a station of this medium which is with nobody.
    fn is_nowhere(&self, station: u32, mac: u64) -> bool {
        let known = self.airs.air(station).by_address.get(&mac);
        known.and_then(|known| self.airs.client(*known)).is_some_and(|client| client.with.is_none())
    }

    /// Whom the first is for that a station has to send, and how long it is on the air.
    pub(super) fn target(&self, station: u32) -> Target {
        let Some(radio) = self.airs.radio(station) else { return Target::Nothing };
        let frame = match radio.outbox.front().map(|item| &item.what) {
            None => return Target::Nothing,
            Some(Payload::Management(what, None)) => return Target::All { octets: what.octets() },
            Some(Payload::Management(what, Some(to))) => return Target::One { station: *to, octets: what.octets() },
            Some(Payload::Frame { frame, .. }) => frame,
        };
        let octets = data_octets(frame.len());
        if let Some(client) = radio.client() {
            let link = &self.links[frame.link as usize];
            return match client.with {
                _ if link.lost_since(frame.sent_at) => Target::Lost(DropReason::LinkDown),
                None => Target::Lost(DropReason::NotAssociated),
                Some(access_point) => Target::One { station: access_point, octets },
            };
        }
        let to = addresses(frame.bytes()).map_or(u64::MAX, |[to, _]| to);
        match radio.access_point().and_then(|own| own.client(to)) {
            _ if is_group(to) => Target::All { octets },
            Some(client) => Target::One { station: client, octets },
            None => Target::Lost(DropReason::NotAssociated),
        }
    }

    /// What a station had on the air has been sent.
    pub(in crate::net::air) fn wifi_sent(
        &mut self,
        port: &mut Port<'_>,
        index: u32,
        transmission: &Transmission,
        rate: usize,
        to: Option<u32>,
    ) {
        let station = transmission.station;
        let noise_cdb = self.airs.air(station).noise_cdb;
        let audible_cdbm = RATES[rate].sensitivity_cdbm.saturating_add_unsigned(noise_cdb);
        let is_meant = |hearer| to.is_none_or(|to| to == hearer);
        let heard = self.airs.settle(index, transmission, audible_cdbm, is_meant);
        let Some(radio) = self.airs.radio_mut(station) else { return };
        // One that its node's power or a scan left in the midst is none.
        if radio.on_air != Some(index) {
            return;
        }
        radio.on_air = None;
        let is_whole = radio.is_on() && radio.contention == Contention::Sending;
        for heard in heard {
            if is_whole {
                self.hear(port, station, &heard, rate, to.is_some());
            }
        }
        match to {
            // Whom it was to hear may have had it change its mind: then this is over.
            _ if self.airs.radio(station).is_none_or(|radio| radio.contention != Contention::Sending) => {}
            None => self.done_wifi(port, station),
            Some(_) => self.await_ack(port, station, rate),
        }
    }

    /// A station hears another, whole or not.
    fn hear(&mut self, port: &mut Port<'_>, from: u32, heard: &Heard, rate: usize, asks: bool) {
        let &Heard { station, power_cdbm, lost } = heard;
        if !self.hears(station) {
            return;
        }
        let Some(first) = self.airs.radio(from).and_then(|radio| radio.outbox.front()) else { return };
        let is_new = !first.is_received;
        let management = match &first.what {
            Payload::Management(what, _) => Some(*what),
            Payload::Frame { .. } => None,
        };
        if asks && lost.is_none() {
            let band = self.airs.wifi(station).band;
            let airtime_ns = band.airtime_ns(ACK_OCTETS, control(rate));
            self.owe_ack(port, station, from, band.sifs_ns(), airtime_ns);
            if let Some(first) = self.airs.radio_mut(from).and_then(|radio| radio.outbox.front_mut()) {
                first.is_received = true;
            }
        }
        match management {
            Some(what) if lost.is_none() && is_new => self.managed(port, station, from, what, power_cdbm),
            Some(_) => {}
            None if is_new => self.hear_frame(port, station, from, lost),
            None => {}
        }
    }

    fn hear_frame(&mut self, port: &mut Port<'_>, station: u32, from: u32, lost: Option<DropReason>) {
        let Some(Item { what: Payload::Frame { frame, .. }, .. }) =
            self.airs.radio(from).and_then(|radio| radio.outbox.front())
        else {
            return;
        };
        let (copy, addresses) = (port.pool.copy(frame), addresses(frame.bytes()));
        let Some(radio) = self.airs.radio(station) else { return port.pool.put(copy) };
        if let Some(client) = radio.client() {
            // A station does not hear itself by way of its access point.
            return match addresses {
                _ if client.with != Some(from) => port.pool.put(copy),
                Some([to, source]) if is_group(to) && source == client.mac => port.pool.put(copy),
                _ => self.receive_from_air(port, station, copy, lost),
            };
        }
        if lost.is_some() {
            return self.receive_from_air(port, station, copy, lost);
        }
        let is_known = |mac: u64| radio.access_point().is_some_and(|own| own.client(mac).is_some());
        let speaker = self.airs.client(from).map_or(0, |client| client.mac);
        if !is_known(speaker) {
            self.receive_from_air(port, station, copy, Some(DropReason::NotAssociated));
            return self.enqueue(port, station, Payload::Management(Management::Deauthentication, Some(from)));
        }
        let is_full = radio.outbox.len() >= self.airs.air(station).queue_frames_max;
        match addresses {
            Some([to, _]) if is_group(to) => {
                let others = radio.access_point().is_some_and(|own| own.clients.len() > 1);
                if others && !is_full {
                    let frame = port.pool.copy(&copy);
                    self.enqueue(port, station, Payload::Frame { frame, is_relayed: true });
                }
                self.receive_from_air(port, station, copy, None);
            }
            Some([to, _]) if is_known(to) => {
                let item = Payload::Frame { frame: copy, is_relayed: true };
                if is_full {
                    let item = Item { what: item, is_received: false };
                    return self.lose_item(port, station, item, DropReason::QueueFull);
                }
                self.enqueue(port, station, item);
            }
            _ => self.receive_from_air(port, station, copy, None),
        }
    }

    /// A station or an access point hears what manages the network.
    fn managed(&mut self, port: &mut Port<'_>, station: u32, from: u32, what: Management, power_cdbm: i32) {
        let answer = |what| Payload::Management(what, Some(from));
        match what {
            Management::Beacon => self.heard_beacon(port, station, from, power_cdbm),
            Management::AuthenticationRequest => {
                self.enqueue(port, station, answer(Management::AuthenticationResponse));
            }
            Management::AssociationRequest => {
                let mac = self.airs.client(from).map_or(0, |client| client.mac);
                let own = self.airs.access_point_mut(station);
                let is_taken_in = own.is_some_and(|own| own.take_in(mac, from));
                self.enqueue(port, station, answer(Management::AssociationResponse { is_taken_in }));
            }
            Management::AuthenticationResponse => self.advance(port, station, from, Step::Authenticates, true),
            Management::AssociationResponse { is_taken_in } => {
                self.advance(port, station, from, Step::Associates, is_taken_in);
            }
            Management::Deauthentication => {
                if self.airs.client(station).is_some_and(|client| client.with == Some(from)) {
                    self.part(port, station, Parting::Deauthenticated);
                }
            }
        }
    }

    /// Something that a station had to send is lost. What an access point passes on is lost on the receiver's link.
    pub(super) fn lose_item(&mut self, port: &mut Port<'_>, station: u32, item: Item, reason: DropReason) {
        let Payload::Frame { frame, is_relayed } = item.what else { return };
        if !is_relayed {
            return self.lose(port, frame, reason);
        }
        let to = addresses(frame.bytes()).map_or(u64::MAX, |[to, _]| to);
        let receiver = self.airs.air(station).by_address.get(&to).copied();
        match receiver.and_then(|receiver| self.airs.stations[receiver as usize].down) {
            Some(down) => self.offer_or_lose(port, down, frame, Some(reason)),
            None => port.pool.put(frame),
        }
    }

    /// An access point announces a station at its cable, for switches and other access points to learn where it is now.
    pub(super) fn announce(&mut self, port: &mut Port<'_>, access_point: u32, client: u32) {
        let (Some(down), Some(mac)) =
            (self.airs.stations[access_point as usize].down, self.airs.client(client).map(|client| client.mac))
        else {
            return;
        };
        // To all, from the station, of 6 octets: LLC to the null address, from it as a response, XID, which says type 1 and a
        // window of 1 (IEEE 802.2, clause 5.4.1.1.2).
        const UPDATE: [u8; 8] = [0, 6, 0, 1, 0xaf, 0x81, 1, 2];
        let Some(mut frame) = port.pool.take(60) else { return };
        let bytes = frame.bytes_mut();
        bytes.fill(0);
        bytes[..6].fill(0xff);
        bytes[6..12].copy_from_slice(&mac.to_be_bytes()[2..]);
        bytes[12..20].copy_from_slice(&UPDATE);
        frame.origin = self.airs.radio(client).map_or(u32::MAX, |radio| radio.node.id.bits());
        frame.seal();
        self.offer_or_lose(port, down, frame, None);
    }

    /// A station is with its access point no longer.
    pub(super) fn record_parting(&self, port: &mut Port<'_>, station: u32, access_point: u32, reason: Parting) {
        let (Some(link), Some(radio)) = (self.up_link(station), self.airs.radio(access_point)) else { return };
        self.record_of(port, Event::Disassociated { link, access_point: radio.node.id, reason });
    }

    /// The link by which a station's node sends.
    pub(super) fn up_link(&self, station: u32) -> Option<LinkId> {
        self.airs.stations[station as usize].down.map(LinkId::reverse)
    }
}
