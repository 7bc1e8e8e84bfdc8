//! Packets, of both versions.

use wavetank_stack::mqtt::packet::{Filters, Packet, Property, packet_len, read, write};
use wavetank_stack::mqtt::{Version, topic};

pub fn send(bytes: &[u8]) {
    for version in [Version::V311, Version::V5] {
        let _ = packet_len(bytes);
        let Ok(packet) = read(bytes, version) else { continue };
        assert_eq!(packet_len(bytes), Ok(Some(bytes.len())), "a packet is as long as it says");
        look(&packet);
        let spoken = match &packet {
            Packet::Connect(connect) => connect.version,
            _ => version,
        };
        let mut buffer = vec![0; bytes.len() + 16];
        let len = write(&packet, spoken, &mut buffer).expect("it is no longer than it was");
        assert_eq!(read(&buffer[..len], version).as_ref(), Ok(&packet), "what was read is written");
    }
}

fn look(packet: &Packet<'_>) {
    let filters = |filters: &Filters<'_>| {
        assert!(filters.iter().count() > 0);
        for filter in filters.iter() {
            let _ = topic::is_filter(filter.filter) && topic::matches(filter.filter, "meters/7/readings");
        }
    };
    match packet {
        Packet::Subscribe(subscribe) => filters(&subscribe.filters),
        Packet::Unsubscribe(unsubscribe) => filters(&unsubscribe.filters),
        Packet::Publish(publish) => {
            assert!(
                topic::is_name(publish.topic) && topic::matches("#", publish.topic) != publish.topic.starts_with('$')
            );
        }
        Packet::Connect(connect) => {
            let zero = |property: Property<'_>| matches!(property, Property::ReceiveMaximum(0));
            assert!(!connect.properties.iter().any(zero));
        }
        _ => {}
    }
}
