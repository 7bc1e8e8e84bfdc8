//! The broker and clients over wires that break, and lives that end.

use std::boxed::Box;
use std::string::String;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::mqtt::protocol::{Event, Message, Options, Protocol, Receipt, Step, Will};
use crate::mqtt::session::{STATE_MAX, Session as ClientSession};

const NOW: Instant = Instant::from_secs(1);

/// A broker, and what it had to remember.
struct Inn {
    broker: Broker,
    records: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Inn {
    fn new() -> Self {
        Inn { broker: Broker::new(Limits::default()), records: BTreeMap::new() }
    }

    fn keep(&mut self) {
        for (key, value) in self.broker.changes() {
            match value {
                Some(value) => drop(self.records.insert(key, value)),
                None => drop(self.records.remove(&key)),
            }
        }
    }

    /// Its power goes and comes back.
    fn restart(&mut self) {
        let records = self.records.iter().map(|(key, value)| (&key[..], &value[..]));
        self.broker = Broker::restored(Limits::default(), records, NOW);
    }
}

/// A client, and what it has heard.
struct Guest {
    name: &'static str,
    version: Version,
    protocol: Protocol<'static, 4>,
    connection: Option<ConnectionId>,
    opened: Option<bool>,
    saved: Vec<u8>,
    delivered: Vec<u64>,
    heard: Vec<(u64, QoS)>,
    others: Vec<(String, Vec<u8>, bool)>,
}

impl Guest {
    fn new(name: &'static str, version: Version) -> Self {
        Guest {
            name,
            version,
            protocol: protocol(),
            connection: None,
            opened: None,
            saved: Vec::new(),
            delivered: Vec::new(),
            heard: Vec::new(),
            others: Vec::new(),
        }
    }

    fn options(&self) -> Options<'static> {
        let mut options = Options::new(self.name);
        options.version = self.version;
        options
    }

    fn come(&mut self, inn: &mut Inn, options: &Options<'_>) {
        self.go(inn);
        self.protocol.open(options, NOW).unwrap();
        self.connection = Some(inn.broker.connected(NOW));
        self.opened = None;
    }

    /// The wire breaks; whatever was on it is lost.
    fn go(&mut self, inn: &mut Inn) {
        if let Some(connection) = self.connection.take() {
            inn.broker.disconnected(connection, NOW);
            inn.keep();
        }
    }

    /// Its power goes and comes back.
    fn restart(&mut self, inn: &mut Inn) {
        self.go(inn);
        self.protocol = protocol();
        if let Some(session) = ClientSession::decode(&self.saved) {
            self.protocol.restore(session);
        }
    }

    fn save(&mut self) {
        if self.protocol.session.changed {
            let mut state = [0; STATE_MAX];
            self.saved = self.protocol.session.encode(&mut state).to_vec();
            self.protocol.session.changed = false;
        }
    }

    /// Carries at most so many bytes each way; answers whether there were any.
    fn carry(&mut self, inn: &mut Inn, most: usize) -> bool {
        let Some(connection) = self.connection else {
            return false;
        };
        self.save();
        let there: Vec<u8> = self.protocol.to_send().iter().copied().take(most).collect();
        self.protocol.sent(there.len(), NOW);
        inn.broker.received(connection, &there, NOW);
        inn.keep();
        let back = inn.broker.to_send(connection);
        for piece in back.chunks(most.max(1)) {
            let room = self.protocol.room();
            room[..piece.len()].copy_from_slice(piece);
            self.protocol.heard(piece.len(), NOW);
            self.take_events();
        }
        self.take_events();
        if inn.broker.is_closing(connection) {
            self.go(inn);
        }
        !there.is_empty() || !back.is_empty()
    }

    fn take_events(&mut self) {
        while let Some(step) = self.protocol.step(NOW).unwrap() {
            if let Step::Opened { session_present } = step {
                self.opened = Some(session_present);
                continue;
            }
            let mut receipt: Option<Receipt> = None;
            match self.protocol.event(step).unwrap() {
                Event::Delivered(token) => self.delivered.push(token),
                Event::Message(message) => {
                    receipt = message.receipt;
                    match message.topic.strip_prefix("n/").and_then(|_| message.payload.try_into().ok()) {
                        Some(number) => self.heard.push((u64::from_be_bytes(number), message.qos)),
                        None => self.others.push((message.topic.into(), message.payload.into(), message.retain)),
                    }
                }
                Event::Subscribed(codes) => assert!(codes.codes.iter().all(|code| *code < 3)),
                Event::Refused(..) | Event::Unsubscribed(_) => panic!("nobody asked for that"),
            }
            if let Some(receipt) = receipt {
                assert!(self.protocol.acknowledge(receipt, NOW), "there is room for an answer");
            }
        }
        self.save();
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) {
        self.protocol.subscribe(&[Subscription::new(filter, qos)], NOW).unwrap();
    }

