//! Names to addresses: a resolver that asks the servers the stack knows (RFC 1035, RFC 3596), and what a small
//! server needs to answer.
//!
//! The [`Resolver`] asks each server in turn, from a new port, under a new id and with the letters of the name in
//! random case, which an answer must repeat: whoever cannot see the question cannot forge the answer (RFC 5452). What
//! it learns, it keeps for as long as the records say, in a table of fixed size; that there is nothing, for as long
//! as the zone says (RFC 2308). An answer that was cut short is asked for again over TCP (RFC 7766), with the feature
//! `dns-tcp`.
//!
//! Not here: other records than addresses, DNSSEC, encrypted transports, search lists.

mod cache;
mod message;
mod name;
mod resolver;
mod responder;

pub use message::{Answer, ParseError, Question, Rcode, RecordType, parse_question};
pub use name::{BadName, NAME_MAX, Name};
pub use resolver::{ADDRESSES_MAX, Addresses, Error, Family, Options, Resolver};
pub use responder::{Record, Reply, respond};

/// The port that name servers listen at.
pub const PORT: u16 = 53;
