//! A small broker: subscriptions with wildcards, every quality of service, kept messages, wills, and sessions that outlive
//! their connections.
//!
//! It has no IO and no clock: it is told which connections there are and what comes over them, and asked what is to be
//! sent over which. What it must not forget it hands out as [changes](Broker::changes) of keys and values; whoever keeps
//! them before anything is sent has a broker that loses nothing it has acknowledged.
//!
//! Not here: shared subscriptions, topic aliases, delays of wills, expiry of messages, who may do what.

mod kept;
mod limits;
mod record;
mod session;
mod tree;

#[cfg(test)]
mod tests;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;

use super::packet::{
    self, Ack, Codes, ConnAck, Connect, Packet, PacketId, Properties, Property, Publish, QoS, Reason, Retained,
    Subscribe, Subscription, Unsubscribe, Version,
};
use super::topic;
use crate::time::{Duration, Instant};

use self::kept::Kept;
pub use self::limits::Limits;
pub use self::record::Change;
use self::record::Record;
use self::session::{Phase, Session, Stored, Wish};
use self::tree::Tree;

/// How long somebody who has connected may take to say who they are.
const INTRODUCTION: Duration = Duration::from_secs(10);

/// A transport connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// What has happened, for whoever counts.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Told {
    /// A client has come.
    Connected,
    /// One is gone, as it should or not.
    Disconnected,
    /// A message was accepted.
    Accepted,
    /// A message was put on its way to somebody.
    Forwarded,
    /// A message could not be accepted: a queue was full, or it was to be kept and there was no room.
    Refused,
    /// A message was left out for somebody who has no room for it.
    LeftOut,
    /// A client or a subscription was refused: there were as many as there may be.
    TurnedAway,
    /// A will was said.
    Willed,
}

#[derive(Debug)]
struct Connection {
    received: Vec<u8>,
    to_send: Vec<u8>,
    version: Version,
    /// Who it is, once that is known.
    client: Option<Rc<str>>,
    will: Option<Stored>,
    silence_max: Option<Duration>,
    /// When it will have been silent for too long.
    due: Option<Instant>,
    in_flight_max: usize,
    packet_max: usize,
    closing: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Silence(u64),
    Expiry(Rc<str>),
}

/// Why a connection is ended.
struct End(Reason);

impl From<packet::Malformed> for End {
    fn from(_: packet::Malformed) -> Self {
        End(Reason::MALFORMED_PACKET)
    }
}

/// The broker.
#[derive(Debug)]
pub struct Broker {
    limits: Limits,
    connections: BTreeMap<u64, Connection>,
    last_connection: u64,
    sessions: BTreeMap<Rc<str>, Session>,
    tree: Tree<Wish>,
    kept: Kept,
    due: BTreeSet<(Instant, Due)>,
    named: u64,
    touched: BTreeSet<u64>,
    changes: Vec<Change>,
    told: Vec<Told>,
}

impl Broker {
    /// A broker that knows nobody.
    pub fn new(limits: Limits) -> Self {
        Broker {
            limits,
            connections: BTreeMap::new(),
            last_connection: 0,
            sessions: BTreeMap::new(),
            tree: Tree::default(),
            kept: Kept::default(),
            due: BTreeSet::new(),
            named: 0,
            touched: BTreeSet::new(),
            changes: Vec::new(),
            told: Vec::new(),
        }
    }

