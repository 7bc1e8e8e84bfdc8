//! The distributed coordination function (IEEE 802.11-2020, clause 10.3): when a station sends.

use rand_core::Rng;

use super::super::{AirEvent, Neighbour, What};
use super::exchange::Target;
use super::rates::{ACK_OCTETS, RATES, control};
use super::{Contention, Item, Payload, Step};
use crate::kernel::Action;
use crate::net::transit::{Net, Port};
use crate::net::{DropReason, LinkId};
use crate::random::Stream;
use crate::time::Instant;
use crate::trace::Event;

/// How much stronger a signal is than what a rate needs, in hundredths of a decibel, before a station takes that rate.
const MARGIN_CDB: u32 = 300;

impl Net {
    /// Lets a station have something more to send: what manages the network comes before data.
    pub(super) fn enqueue(&mut self, port: &mut Port<'_>, station: u32, what: Payload) {
        let Some(radio) = self.airs.radio_mut(station) else { return };
        let item = Item { what, is_received: false };
        match item.what {
            Payload::Frame { .. } => radio.outbox.push_back(item),
            Payload::Management(..) => {
                let is_tried =
                    radio.attempt > 0 || matches!(radio.contention, Contention::Sending | Contention::AwaitsAck);
                let place = usize::from(is_tried && !radio.outbox.is_empty());
                radio.outbox.insert(place, item);
            }
        }
        if radio.contention == Contention::Idle {
            self.back_off_wifi(port, station);
        }
    }

    /// Draws a backoff for the first that a station has to send.
    pub(super) fn back_off_wifi(&mut self, port: &mut Port<'_>, station: u32) {
        let [least, most] = self.airs.wifi(station).window_exponents;
        let (seed, down) = (self.seed, self.airs.stations[station as usize].down);
        let Some(radio) = self.airs.radio_mut(station) else { return };
        let Some(first) = radio.outbox.front() else {
            radio.contention = Contention::Idle;
            return;
        };
        let whose = match &first.what {
            Payload::Frame { frame, is_relayed: false } => Some((LinkId(frame.link), frame.ordinal)),
            _ => None,
        };
        let exponent = (least + radio.attempt).min(most);
        let label = || format!("air/{}/backoff", down.map_or("", |down| self.links[down.index()].label()));
        let dice =
            self.airs.stations[station as usize].dice.get_or_insert_with(|| Box::new(Stream::new(seed, &label())));
        // A power of two of a word's highest bits is without bias.
        let slots = if exponent == 0 { 0 } else { dice.next_u32() >> (32 - exponent.min(32)) };
        if let Some((link, ordinal)) = whose {
            self.record_of(port, Event::FrameBackoff { link, ordinal, periods: slots });
        }
        if let Some(radio) = self.airs.radio_mut(station) {
            radio.contention = Contention::Held { slots };
        }
        self.resume_backoff(port, station);
    }

    /// A station goes on counting, if the air is idle and it has something that it may send.
    pub(super) fn resume_backoff(&mut self, port: &mut Port<'_>, station: u32) {
        let Some(radio) = self.airs.radio(station) else { return };
        let Contention::Held { slots } = radio.contention else { return };
        let may_send = radio.is_on()
            && match (radio.outbox.front(), radio.client()) {
                (None, _) => false,
                (Some(Item { what: Payload::Frame { .. }, .. }), Some(client)) => client.step == Step::Associated,
                (Some(_), Some(client)) => !matches!(client.step, Step::Off | Step::Scans | Step::Waits),
                (Some(_), None) => true,
            };
        if !may_send || self.airs.is_busy(station) {
            return;
        }
        let band = self.airs.wifi(station).band;
        let after_ns = band.difs_ns() + u64::from(slots) * band.slot_ns();
        let at = port.now.saturating_add(after_ns);
        let timer = port.queue.push(at, Action::Air { what: AirEvent::Turn, index: station }.payload());
        let own = &mut self.airs.stations[station as usize];
        own.timer = Some(timer);
        if let Some(radio) = &mut own.wifi {
            radio.contention = Contention::Counts { slots, since: port.now };
        }
    }

