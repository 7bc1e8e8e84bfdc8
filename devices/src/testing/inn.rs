//! A house with a broker in it, at 10.0.0.1.

extern crate std;

use core::cell::RefCell;
use core::convert::Infallible;
use std::string::{String, ToString};
use std::vec::Vec;

use embassy_futures::select::{Either, select};
use embedded_io_async::{Read as _, Write as _};
use wavetank_stack::mqtt::broker::{Broker, ConnectionId, Limits};
use wavetank_stack::mqtt::packet::{self, Connect, Filters, Packet, Properties, Publish, Subscribe, Subscription};
use wavetank_stack::mqtt::{PORT, PacketId, QoS, Version};
use wavetank_stack::tcp::{Listener, Options as TcpOptions, Stream};
use wavetank_stack::{Clock, Instant, Stack};

use super::ManualClock;

/// A broker with one subscriber, who is in the same house, and may speak, too.
pub(crate) struct Inn {
    broker: Broker,
    resident: ConnectionId,
    /// Topics and payloads that the resident heard.
    pub(crate) heard: Vec<(String, String)>,
}

impl Inn {
    /// A broker whose resident wants to hear that.
    pub(crate) fn new(now: Instant, filter: &str) -> Self {
        let mut broker = Broker::new(Limits::default());
        let resident = broker.connected(now);
        let mut inn = Inn { broker, resident, heard: Vec::new() };
        let connect = Connect {
            version: Version::V311,
            clean_start: true,
            keep_alive_s: 0,
            client_id: "resident",
            will: None,
            username: None,
            password: None,
            properties: Properties::NONE,
        };
        let filters = [Subscription::new(filter, QoS::AtMostOnce)];
        let (id, filters) = (PacketId::MIN, Filters::Given(&filters));
        inn.hand(&Packet::Connect(connect), now);
        inn.hand(&Packet::Subscribe(Subscribe { id, filters, properties: Properties::NONE }), now);
        inn
    }

    /// The resident says that; the broker keeps it for those who come later, if it is to be kept.
    pub(crate) fn say(&mut self, topic: &str, payload: &str, retain: bool, now: Instant) {
        let payload = payload.as_bytes();
        let message = Publish {
            topic,
            payload,
            qos: QoS::AtMostOnce,
            retain,
            dup: false,
            id: None,
            properties: Properties::NONE,
        };
        self.hand(&Packet::Publish(message), now);
    }

    fn hand(&mut self, packet: &Packet<'_>, now: Instant) {
        let mut bytes = [0; 256];
        let len = packet::write(packet, Version::V311, &mut bytes).expect("it fits");
        self.broker.received(self.resident, &bytes[..len], now);
        self.listen();
    }

    fn listen(&mut self) {
        let bytes = self.broker.to_send(self.resident);
        let mut rest = &bytes[..];
        while let Ok(Some(len)) = packet::packet_len(rest) {
            if let Ok(Packet::Publish(message)) = packet::read(&rest[..len], Version::V311) {
                let payload = String::from_utf8_lossy(message.payload).to_string();
                self.heard.push((message.topic.to_string(), payload));
            }
            rest = &rest[len..];
        }
    }
}

/// Serves one guest after the other.
pub(crate) async fn serve(stack: &Stack<'_>, clock: &ManualClock, inn: &RefCell<Inn>) -> Infallible {
    let listener = Listener::bind(stack, PORT, 4, TcpOptions::default()).expect("a free port");
    let mut next = listener.accept().await;
    loop {
        // A newer connection means that the guest has given up on the older one.
        match select(listener.accept(), talk(&mut next, clock, inn)).await {
            Either::First(newer) => next = newer,
            Either::Second(()) => next = listener.accept().await,
        }
    }
}

async fn talk(stream: &mut Stream<'_>, clock: &ManualClock, inn: &RefCell<Inn>) {
    let id = inn.borrow_mut().broker.connected(clock.now());
    let mut bytes = [0; 256];
    loop {
        let news = async {
            while !inn.borrow().broker.has_news(id) {
                wavetank_stack::time::sleep(clock, core::time::Duration::from_millis(1)).await;
            }
        };
        match select(stream.read(&mut bytes), news).await {
            Either::First(Ok(count @ 1..)) => {
                let inn = &mut *inn.borrow_mut();
                inn.broker.received(id, &bytes[..count], clock.now());
                inn.listen();
            }
            Either::First(_) => break,
            Either::Second(()) => {}
        }
        let answer = inn.borrow_mut().broker.to_send(id);
        if stream.write_all(&answer).await.is_err() {
            break;
        }
    }
    inn.borrow_mut().broker.disconnected(id, clock.now());
}
