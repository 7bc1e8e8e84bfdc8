//! Packets as the standard shows them, and as nobody should send them.

use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn id(number: u16) -> PacketId {
    PacketId::new(number).unwrap()
}

fn written(packet: &Packet<'_>, version: Version) -> Vec<u8> {
    let mut buffer = vec![0; 4_096];
    let len = write(packet, version, &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

#[test]
fn a_connect_of_each_version() {
    let mut buffer = [0; 64];
    let connect = Connect {
        version: Version::V311,
        clean_start: true,
        keep_alive_s: 60,
        client_id: "me",
        will: Some(Will {
            topic: "t",
            payload: b"gone",
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: Properties::NONE,
        }),
        username: Some("u"),
        password: Some(b"p"),
        properties: Properties::NONE,
    };
    let bytes = written(&Packet::Connect(connect.clone()), Version::V311);
    assert_eq!(bytes, b"\x10\x1d\0\x04MQTT\x04\xee\0\x3c\0\x02me\0\x01t\0\x04gone\0\x01u\0\x01p");
    assert_eq!(read(&bytes, Version::V5), Ok(Packet::Connect(connect)));

    let properties = Properties::encode(&[Property::SessionExpiry(300), Property::ReceiveMaximum(4)], &mut buffer);
    let bare = Connect {
        version: Version::V5,
        clean_start: false,
        keep_alive_s: 0,
        client_id: "",
        will: None,
        username: None,
        password: None,
        properties,
    };
    let bytes = written(&Packet::Connect(bare.clone()), Version::V5);
    assert_eq!(bytes, b"\x10\x15\0\x04MQTT\x05\0\0\0\x08\x11\0\0\x01\x2c\x21\0\x04\0\0");
    assert_eq!(read(&bytes, Version::V5), Ok(Packet::Connect(bare)));
}

#[test]
fn a_packet_shows_its_length_early_or_not_at_all() {
    assert_eq!(packet_len(b""), Ok(None));
    assert_eq!(packet_len(b"\x30"), Ok(None));
    assert_eq!(packet_len(b"\x30\x80"), Ok(None));
    assert_eq!(packet_len(b"\x30\x80\x01"), Ok(Some(131)));
    assert_eq!(packet_len(b"\x30\xff\xff\xff\x7f"), Ok(Some(268_435_460)));
    assert_eq!(packet_len(b"\x30\xff\xff\xff\xff"), Err(Malformed));
    assert_eq!(packet_len(b"\x30\x80\0\0\0"), Err(Malformed), "longer than need be");
}

#[test]
fn what_the_standard_forbids_is_refused() {
    for (bytes, why) in [
        (&b"\x30\x04\0\x02+a"[..], "a wildcard in a topic"),
        (b"\x30\x02\0\0", "an empty topic"),
        (b"\x36\x05\0\x01a\0\x01", "quality 3"),
        (b"\x38\x03\0\x01a", "quality 0, again"),
        (b"\x32\x05\0\x01a\0\0", "an identifier of 0"),
        (b"\x60\x02\0\x01", "a PUBREL without its flags"),
        (b"\x82\x02\0\x01", "a subscription to nothing"),
        (b"\x82\x06\0\x01\0\x01a\x03", "quality 3"),
        (b"\x10\x0c\0\x04MQTT\x06\x02\0\0\0\0", "version 6"),
        (b"\x10\x0c\0\x04MQTT\x04\x03\0\0\0\0", "a flag that nobody has"),
        (b"\x10\x0c\0\x04MQTT\x04\x20\0\0\0\0", "keeping a will that is not there"),
        (b"\xc0\x01\0", "a question with something in it"),
        (b"\x00\x00", "no kind"),
        (b"\xf0\x00", "authentication"),
        (b"\x30\x07\0\x01a", "half a packet"),
    ] {
        assert_eq!(read(bytes, Version::V311), Err(Malformed), "{why}");
    }
    assert_eq!(read(b"\x20\x03\0\0\0", Version::V311), Err(Malformed), "something behind it");
    assert_eq!(read(b"\x20\x0b\0\0\x08\x21\0\x01\x21\0\x01\x24\x01", Version::V5), Err(Malformed), "the same twice");
    assert_eq!(read(b"\x20\x06\0\0\x03\x21\0\0", Version::V5), Err(Malformed), "a maximum of nothing");
}

fn text() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("meters/7/readings"), Just("ø/λ"), Just("/")]
}

fn qos() -> impl Strategy<Value = QoS> {
    (0..3_u8).prop_map(|bits| QoS::from_bits(bits).unwrap())
}

/// Packets that have nothing which only 5.0 knows.
fn packets() -> impl Strategy<Value = Packet<'static>> {
    let ids = || (1..=u16::MAX).prop_map(id);
    let acks = || ids().prop_map(|id| Ack { id, reason: Reason::SUCCESS });
    let payload = || prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| &*Vec::leak(bytes));
    prop_oneof![
        (text(), payload(), qos(), any::<bool>(), any::<bool>(), ids()).prop_map(
            |(topic, payload, qos, retain, dup, id)| {
                let id = (qos > QoS::AtMostOnce).then_some(id);
                let properties = Properties::NONE;
                Packet::Publish(Publish { topic, payload, qos, retain, dup: dup && id.is_some(), id, properties })
            }
        ),
        acks().prop_map(Packet::PubAck),
        acks().prop_map(Packet::PubRec),
        acks().prop_map(Packet::PubRel),
        acks().prop_map(Packet::PubComp),
        (ids(), prop::collection::vec((text(), qos()), 1..4)).prop_map(|(id, filters)| {
            let filters: Vec<_> = filters.into_iter().map(|(filter, qos)| Subscription::new(filter, qos)).collect();
            let filters = Filters::Given(Vec::leak(filters));
            Packet::Subscribe(Subscribe { id, filters, properties: Properties::NONE })
        }),
        (ids(), payload()).prop_map(|(id, codes)| Packet::SubAck(Codes { id, codes })),
        any::<bool>().prop_map(|session_present| {
            Packet::ConnAck(ConnAck { session_present, reason: Reason::SUCCESS, properties: Properties::NONE })
        }),
        Just(Packet::PingReq),
        Just(Packet::PingResp),
        Just(Packet::Disconnect(Reason::SUCCESS)),
    ]
}

proptest! {
    #[test]
    fn what_was_written_is_read(packet in packets(), five: bool) {
        let version = if five { Version::V5 } else { Version::V311 };
        let bytes = written(&packet, version);
        prop_assert_eq!(packet_len(&bytes), Ok(Some(bytes.len())));
        prop_assert_eq!(read(&bytes, version), Ok(packet));
    }

    #[test]
    fn a_packet_that_does_not_fit_is_not_written(packet in packets(), room in 0..64_usize) {
        let whole = written(&packet, Version::V5);
        let mut buffer = vec![0; room];
        match write(&packet, Version::V5, &mut buffer) {
            Ok(len) => prop_assert_eq!(&buffer[..len], &whole[..]),
            Err(Overflow) => prop_assert!(room < whole.len() + 4),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), kind in 0..16_u8, five: bool) {
        let version = if five { Version::V5 } else { Version::V311 };
        let _ = (packet_len(&bytes), read(&bytes, version));
        let mut framed = vec![kind << 4 | if matches!(kind, 6 | 8 | 10) { 2 } else { 0 }, bytes.len() as u8];
        framed.extend(&bytes);
        if let Ok(Packet::Subscribe(subscribe)) = read(&framed, version) {
            prop_assert!(subscribe.filters.iter().count() > 0);
        }
    }
}