    /// A broker that knows what another one had to remember, in the order of the keys. What is no record is left out.
    pub fn restored<'r>(limits: Limits, records: impl IntoIterator<Item = (&'r [u8], &'r [u8])>, now: Instant) -> Self {
        let mut broker = Self::new(limits);
        let mut late = Vec::new();
        for record in records.into_iter().filter_map(|(key, value)| record::read(key, value)) {
            match record {
                Record::Session { client, expiry_s } => {
                    let client: Rc<str> = client.into();
                    broker.sessions.insert(Rc::clone(&client), Session::lasting(expiry_s));
                    broker.expire_later(&client, expiry_s, now);
                }
                Record::Retained(stored) => broker.kept.put(&stored),
                other => late.push(other),
            }
        }
        for record in late {
            let (Record::Subscription { client, .. } | Record::Queued { client, .. } | Record::Received { client, .. }) =
                &record
            else {
                continue;
            };
            let client: Rc<str> = client.as_str().into();
            let Some(session) = broker.sessions.get_mut(&client) else {
                continue;
            };
            match record {
                Record::Subscription { filter, wish, .. } => {
                    broker.tree.insert(&filter, client, wish);
                    session.subscriptions.insert(filter, wish);
                }
                Record::Queued { queued, .. } => {
                    session.push_again(queued);
                }
                Record::Received { id, .. } => drop(session.received.insert(id)),
                Record::Session { .. } | Record::Retained(_) => {}
            }
        }
        broker
    }

    /// A connection was accepted.
    pub fn connected(&mut self, now: Instant) -> ConnectionId {
        self.last_connection += 1;
        let id = self.last_connection;
        let connection = Connection {
            received: Vec::new(),
            to_send: Vec::new(),
            version: Version::V5,
            client: None,
            will: None,
            silence_max: Some(INTRODUCTION),
            due: None,
            in_flight_max: self.limits.in_flight_max,
            packet_max: usize::MAX,
            closing: false,
        };
        self.connections.insert(id, connection);
        self.hear(id, now);
        ConnectionId(id)
    }

    /// Bytes came over a connection.
    pub fn received(&mut self, id: ConnectionId, bytes: &[u8], now: Instant) {
        let ConnectionId(id) = id;
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.closing) else {
            return;
        };
        if connection.to_send.len() > self.limits.answers_max() {
            self.end(id, Reason::QUOTA_EXCEEDED, now);
            return;
        }
        connection.received.extend_from_slice(bytes);
        let mut received = core::mem::take(&mut connection.received);
        let mut rest = &received[..];
        if connection.client.is_some() {
            self.hear(id, now);
        }
        let outcome = loop {
            let len = match packet::packet_len(rest) {
                Ok(Some(len)) if len > self.limits.packet_max => break Err(End(Reason::PACKET_TOO_LARGE)),
                Ok(Some(len)) if len <= rest.len() => len,
                Ok(_) => break Ok(()),
                Err(malformed) => break Err(malformed.into()),
            };
            let (packet, others) = rest.split_at(len);
            rest = others;
            if let Err(end) = self.take(id, packet, now) {
                break Err(end);
            }
            if self.connections.get(&id).is_none_or(|connection| connection.closing) {
                break Ok(());
            }
        };
        if let Err(End(reason)) = outcome {
            self.end(id, reason, now);
        } else if let Some(connection) = self.connections.get_mut(&id) {
            // Before this piece came there was no whole packet: what is left over is a part of it, or nothing was taken out.
            let taken = received.len() - rest.len();
            received.drain(..taken);
            connection.received = received;
        }
    }

    /// A connection is gone.
    pub fn disconnected(&mut self, id: ConnectionId, now: Instant) {
        self.part(id.0, true, now);
        self.connections.remove(&id.0);
        self.touched.remove(&id.0);
    }

    /// Takes what is to be sent over a connection. [`changes`](Self::changes) are to be kept before it is.
    pub fn to_send(&mut self, id: ConnectionId) -> Vec<u8> {
        self.connections.get_mut(&id.0).map(|connection| core::mem::take(&mut connection.to_send)).unwrap_or_default()
    }

    /// Whether there is something to send over a connection, or it is to be closed.
    pub fn has_news(&self, id: ConnectionId) -> bool {
        self.connections.get(&id.0).is_none_or(|connection| connection.closing || !connection.to_send.is_empty())
    }

    /// Whether a connection is to be closed once all was sent.
    pub fn is_closing(&self, id: ConnectionId) -> bool {
        self.connections.get(&id.0).is_none_or(|connection| connection.closing)
    }

    /// Takes the connections that there is something to send over, or that are to be closed.
    pub fn touched(&mut self) -> impl Iterator<Item = ConnectionId> + use<> {
        core::mem::take(&mut self.touched).into_iter().map(ConnectionId)
    }

    /// Takes what is to be kept, in order.
    pub fn changes(&mut self) -> Vec<Change> {
        core::mem::take(&mut self.changes)
    }

    /// Takes what has happened.
    pub fn told(&mut self) -> Vec<Told> {
        core::mem::take(&mut self.told)
    }

    /// How many clients are connected.
    pub fn clients(&self) -> usize {
        self.sessions.values().filter(|session| session.connection.is_some()).count()
    }

    /// When time is up for somebody.
    pub fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Looks for whom time is up.
    pub fn overdue(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            match self.due.pop_first() {
                Some((_, Due::Silence(id))) => {
                    if let Some(connection) = self.connections.get_mut(&id) {
                        connection.due = None;
                        self.end(id, Reason::KEEP_ALIVE_TIMEOUT, now);
                    }
                }
                Some((_, Due::Expiry(client))) => {
                    let is_away = self.sessions.get(&client).is_some_and(|session| session.connection.is_none());
                    if is_away {
                        self.forget(&client);
                    }
                }
                None => {}
            }
        }
    }

    fn take(&mut self, id: u64, bytes: &[u8], now: Instant) -> Result<(), End> {
        let Some(connection) = self.connections.get(&id) else {
            return Ok(());
        };
        let packet = packet::read(bytes, connection.version)?;
        let Some(client) = connection.client.clone() else {
            return match packet {
                Packet::Connect(connect) => self.introduce(id, &connect, now),
                _ => Err(End(Reason::PROTOCOL_ERROR)),
            };
        };
        match packet {
            Packet::Publish(publish) => self.accept(id, &client, &publish),
            Packet::PubRel(ack) => {
                if self.session(&client).received.remove(&ack.id) {
                    self.changes.push((record::received(&client, ack.id), None));
                }
                self.send(id, &Packet::PubComp(well(ack.id)));
                Ok(())
            }
            Packet::PubAck(ack) => {
                self.done(&client, ack.id);
                self.forward(&client);
                Ok(())
            }
            Packet::PubRec(ack) if ack.reason.is_failure() => {
                self.done(&client, ack.id);
                self.forward(&client);
                Ok(())
            }
            Packet::PubRec(ack) => {
                self.release(id, &client, ack.id);
                Ok(())
            }
            Packet::PubComp(ack) => {
                self.done(&client, ack.id);
                self.forward(&client);
                Ok(())
            }
            Packet::Subscribe(subscribe) => {
                self.subscribe(id, &client, &subscribe);
                Ok(())
            }
            Packet::Unsubscribe(unsubscribe) => {
                self.unsubscribe(id, &client, &unsubscribe);
                Ok(())
            }
            Packet::PingReq => {
                self.send(id, &Packet::PingResp);
                Ok(())
            }
            Packet::Disconnect(reason) => {
                self.part(id, reason == Reason::DISCONNECT_WITH_WILL, now);
                self.close(id);
                Ok(())
            }
            _ => Err(End(Reason::PROTOCOL_ERROR)),
        }
    }

    fn introduce(&mut self, id: u64, connect: &Connect<'_>, now: Instant) -> Result<(), End> {
        let version = connect.version;
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.version = version;
        }
        let assigned = connect.client_id.is_empty().then(|| {
            self.named += 1;
            format!("client-{id}-{}", self.named)
        });
        if assigned.is_some() && version == Version::V311 && !connect.clean_start {
            self.send(id, &refusal(Reason::CLIENT_ID_NOT_VALID));
            self.close(id);
            return Ok(());
        }
        let client: Rc<str> = assigned.as_deref().unwrap_or(connect.client_id).into();
        let old = self.sessions.get(&client).and_then(|session| session.connection);
        if let Some(old) = old {
            self.end(old, Reason::SESSION_TAKEN_OVER, now);
        }
        if connect.clean_start {
            self.forget(&client);
        }
        if self.sessions.len() >= self.limits.sessions_max && !self.sessions.contains_key(&client) {
            self.told.push(Told::TurnedAway);
            self.send(id, &refusal(Reason::QUOTA_EXCEEDED));
            self.close(id);
            return Ok(());
        }
        let (mut expiry_s, mut in_flight_max, mut packet_max) = (0, u16::MAX, usize::MAX);
        for property in connect.properties.iter() {
            match property {
                Property::SessionExpiry(seconds) => expiry_s = seconds,
                Property::ReceiveMaximum(messages) => in_flight_max = messages,
                Property::MaximumPacketSize(bytes) => packet_max = bytes as usize,
                _ => {}
            }
        }
        if version == Version::V311 && !connect.clean_start {
            expiry_s = u32::MAX;
        }
        let session_present = self.sessions.contains_key(&client);
        let session = self.sessions.entry(Rc::clone(&client)).or_default();
        session.expiry_s = expiry_s;
        session.connection = Some(id);
        session.queue.iter_mut().for_each(|queued| queued.seen = false);
        self.due.retain(|(_, due)| *due != Due::Expiry(Rc::clone(&client)));
        if expiry_s > 0 {
            self.changes.push((record::session(&client), Some(record::session_value(expiry_s))));
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.client = Some(Rc::clone(&client));
            connection.will = connect.will.as_ref().map(|will| Stored {
                topic: will.topic.into(),
                payload: will.payload.into(),
                qos: will.qos,
                retain: will.retain,
            });
            connection.in_flight_max = usize::from(in_flight_max).min(self.limits.in_flight_max);
            connection.packet_max = packet_max;
            let keep_alive = Duration::from_secs(connect.keep_alive_s.into());
            connection.silence_max = (!keep_alive.is_zero()).then_some(keep_alive * 3 / 2);
        }
        self.hear(id, now);
        self.told.push(Told::Connected);
        let mut buffer = vec![0; 64 + client.len()];
        let mut offered = vec![Property::MaximumPacketSize(self.limits.packet_max as u32)];
        offered.extend(assigned.as_deref().map(Property::AssignedClientId));
        let properties = Properties::encode(&offered, &mut buffer);
        self.send(id, &Packet::ConnAck(ConnAck { session_present, reason: Reason::SUCCESS, properties }));
        self.forward(&client);
        Ok(())
    }

    /// A message came from a client.
    fn accept(&mut self, id: u64, client: &Rc<str>, publish: &Publish<'_>) -> Result<(), End> {
        if let (QoS::ExactlyOnce, Some(packet)) = (publish.qos, publish.id)
            && self.session(client).received.contains(&packet)
        {
            self.send(id, &Packet::PubRec(well(packet)));
            return Ok(());
        }
        let stored = Rc::new(Stored {
            topic: publish.topic.into(),
            payload: publish.payload.into(),
            qos: publish.qos,
            retain: publish.retain,
        });
        let accepted = self.spread(&stored, Some(client));
        let (Some(packet), false) = (publish.id, publish.qos == QoS::AtMostOnce) else {
            return Ok(());
        };
        if !accepted && self.version(id) == Version::V311 {
            // It has no word for that: the client is to come back later.
            return Err(End(Reason::QUOTA_EXCEEDED));
        }
        let ack = Ack { id: packet, reason: if accepted { Reason::SUCCESS } else { Reason::QUOTA_EXCEEDED } };
        if publish.qos == QoS::AtLeastOnce {
            self.send(id, &Packet::PubAck(ack));
            return Ok(());
        }
        if accepted {
            self.session(client).received.insert(packet);
            self.changes.push((record::received(client, packet), Some(Vec::new())));
        }
        self.send(id, &Packet::PubRec(ack));
        Ok(())
    }

    /// Gives a message to all who want it; `false` if one of them has no room, or there is none to keep it, and then to nobody.
    fn spread(&mut self, stored: &Rc<Stored>, from: Option<&Rc<str>>) -> bool {
        let mut wishes: BTreeMap<Rc<str>, Wish> = BTreeMap::new();
        self.tree.matching(&stored.topic, |who, wish| {
            if wish.no_local && from == Some(who) {
                return;
            }
            let best = wishes.entry(Rc::clone(who)).or_insert(wish);
            best.qos = best.qos.max(wish.qos);
            best.retain_as_published |= wish.retain_as_published;
        });
        let full = |who: &Rc<str>| self.sessions.get(who).is_some_and(|s| !s.has_room(stored, &self.limits));
        let fits = !stored.retain || self.kept.has_room(stored, self.limits.kept_bytes_max);
        if !fits || (stored.qos > QoS::AtMostOnce && wishes.keys().any(full)) {
            self.told.push(Told::Refused);
            return false;
        }
        if stored.retain {
            let value = (!stored.payload.is_empty()).then(|| record::stored_value(stored));
            self.changes.push((record::retained(&stored.topic), value));
            self.kept.put(stored);
        }
        self.told.push(Told::Accepted);
        for (who, wish) in wishes {
            self.give(&who, stored, wish.qos, stored.retain && wish.retain_as_published);
        }
        true
    }

    /// Gives a message to one client: now, or when it is back.
    fn give(&mut self, client: &Rc<str>, stored: &Rc<Stored>, qos_max: QoS, retain: bool) {
        let qos = stored.qos.min(qos_max);
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        if qos == QoS::AtMostOnce {
            let connection = session.connection.and_then(|id| Some((id, self.connections.get(&id)?)));
            match connection {
                Some((_, connection)) if connection.to_send.len() > self.limits.unsent_bytes_max => {
                    self.told.push(Told::LeftOut);
                }
                Some((id, _)) => self.send_message(id, stored, qos, retain, false, None),
                None => {}
            }
            return;
        }
        if !session.has_room(stored, &self.limits) {
            self.told.push(Told::LeftOut);
            return;
        }
        let lasts = session.expiry_s > 0;
        let queued = session.push(Rc::clone(stored), qos, retain);
        if lasts {
            self.changes.push((record::queued(client, queued.sequence), Some(record::queued_value(queued))));
        }
        self.forward(client);
    }

    /// Sends a client what waits for it, as far as it may be under way, the oldest first.
    fn forward(&mut self, client: &Rc<str>) {
        let Some(session) = self.sessions.get(client) else {
            return;
        };
        let Some((id, connection)) = session.connection.and_then(|id| Some((id, self.connections.get(&id)?))) else {
            return;
        };
        let window = connection.in_flight_max.min(session.queue.len());
        for at in 0..window {
            let session = self.session(client);
            let lasts = session.expiry_s > 0;
            if session.queue[at].seen {
                continue;
            }
            let new = session.queue[at].phase == Phase::Waiting;
            if new {
                let packet = session.next_id();
                session.queue[at].phase = Phase::Sent(packet);
            }
            let queued = &mut session.queue[at];
            queued.seen = true;
            let (stored, qos, retain) = (Rc::clone(&queued.message), queued.qos, queued.retain);
            let (phase, change) =
                (queued.phase, (record::queued(client, queued.sequence), record::queued_value(queued)));
            if new && lasts {
                self.changes.push((change.0, Some(change.1)));
            }
            match phase {
                Phase::Sent(packet) => self.send_message(id, &stored, qos, retain, !new, Some(packet)),
                Phase::Released(packet) => self.send(id, &Packet::PubRel(well(packet))),
                Phase::Waiting => {}
            }
        }
    }

    fn send_message(&mut self, id: u64, stored: &Stored, qos: QoS, retain: bool, dup: bool, packet: Option<PacketId>) {
        let publish = Publish {
            topic: &stored.topic,
            payload: &stored.payload,
            qos,
            retain,
            dup,
            id: packet,
            properties: Properties::NONE,
        };
        self.told.push(Told::Forwarded);
        self.send(id, &Packet::Publish(publish));
    }

    /// A client has that message, and needs it no more.
    fn done(&mut self, client: &Rc<str>, id: PacketId) {
        let session = self.session(client);
        if let Some(queued) = session.remove(id)
            && session.expiry_s > 0
        {
            self.changes.push((record::queued(client, queued.sequence), None));
        }
    }

    /// A client has that message of quality 2.
    fn release(&mut self, id: u64, client: &Rc<str>, packet: PacketId) {
        let session = self.session(client);
        let lasts = session.expiry_s > 0;
        let mut reason = Reason::PACKET_ID_NOT_FOUND;
        if let Some(at) = session.position(packet) {
            let queued = &mut session.queue[at];
            reason = Reason::SUCCESS;
            queued.phase = Phase::Released(packet);
            let change = (record::queued(client, queued.sequence), Some(record::queued_value(queued)));
            if lasts {
                self.changes.push(change);
            }
        }
        self.send(id, &Packet::PubRel(Ack { id: packet, reason }));
    }

    fn subscribe(&mut self, id: u64, client: &Rc<str>, subscribe: &Subscribe<'_>) {
        let (mut codes, mut kept) = (Vec::new(), Vec::new());
        for subscription in subscribe.filters.iter() {
            let refused = match subscription.filter {
                filter if !topic::is_filter(filter) => Some(Reason::TOPIC_FILTER_INVALID),
                filter if filter.starts_with("$share/") => Some(Reason::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED),
                filter if !self.has_room_for(client, filter) => Some(Reason::QUOTA_EXCEEDED),
                _ => None,
            };
            if let Some(reason) = refused {
                if reason == Reason::QUOTA_EXCEEDED {
                    self.told.push(Told::TurnedAway);
                }
                codes.push(if self.version(id) == Version::V5 { reason.0 } else { 0x80 });
                continue;
            }
            codes.push(subscription.qos.bits());
            let wish = Wish::of(&subscription);
            let new = self.tree.insert(subscription.filter, Rc::clone(client), wish);
            let session = self.session(client);
            session.subscriptions.insert(subscription.filter.into(), wish);
            if session.expiry_s > 0 {
                let key = record::subscription(client, subscription.filter);
                self.changes.push((key, Some(record::wish_value(wish))));
            }
            if subscription.retained == Retained::Send || (subscription.retained == Retained::SendIfNew && new) {
                kept.push(subscription);
            }
        }
        self.send(id, &Packet::SubAck(Codes { id: subscribe.id, codes: &codes }));
        for Subscription { filter, qos, .. } in kept {
            for stored in self.kept.passing(filter).cloned().collect::<Vec<_>>() {
                self.give(client, &stored, qos, true);
            }
        }
    }

    /// Whether a client may subscribe to that, too.
    fn has_room_for(&mut self, client: &Rc<str>, filter: &str) -> bool {
        let subscriptions_max = self.limits.subscriptions_max;
        let subscriptions = &self.session(client).subscriptions;
        subscriptions.len() < subscriptions_max || subscriptions.contains_key(filter)
    }

    fn unsubscribe(&mut self, id: u64, client: &Rc<str>, unsubscribe: &Unsubscribe<'_>) {
        let mut codes = Vec::new();
        for Subscription { filter, .. } in unsubscribe.filters.iter() {
            let existed = self.tree.remove(filter, client);
            self.session(client).subscriptions.remove(filter);
            self.changes.push((record::subscription(client, filter), None));
            codes.push(if existed { Reason::SUCCESS.0 } else { Reason::NO_SUBSCRIPTION_EXISTED.0 });
        }
        self.send(id, &Packet::UnsubAck(Codes { id: unsubscribe.id, codes: &codes }));
    }

    /// Ends a connection, with a word about why if the client can hear it.
    fn end(&mut self, id: u64, reason: Reason, now: Instant) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if connection.client.is_some() && connection.version == Version::V5 {
            self.send(id, &Packet::Disconnect(reason));
        }
        self.part(id, true, now);
        self.close(id);
    }

    /// A client and its connection part; `willed` if its will is to be said.
    fn part(&mut self, id: u64, willed: bool, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if let Some(due) = connection.due.take() {
            self.due.remove(&(due, Due::Silence(id)));
        }
        let Some(client) = connection.client.take() else {
            return;
        };
        let will = connection.will.take().filter(|_| willed);
        self.told.push(Told::Disconnected);
        let session = self.session(&client);
        session.connection = None;
        let expiry_s = session.expiry_s;
        match expiry_s {
            0 => self.forget(&client),
            _ => self.expire_later(&client, expiry_s, now),
        }
        if let Some(will) = will {
            self.told.push(Told::Willed);
            self.spread(&Rc::new(will), Some(&client));
        }
    }

    fn expire_later(&mut self, client: &Rc<str>, expiry_s: u32, now: Instant) {
        if expiry_s < u32::MAX {
            let at = now + Duration::from_secs(expiry_s.into());
            self.due.insert((at, Due::Expiry(Rc::clone(client))));
        }
    }

    /// Forgets a session.
    fn forget(&mut self, client: &Rc<str>) {
        let Some(session) = self.sessions.remove(client) else {
            return;
        };
        let Session { subscriptions, queue, received, .. } = session;
        for filter in subscriptions.keys() {
            self.tree.remove(filter, client);
            self.changes.push((record::subscription(client, filter), None));
        }
        self.changes.extend(queue.iter().map(|queued| (record::queued(client, queued.sequence), None)));
        self.changes.extend(received.iter().map(|id| (record::received(client, *id), None)));
        self.changes.push((record::session(client), None));
    }

    fn close(&mut self, id: u64) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.closing = true;
            self.touched.insert(id);
        }
    }

    /// Somebody was heard: their silence begins anew.
    fn hear(&mut self, id: u64, now: Instant) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let due = connection.silence_max.map(|silence| now + silence);
        if let Some(before) = core::mem::replace(&mut connection.due, due) {
            self.due.remove(&(before, Due::Silence(id)));
        }
        if let Some(due) = due {
            self.due.insert((due, Due::Silence(id)));
        }
    }

    fn send(&mut self, id: u64, packet: &Packet<'_>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let room = match packet {
            Packet::Publish(publish) => publish.topic.len() + publish.payload.len(),
            Packet::SubAck(codes) | Packet::UnsubAck(codes) => codes.codes.len(),
            _ => 0,
        };
        let before = connection.to_send.len();
        connection.to_send.resize(before + room + 512, 0);
        let written = packet::write(packet, connection.version, &mut connection.to_send[before..]);
        // What a client cannot take it does not get (section 3.1.2.11.4).
        let len = written.ok().filter(|len| *len <= connection.packet_max).unwrap_or(0);
        connection.to_send.truncate(before + len);
        self.touched.insert(id);
    }

    fn version(&self, id: u64) -> Version {
        self.connections.get(&id).map_or(Version::V5, |connection| connection.version)
    }

    fn session(&mut self, client: &Rc<str>) -> &mut Session {
        self.sessions.entry(Rc::clone(client)).or_default()
    }
}

const fn well(id: PacketId) -> Ack {
    Ack { id, reason: Reason::SUCCESS }
}

const fn refusal(reason: Reason) -> Packet<'static> {
    Packet::ConnAck(ConnAck { session_present: false, reason, properties: Properties::NONE })
}