    /// The air is busy for a station: it holds its backoff, unless it is so near its end that it does not notice.
    fn hold_backoff(&mut self, port: &mut Port<'_>, station: u32) {
        let Some(radio) = self.airs.radio(station) else { return };
        let Contention::Counts { slots, since } = radio.contention else { return };
        let band = self.airs.wifi(station).band;
        let begins = since + band.difs_ns();
        let ends = begins + u64::from(slots) * band.slot_ns();
        if ends < port.now + band.slot_ns() {
            return;
        }
        let counted = port.now.saturating_sub(begins) / band.slot_ns();
        let slots = slots - u32::try_from(counted).unwrap_or(slots).min(slots);
        let own = &mut self.airs.stations[station as usize];
        if let Some(timer) = own.timer.take() {
            port.queue.cancel(timer);
        }
        if let Some(radio) = &mut own.wifi {
            radio.contention = Contention::Held { slots };
        }
    }

    /// A station begins to send: whoever senses it holds their backoffs.
    pub(in crate::net::air) fn hold_backoffs(&mut self, port: &mut Port<'_>, station: u32, reached: &[Neighbour]) {
        let (audible_cdbm, channel) =
            (self.airs.air(station).audible_cdbm(), self.airs.stations[station as usize].channel);
        self.hold_backoff(port, station);
        for neighbour in reached {
            let is_sensed = neighbour.power_cdbm >= audible_cdbm;
            if is_sensed && self.airs.stations[neighbour.station as usize].channel == channel {
                self.hold_backoff(port, neighbour.station);
            }
        }
    }

    /// A station has sent: whoever waited for that goes on.
    pub(in crate::net::air) fn resume_backoffs(&mut self, port: &mut Port<'_>, station: u32, reached: &[Neighbour]) {
        self.resume_backoff(port, station);
        reached.iter().for_each(|neighbour| self.resume_backoff(port, neighbour.station));
    }

    /// The noise on a medium has changed.
    pub(in crate::net::air) fn reconsider_backoffs(&mut self, port: &mut Port<'_>, air: usize) {
        let is_drowned = self.airs.airs[air].is_drowned();
        for place in 0..self.airs.airs[air].members.len() {
            let station = self.airs.airs[air].members[place];
            if is_drowned {
                self.hold_backoff(port, station);
            } else {
                self.resume_backoff(port, station);
            }
        }
    }

    /// A station's backoff is over, or its wait for an acknowledgement.
    pub(in crate::net::air) fn take_wifi_turn(&mut self, port: &mut Port<'_>, station: u32) {
        self.airs.stations[station as usize].timer = None;
        match self.airs.radio(station).map(|radio| radio.contention) {
            Some(Contention::Counts { .. }) => self.send_wifi(port, station),
            Some(Contention::AwaitsAck) => self.unacknowledged(port, station),
            _ => {}
        }
    }

    /// The first that a station has to send goes on the air.
    fn send_wifi(&mut self, port: &mut Port<'_>, station: u32) {
        let own = &self.airs.stations[station as usize];
        let is_sending = own.sending > 0 || own.owes > 0;
        let Some(radio) = self.airs.radio_mut(station) else { return };
        // An acknowledgement that it owes comes first.
        if is_sending {
            radio.contention = Contention::Held { slots: 0 };
            return;
        }
        let (to, octets) = match self.target(station) {
            Target::Nothing => return self.back_off_wifi(port, station),
            Target::Lost(reason) => return self.give_up_wifi(port, station, reason),
            Target::All { octets } => (None, octets),
            Target::One { station, octets } => (Some(station), octets),
        };
        let rate = to.map_or(0, |to| self.rate(station, to, port.now));
        let band = self.airs.wifi(station).band;
        let Some(radio) = self.airs.radio_mut(station) else { return };
        radio.contention = Contention::Sending;
        let attempt = radio.attempt;
        let whose = match radio.outbox.front().map(|item| &item.what) {
            Some(Payload::Frame { frame, is_relayed: false }) => Some((LinkId(frame.link), frame.ordinal)),
            _ => None,
        };
        if let Some((link, ordinal)) = whose {
            self.record_of(port, Event::FrameOnAir { link, ordinal, attempt });
        }
        let airtime_ns = band.airtime_ns(octets, rate);
        let index = self.transmit_on_air(port, station, What::Wifi { rate, to }, airtime_ns);
        if let Some(radio) = self.airs.radio_mut(station) {
            radio.on_air = Some(index);
        }
    }

