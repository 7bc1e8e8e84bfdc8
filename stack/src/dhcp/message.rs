//! DHCP messages on the wire (RFC 2131, section 2; options: RFC 2132).

use core::net::Ipv4Addr;

use heapless::Vec;

use crate::config::DNS_SERVERS_MAX;

/// The longest message that is written here.
pub const MESSAGE_MAX: usize = 400;
/// How many time servers are remembered.
pub const NTP_SERVERS_MAX: usize = 2;

/// The fixed part, the magic number included.
const FIXED: usize = 240;
const MAGIC: [u8; 4] = [99, 130, 83, 99];
/// BOOTP's messages have this length at least, and some relays drop shorter ones (RFC 1542, section 2.1).
const MESSAGE_MIN: usize = 300;
const SNAME: core::ops::Range<usize> = 44..108;
const FILE: core::ops::Range<usize> = 108..236;

const PAD: u8 = 0;
const MASK: u8 = 1;
const ROUTER: u8 = 3;
const DNS: u8 = 6;
const HOST_NAME: u8 = 12;
const NTP: u8 = 42;
const REQUESTED: u8 = 50;
const LEASE_TIME: u8 = 51;
const OVERLOAD: u8 = 52;
const MESSAGE_KIND: u8 = 53;
const SERVER: u8 = 54;
const PARAMETERS: u8 = 55;
const SIZE_MAX: u8 = 57;
const RENEWAL: u8 = 58;
const REBINDING: u8 = 59;
const CLIENT: u8 = 61;
const END: u8 = 255;

/// What a message is (RFC 2132, section 9.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A client looks for servers.
    Discover = 1,
    /// A server offers an address.
    Offer,
    /// A client asks for an address, or to keep it.
    Request,
    /// A client found that somebody has the address already.
    Decline,
    /// A server grants the lease.
    Ack,
    /// A server refuses it.
    Nak,
    /// A client gives its address up.
    Release,
    /// A client that has an address asks for the rest.
    Inform,
}

impl Kind {
    const ALL: [Kind; 8] =
        [Kind::Discover, Kind::Offer, Kind::Request, Kind::Decline, Kind::Ack, Kind::Nak, Kind::Release, Kind::Inform];

    /// Whether a server says it.
    pub const fn is_reply(self) -> bool {
        matches!(self, Kind::Offer | Kind::Ack | Kind::Nak)
    }
}

/// A message, as far as clients and servers here look at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Which exchange it belongs to.
    pub xid: u32,
    /// Seconds since the client began.
    pub secs: u16,
    /// Whether the client wants the answer broadcast, having no address to receive it at.
    pub broadcast: bool,
    /// The address that the client has (ciaddr).
    pub client: Ipv4Addr,
    /// The address that the client gets (yiaddr).
    pub yours: Ipv4Addr,
    /// The relay that handed the message on (giaddr).
    pub relay: Ipv4Addr,
    /// The client's Ethernet address (chaddr).
    pub mac: [u8; 6],
    /// The address that the client would like, or asks for.
    pub requested: Option<Ipv4Addr>,
    /// Which server speaks, or is spoken to.
    pub server: Option<Ipv4Addr>,
    /// For how many seconds the lease holds; `u32::MAX` for ever.
    pub lease: Option<u32>,
    /// After how many seconds to renew it (T1).
    pub renewal: Option<u32>,
    /// After how many seconds to ask any server (T2).
    pub rebinding: Option<u32>,
    /// The length of the network's prefix.
    pub prefix: Option<u8>,
    /// The router, the first where several are named.
    pub router: Option<Ipv4Addr>,
    /// Name servers, best first.
    pub dns: Vec<Ipv4Addr, DNS_SERVERS_MAX>,
    /// Time servers, best first.
    pub ntp: Vec<Ipv4Addr, NTP_SERVERS_MAX>,
}

/// Bytes that are no DHCP message from or for Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a DHCP message over Ethernet")]
pub struct ParseError;

impl Message {
    /// A message that says nothing else yet.
    pub const fn new(kind: Kind, xid: u32, mac: [u8; 6]) -> Self {
        const NOBODY: Ipv4Addr = Ipv4Addr::UNSPECIFIED;
        Self {
            kind,
            xid,
            secs: 0,
            broadcast: false,
            client: NOBODY,
            yours: NOBODY,
            relay: NOBODY,
            mac,
            requested: None,
            server: None,
            lease: None,
            renewal: None,
            rebinding: None,
            prefix: None,
            router: None,
            dns: Vec::new(),
            ntp: Vec::new(),
        }
    }