    fn say(&mut self, token: u64, topic: &str, payload: &[u8], qos: QoS, retain: bool) -> bool {
        self.protocol.publish(token, &Message { topic, payload, qos, retain }, NOW).is_ok()
    }
}

fn protocol() -> Protocol<'static, 4> {
    Protocol::new(Box::leak(vec![0; 8_192].into()), Box::leak(vec![0; 1_024].into()))
}

fn carry_all(inn: &mut Inn, guests: &mut [&mut Guest]) {
    while guests.iter_mut().fold(false, |any, guest| guest.carry(inn, usize::MAX) | any) {}
}

#[test]
fn what_is_kept_is_heard_by_who_comes_later() {
    let mut inn = Inn::new();
    let (mut early, mut late) = (Guest::new("early", Version::V311), Guest::new("late", Version::V5));
    early.come(&mut inn, &early.options());
    carry_all(&mut inn, &mut [&mut early]);
    early.say(1, "a/b", b"kept", QoS::AtLeastOnce, true);
    early.say(2, "a/c", b"kept, too", QoS::AtMostOnce, true);
    early.say(3, "a/c", b"", QoS::AtLeastOnce, true);
    carry_all(&mut inn, &mut [&mut early]);
    inn.restart();
    late.come(&mut inn, &late.options());
    carry_all(&mut inn, &mut [&mut late]);
    late.subscribe("a/+", QoS::ExactlyOnce);
    carry_all(&mut inn, &mut [&mut late]);
    assert_eq!(late.others, [("a/b".into(), b"kept".to_vec(), true)]);
    assert_eq!(early.delivered, [1, 3]);
}

#[test]
fn who_has_forgotten_a_session_that_the_broker_knows_loses_no_message() {
    for version in [Version::V311, Version::V5] {
        let mut inn = Inn::new();
        let (mut witness, mut frail) = (Guest::new("witness", Version::V5), Guest::new("frail", version));
        witness.come(&mut inn, &witness.options());
        frail.come(&mut inn, &frail.options());
        carry_all(&mut inn, &mut [&mut witness, &mut frail]);
        witness.subscribe("n/x", QoS::ExactlyOnce);
        carry_all(&mut inn, &mut [&mut witness]);
        for number in 1_u64..4 {
            // The broker has it, and what it answers is lost with the sender's power and all that it knew.
            assert!(frail.say(number, "n/x", &number.to_be_bytes(), QoS::ExactlyOnce, false));
            let sent = frail.protocol.to_send().to_vec();
            inn.broker.received(frail.connection.unwrap(), &sent, NOW);
            frail.saved.clear();
            frail.restart(&mut inn);
            frail.come(&mut inn, &frail.options());
            carry_all(&mut inn, &mut [&mut witness, &mut frail]);
            assert_eq!(frail.opened, Some(true));
        }
        assert!(frail.say(4, "n/x", &4_u64.to_be_bytes(), QoS::ExactlyOnce, false));
        carry_all(&mut inn, &mut [&mut witness, &mut frail]);
        assert_eq!(frail.delivered, [4], "{version:?}");
        assert_eq!(witness.heard, [1, 2, 3, 4].map(|number| (number, QoS::ExactlyOnce)), "{version:?}");
    }
}

#[test]
fn a_will_is_said_of_who_vanishes_and_not_of_who_leaves() {
    let mut inn = Inn::new();
    let (mut witness, mut frail) = (Guest::new("witness", Version::V5), Guest::new("frail", Version::V311));
    witness.come(&mut inn, &witness.options());
    carry_all(&mut inn, &mut [&mut witness]);
    witness.subscribe("#", QoS::AtLeastOnce);
    let mut options = frail.options();
    options.will = Some(Will {
        message: Message { topic: "state", payload: b"gone", qos: QoS::AtLeastOnce, retain: false },
        delay_s: 0,
    });
    for leaves in [true, false] {
        frail.come(&mut inn, &options);
        carry_all(&mut inn, &mut [&mut witness, &mut frail]);
        if leaves {
            frail.protocol.disconnect(Reason::SUCCESS, NOW).unwrap();
        } else {
            inn.broker.overdue(NOW + Duration::from_secs(91));
            assert!(inn.broker.is_closing(frail.connection.unwrap()), "it was silent for one and a half minutes");
            assert!(inn.broker.is_closing(witness.connection.unwrap()), "so was the other");
            witness.come(&mut inn, &witness.options());
        }
        carry_all(&mut inn, &mut [&mut witness, &mut frail]);
        assert_eq!(witness.others.len(), usize::from(!leaves));
    }
}

