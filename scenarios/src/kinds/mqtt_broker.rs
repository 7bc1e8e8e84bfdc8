//! `kind = "mqtt-broker"`: an MQTT broker that keeps on its disk what it has acknowledged.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::disk::Disk;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::mqtt::PORT;
use wavetank_stack::mqtt::broker::{Broker, Change, ConnectionId, Limits, Told};
use wavetank_stack::{Clock, Instant, Stack, tcp};

use super::check::Findings;
use super::ledger;
use crate::registry::{Metric, TypedKind};
use crate::runtime::{self, Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::{Size, Time};

/// What a scenario tells a broker.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The TCP port that it listens at.
    pub port: u16,
    /// Whether sessions, waiting messages and kept ones are on its disk before it acknowledges them. Without that it
    /// knows nobody when its power comes back, as many a broker by default.
    pub durable: bool,
    /// How long the disk takes to make something durable; the broker can do nothing else meanwhile.
    pub commit_cost: Time,
    /// The most messages that wait for one client.
    pub queue_max: u32,
    /// How much may wait for one client: the messages' payloads, their topics twice, and 64 bytes each. What has no room is refused.
    pub queued_max: Size,
    /// How much is kept for those who come later: the messages' payloads, their topics twice, and 64 bytes each. What has no room is
    /// refused.
    pub kept_max: Size,
}

impl Default for Config {
    fn default() -> Self {
        let much = Size::from_bytes(16 << 20);
        Self {
            port: PORT,
            durable: true,
            commit_cost: Time::from_millis(2),
            queue_max: 10_000,
            queued_max: much,
            kept_max: much,
        }
    }
}

/// What a broker counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "clients.connected", doc: "clients that are connected; none while it does not run" },
    Metric { name: "clients.came", doc: "times that a client has connected" },
    Metric { name: "messages.accepted", doc: "messages that came and were taken" },
    Metric { name: "messages.forwarded", doc: "messages that were sent to a client, again ones included" },
    Metric {
        name: "messages.refused",
        doc: "messages that were not taken: a client's queue was full, or there was no room to keep it",
    },
    Metric { name: "messages.left-out", doc: "messages of quality 0, or kept ones, that a client had no room for" },
    Metric { name: "clients.turned-away", doc: "clients and subscriptions that were one too many" },
    Metric { name: "wills.said", doc: "wills of clients that vanished" },
    Metric { name: "store.failures", doc: "times that its database failed, and it started again" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("mqtt-broker", "An MQTT broker, 3.1.1 and 5.0, that keeps on its disk what it has acknowledged.")
        .pooled()
        .counting_its_stack()
        .metrics(METRICS)
        .parts(ledger::PARTS)
        .check(check)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    findings.port("port", config.port, "write 1883, for example");
    if config.queue_max == 0 {
        let help = "nothing could ever be delivered with quality 1 or 2: write 1000, for example";
        findings.refuse("queue_max", "`queue_max` cannot be 0", help);
    }
    if config.queued_max.as_bytes() == 0 {
        let help = "nothing could ever be delivered with quality 1 or 2: write \"1 MiB\", for example";
        findings.refuse("queued_max", "`queued_max` cannot be 0", help);
    }
    findings.all()
}

/// Connections that may wait to be accepted.
const BACKLOG: usize = 64;
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

type BrokerFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// Gives the broker its disk, which outlives it, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> BrokerFuture + use<> {
    let disk = ledger::disk(config.commit_cost, site);
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone(), disk.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network, disk: Disk) -> Exit {
    let clock = TankClock(node.clock());
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, clock, &network.config_for(&node), network.seed(&node));
    runtime::foresee(&node, 0, &stack);
    let mut options = tcp::Options::default();
    options.nagle = false;
    let listener = tcp::Listener::bind(&stack, config.port, BACKLOG, options).expect("nobody else listens here");
    if let Ok(house) = House::open(node.clone(), &config, &disk).map(Rc::new) {
        let serving = pin!(async {
            while !house.failed.get() {
                match house.next(&listener).await {
                    Next::Guest(stream) => node.spawn(serve(Rc::clone(&house), stream)),
                    Next::Overdue => house.with(Broker::overdue),
                }
            }
        });
        runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await;
    }
    node.count("store.failures", 1);
    ledger::start_again(&node)
}

/// The broker, its database, and who waits for it.
struct House {
    node: Node,
    clock: TankClock,
    broker: RefCell<Broker>,
    database: Option<Database>,
    guests: RefCell<BTreeMap<ConnectionId, Waker>>,
    keeper: RefCell<Option<Waker>>,
    /// The database has, and nothing that was not kept may be said.
    failed: Cell<bool>,
    /// What the keeper waits for.
    deadline: Cell<Option<Instant>>,
}

enum Next {
    Guest(tcp::Stream<'static>),
    Overdue,
}

impl House {
    fn open(node: Node, config: &Config, disk: &Disk) -> Result<Self, redb::Error> {
        let clock = TankClock(node.clock());
        let mut limits = Limits::default();
        limits.queue_max = config.queue_max as usize;
        let bytes = |size: Size| usize::try_from(size.as_bytes()).unwrap_or(usize::MAX);
        (limits.queue_bytes_max, limits.kept_bytes_max) = (bytes(config.queued_max), bytes(config.kept_max));
        let database = config.durable.then(|| runtime::database(disk, "mqtt.redb")).transpose()?;
        let broker = match &database {
            Some(database) => {
                let records = read(database)?;
                let records = records.iter().map(|(key, value)| (&key[..], &value[..]));
                Broker::restored(limits, records, clock.now())
            }
            None => Broker::new(limits),
        };
        let (guests, keeper, deadline) = (RefCell::default(), RefCell::default(), Cell::default());
        let (broker, failed) = (RefCell::new(broker), Cell::new(false));
        Ok(House { node, clock, broker, database, guests, keeper, failed, deadline })
    }