    /// Reads a message. Options that are not known, or have a length that they cannot have, are passed over.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let (fixed, options) = bytes.split_at_checked(FIXED).ok_or(ParseError)?;
        // An Ethernet address of six bytes, and DHCP's mark.
        if fixed[1] != 1 || fixed[2] != 6 || fixed[236..] != MAGIC {
            return Err(ParseError);
        }
        let address = |from: usize| Ipv4Addr::new(fixed[from], fixed[from + 1], fixed[from + 2], fixed[from + 3]);
        let xid = u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]);
        let mut message = Self::new(Kind::Inform, xid, core::array::from_fn(|i| fixed[28 + i]));
        message.secs = u16::from_be_bytes([fixed[8], fixed[9]]);
        message.broadcast = fixed[10] & 0x80 != 0;
        (message.client, message.yours, message.relay) = (address(12), address(16), address(24));
        let mut read = Reader { message, kind: None, overload: 0 };
        read.options(options);
        // Options may go on in fields that nobody uses otherwise (RFC 2132, section 9.3).
        if read.overload & 1 != 0 {
            read.options(&fixed[FILE]);
        }
        if read.overload & 2 != 0 {
            read.options(&fixed[SNAME]);
        }
        let kind = read.kind.ok_or(ParseError)?;
        // Who says it must be who can.
        if (fixed[0] == 2) != kind.is_reply() || !matches!(fixed[0], 1 | 2) {
            return Err(ParseError);
        }
        Ok(Self { kind, ..read.message })
    }

    /// Writes the message, and answers with it. `host_name` is the name that a client would like to go by.
    pub fn emit<'b>(&self, host_name: Option<&str>, buffer: &'b mut [u8; MESSAGE_MAX]) -> &'b [u8] {
        buffer.fill(0);
        buffer[..4].copy_from_slice(&[if self.kind.is_reply() { 2 } else { 1 }, 1, 6, 0]);
        buffer[4..8].copy_from_slice(&self.xid.to_be_bytes());
        buffer[8..10].copy_from_slice(&self.secs.to_be_bytes());
        buffer[10] = u8::from(self.broadcast) << 7;
        buffer[12..16].copy_from_slice(&self.client.octets());
        buffer[16..20].copy_from_slice(&self.yours.octets());
        buffer[24..28].copy_from_slice(&self.relay.octets());
        buffer[28..34].copy_from_slice(&self.mac);
        buffer[236..FIXED].copy_from_slice(&MAGIC);
        let mut write = Writer { buffer, len: FIXED };
        write.option(MESSAGE_KIND, &[self.kind as u8]);
        if !self.kind.is_reply() {
            let [a, b, c, d, e, f] = self.mac;
            write.option(CLIENT, &[1, a, b, c, d, e, f]);
        }
        write.address(REQUESTED, self.requested);
        write.address(SERVER, self.server);
        for (option, seconds) in [(LEASE_TIME, self.lease), (RENEWAL, self.renewal), (REBINDING, self.rebinding)] {
            if let Some(seconds) = seconds {
                write.option(option, &seconds.to_be_bytes());
            }
        }
        let mask = |prefix: u8| u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        write.address(MASK, self.prefix.map(|prefix| Ipv4Addr::from_bits(mask(prefix))));
        write.address(ROUTER, self.router);
        write.addresses(DNS, &self.dns);
        write.addresses(NTP, &self.ntp);
        if matches!(self.kind, Kind::Discover | Kind::Request | Kind::Inform) {
            write.option(PARAMETERS, &[MASK, ROUTER, DNS, NTP, LEASE_TIME, RENEWAL, REBINDING]);
            write.option(SIZE_MAX, &576_u16.to_be_bytes());
        }
        if let Some(name) = host_name.filter(|name| !name.is_empty() && name.len() <= 32) {
            write.option(HOST_NAME, name.as_bytes());
        }
        write.buffer[write.len] = END;
        let len = (write.len + 1).max(MESSAGE_MIN);
        &buffer[..len]
    }
}

struct Reader {
    message: Message,
    kind: Option<Kind>,
    overload: u8,
}

impl Reader {
    fn options(&mut self, mut bytes: &[u8]) {
        loop {
            match *bytes {
                [PAD, ref rest @ ..] => bytes = rest,
                [] | [END, ..] => return,
                [code, len, ref rest @ ..] => {
                    let Some((value, rest)) = rest.split_at_checked(len.into()) else {
                        return;
                    };
                    self.option(code, value);
                    bytes = rest;
                }
                [_] => return,
            }
        }
    }

    fn option(&mut self, code: u8, value: &[u8]) {
        let four = value.first_chunk::<4>().copied();
        let only_four = four.filter(|_| value.len() == 4);
        let seconds = only_four.map(u32::from_be_bytes);
        let message = &mut self.message;
        match code {
            MESSAGE_KIND => self.kind = Kind::ALL.into_iter().find(|kind| *value == [*kind as u8]),
            OVERLOAD => self.overload = value.first().copied().unwrap_or(0),
            MASK => {
                let mask = seconds.filter(|mask| mask.leading_ones() == mask.count_ones());
                message.prefix = mask.map(|mask| mask.leading_ones() as u8);
            }
            ROUTER => message.router = four.map(Ipv4Addr::from),
            REQUESTED => message.requested = only_four.map(Ipv4Addr::from),
            SERVER => message.server = only_four.map(Ipv4Addr::from),
            LEASE_TIME => message.lease = seconds,
            RENEWAL => message.renewal = seconds,
            REBINDING => message.rebinding = seconds,
            DNS => message.dns = addresses(value),
            NTP => message.ntp = addresses(value),
            _ => {}
        }
    }
}

