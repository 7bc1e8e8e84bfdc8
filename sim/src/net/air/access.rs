//! How stations take turns on an air, and what they hear.

use std::rc::Rc;

use rand_core::Rng;

use super::frame::{ACK_OCTETS, To, destination};
use super::{AirConfig, AirEvent, Arrival, Attempt, Heard, Method, Neighbour, Timing, Transmission, Turn, What};
use crate::kernel::{Action, Kernel};
use crate::net::link::Destination;
use crate::net::transit::{Net, Port};
use crate::net::{DropReason, Frame, LinkId};
use crate::random::Stream;
use crate::time::{Instant, nanos};
use crate::trace::Event;

impl Net {
    /// A node's frame comes to its station.
    #[cold]
    pub(in crate::net) fn take_to_air(&mut self, port: &mut Port<'_>, station: u32, frame: Box<Frame>) {
        let room = self.airs.air(station).queue_frames_max;
        if self.airs.stations[station as usize].wifi.is_some() {
            return self.take_to_wifi(port, station, frame);
        }
        let life = self.life_at(station);
        let own = &mut self.airs.stations[station as usize];
        if own.queue.len() >= room {
            let reason = if own.turn == Turn::Held { DropReason::DutyCycle } else { DropReason::QueueFull };
            return self.lose(port, frame, reason);
        }
        own.queue.push_back((frame, life));
        if own.turn == Turn::Idle {
            self.next_frame(port, station);
        }
    }

    /// The life of the node that a station belongs to.
    fn life_at(&self, station: u32) -> u32 {
        match self.airs.stations[station as usize].down.map(|down| &self.links[down.index()].to) {
            Some(Destination::Nic(nic)) => nic.node.life.get(),
            _ => 0,
        }
    }

    /// Whether a station hears anything at all: it has power and an antenna.
    pub(super) fn hears(&self, station: u32) -> bool {
        let own = &self.airs.stations[station as usize];
        if let Some(radio) = &own.wifi
            && radio.is_access_point()
        {
            return radio.is_on();
        }
        let Some(down) = own.down else { return false };
        let link = &self.links[down.index()];
        !link.is_cut() && !matches!(&link.to, Destination::Nic(nic) if nic.node.is_off())
    }

    fn set_turn(&mut self, port: &mut Port<'_>, station: u32, turn: Turn, after_ns: u64) {
        let event = Action::Air { what: AirEvent::Turn, index: station };
        let timer = port.queue.push(port.now.saturating_add(after_ns), event.payload());
        let own = &mut self.airs.stations[station as usize];
        (own.turn, own.timer) = (turn, Some(timer));
    }

    /// Begins with the first frame that waits.
    fn next_frame(&mut self, port: &mut Port<'_>, station: u32) {
        let own = &mut self.airs.stations[station as usize];
        own.turn = Turn::Idle;
        own.attempt = Attempt::default();
        self.try_frame(port, station);
    }

    /// Tries to send the first frame, unless there is a reason why it cannot be sent any more.
    fn try_frame(&mut self, port: &mut Port<'_>, station: u32) {
        let life = self.life_at(station);
        let timing = Timing::of(self.airs.pan(station).phy);
        loop {
            let config = self.airs.pan(station);
            let (limit, access, phy) = (config.duty_cycle, config.access, config.phy);
            let own = &mut self.airs.stations[station as usize];
            let Some((frame, of_life)) = own.queue.front() else {
                own.turn = Turn::Idle;
                return;
            };
            let link = &self.links[frame.link as usize];
            let dropped = if *of_life != life {
                Some(DropReason::NodeDown)
            } else if link.lost_since(frame.sent_at) {
                Some(DropReason::LinkDown)
            } else {
                None
            };
            if let Some(reason) = dropped {
                own.attempt = Attempt::default();
                let (frame, _) = own.queue.pop_front().expect("it was just looked at");
                self.lose(port, frame, reason);
                continue;
            }
            let (link, ordinal, octets) = (LinkId(frame.link), frame.ordinal, frame.len());
            if let Some(limit) = &limit {
                let at = own.airtime.allows_at(limit, port.now, nanos(phy.airtime(octets)));
                if at > port.now {
                    let event = Event::FrameHeld { link, ordinal, ns: at - port.now };
                    port.trace.record(Instant::from_nanos(port.now), event);
                    return self.set_turn(port, station, Turn::Held, at - port.now);
                }
            }
            (own.attempt.backoffs, own.attempt.exponent) = (0, access.exponent_min);
            return self.back_off(port, station, timing, (link, ordinal));
        }
    }