    /// Has the broker do something, keeps what it has to remember, and wakes those for whom there is something.
    fn with<R>(&self, act: impl FnOnce(&mut Broker, Instant) -> R) -> R {
        let mut broker = self.broker.borrow_mut();
        let result = act(&mut broker, self.clock.now());
        let changes = broker.changes();
        if let (Some(database), false) = (&self.database, changes.is_empty() || self.failed.get()) {
            self.failed.set(keep(database, &changes).is_err());
        }
        for told in broker.told() {
            match told {
                Told::Connected => self.node.count("clients.came", 1),
                Told::Accepted => self.node.count("messages.accepted", 1),
                Told::Forwarded => self.node.count("messages.forwarded", 1),
                Told::Refused => self.node.count("messages.refused", 1),
                Told::LeftOut => self.node.count("messages.left-out", 1),
                Told::TurnedAway => self.node.count("clients.turned-away", 1),
                Told::Willed => self.node.count("wills.said", 1),
                _ => {}
            }
            if matches!(told, Told::Connected | Told::Disconnected) {
                self.node.gauge_while_running("clients.connected", broker.clients() as i64);
            }
        }
        for guest in broker.touched() {
            if let Some(waker) = self.guests.borrow_mut().remove(&guest) {
                waker.wake();
            }
        }
        let earlier = broker.deadline().is_some_and(|due| self.deadline.get().is_none_or(|armed| due < armed));
        if let Some(keeper) = self.keeper.borrow_mut().take_if(|_| earlier || self.failed.get()) {
            keeper.wake();
        }
        result
    }

    /// Waits for a guest, or until time is up for one.
    async fn next(&self, listener: &tcp::Listener<'static>) -> Next {
        let mut timer = None;
        poll_fn(|cx| {
            if self.failed.get() {
                return Poll::Ready(Next::Overdue);
            }
            if let Poll::Ready(stream) = listener.poll_accept(cx) {
                return Poll::Ready(Next::Guest(stream));
            }
            let due = self.broker.borrow().deadline();
            if self.deadline.replace(due) != due || timer.is_none() {
                timer = due.map(|due| Box::pin(self.clock.timer(due)));
            }
            *self.keeper.borrow_mut() = Some(cx.waker().clone());
            match &mut timer {
                Some(timer) => timer.as_mut().poll(cx).map(|()| Next::Overdue),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// What became of a connection for the moment.
enum Step {
    Sent(usize),
    Heard(usize),
    Touched,
    Gone,
}

/// One connection, to its end.
async fn serve(house: Rc<House>, stream: tcp::Stream<'static>) {
    let id = house.with(Broker::connected);
    let (mut received, mut to_send, mut sent) = ([0; 2_048], Vec::new(), 0);
    while !house.failed.get() {
        if sent == to_send.len() {
            (to_send, sent) = (house.broker.borrow_mut().to_send(id), 0);
        }
        if to_send.is_empty() && house.broker.borrow().is_closing(id) {
            break;
        }
        match poll_fn(|cx| poll_step(cx, &house, id, &stream, &mut received, &to_send[sent..])).await {
            Step::Sent(len) => sent += len,
            Step::Heard(len) => house.with(|broker, now| broker.received(id, &received[..len], now)),
            Step::Touched => {}
            Step::Gone => break,
        }
    }
    house.guests.borrow_mut().remove(&id);
    house.with(|broker, now| broker.disconnected(id, now));
}

fn poll_step(
    cx: &mut Context<'_>,
    house: &House,
    id: ConnectionId,
    stream: &tcp::Stream<'static>,
    received: &mut [u8],
    to_send: &[u8],
) -> Poll<Step> {
    if !to_send.is_empty()
        && let Poll::Ready(written) = stream.poll_write(cx, to_send)
    {
        return Poll::Ready(written.map_or(Step::Gone, Step::Sent));
    }
    if let Poll::Ready(read) = stream.poll_read(cx, received) {
        return Poll::Ready(match read {
            Ok(0) | Err(_) => Step::Gone,
            Ok(len) => Step::Heard(len),
        });
    }
    house.guests.borrow_mut().insert(id, cx.waker().clone());
    let has_news = to_send.is_empty() && house.broker.borrow().has_news(id);
    if has_news { Poll::Ready(Step::Touched) } else { Poll::Pending }
}

/// A key and its value.
type Record = (Vec<u8>, Vec<u8>);

fn read(database: &Database) -> Result<Vec<Record>, redb::Error> {
    let writing = database.begin_write()?;
    writing.open_table(RECORDS)?;
    writing.commit()?;
    let table = database.begin_read()?.open_table(RECORDS)?;
    let mut records = Vec::new();
    for record in table.iter()? {
        let (key, value) = record?;
        records.push((key.value().to_vec(), value.value().to_vec()));
    }
    Ok(records)
}

fn keep(database: &Database, changes: &[Change]) -> Result<(), redb::Error> {
    let writing = database.begin_write()?;
    {
        let mut table = writing.open_table(RECORDS)?;
        for (key, value) in changes {
            match value {
                Some(value) => drop(table.insert(&key[..], &value[..])?),
                None => drop(table.remove(&key[..])?),
            }
        }
    }
    writing.commit()?;
    Ok(())
}
