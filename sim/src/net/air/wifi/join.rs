//! How stations find access points, join them, change over and part from them (IEEE 802.11-2020, clauses 4.5.3 and 11.3).

use super::super::AirEvent;
use super::{Contention, Management, Member, Parting, Payload, Role, Step};
use crate::kernel::{Action, Kernel};
use crate::metric::Change;
use crate::net::DropReason;
use crate::net::air::AirId;
use crate::net::transit::{Net, Port};
use crate::node::NodeCore;
use crate::random::Stream;
use crate::time::nanos;
use crate::trace::Event;

/// How long a station waits for an answer before it asks again, and how often it asks.
const ANSWER_NS: u64 = 200_000_000;
const ASKS: u32 = 3;
/// How long it waits where there is nobody, before it scans again.
const PAUSE_NS: u64 = 1_000_000_000;
/// How long it does not look for a better access point after it has looked for one.
const SETTLED_NS: u64 = 5_000_000_000;

/// Places in [`METRICS`](super::METRICS).
const ASSOCIATED: usize = 0;
const ASSOCIATIONS: usize = 1;
const ROAMS: usize = 2;
const LOSSES: usize = 3;
const SIGNAL: usize = 4;

impl Net {
    /// A radio gets power.
    fn switch_on(&mut self, port: &mut Port<'_>, station: u32) {
        match self.airs.radio(station).map(|radio| &radio.role) {
            Some(Role::AccessPoint(_)) => {
                // Access points that got their power together would disturb each other's beacons for ever.
                let period_ns = nanos(self.airs.wifi(station).beacon).max(1);
                let label =
                    self.airs.stations[station as usize].down.map_or("", |down| self.links[down.index()].label());
                let mut stream = Stream::new(self.seed, &format!("air/{label}/beacon/{}", port.now));
                self.await_beacon(port, station, stream.below(period_ns));
            }
            Some(Role::Client(_)) => self.scan(port, station),
            None => {}
        }
    }

    /// A radio loses its power.
    fn switch_off(&mut self, port: &mut Port<'_>, station: u32) {
        self.drop_turn(port, station);
        self.empty_outbox(port, station, DropReason::NodeDown);
        let Some(radio) = self.airs.radio_mut(station) else { return };
        match &mut radio.role {
            Role::AccessPoint(own) => {
                if let Some(beacon) = own.beacon.take() {
                    port.queue.cancel(beacon);
                }
                own.clients = crate::hash::Map::default();
                self.tell_stations(port, station);
            }
            Role::Client(client) => {
                client.step = Step::Off;
                if let Some(timer) = client.timer.take() {
                    port.queue.cancel(timer);
                }
                self.leave(port, station, Parting::PowerLost);
            }
        }
    }

    fn await_beacon(&mut self, port: &mut Port<'_>, station: u32, after_ns: u64) {
        let event = Action::Air { what: AirEvent::Beacon, index: station };
        let timer = port.queue.push(port.now.saturating_add(after_ns), event.payload());
        if let Some(own) = self.airs.access_point_mut(station) {
            own.beacon = Some(timer);
        }
    }

    /// It is time for an access point's beacon.
    pub(in crate::net::air) fn beacon(&mut self, port: &mut Port<'_>, station: u32) {
        let Some(radio) = self.airs.radio(station) else { return };
        let waits = radio.outbox.iter().any(|item| matches!(item.what, Payload::Management(Management::Beacon, _)));
        let (is_on, period_ns) = (radio.is_on(), nanos(self.airs.wifi(station).beacon).max(1));
        self.await_beacon(port, station, period_ns);
        if is_on && !waits {
            self.enqueue(port, station, Payload::Management(Management::Beacon, None));
        }
        // What waited while somebody held it goes on.
        self.resume_backoff(port, station);
    }

    /// A station's step is over at some time.
    fn take_step(&mut self, port: &mut Port<'_>, station: u32, step: Step, after_ns: u64) {
        let event = Action::Air { what: AirEvent::Joins, index: station };
        let timer = port.queue.push(port.now.saturating_add(after_ns), event.payload());
        let Some(client) = self.airs.client_mut(station) else { return };
        client.step = step;
        if let Some(old) = client.timer.replace(timer) {
            port.queue.cancel(old);
        }
    }

