//! Packets on the wire (RFC 5905, section 7.3).

/// The length of a packet without extensions.
pub const PACKET_LEN: usize = 48;

/// From 1900, where NTP's time begins, to 1970, in seconds.
const UNIX_EPOCH: u64 = 2_208_988_800;
/// The seconds of an era, of which NTP's time counts no more (section 6).
const ERA: u64 = 1 << 32;
const VERSION: u8 = 4;
const CLIENT: u8 = 3;
const SERVER: u8 = 4;
const UNSYNCHRONISED: u8 = 3;
const STRATUM_MAX: u8 = 15;
/// A server whose own way to its source is longer than this is not to be believed (RFC 4330, section 5), in
/// sixteenths of a second's sixteen bits: one second.
const ROOT_MAX: u32 = 1 << 16;

/// Why a server wants to be left alone (RFC 5905, section 7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kiss {
    /// It is asked too often.
    Rate,
    /// It does not serve us, now or ever.
    Deny,
    /// Another reason: it is to be left alone as well.
    Other([u8; 4]),
}

impl Kiss {
    const fn of(code: [u8; 4]) -> Self {
        match &code {
            b"RATE" => Kiss::Rate,
            b"DENY" | b"RSTR" => Kiss::Deny,
            _ => Kiss::Other(code),
        }
    }

    const fn code(self) -> [u8; 4] {
        match self {
            Kiss::Rate => *b"RATE",
            Kiss::Deny => *b"DENY",
            Kiss::Other(code) => code,
        }
    }
}

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It does not answer what was asked: another one may.
    NotOurs,
    Kiss(Kiss),
    /// The server does not know the time itself.
    Unsynchronised,
}

/// A server's two times: when it received the question, and when it answered, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) received: u64,
    pub(super) answered: u64,
    pub(super) stratum: u8,
}

/// A question. Instead of our time it bears a number that an answer must repeat, and that nobody can guess.
pub(super) fn question(nonce: u64) -> [u8; PACKET_LEN] {
    let mut packet = [0; PACKET_LEN];
    packet[0] = VERSION << 3 | CLIENT;
    packet[40..].copy_from_slice(&nonce.to_be_bytes());
    packet
}

/// Reads the answer to the question with that number.
pub(super) fn read(bytes: &[u8], nonce: u64) -> Result<Times, Wrong> {
    let packet = bytes.first_chunk::<PACKET_LEN>().ok_or(Wrong::NotOurs)?;
    let word = |at: usize| u64::from_be_bytes(core::array::from_fn(|i| packet[at + i]));
    let (leap, mode, stratum) = (packet[0] >> 6, packet[0] & 7, packet[1]);
    if mode != SERVER || word(24) != nonce {
        return Err(Wrong::NotOurs);
    }
    if stratum == 0 {
        return Err(Wrong::Kiss(Kiss::of([packet[12], packet[13], packet[14], packet[15]])));
    }
    let [delay, dispersion] = [word(4) >> 32, word(4) & 0xffff_ffff];
    let (received, answered) = (word(32), word(40));
    let far = delay >= ROOT_MAX.into() || dispersion >= ROOT_MAX.into();
    if leap == UNSYNCHRONISED || stratum > STRATUM_MAX || answered == 0 || received == 0 || far {
        return Err(Wrong::Unsynchronised);
    }
    Ok(Times { received: unix_micros(received), answered: unix_micros(answered), stratum })
}

/// What a server says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// How far from a reference clock the server is: 1 has one. 16 and more: it does not know the time.
    pub stratum: u8,
    /// Says this instead of the time.
    pub kiss: Option<Kiss>,
    /// Whether the answer repeats the question's number. Only one that lies does not.
    pub repeats: bool,
}

impl Default for Reply {
    fn default() -> Self {
        Self { stratum: 2, kiss: None, repeats: true }
    }
}