/// As many addresses of a list as there is room for.
fn addresses<const N: usize>(value: &[u8]) -> Vec<Ipv4Addr, N> {
    value.as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from(*octets)).take(N).collect()
}

struct Writer<'b> {
    buffer: &'b mut [u8; MESSAGE_MAX],
    len: usize,
}

impl Writer<'_> {
    fn option(&mut self, code: u8, value: &[u8]) {
        // All options together are shorter than the rest of the buffer, END included; see the test.
        self.buffer[self.len] = code;
        self.buffer[self.len + 1] = value.len() as u8;
        self.buffer[self.len + 2..][..value.len()].copy_from_slice(value);
        self.len += 2 + value.len();
    }

    fn address(&mut self, code: u8, address: Option<Ipv4Addr>) {
        if let Some(address) = address {
            self.option(code, &address.octets());
        }
    }

    fn addresses(&mut self, code: u8, addresses: &[Ipv4Addr]) {
        if !addresses.is_empty() {
            let octets: Vec<[u8; 4], 4> = addresses.iter().take(4).map(Ipv4Addr::octets).collect();
            self.option(code, octets.as_flattened());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection, option, prelude::*};

    fn any_message() -> impl Strategy<Value = Message> {
        let address = || any::<u32>().prop_map(Ipv4Addr::from_bits);
        let head = (0_usize..8, any::<(u32, u16, bool, [u8; 6])>(), address(), address(), address());
        let times = any::<(Option<u32>, Option<u32>, Option<u32>)>();
        let rest = (
            option::of(address()),
            option::of(address()),
            option::of(0_u8..=32),
            option::of(address()),
            collection::vec(address(), 0..=DNS_SERVERS_MAX),
            collection::vec(address(), 0..=NTP_SERVERS_MAX),
        );
        (head, times, rest).prop_map(|(head, times, rest)| {
            let (kind, (xid, secs, broadcast, mac), client, yours, relay) = head;
            let mut message = Message::new(Kind::ALL[kind], xid, mac);
            (message.secs, message.broadcast) = (secs, broadcast);
            (message.client, message.yours, message.relay) = (client, yours, relay);
            (message.lease, message.renewal, message.rebinding) = times;
            (message.requested, message.server, message.prefix, message.router) = (rest.0, rest.1, rest.2, rest.3);
            (message.dns, message.ntp) = (rest.4.into_iter().collect(), rest.5.into_iter().collect());
            message
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(message in any_message(), name in option::of("[a-z]{0,40}")) {
            let mut buffer = [0xa5; MESSAGE_MAX];
            let bytes = message.emit(name.as_deref(), &mut buffer);
            prop_assert!(bytes.len() >= MESSAGE_MIN);
            prop_assert_eq!(Message::parse(bytes), Ok(message));
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            mut bytes in collection::vec(any::<u8>(), 0..600),
            options in collection::vec(any::<u8>(), 0..120),
        ) {
            let _ = Message::parse(&bytes);
            if bytes.len() >= FIXED {
                bytes[..3].copy_from_slice(&[2, 1, 6]);
                bytes[236..FIXED].copy_from_slice(&MAGIC);
                bytes.truncate(FIXED);
                bytes.extend_from_slice(&[MESSAGE_KIND, 1, 5]);
                bytes.extend_from_slice(&options);
                let _ = Message::parse(&bytes);
            }
        }
    }

    #[test]
    fn options_go_on_in_the_fields_that_are_overloaded() {
        let mut message = Message::new(Kind::Ack, 1, [2, 0, 0, 0, 0, 1]);
        message.yours = Ipv4Addr::new(192, 0, 2, 9);
        let mut buffer = [0; MESSAGE_MAX];
        let len = message.emit(None, &mut buffer).len();
        buffer[FIXED + 3..FIXED + 7].copy_from_slice(&[OVERLOAD, 1, 3, END]);
        buffer[FILE.start..FILE.start + 7].copy_from_slice(&[ROUTER, 4, 192, 0, 2, 1, END]);
        buffer[SNAME.start..SNAME.start + 7].copy_from_slice(&[LEASE_TIME, 4, 0, 0, 0, 60, END]);
        let read = Message::parse(&buffer[..len]).unwrap();
        assert_eq!((read.router, read.lease), (Some(Ipv4Addr::new(192, 0, 2, 1)), Some(60)));
    }
}