    /// A station goes from channel to channel, and hears nobody meanwhile.
    fn scan(&mut self, port: &mut Port<'_>, station: u32) {
        self.drop_turn(port, station);
        self.tune(station, 0);
        let scan_ns = nanos(self.airs.wifi(station).scan);
        if let Some(client) = self.airs.client_mut(station) {
            client.refused.clear();
        }
        self.take_step(port, station, Step::Scans, scan_ns);
    }

    /// A station's radio goes to another channel: what is on the air there already it does not notice.
    fn tune(&mut self, station: u32, channel: u8) {
        let own = &mut self.airs.stations[station as usize];
        if own.channel != channel {
            own.channel = channel;
            own.arrivals.clear();
        }
    }

    /// A station breaks off what it is about to send. It keeps what it has to send, but not what manages the network.
    fn drop_turn(&mut self, port: &mut Port<'_>, station: u32) {
        let own = &mut self.airs.stations[station as usize];
        if let Some(timer) = own.timer.take() {
            port.queue.cancel(timer);
        }
        let Some(radio) = &mut own.wifi else { return };
        (radio.contention, radio.attempt, radio.on_air) = (Contention::Idle, 0, None);
        radio.outbox.retain(|item| matches!(item.what, Payload::Frame { .. }));
    }

    fn empty_outbox(&mut self, port: &mut Port<'_>, station: u32, reason: DropReason) {
        let items = self.airs.radio_mut(station).map(|radio| std::mem::take(&mut radio.outbox));
        items.into_iter().flatten().for_each(|item| self.lose_item(port, station, item, reason));
    }

    /// A station's step is over, or it looks whether its access point is still there.
    pub(in crate::net::air) fn join_on(&mut self, port: &mut Port<'_>, station: u32) {
        let Some(client) = self.airs.client_mut(station) else { return };
        client.timer = None;
        let (step, target) = (client.step, client.target);
        match step {
            Step::Off => {}
            Step::Scans => self.choose(port, station),
            Step::Waits => self.scan(port, station),
            Step::Authenticates | Step::Associates if client.asked < ASKS => self.ask(port, station, step),
            Step::Authenticates | Step::Associates => {
                client.refused.push(target);
                self.choose(port, station);
            }
            Step::Shakes => self.joined(port, station, target),
            Step::Associated => self.look_for_beacons(port, station),
        }
    }

    /// A station takes the access point that it hears best, or stays with its own.
    fn choose(&mut self, port: &mut Port<'_>, station: u32) {
        let (audible_cdbm, is_drowned) = {
            let air = self.airs.air(station);
            (air.audible_cdbm(), air.is_drowned())
        };
        self.drop_turn(port, station);
        let reached = self.airs.reached(station, port.now);
        let (Some(client), hears) = (self.airs.client(station), self.hears(station)) else { return };
        let is_there =
            |other: u32| self.airs.radio(other).is_some_and(|radio| radio.is_access_point() && radio.is_on());
        let best = reached
            .iter()
            .filter(|other| hears && !is_drowned && other.power_cdbm >= audible_cdbm && is_there(other.station))
            .filter(|other| !client.refused.contains(&other.station))
            .max_by_key(|other| (other.power_cdbm, std::cmp::Reverse(other.station)));
        let hysteresis_cdb = self.airs.wifi(station).hysteresis_cdb;
        let own = client.with.map(|with| {
            let own = reached.iter().find(|other| other.station == with);
            (with, own.map_or(i32::MIN, |own| own.power_cdbm))
        });
        match (best, own) {
            (Some(best), Some((with, own_cdbm)))
                if best.station == with || best.power_cdbm < own_cdbm.saturating_add_unsigned(hysteresis_cdb) =>
            {
                self.stay(port, station, with);
            }
            (None, Some((with, _))) => self.stay(port, station, with),
            (Some(best), _) => {
                let (target, channel) = (best.station, self.airs.stations[best.station as usize].channel);
                self.tune(station, channel);
                if let Some(client) = self.airs.client_mut(station) {
                    (client.target, client.asked) = (target, 0);
                }
                self.ask(port, station, Step::Authenticates);
            }
            (None, None) => self.take_step(port, station, Step::Waits, PAUSE_NS),
        }
    }