/// Answers a client's question at that time, in microseconds since 1970; `None` if it is none.
pub fn respond(question: &[u8], unix_micros: u64, reply: &Reply) -> Option<[u8; PACKET_LEN]> {
    let question = question.first_chunk::<PACKET_LEN>()?;
    if question[0] & 7 != CLIENT {
        return None;
    }
    let mut packet = [0; PACKET_LEN];
    let leap = if reply.stratum > STRATUM_MAX || reply.kiss.is_some() { UNSYNCHRONISED } else { 0 };
    packet[0] = leap << 6 | (question[0] & 0x38) | SERVER;
    packet[1] = if reply.kiss.is_some() { 0 } else { reply.stratum };
    packet[2] = question[2];
    // The clock is read to a microsecond.
    packet[3] = (-20_i8) as u8;
    packet[12..16].copy_from_slice(&reply.kiss.map_or(*b"TANK", Kiss::code));
    let now = timestamp(unix_micros).to_be_bytes();
    packet[16..24].copy_from_slice(&now);
    packet[24..32].copy_from_slice(&question[40..]);
    packet[24] ^= u8::from(!reply.repeats);
    packet[32..40].copy_from_slice(&now);
    packet[40..].copy_from_slice(&now);
    Some(packet)
}

/// NTP's time as Unix's: of the two eras that a timestamp can be of, the one that this code may live in (RFC 4330,
/// section 3): 1968 to 2104.
fn unix_micros(timestamp: u64) -> u64 {
    let (seconds, fraction) = (timestamp >> 32, timestamp & 0xffff_ffff);
    let era = if seconds >= 1 << 31 { 0 } else { ERA };
    let micros = (fraction * 1_000_000) >> 32;
    (seconds + era).saturating_sub(UNIX_EPOCH) * 1_000_000 + micros
}

fn timestamp(unix_micros: u64) -> u64 {
    let (seconds, micros) = (unix_micros / 1_000_000, unix_micros % 1_000_000);
    // Rounded up, so that reading it again, which rounds down, gives the same microsecond.
    ((seconds + UNIX_EPOCH) % ERA) << 32 | ((micros << 32).div_ceil(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection, prelude::*};

    proptest! {
        #[test]
        fn times_survive_the_wire(micros in 0_u64..4_200_000_000_000_000, nonce: u64) {
            let asked = question(nonce);
            let answer = respond(&asked, micros, &Reply::default()).unwrap();
            prop_assert_eq!(read(&answer, nonce), Ok(Times { received: micros, answered: micros, stratum: 2 }));
            prop_assert_eq!(read(&answer, nonce ^ 1), Err(Wrong::NotOurs));
        }

        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in collection::vec(any::<u8>(), 0..80), nonce: u64) {
            let _ = read(&bytes, nonce);
            let _ = respond(&bytes, nonce, &Reply::default());
            if bytes.len() >= PACKET_LEN {
                bytes[0] = bytes[0] & 0xf8 | SERVER;
                bytes[24..32].copy_from_slice(&nonce.to_be_bytes());
                prop_assert_ne!(read(&bytes, nonce), Err(Wrong::NotOurs));
            }
        }
    }

    #[test]
    fn the_era_after_2036_is_known() {
        // 2036-02-07T06:28:16Z, where the seconds begin anew.
        assert_eq!(unix_micros(0), 2_085_978_496_000_000);
        assert_eq!(timestamp(2_085_978_496_000_000), 0);
        // RFC 4330's own example of the first era: 2026-01-01T00:00:00Z.
        assert_eq!(unix_micros(3_976_214_400 << 32), 1_767_225_600_000_000);
    }

    #[test]
    fn servers_that_do_not_know_the_time_say_so() {
        let asked = question(7);
        let say = |reply| read(&respond(&asked, 1_800_000_000_000_000, &reply).unwrap(), 7);
        assert_eq!(say(Reply { stratum: 16, ..Reply::default() }), Err(Wrong::Unsynchronised));
        assert_eq!(say(Reply { kiss: Some(Kiss::Rate), ..Reply::default() }), Err(Wrong::Kiss(Kiss::Rate)));
        assert_eq!(say(Reply { repeats: false, ..Reply::default() }), Err(Wrong::NotOurs));
    }
}