    /// Draws how long to wait before the air is sensed.
    fn back_off(&mut self, port: &mut Port<'_>, station: u32, timing: Timing, (link, ordinal): (LinkId, u64)) {
        let seed = self.seed;
        let own = &mut self.airs.stations[station as usize];
        let label = || format!("air/{}/backoff", self.links[link.index()].label());
        let dice = own.dice.get_or_insert_with(|| Box::new(Stream::new(seed, &label())));
        // A power of two of a word's highest bits is without bias.
        let periods = match own.attempt.exponent {
            0 => 0,
            exponent => dice.next_u32() >> (32 - exponent.min(32)),
        };
        port.trace.record(Instant::from_nanos(port.now), Event::FrameBackoff { link, ordinal, periods });
        let after_ns = u64::from(periods) * timing.period_ns() + timing.sensing_ns();
        self.set_turn(port, station, Turn::Backoff, after_ns);
    }

    /// A station comes to the next step of its turn.
    fn take_turn(&mut self, port: &mut Port<'_>, station: u32) {
        if self.airs.stations[station as usize].wifi.is_some() {
            return self.take_wifi_turn(port, station);
        }
        let config = self.airs.pan(station);
        let (access, timing) = (config.access, Timing::of(config.phy));
        let senses = self.airs.stations[station as usize].turn == Turn::Backoff;
        let is_busy = senses && self.airs.is_busy(station);
        let own = &mut self.airs.stations[station as usize];
        own.timer = None;
        let Some((frame, _)) = own.queue.front() else { return self.next_frame(port, station) };
        let (link, ordinal) = (LinkId(frame.link), frame.ordinal);
        match own.turn {
            Turn::Idle | Turn::Sending => {}
            Turn::Held => self.try_frame(port, station),
            Turn::Spacing => self.next_frame(port, station),
            Turn::Backoff if !is_busy => {
                self.set_turn(port, station, Turn::Turning, timing.turnaround_ns());
            }
            // An acknowledgement that it owes comes first.
            Turn::Turning if own.sending == 0 && own.owes == 0 => self.send(port, station),
            Turn::Backoff | Turn::Turning => {
                own.attempt.backoffs += 1;
                own.attempt.exponent = (own.attempt.exponent + 1).min(access.exponent_max);
                if own.attempt.backoffs > access.backoffs_max {
                    return self.give_up(port, station, DropReason::AirBusy);
                }
                self.back_off(port, station, timing, (link, ordinal));
            }
            Turn::AwaitsAck => {
                own.attempt.retries += 1;
                if own.attempt.retries > access.retries_max {
                    return self.give_up(port, station, DropReason::NoAck);
                }
                self.try_frame(port, station);
            }
        }
    }

    fn give_up(&mut self, port: &mut Port<'_>, station: u32, reason: DropReason) {
        if let Some((frame, _)) = self.airs.stations[station as usize].queue.pop_front() {
            self.lose(port, frame, reason);
        }
        self.next_frame(port, station);
    }

    /// The first frame goes on the air.
    fn send(&mut self, port: &mut Port<'_>, station: u32) {
        let life = self.life_at(station);
        let own = &mut self.airs.stations[station as usize];
        let Some((frame, of_life)) = own.queue.front() else { return };
        if *of_life != life {
            return self.try_frame(port, station);
        }
        let (link, ordinal, octets) = (LinkId(frame.link), frame.ordinal, frame.len());
        let event = Event::FrameOnAir { link, ordinal, attempt: own.attempt.retries };
        port.trace.record(Instant::from_nanos(port.now), event);
        own.turn = Turn::Sending;
        let airtime_ns = nanos(self.airs.pan(station).phy.airtime(octets));
        self.transmit_on_air(port, station, What::Frame { life }, airtime_ns);
    }

    pub(super) fn transmit_on_air(&mut self, port: &mut Port<'_>, station: u32, what: What, airtime_ns: u64) -> u32 {
        let reached = self.airs.reached(station, port.now);
        let transmission = Transmission { station, what, since: port.now, reached };
        let index = self.airs.enlist(transmission);
        self.go_on_air(port, index, airtime_ns);
        index
    }

