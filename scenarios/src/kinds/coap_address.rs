//! Where a CoAP server is, in words.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_stack::coap::PORT;

/// An address, and a port if it is not CoAP's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String")]
pub struct CoapAddress(pub SocketAddr);

impl TryFrom<String> for CoapAddress {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let with_port = || text.parse().ok().map(|address| SocketAddr::new(address, PORT));
        text.parse().ok().or_else(with_port).map(Self).ok_or("expected an address, such as \"10.0.0.2\"")
    }
}