    /// The rate at which a station sends to another: what manages the network goes at the lowest.
    fn rate(&mut self, station: u32, to: u32, now: u64) -> usize {
        let (attempt, is_data) = match self.airs.radio(station) {
            Some(radio) => {
                let first = radio.outbox.front().map(|item| &item.what);
                (radio.attempt as usize, matches!(first, Some(Payload::Frame { .. })))
            }
            None => (0, false),
        };
        if !is_data {
            return 0;
        }
        let reached = self.airs.reached(station, now);
        let power_cdbm = reached.iter().find(|other| other.station == to).map_or(i32::MIN, |other| other.power_cdbm);
        let needed_cdb = MARGIN_CDB + self.airs.air(station).noise_cdb;
        let fits = |rate: &super::rates::Rate| power_cdbm >= rate.sensitivity_cdbm.saturating_add_unsigned(needed_cdb);
        RATES.iter().rposition(fits).unwrap_or(0).saturating_sub(attempt)
    }

    /// How long a station waits for an acknowledgement of what it sent at a rate (ACKTimeout, clause 10.3.2.11).
    pub(super) fn await_ack(&mut self, port: &mut Port<'_>, station: u32, rate: usize) {
        let band = self.airs.wifi(station).band;
        let after_ns = band.sifs_ns() + band.slot_ns() + band.airtime_ns(ACK_OCTETS, control(rate));
        let at = port.now.saturating_add(after_ns);
        let timer = port.queue.push(at, Action::Air { what: AirEvent::Turn, index: station }.payload());
        let own = &mut self.airs.stations[station as usize];
        own.timer = Some(timer);
        if let Some(radio) = &mut own.wifi {
            radio.contention = Contention::AwaitsAck;
        }
    }

    /// Nobody acknowledged.
    fn unacknowledged(&mut self, port: &mut Port<'_>, station: u32) {
        let retries_max = self.airs.wifi(station).retries_max;
        let Some(radio) = self.airs.radio_mut(station) else { return };
        radio.attempt += 1;
        if radio.attempt > retries_max {
            return self.give_up_wifi(port, station, DropReason::NoAck);
        }
        self.back_off_wifi(port, station);
    }

    /// A station hears that the first that it had to send has arrived.
    pub(in crate::net::air) fn wifi_acknowledged(&mut self, port: &mut Port<'_>, station: u32) {
        let own = &mut self.airs.stations[station as usize];
        if own.wifi.as_ref().is_none_or(|radio| radio.contention != Contention::AwaitsAck) {
            return;
        }
        if let Some(timer) = own.timer.take() {
            port.queue.cancel(timer);
        }
        self.done_wifi(port, station);
    }

    /// A station is done with the first that it had to send.
    pub(super) fn done_wifi(&mut self, port: &mut Port<'_>, station: u32) {
        let Some(radio) = self.airs.radio_mut(station) else { return };
        radio.attempt = 0;
        if let Some(Item { what: Payload::Frame { frame, is_relayed }, .. }) = radio.outbox.pop_front() {
            if is_relayed { port.pool.put(frame) } else { self.take_in(port, frame) }
        }
        self.back_off_wifi(port, station);
    }

    /// A frame is where its link leads to.
    pub(super) fn take_in(&mut self, port: &mut Port<'_>, frame: Box<crate::net::Frame>) {
        let (link, ordinal) = (LinkId(frame.link), frame.ordinal);
        self.links[link.index()].delivered += 1;
        port.trace.record(Instant::from_nanos(port.now), Event::FrameDelivered { link, ordinal });
        port.pool.put(frame);
    }

    /// A station gives up the first that it had to send.
    pub(super) fn give_up_wifi(&mut self, port: &mut Port<'_>, station: u32, reason: DropReason) {
        let Some(radio) = self.airs.radio_mut(station) else { return };
        radio.attempt = 0;
        if let Some(item) = radio.outbox.pop_front() {
            self.lose_item(port, station, item, reason);
        }
        self.back_off_wifi(port, station);
    }
}
