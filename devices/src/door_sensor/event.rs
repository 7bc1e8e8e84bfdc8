//! What a door sensor writes down: on its flash, and for the server.

use serde::Serialize;

/// An event on the flash: an instant, a voltage, and what the door did.
pub(super) const EVENT_LEN: usize = 8 + 2 + 1;
/// Bytes that suffice for the JSON of an event.
pub(super) const JSON_MAX: usize = 96;

/// The voltage that means that nobody told one.
const UNKNOWN: u16 = u16::MAX;

/// One change of the door.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Whether the door is open from then on.
    pub(super) open: bool,
    /// When, in milliseconds of the sensor's own clock since it was started.
    pub(super) at_ms: u64,
    /// What the battery had.
    pub(super) millivolts: Option<u16>,
}

impl Event {
    pub(super) fn encode(&self) -> [u8; EVENT_LEN] {
        let mut bytes = [0; EVENT_LEN];
        bytes[..8].copy_from_slice(&self.at_ms.to_le_bytes());
        bytes[8..10].copy_from_slice(&self.millivolts.unwrap_or(UNKNOWN).to_le_bytes());
        bytes[10] = u8::from(self.open);
        bytes
    }

    /// `None` of bytes that are no event.
    pub(super) fn decode(bytes: &[u8]) -> Option<Event> {
        let bytes: &[u8; EVENT_LEN] = bytes.try_into().ok()?;
        let at_ms = u64::from_le_bytes(core::array::from_fn(|i| bytes[i]));
        let millivolts = u16::from_le_bytes([bytes[8], bytes[9]]);
        let open = match bytes[10] {
            0 => false,
            1 => true,
            _ => return None,
        };
        Some(Event { open, at_ms, millivolts: (millivolts != UNKNOWN).then_some(millivolts) })
    }

    /// Writes it, under its number, into `out`.
    pub(super) fn json<'o>(&self, id: u64, out: &'o mut [u8; JSON_MAX]) -> &'o [u8] {
        let Event { open, at_ms, millivolts: battery_mv } = *self;
        let event = EventJson { id, open, at_ms, battery_mv };
        let len = serde_json_core::to_slice(&event, out).expect("there is room for the longest numbers");
        &out[..len]
    }
}

#[derive(Serialize)]
struct EventJson {
    id: u64,
    open: bool,
    at_ms: u64,
    battery_mv: Option<u16>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_fit() {
        let most = Event { open: false, at_ms: u64::MAX, millivolts: Some(u16::MAX - 1) };
        most.json(u64::MAX, &mut [0; JSON_MAX]);
        let event = Event { open: true, at_ms: 12, millivolts: None };
        assert_eq!(event.json(3, &mut [0; JSON_MAX]), br#"{"id":3,"open":true,"at_ms":12,"battery_mv":null}"#);
    }

    proptest! {
        #[test]
        fn what_is_written_down_is_read(open: bool, at_ms: u64, millivolts in prop::option::of(0..UNKNOWN)) {
            let event = Event { open, at_ms, millivolts };
            prop_assert_eq!(Event::decode(&event.encode()), Some(event));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..14)) {
            let _ = Event::decode(&bytes);
        }
    }
}