    /// A transmission that is listed begins: whoever it reaches hears it from now on.
    fn go_on_air(&mut self, port: &mut Port<'_>, index: u32, airtime_ns: u64) {
        let airs = &mut self.airs;
        let Some(Transmission { station, reached, .. }) = &airs.transmissions[index as usize] else { return };
        let own = &mut airs.stations[*station as usize];
        let (channel, is_wifi, reached) = (own.channel, own.wifi.is_some(), Rc::clone(reached));
        let station = *station;
        own.sending += 1;
        own.arrivals.iter_mut().for_each(|arrival| arrival.deaf = true);
        for neighbour in reached.iter() {
            let hearer = &mut airs.stations[neighbour.station as usize];
            if hearer.channel != channel {
                continue;
            }
            let mut rival_cdbm = i32::MIN;
            for other in &mut hearer.arrivals {
                other.rival_cdbm = other.rival_cdbm.max(neighbour.power_cdbm);
                rival_cdbm = rival_cdbm.max(other.power_cdbm);
            }
            let (power_cdbm, deaf) = (neighbour.power_cdbm, hearer.sending > 0);
            hearer.arrivals.push(Arrival { transmission: index, power_cdbm, rival_cdbm, deaf });
        }
        let own = &mut airs.stations[station as usize];
        if let Method::Pan(AirConfig { duty_cycle: Some(limit), .. }) = &airs.airs[own.air as usize].method {
            own.airtime.spend(limit, port.now, airtime_ns);
        }
        port.queue.push(port.now.saturating_add(airtime_ns), Action::Air { what: AirEvent::Ends, index }.payload());
        if is_wifi {
            self.hold_backoffs(port, station, &reached);
        }
    }

    /// A transmission is over: whoever understood it has it.
    fn leave_air(&mut self, port: &mut Port<'_>, index: u32) {
        let Some(transmission) = self.airs.transmissions[index as usize].take() else { return };
        self.airs.free.push(index);
        let station = transmission.station;
        self.airs.stations[station as usize].sending -= 1;
        match transmission.what {
            What::Frame { life } => self.frame_sent(port, index, &transmission, life),
            What::Wifi { rate, to } => self.wifi_sent(port, index, &transmission, rate, to),
            What::Ack { to, .. } => {
                let audible_cdbm = self.airs.air(station).audible_cdbm();
                let was_heard = self.airs.settle(index, &transmission, audible_cdbm, |hearer| hearer == to);
                if was_heard.iter().any(|heard| heard.lost.is_none()) && self.hears(to) {
                    self.acknowledged(port, to);
                }
            }
        }
        if self.airs.stations[station as usize].wifi.is_some() {
            self.resume_backoffs(port, station, &transmission.reached);
        }
    }

    fn frame_sent(&mut self, port: &mut Port<'_>, index: u32, transmission: &Transmission, life: u32) {
        let station = transmission.station;
        let timing = Timing::of(self.airs.pan(station).phy);
        let own = &self.airs.stations[station as usize];
        let Some((frame, _)) = own.queue.front() else { return };
        let ((to, asks), ordinal, octets) = (destination(frame.bytes()), frame.ordinal, frame.len());
        let up = LinkId(frame.link);
        // A frame that its node's power or its antenna left in the midst is none.
        let is_whole = self.life_at(station) == life && {
            let link = &self.links[up.index()];
            !link.lost_since(transmission.since)
        };
        let meant = match to {
            To::One(eui) => self.airs.airs[own.air as usize].by_address.get(&eui).copied(),
            _ => None,
        };
        let audible_cdbm = self.airs.air(station).audible_cdbm();
        let is_meant = |hearer| to == To::Everyone || meant == Some(hearer);
        let heard = self.airs.settle(index, transmission, audible_cdbm, is_meant);
        if !is_whole {
            return self.try_frame(port, station);
        }
        for Heard { station: hearer, lost, .. } in heard {
            let copy = {
                let (frame, _) = self.airs.stations[station as usize].queue.front().expect("it is being sent");
                port.pool.copy(frame)
            };
            let acknowledges = asks && lost.is_none() && self.hears(hearer);
            self.receive_from_air(port, hearer, copy, lost);
            if acknowledges {
                let airtime_ns = nanos(self.airs.pan(hearer).phy.airtime(ACK_OCTETS));
                self.owe_ack(port, hearer, station, timing.turnaround_ns(), airtime_ns);
            }
        }
        if asks {
            return self.set_turn(port, station, Turn::AwaitsAck, timing.ack_wait_ns());
        }
        self.done(port, station, ordinal, octets);
    }

    /// What a station understood, or would have, goes to its node.
    pub(super) fn receive_from_air(
        &mut self,
        port: &mut Port<'_>,
        station: u32,
        frame: Box<Frame>,
        lost: Option<DropReason>,
    ) {
        match self.airs.stations[station as usize].down {
            Some(down) => self.offer_or_lose(port, down, frame, lost),
            None => port.pool.put(frame),
        }
    }

    pub(super) fn owe_ack(&mut self, port: &mut Port<'_>, from: u32, to: u32, after_ns: u64, airtime_ns: u64) {
        self.airs.stations[from as usize].owes += 1;
        let reached = self.airs.reached(from, port.now);
        let ack = Transmission { station: from, what: What::Ack { to, airtime_ns }, since: port.now, reached };
        let index = self.airs.enlist(ack);
        let event = Action::Air { what: AirEvent::Acknowledges, index };
        port.queue.push(port.now + after_ns, event.payload());
    }