#[test]
fn who_comes_under_anothers_name_takes_its_place() {
    let mut inn = Inn::new();
    let (mut one, mut other) = (Guest::new("same", Version::V311), Guest::new("same", Version::V5));
    one.come(&mut inn, &one.options());
    carry_all(&mut inn, &mut [&mut one]);
    assert_eq!(one.opened, Some(false));
    one.subscribe("x", QoS::AtLeastOnce);
    carry_all(&mut inn, &mut [&mut one]);
    other.come(&mut inn, &other.options());
    carry_all(&mut inn, &mut [&mut other, &mut one]);
    assert_eq!((other.opened, one.connection), (Some(true), None));
    assert_eq!(inn.broker.clients(), 1);
}

#[test]
fn sessions_end_when_their_time_has_come_and_leave_nothing_behind() {
    let mut inn = Inn::new();
    let mut guest = Guest::new("guest", Version::V5);
    let mut options = guest.options();
    options.session_expiry_s = 60;
    guest.come(&mut inn, &options);
    carry_all(&mut inn, &mut [&mut guest]);
    guest.subscribe("n/#", QoS::AtLeastOnce);
    carry_all(&mut inn, &mut [&mut guest]);
    guest.go(&mut inn);
    assert_eq!(inn.records.len(), 2);
    inn.restart();
    inn.broker.overdue(NOW + Duration::from_secs(61));
    inn.keep();
    assert_eq!(inn.records, BTreeMap::new());
    guest.come(&mut inn, &options);
    carry_all(&mut inn, &mut [&mut guest]);
    assert_eq!(guest.opened, Some(false));
}

fn inn_of(limits: Limits) -> Inn {
    Inn { broker: Broker::new(limits), records: BTreeMap::new() }
}

fn refusals(inn: &mut Inn) -> [usize; 3] {
    let told = inn.broker.told();
    [Told::Refused, Told::LeftOut, Told::TurnedAway].map(|sort| told.iter().filter(|told| **told == sort).count())
}

#[test]
fn no_more_is_kept_than_there_is_room_for() {
    let mut inn = inn_of(Limits { kept_bytes_max: 2 * (64 + 2 + 10), ..Limits::default() });
    let mut guest = Guest::new("guest", Version::V5);
    guest.come(&mut inn, &guest.options());
    carry_all(&mut inn, &mut [&mut guest]);
    for (token, topic, payload) in
        [(1, "a", &[1; 10][..]), (2, "b", &[2; 10]), (3, "b", &[3; 10]), (5, "b", &[]), (6, "c", &[4; 10])]
    {
        assert!(guest.say(token, topic, payload, QoS::AtMostOnce, true));
        carry_all(&mut inn, &mut [&mut guest]);
        assert_eq!(refusals(&mut inn), [0; 3]);
    }
    for (topic, payload) in [("b", &[5; 10][..]), ("c", &[6; 11])] {
        assert!(guest.say(9, topic, payload, QoS::AtMostOnce, true));
        carry_all(&mut inn, &mut [&mut guest]);
        assert_eq!(refusals(&mut inn), [1, 0, 0], "{topic}");
    }
    inn.restart();
    let mut late = Guest::new("late", Version::V311);
    late.come(&mut inn, &late.options());
    carry_all(&mut inn, &mut [&mut late]);
    late.subscribe("#", QoS::AtMostOnce);
    carry_all(&mut inn, &mut [&mut late]);
    assert_eq!(late.others, [("a".into(), vec![1; 10], true), ("c".into(), vec![4; 10], true)]);
}

