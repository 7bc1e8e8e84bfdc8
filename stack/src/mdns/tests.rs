//! Laws of the messages.

use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::ask::each_found;
use super::wire::{ANY, INTERNET, Item, Items, PTR, Writer, is_name, kind, labels};
use super::{MESSAGE_MAX, OTHER_TTL};

#[test]
fn names_that_lead_around_in_a_circle_are_none() {
    let mut bytes = [0; 40];
    bytes[12..16].copy_from_slice(&[0xc0, 14, 0xc0, 12]);
    assert_eq!(labels(&bytes, 12), None);
    assert_eq!(labels(&bytes, 14), None);
    bytes[12..16].copy_from_slice(&[1, b'a', 0xc0, 12]);
    assert_eq!(labels(&bytes, 12), None);
}

proptest! {
    #[test]
    fn what_is_written_is_read(names in prop::collection::vec(prop::collection::vec("[a-z ()0-9]{1,20}", 1..5), 1..5)) {
        let mut buffer = [0; MESSAGE_MAX];
        let mut writer = Writer::response(&mut buffer, 7);
        for name in &names {
            let name: Vec<&[u8]> = name.iter().map(String::as_bytes).collect();
            writer.record(1, &name, (PTR, INTERNET, OTHER_TTL), |data| data.name(&name));
        }
        let len = writer.finish().expect("there is one");
        let message = &buffer[..len];
        let read: Vec<_> = Items::of(message).expect("a message").collect();
        prop_assert_eq!(read.len(), names.len());
        for (item, name) in read.iter().zip(&names) {
            let Item::Record(record) = item else { panic!("a record") };
            let name: Vec<&[u8]> = name.iter().map(String::as_bytes).collect();
            prop_assert!(is_name(message, record.name_at, &name) && is_name(message, record.data_at, &name));
            prop_assert_eq!((record.section, record.kind, record.ttl), (1, PTR, OTHER_TTL));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        counts in prop::collection::vec(0_u8..5, 4),
        pointers in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..60), 0..6),
    ) {
        if bytes.len() >= 12 {
            bytes[2] &= 0x80;
            for (at, count) in counts.iter().enumerate() {
                (bytes[4 + 2 * at], bytes[5 + 2 * at]) = (0, *count);
            }
            for (at, to) in pointers {
                let at = at.index(bytes.len() - 1).max(12).min(bytes.len() - 1);
                bytes[at] = 0xc0;
                if let Some(low) = bytes.get_mut(at + 1) {
                    *low = to;
                }
            }
        }
        for item in Items::of(&bytes).into_iter().flatten() {
            if let Item::Record(record) = item {
                let _ = labels(&bytes, record.data_at);
            }
        }
        each_found(&bytes, &kind("_http._tcp"), |_| ());
        let mut buffer = [0; MESSAGE_MAX];
        let mut writer = Writer::query(&mut buffer, 1);
        writer.question(&[&bytes[..bytes.len().min(63)]], ANY, INTERNET);
        prop_assert!(writer.finish().is_some());
    }
}
