//! The lamp over MQTT.

use core::convert::Infallible;
use core::fmt::Write as _;
use core::future::pending;

use embassy_futures::select::{Either, select};
use embedded_hal::digital::OutputPin;
use embedded_io_async::{Read, Write};
use heapless::String;
use rand_core::Rng;
use wavetank_stack::mqtt::packet::Subscription;
use wavetank_stack::mqtt::{Client, Connection, Event, Incoming, Message, Options, PublishError, QoS};
use wavetank_stack::time::{sleep, timeout};
use wavetank_stack::{Clock, Probe, Stack};

use super::command::{Command, JSON_MAX, Said};
use super::shared::{Shared, Waiter};
use super::{Config, metrics};
use crate::DeviceId;
use crate::dial::connect;

/// One state is under way at a time: there is no use in an older one.
pub(super) const WINDOW: usize = 1;
/// What is said either way is a command and its topic.
pub(super) const RECEIVED_BYTES: usize = 256;
pub(super) const TO_SEND_BYTES: usize = 256;
/// `lamps/`, an id, `/state`.
const TOPIC_MAX: usize = 12 + DeviceId::LEN_MAX;

/// Keeps the broker told, and hears what it has to say.
pub(super) struct Publisher<'a, 'b, O, C, P> {
    client: Client<'b, &'a C, (), WINDOW>,
    clock: &'a C,
    probe: &'a P,
    config: &'a Config,
    shared: &'a Shared<'a, O, P>,
    /// The number of the state that was published last, and it, until the broker has it.
    token: u64,
    under_way: Option<Command>,
    /// What the broker has.
    told: Option<Command>,
}

/// The broker is of no more use.
struct Lost;

impl<'a, 'b, O: OutputPin, C: Clock, P: Probe> Publisher<'a, 'b, O, C, P> {
    pub(super) const fn new(
        client: Client<'b, &'a C, (), WINDOW>,
        clock: &'a C,
        probe: &'a P,
        config: &'a Config,
        shared: &'a Shared<'a, O, P>,
    ) -> Self {
        Self { client, clock, probe, config, shared, token: 0, under_way: None, told: None }
    }

    pub(super) async fn run(&mut self, stack: &Stack<'_>, rng: &mut impl Rng) -> Infallible {
        let mut options = Options::new(self.config.id.as_str());
        options.patience = self.config.patience;
        options.keep_alive = self.config.keep_alive;
        let (set, state) = (self.topic("set"), self.topic("state"));
        let mut failures = 0;
        loop {
            // Devices that got their power back together need not call all at once.
            sleep(self.clock, self.config.backoff.delay(failures, rng)).await;
            failures = failures.saturating_add(1);
            let dialling = connect(stack, self.clock, self.config.broker);
            let Self { client, clock, probe, shared, token, under_way, told, config } = self;
            let connection = match timeout(*clock, config.patience, dialling).await {
                Ok(Some(stream)) => client.connect(stream, &options).await.ok(),
                _ => None,
            };
            let Some(connection) = connection else {
                probe.count(metrics::CONNECTS_FAILED, 1);
                shared.reached(false);
                continue;
            };
            probe.gauge(metrics::CONNECTED, 1);
            shared.reached(true);
            // The broker may have forgotten.
            *told = None;
            let mut session =
                Session { connection, probe: *probe, shared: *shared, token, under_way, told, served: false };
            let Lost = session.serve(&set, &state).await;
            if session.served {
                failures = 0;
            }
            probe.gauge(metrics::CONNECTED, 0);
            session.connection.into_stream().abort();
        }
    }

    fn topic(&self, what: &str) -> String<TOPIC_MAX> {
        let mut topic = String::new();
        write!(topic, "lamps/{}/{what}", self.config.id).expect("there is room for any id");
        topic
    }
}

/// One connection to the broker.
struct Session<'s, 'a, 'c, 'b, S, O, C, P> {
    connection: Connection<'c, 'b, S, &'a C, (), WINDOW>,
    probe: &'a P,
    shared: &'a Shared<'a, O, P>,
    token: &'s mut u64,
    under_way: &'s mut Option<Command>,
    told: &'s mut Option<Command>,
    served: bool,
}

impl<S: Read + Write, O: OutputPin, C: Clock, P: Probe> Session<'_, '_, '_, '_, S, O, C, P> {
    async fn serve(&mut self, set: &str, state: &str) -> Lost {
        // At each connection: the broker may have forgotten, and what it kept is told again, which does no harm.
        if self.connection.subscribe(&[Subscription::new(set, QoS::AtLeastOnce)]).is_err() {
            return Lost;
        }
        // What was under way when the last connection ended is under way again, as it was.
        if let Some(command) = *self.under_way
            && self.publish(state, command).is_err()
        {
            return Lost;
        }
        loop {
            if let Err(lost) = self.step(state).await {
                return lost;
            }
        }
    }

    async fn step(&mut self, state: &str) -> Result<(), Lost> {
        let (shared, told, waits) = (self.shared, *self.told, self.under_way.is_some());
        let news = async move {
            if waits {
                // One at a time: what is newer waits for the broker's word.
                pending::<()>().await;
            }
            shared.changed(Waiter::Publisher, told).await
        };
        match select(self.connection.next(), news).await {
            Either::First(Err(_)) => Err(Lost),
            Either::First(Ok(Event::Message(message))) => {
                let receipt = message.receipt;
                self.shared.hear(&message);
                // The broker keeps the message until it is written down.
                self.shared.settled(Waiter::Receipt).await;
                match receipt {
                    Some(receipt) if !self.connection.acknowledge(receipt) => Err(Lost),
                    _ => Ok(()),
                }
            }
            Either::First(Ok(Event::Delivered(_))) => {
                self.served = true;
                self.probe.count(metrics::STATES_PUBLISHED, 1);
                *self.told = self.under_way.take();
                Ok(())
            }
            Either::First(Ok(Event::Refused(..))) => {
                // Nor would it want it a moment later.
                *self.told = self.under_way.take();
                Ok(())
            }
            Either::First(Ok(_)) => Ok(()),
            Either::Second(command) => {
                *self.token += 1;
                match self.publish(state, command) {
                    Ok(()) => {
                        *self.under_way = Some(command);
                        Ok(())
                    }
                    Err(_) => Err(Lost),
                }
            }
        }
    }

    fn publish(&mut self, topic: &str, command: Command) -> Result<(), PublishError> {
        let mut json = [0; JSON_MAX];
        let message = Message { topic, payload: command.json(&mut json), qos: QoS::AtLeastOnce, retain: true };
        self.connection.publish(*self.token, &message)
    }
}

impl<O: OutputPin, P: Probe> Shared<'_, O, P> {
    /// The broker has something to say.
    fn hear(&self, message: &Incoming<'_>) {
        match Said::read(message.payload) {
            Some(Said::Plain(_)) if message.retain => {}
            Some(said) => {
                let _verdict = self.command(said);
            }
            None => self.unreadable(),
        }
    }
}
