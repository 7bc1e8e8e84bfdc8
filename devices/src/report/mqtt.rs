//! Records by MQTT: each is a message to `readings/NAME`, of quality 1.

use core::fmt::Write as _;
use core::net::SocketAddr;
use core::pin::pin;

use embassy_futures::select::{Either, select};
use heapless::String;
use rand_core::Rng;
use wavetank_stack::mqtt::{Client, Event, Message, Options, QoS};
use wavetank_stack::time::timeout;
use wavetank_stack::{Clock, Duration};

use super::{BODY_MAX, Body, Line, Outbox, Report, Verdict};
use crate::DeviceId;
use crate::dial::connect;

/// Only acknowledgements come.
const RECEIVED_BYTES: usize = 128;
/// A record, its topic, and what is around them.
const TO_SEND_BYTES: usize = BODY_MAX + TOPIC_MAX + 32;
/// `readings/`, and an id.
const TOPIC_MAX: usize = 9 + DeviceId::LEN_MAX;

/// By MQTT 3.1.1 through a broker, one message under way at a time.
#[derive(Clone, Debug)]
pub struct Mqtt {
    /// Where the broker listens.
    pub broker: SocketAddr,
    /// How long it may take to answer, and a connection to open.
    pub patience: Duration,
    /// After how long a silence to ask whether it is still there; whole seconds.
    pub keep_alive: Duration,
}

impl Report for Mqtt {
    async fn bring<C: Clock, R: Rng>(&self, line: &Line<'_, '_, C>, _: &mut R, outbox: &impl Outbox) -> bool {
        let dialled = {
            let dialling = pin!(connect(line.stack, line.clock, self.broker));
            timeout(line.clock, self.patience, dialling).await
        };
        let Ok(Some(stream)) = dialled else { return false };
        // What is under way is in the outbox: there is no session to resume.
        let mut options = Options::new(line.id.as_str());
        options.clean_start = true;
        options.patience = self.patience;
        options.keep_alive = self.keep_alive;
        let mut topic = String::<TOPIC_MAX>::new();
        write!(topic, "readings/{}", line.id).expect("there is room for any id");
        let (mut received, mut to_send) = ([0; RECEIVED_BYTES], [0; TO_SEND_BYTES]);
        let mut client = Client::<_, _, 1>::new(line.clock, (), &mut received, &mut to_send);
        let Ok(mut connection) = client.connect(stream, &options).await else { return false };
        let (mut under_way, mut brought) = (None, false);
        loop {
            let waiting = async {
                let mut body = Body::new();
                match under_way {
                    None => (outbox.next(&mut body).await, body),
                    Some(_) => core::future::pending().await,
                }
            };
            let event = {
                let (next, waiting) = (pin!(connection.next()), pin!(waiting));
                match select(next, waiting).await {
                    Either::First(Ok(Event::Delivered(number))) => Either::First(Some((number, Verdict::Kept))),
                    Either::First(Ok(Event::Refused(number, _))) => Either::First(Some((number, Verdict::Refused))),
                    Either::First(Ok(_)) => Either::First(None),
                    Either::First(Err(_)) => break,
                    Either::Second(record) => Either::Second(record),
                }
            };
            match event {
                Either::First(settled) => {
                    if let Some((number, verdict)) = settled {
                        under_way = None;
                        outbox.settle(number, verdict).await;
                        brought = true;
                    }
                }
                Either::Second((number, body)) => {
                    let payload = body.as_bytes();
                    let message = Message { topic: &topic, payload, qos: QoS::AtLeastOnce, retain: false };
                    if connection.publish(number, &message).is_err() {
                        break;
                    }
                    under_way = Some(number);
                }
            }
        }
        connection.into_stream().abort();
        brought
    }
}