    fn acknowledge(&mut self, port: &mut Port<'_>, index: u32) {
        let Some(Transmission { station, what: What::Ack { airtime_ns, .. }, .. }) =
            &self.airs.transmissions[index as usize]
        else {
            return;
        };
        let (station, airtime_ns) = (*station, *airtime_ns);
        self.airs.stations[station as usize].owes -= 1;
        if self.hears(station) {
            self.go_on_air(port, index, airtime_ns);
        } else {
            self.airs.transmissions[index as usize] = None;
            self.airs.free.push(index);
            self.resume_backoffs(port, station, &[]);
        }
    }

    /// A station hears that its frame has arrived.
    fn acknowledged(&mut self, port: &mut Port<'_>, station: u32) {
        if self.airs.stations[station as usize].wifi.is_some() {
            return self.wifi_acknowledged(port, station);
        }
        let own = &mut self.airs.stations[station as usize];
        if own.turn != Turn::AwaitsAck {
            return;
        }
        if let Some(timer) = own.timer.take() {
            port.queue.cancel(timer);
        }
        if let Some((frame, _)) = own.queue.front() {
            let (ordinal, octets) = (frame.ordinal, frame.len());
            self.done(port, station, ordinal, octets);
        }
    }

    /// A station is done with its first frame.
    fn done(&mut self, port: &mut Port<'_>, station: u32, ordinal: u64, octets: usize) {
        let timing = Timing::of(self.airs.pan(station).phy);
        let Some((frame, _)) = self.airs.stations[station as usize].queue.pop_front() else { return };
        let link = LinkId(frame.link);
        self.links[link.index()].delivered += 1;
        port.trace.record(Instant::from_nanos(port.now), Event::FrameDelivered { link, ordinal });
        if frame.watch != 0 {
            self.tell_fate(port, &frame, Ok(()));
        }
        port.pool.put(frame);
        self.set_turn(port, station, Turn::Spacing, timing.space_ns(octets));
    }
}

impl super::Airs {
    fn enlist(&mut self, transmission: Transmission) -> u32 {
        if let Some(index) = self.free.pop() {
            self.transmissions[index as usize] = Some(transmission);
            return index;
        }
        self.transmissions.push(Some(transmission));
        u32::try_from(self.transmissions.len() - 1).expect("fewer than 2^32 transmissions")
    }

    /// Takes a transmission off the air, and says how those fared who are meant and near enough.
    pub(super) fn settle(
        &mut self,
        index: u32,
        transmission: &Transmission,
        audible_cdbm: i32,
        is_meant: impl Fn(u32) -> bool,
    ) -> Vec<Heard> {
        let air = &mut self.airs[self.stations[transmission.station as usize].air as usize];
        let (capture_cdb, quiet_cdbm) = (air.capture_cdb, audible_cdbm.saturating_sub_unsigned(air.noise_cdb));
        let mut heard = Vec::new();
        for &Neighbour { station, .. } in transmission.reached.iter() {
            let arrivals = &mut self.stations[station as usize].arrivals;
            let Some(place) = arrivals.iter().position(|arrival| arrival.transmission == index) else { continue };
            let arrival = arrivals.swap_remove(place);
            let power_cdbm = arrival.power_cdbm;
            if power_cdbm >= quiet_cdbm && is_meant(station) {
                if power_cdbm >= audible_cdbm {
                    heard.push(Heard { station, power_cdbm, lost: arrival.lost(capture_cdb) });
                } else {
                    air.drowned += 1;
                }
            }
        }
        heard
    }
}

impl Kernel {
    /// Something happens on a shared medium.
    #[cold]
    pub(crate) fn air(&self, what: AirEvent, index: u32) {
        self.stirred_at.set(self.now.get());
        self.with_net(|net, port| match what {
            AirEvent::Turn => net.take_turn(port, index),
            AirEvent::Ends => net.leave_air(port, index),
            AirEvent::Acknowledges => net.acknowledge(port, index),
            AirEvent::Moves => {
                if let Some(at) = net.airs.relocate(index, port.now) {
                    port.queue.push(at, Action::Air { what: AirEvent::Moves, index }.payload());
                }
            }
            AirEvent::Beacon => net.beacon(port, index),
            AirEvent::Joins => net.join_on(port, index),
            AirEvent::Tells => {}
        });
        if what == AirEvent::Tells {
            self.tell_of_radios();
        }
    }
}