#[test]
fn no_more_bytes_wait_for_who_is_away_than_may() {
    let limits = Limits { queue_bytes_max: 3 * (64 + 2 + 500), ..Limits::default() };
    let mut inn = inn_of(limits);
    let (mut sender, mut away) = (Guest::new("sender", Version::V311), Guest::new("away", Version::V311));
    sender.come(&mut inn, &sender.options());
    away.come(&mut inn, &away.options());
    carry_all(&mut inn, &mut [&mut sender, &mut away]);
    away.subscribe("#", QoS::AtLeastOnce);
    carry_all(&mut inn, &mut [&mut sender, &mut away]);
    away.go(&mut inn);
    for token in 1..=3 {
        assert!(sender.say(token, "a", &[token as u8; 500], QoS::AtLeastOnce, false));
        carry_all(&mut inn, &mut [&mut sender]);
        assert_eq!(refusals(&mut inn), [0; 3]);
    }
    // Short as it is, it is one too many, after the power came back, too. A client of 3.1.1 learns it by the end of its
    // connection.
    assert!(sender.say(4, "a", &[], QoS::AtLeastOnce, false));
    carry_all(&mut inn, &mut [&mut sender]);
    assert_eq!((refusals(&mut inn), sender.connection), ([1, 0, 0], None));
    inn.keep();
    let records = inn.records.iter().map(|(key, value)| (&key[..], &value[..]));
    inn.broker = Broker::restored(limits, records, NOW);
    let mut other = Guest::new("other", Version::V311);
    other.come(&mut inn, &other.options());
    carry_all(&mut inn, &mut [&mut other]);
    assert!(other.say(5, "a", &[], QoS::AtLeastOnce, false));
    carry_all(&mut inn, &mut [&mut other]);
    assert_eq!((refusals(&mut inn), other.connection), ([1, 0, 0], None));
    // Where they are taken, there is room again.
    away.come(&mut inn, &away.options());
    carry_all(&mut inn, &mut [&mut away]);
    assert_eq!(away.others.len() + away.heard.len(), 3);
    other.come(&mut inn, &other.options());
    carry_all(&mut inn, &mut [&mut other, &mut away]);
    assert!(other.say(6, "a", &[6; 500], QoS::AtLeastOnce, false));
    carry_all(&mut inn, &mut [&mut other, &mut away]);
    assert_eq!(refusals(&mut inn), [0; 3]);
}

#[test]
fn who_takes_nothing_is_not_waited_for_with_ever_more() {
    let mut inn = inn_of(Limits { unsent_bytes_max: 4_096, in_flight_max: 1, packet_max: 1_024, ..Limits::default() });
    let (mut sender, mut deaf) = (Guest::new("sender", Version::V5), Guest::new("deaf", Version::V311));
    sender.come(&mut inn, &sender.options());
    deaf.come(&mut inn, &deaf.options());
    carry_all(&mut inn, &mut [&mut sender, &mut deaf]);
    deaf.subscribe("#", QoS::AtMostOnce);
    carry_all(&mut inn, &mut [&mut sender, &mut deaf]);
    for _ in 0..100 {
        assert!(sender.say(1, "a", &[0; 500], QoS::AtMostOnce, false));
        carry_all(&mut inn, &mut [&mut sender]);
    }
    let [refused, left_out, _] = refusals(&mut inn);
    assert!(refused == 0 && left_out > 80, "{left_out} left out");
    let connection = deaf.connection.expect("it is there");
    for _ in 0..2_000 {
        inn.broker.received(connection, b"\xc0\0", NOW);
    }
    assert!(inn.broker.is_closing(connection), "it goes on asking, and takes no answers");
    assert!(inn.broker.to_send(connection).len() < 4_096 + 2 * 1_024);
    assert_eq!(inn.broker.clients(), 1);
}

