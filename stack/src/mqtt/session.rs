//! What a client must remember of its session while there is no connection (MQTT 5.0, section 4.1).

use heapless::Vec;

use super::packet::{PacketId, QoS};

/// The longest state, in bytes.
pub const STATE_MAX: usize = 5 + IN_FLIGHT_MAX * (11 + 2);
/// The most messages under way, each way.
pub(super) const IN_FLIGHT_MAX: usize = 16;

/// How a state is written; another number is another way.
const FORMAT: u8 = 1;

/// How far a message of ours has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for the server to have it.
    Published(QoS),
    /// The server has it, and will hear that we know.
    Released,
}

/// A message of ours that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outgoing {
    pub(super) id: PacketId,
    pub(super) token: u64,
    pub(super) phase: Phase,
    /// Whether it was sent over the connection that there is.
    pub(super) sent: bool,
}

/// Both ways' messages, at most `N` each.
#[derive(Debug)]
pub(super) struct Session<const N: usize> {
    pub(super) outgoing: Vec<Outgoing, N>,
    /// Of messages of quality 2 that we have and that the server may send again.
    incoming: Vec<PacketId, N>,
    last_id: u16,
    /// Whether there is something that a memory does not know.
    pub(super) changed: bool,
}

impl<const N: usize> Session<N> {
    pub(super) const fn new() -> Self {
        const { assert!(N > 0 && N <= IN_FLIGHT_MAX, "from 1 to 16 messages may be under way") };
        Session { outgoing: Vec::new(), incoming: Vec::new(), last_id: 0, changed: false }
    }

    /// Forgets all but where the numbering stands.
    pub(super) fn clear(&mut self) {
        self.changed |= !self.outgoing.is_empty() || !self.incoming.is_empty();
        self.outgoing.clear();
        self.incoming.clear();
    }

    /// The server knows nothing of it: what it does not have is to be published anew, and it sends nothing again.
    pub(super) fn lose(&mut self) {
        self.changed |= !self.outgoing.is_empty() || !self.incoming.is_empty();
        self.outgoing.retain(|message| message.phase == Phase::Released);
        self.incoming.clear();
    }

    /// An identifier that nothing under way has.
    pub(super) fn next_id(&mut self) -> PacketId {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if let Some(id) = PacketId::new(self.last_id)
                && !self.outgoing.iter().any(|message| message.id == id)
            {
                return id;
            }
        }
    }

    pub(super) fn begin(&mut self, token: u64, id: PacketId, qos: QoS) {
        let message = Outgoing { id, token, phase: Phase::Published(qos), sent: true };
        if self.outgoing.push(message).is_ok() {
            self.changed = true;
        }
    }

    pub(super) fn by_token(&mut self, token: u64) -> Option<&mut Outgoing> {
        self.outgoing.iter_mut().find(|message| message.token == token)
    }

    /// The server has that message of quality 2.
    pub(super) fn release(&mut self, id: PacketId) -> bool {
        let message = self.outgoing.iter_mut().find(|message| message.id == id);
        let Some(message) = message.filter(|message| message.phase != Phase::Published(QoS::AtLeastOnce)) else {
            return false;
        };
        self.changed |= message.phase != Phase::Released;
        message.phase = Phase::Released;
        true
    }

    /// That message is done with, if it was as far; answers with its token.
    pub(super) fn end(&mut self, id: PacketId, phase: Phase) -> Option<u64> {
        let at = self.outgoing.iter().position(|message| message.id == id && message.phase == phase)?;
        self.changed = true;
        Some(self.outgoing.remove(at).token)
    }

    pub(super) fn has_received(&self, id: PacketId) -> bool {
        self.incoming.contains(&id)
    }

    /// Remembers that a message of quality 2 has come; `false` if there is no room.
    pub(super) fn receive(&mut self, id: PacketId) -> bool {
        if self.has_received(id) {
            return true;
        }
        self.changed = true;
        self.incoming.push(id).is_ok()
    }

    /// It will not be sent again.
    pub(super) fn forget_received(&mut self, id: PacketId) {
        if let Some(at) = self.incoming.iter().position(|received| *received == id) {
            self.incoming.swap_remove(at);
            self.changed = true;
        }
    }

    /// As it is to be remembered.
    pub(super) fn encode<'o>(&self, out: &'o mut [u8; STATE_MAX]) -> &'o [u8] {
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            out[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        put(&[FORMAT]);
        put(&self.last_id.to_le_bytes());
        put(&[self.outgoing.len() as u8, self.incoming.len() as u8]);
        for message in &self.outgoing {
            put(&message.id.get().to_le_bytes());
            put(&message.token.to_le_bytes());
            put(&[match message.phase {
                Phase::Published(qos) => qos.bits(),
                Phase::Released => 3,
            }]);
        }
        for id in &self.incoming {
            put(&id.get().to_le_bytes());
        }
        &out[..at]
    }

    /// As it was remembered; `None` if that is no state, or one of a larger session.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (head, mut rest) = bytes.split_first_chunk::<5>()?;
        let [FORMAT, low, high, outgoing, incoming] = *head else {
            return None;
        };
        let mut session = Self { last_id: u16::from_le_bytes([low, high]), ..Self::new() };
        for _ in 0..outgoing {
            let (message, others) = rest.split_first_chunk::<11>()?;
            let (id, token) = message.split_first_chunk::<2>()?;
            let id = PacketId::new(u16::from_le_bytes(*id))?;
            let (token, phase) = token.split_first_chunk::<8>()?;
            let phase = match phase[0] {
                1 => Phase::Published(QoS::AtLeastOnce),
                2 => Phase::Published(QoS::ExactlyOnce),
                3 => Phase::Released,
                _ => return None,
            };
            let message = Outgoing { id, token: u64::from_le_bytes(*token), phase, sent: false };
            session.outgoing.push(message).ok()?;
            rest = others;
        }
        for _ in 0..incoming {
            let (id, others) = rest.split_first_chunk::<2>()?;
            session.incoming.push(PacketId::new(u16::from_le_bytes(*id))?).ok()?;
            rest = others;
        }
        rest.is_empty().then_some(session)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn identifiers_go_round_and_leave_out_those_under_way() {
        let mut session = Session::<2>::new();
        let first = session.next_id();
        session.begin(7, first, QoS::AtLeastOnce);
        session.last_id = u16::MAX;
        assert_eq!(session.next_id().get(), 2);
    }

    proptest! {
        #[test]
        fn what_is_remembered_is_what_was(
            outgoing in prop::collection::vec((1..u16::MAX, any::<u64>(), 1..4_u8), 0..5),
            incoming in prop::collection::hash_set(1..u16::MAX, 0..5), last_id: u16,
        ) {
            let mut session = Session::<5> { last_id, ..Session::new() };
            for (id, token, phase) in outgoing {
                let id = PacketId::new(id).unwrap();
                let qos = if phase == 1 { QoS::AtLeastOnce } else { QoS::ExactlyOnce };
                session.begin(token, id, qos);
                if phase == 3 {
                    session.release(id);
                }
            }
            for id in incoming {
                session.receive(PacketId::new(id).unwrap());
            }
            let mut out = [0; STATE_MAX];
            let again = Session::<5>::decode(session.encode(&mut out)).unwrap();
            let plain = |session: &Session<5>| {
                let outgoing = session.outgoing.iter().map(|message| (message.id, message.token, message.phase));
                (outgoing.collect::<std::vec::Vec<_>>(), session.incoming.clone(), session.last_id)
            };
            prop_assert_eq!(plain(&again), plain(&session));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Session::<4>::decode(&bytes);
        }
    }
}