    /// A station has looked, and stays with its access point.
    fn stay(&mut self, port: &mut Port<'_>, station: u32, with: u32) {
        self.tune(station, self.airs.stations[with as usize].channel);
        self.settle_in(port, station);
        self.back_off_wifi(port, station);
    }

    /// From now on a station listens for the beacons of its access point.
    fn settle_in(&mut self, port: &mut Port<'_>, station: u32) {
        let now = port.now;
        if let Some(client) = self.airs.client_mut(station) {
            (client.heard_at, client.settled_until) = (now, now + SETTLED_NS);
        }
        self.take_step(port, station, Step::Associated, self.patience_ns(station));
    }

    /// How long a station hears no beacon before it takes its access point to be gone.
    fn patience_ns(&self, station: u32) -> u64 {
        let config = self.airs.wifi(station);
        nanos(config.beacon).saturating_mul(config.beacons_lost.into()).max(1)
    }

    fn look_for_beacons(&mut self, port: &mut Port<'_>, station: u32) {
        let Some(client) = self.airs.client(station) else { return };
        let due = client.heard_at.saturating_add(self.patience_ns(station));
        if due > port.now {
            self.take_step(port, station, Step::Associated, due - port.now);
        } else {
            self.part(port, station, Parting::BeaconsLost);
        }
    }

    /// A station asks the access point that it is about to join.
    fn ask(&mut self, port: &mut Port<'_>, station: u32, step: Step) {
        let Some(client) = self.airs.client_mut(station) else { return };
        client.asked += 1;
        let what = match step {
            Step::Authenticates => Management::AuthenticationRequest,
            _ => Management::AssociationRequest,
        };
        let item = Payload::Management(what, Some(client.target));
        self.drop_turn(port, station);
        self.take_step(port, station, step, ANSWER_NS);
        self.enqueue(port, station, item);
    }

    /// An access point has answered what a station asked in a step.
    pub(super) fn advance(&mut self, port: &mut Port<'_>, station: u32, from: u32, step: Step, is_yes: bool) {
        let handshake_ns = nanos(self.airs.wifi(station).handshake);
        let Some(client) = self.airs.client_mut(station) else { return };
        if client.step != step || client.target != from {
            return;
        }
        match step {
            _ if !is_yes => {
                client.refused.push(from);
                self.choose(port, station);
            }
            Step::Authenticates => {
                client.asked = 0;
                self.ask(port, station, Step::Associates);
            }
            _ => self.take_step(port, station, Step::Shakes, handshake_ns),
        }
    }

    /// A station is with an access point now.
    fn joined(&mut self, port: &mut Port<'_>, station: u32, access_point: u32) {
        // The access point may be gone since it answered.
        if !self.hears(access_point) {
            if let Some(client) = self.airs.client_mut(station) {
                client.refused.push(access_point);
            }
            return self.choose(port, station);
        }
        let Some(client) = self.airs.client_mut(station) else { return };
        let (mac, before) = (client.mac, client.with.replace(access_point));
        if let Some(own) = self.airs.access_point_mut(access_point) {
            own.clients.insert(mac, Member { station, is_in: true });
        }
        self.tell_stations(port, access_point);
        let reached = self.airs.reached(station, port.now);
        let power_cdbm = reached.iter().find(|other| other.station == access_point).map_or(0, |it| it.power_cdbm);
        let dbm = power_cdbm.div_euclid(100);
        if let (Some(link), Some(node)) = (self.up_link(station), self.airs.radio(access_point).map(|it| it.node.id)) {
            self.record_of(
                port,
                match before {
                    None => Event::Associated { link, access_point: node, dbm },
                    Some(_) => Event::Roamed { link, access_point: node, dbm },
                },
            );
        }
        self.tell_change(port, station, SIGNAL, Change::Set(dbm.into()));
        match before {
            Some(_) => self.tell_change(port, station, ROAMS, Change::Add(1)),
            None => {
                self.tell_change(port, station, ASSOCIATIONS, Change::Add(1));
                self.tell_change(port, station, ASSOCIATED, Change::Set(1));
                self.tell_link(port, station);
            }
        }
        self.settle_in(port, station);
        self.announce(port, access_point, station);
        self.back_off_wifi(port, station);
    }