#[test]
fn there_are_as_many_subscriptions_and_sessions_as_there_may_be() {
    let mut inn = inn_of(Limits { subscriptions_max: 2, sessions_max: 2, ..Limits::default() });
    let mut first = Guest::new("first", Version::V5);
    first.come(&mut inn, &first.options());
    carry_all(&mut inn, &mut [&mut first]);
    for filter in ["a", "b", "a"] {
        first.subscribe(filter, QoS::AtLeastOnce);
        carry_all(&mut inn, &mut [&mut first]);
    }
    assert_eq!(refusals(&mut inn), [0; 3]);
    let connection = first.connection.expect("it is there");
    inn.broker.received(connection, b"\x82\x07\x00\x09\x00\x00\x01c\x01", NOW);
    assert!(inn.broker.to_send(connection).ends_with(&[0x00, 0x09, 0x00, Reason::QUOTA_EXCEEDED.0]));
    assert_eq!(refusals(&mut inn), [0, 0, 1]);

    let mut second = Guest::new("second", Version::V311);
    second.come(&mut inn, &second.options());
    carry_all(&mut inn, &mut [&mut first, &mut second]);
    let third = inn.broker.connected(NOW);
    inn.broker.received(third, b"\x10\x11\x00\x04MQTT\x04\x02\x00\x3c\x00\x05third", NOW);
    assert_eq!((inn.broker.to_send(third), inn.broker.is_closing(third)), (vec![0x20, 2, 0, 3], true));
    assert_eq!(refusals(&mut inn), [0, 0, 1]);
    second.come(&mut inn, &second.options());
    carry_all(&mut inn, &mut [&mut first, &mut second]);
    assert_eq!((second.opened, inn.broker.clients()), (Some(true), 2), "who has a session comes back");
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Say(QoS),
    Carry(bool, usize),
    Break(bool),
    RestartClient(bool),
    RestartBroker,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let qos = prop_oneof![Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)];
    let act = prop_oneof![
        5 => qos.prop_map(Act::Say),
        8 => (any::<bool>(), prop_oneof![1..20_usize, Just(usize::MAX)]).prop_map(|(who, most)| Act::Carry(who, most)),
        2 => any::<bool>().prop_map(Act::Break),
        1 => any::<bool>().prop_map(Act::RestartClient),
        1 => Just(Act::RestartBroker),
    ];
    prop::collection::vec(act, 0..80)
}

/// Comes if it has to, and publishes again what is not delivered.
fn insist(inn: &mut Inn, guest: &mut Guest, said: &[QoS]) {
    if guest.connection.is_none() {
        guest.come(inn, &guest.options());
    }
    if guest.opened.is_some() {
        for (number, qos) in (0_u64..).zip(said) {
            if !guest.delivered.contains(&number) && !guest.say(number, "n/x", &number.to_be_bytes(), *qos, false) {
                break;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_message_comes_as_often_as_its_quality_promises(acts in acts(), five: bool) {
        let version = if five { Version::V5 } else { Version::V311 };
        let mut inn = Inn::new();
        let (mut speaker, mut hearer) = (Guest::new("speaker", version), Guest::new("hearer", Version::V5));
        hearer.come(&mut inn, &hearer.options());
        carry_all(&mut inn, &mut [&mut hearer]);
        hearer.subscribe("n/+", QoS::ExactlyOnce);
        carry_all(&mut inn, &mut [&mut hearer]);
        let mut said = Vec::new();
        for act in acts {
            insist(&mut inn, &mut speaker, &said);
            insist(&mut inn, &mut hearer, &[]);
            let who = |speaks| if speaks { 0 } else { 1 };
            let guests = [&mut speaker, &mut hearer];
            match act {
                Act::Say(qos) => said.push(qos),
                Act::Carry(speaks, most) => drop(guests.into_iter().nth(who(speaks)).unwrap().carry(&mut inn, most)),
                Act::Break(speaks) => guests.into_iter().nth(who(speaks)).unwrap().go(&mut inn),
                Act::RestartClient(speaks) => guests.into_iter().nth(who(speaks)).unwrap().restart(&mut inn),
                Act::RestartBroker => {
                    inn.restart();
                    guests.into_iter().for_each(|guest| guest.connection = None);
                }
            }
        }
        // All is well again.
        for _ in 0..said.len() + 3 {
            insist(&mut inn, &mut speaker, &said);
            insist(&mut inn, &mut hearer, &[]);
            carry_all(&mut inn, &mut [&mut speaker, &mut hearer]);
        }
        for (number, qos) in (0_u64..).zip(&said) {
            let heard = hearer.heard.iter().filter(|(other, _)| *other == number).count();
            prop_assert!(heard == 1 || (*qos == QoS::AtLeastOnce && heard > 1), "{} of {:?} came {}", number, qos, heard);
            prop_assert!(speaker.delivered.contains(&number));
        }
        let left = inn.records.keys().filter(|key| !matches!(key[0], b's' | b'f')).count();
        prop_assert_eq!(left, 0, "what is delivered is not kept");
    }

    #[test]
    fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6)) {
        let mut inn = Inn::new();
        let connection = inn.broker.connected(NOW);
        for piece in &pieces {
            inn.broker.received(connection, piece, NOW);
        }
        inn.broker.overdue(NOW + INTRODUCTION);
        prop_assert!(inn.broker.is_closing(connection));
        let records = pieces.iter().map(|piece| (&piece[..], &piece[..]));
        let _ = Broker::restored(Limits::default(), records, NOW);
    }
}