    /// A station is with its access point no longer, and looks for another one.
    pub(super) fn part(&mut self, port: &mut Port<'_>, station: u32, reason: Parting) {
        self.drop_turn(port, station);
        self.leave(port, station, reason);
        self.empty_outbox(port, station, DropReason::NotAssociated);
        self.scan(port, station);
    }

    fn leave(&mut self, port: &mut Port<'_>, station: u32, reason: Parting) {
        let Some(with) = self.airs.client_mut(station).and_then(|client| client.with.take()) else { return };
        self.record_parting(port, station, with, reason);
        self.tell_change(port, station, ASSOCIATED, Change::Set(0));
        if reason != Parting::PowerLost {
            self.tell_change(port, station, LOSSES, Change::Add(1));
        }
        self.tell_link(port, station);
    }

    /// An access point forgets a station: what waits for it is lost.
    pub(super) fn dismiss(&mut self, port: &mut Port<'_>, access_point: u32, mac: u64) {
        if let Some(own) = self.airs.access_point_mut(access_point) {
            own.clients.remove(&mac);
        }
        self.tell_stations(port, access_point);
    }

    /// A station hears a beacon.
    pub(super) fn heard_beacon(&mut self, port: &mut Port<'_>, station: u32, from: u32, power_cdbm: i32) {
        let roam_below_cdbm = match self.airs.client(station) {
            Some(client) if client.with == Some(from) && client.step == Step::Associated => {
                self.airs.wifi(station).roam_below_cdbm
            }
            _ => return,
        };
        let now = port.now;
        let Some(client) = self.airs.client_mut(station) else { return };
        client.heard_at = now;
        let looks = power_cdbm < roam_below_cdbm && now >= client.settled_until;
        self.tell_change(port, station, SIGNAL, Change::Set(power_cdbm.div_euclid(100).into()));
        if looks {
            self.scan(port, station);
        }
    }

    /// Somebody says in the name of an access point that a node's radios are to go, or to all that are with one. Returns how
    /// many went.
    fn deauthenticate(&mut self, port: &mut Port<'_>, station: u32) -> u64 {
        let all: Vec<u32> = match self.airs.radio(station).map(|radio| &radio.role) {
            Some(Role::Client(client)) if client.with.is_some() => vec![station],
            Some(Role::AccessPoint(own)) => {
                let mut all: Vec<u32> =
                    own.clients.values().filter(|member| member.is_in).map(|member| member.station).collect();
                all.sort_unstable();
                all
            }
            _ => Vec::new(),
        };
        for client in &all {
            let Some((mac, with)) = self.airs.client(*client).map(|client| (client.mac, client.with)) else { continue };
            if let Some(with) = with {
                self.dismiss(port, with, mac);
            }
            self.part(port, *client, Parting::Deauthenticated);
        }
        all.len() as u64
    }
}

impl Kernel {
    /// A node's radios get or lose their power.
    pub(crate) fn switch_radios(&self, node: &NodeCore, on: bool) {
        let stations = self.net.borrow().airs.radios_of(node.id.bits());
        for station in stations {
            self.with_net(|net, port| if on { net.switch_on(port, station) } else { net.switch_off(port, station) });
        }
    }

    /// A node is deauthenticated in the name of its access point, or all that are with it. Returns how many it hit.
    pub(crate) fn deauthenticate(&self, node: &NodeCore) -> u64 {
        let stations = self.net.borrow().airs.radios_of(node.id.bits());
        let each = stations.into_iter().map(|station| self.with_net(|net, port| net.deauthenticate(port, station)));
        each.sum()
    }

    /// The noise on a shared medium becomes stronger, or weaker again.
    pub(crate) fn disturb(&self, air: AirId, noise_cdb: u32, begins: bool) {
        self.with_net(|net, port| {
            net.airs.disturb(air, noise_cdb, begins);
            net.reconsider_backoffs(port, air.0 as usize);
        });
    }
}
