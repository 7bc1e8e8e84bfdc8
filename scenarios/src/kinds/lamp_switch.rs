//! `kind = "lamp-switch"`: commands a lamp whenever somebody presses it, by MQTT or by CoAP, and sees what became of it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, Waker};

use futures::future::{Either, join, select};
use rand_core::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_devices::Backoff;
use wavetank_devices::lamp::{Command, JSON_MAX, Said};
use wavetank_sim::disk::Disk;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::coap::{Client as CoapClient, Options as CoapOptions, Request};
use wavetank_stack::mqtt::packet::Subscription;
use wavetank_stack::mqtt::{Client, Connection, Event, Message, Options, QoS};
use wavetank_stack::time::{sleep, timeout};
use wavetank_stack::{Stack, tcp};

use super::check::Findings;
use super::coap_address::CoapAddress;
use super::defaults;
use super::ledger::{self, Numbers};
use crate::registry::{Flow, Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a switch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The lamp's name.
    pub lamp: String,
    /// Address and port of the broker by which it commands, such as "10.0.0.3:1883"; or `address`.
    #[serde(default)]
    pub broker: Option<SocketAddr>,
    /// Where the lamp is, for a switch that commands it by CoAP: an address, and a port if it is not CoAP's own.
    #[serde(default)]
    pub address: Option<CoapAddress>,
    /// Whose command counts of two that were given at once: that of the higher rank. No two switches have the same.
    pub rank: u8,
    /// The mean time from one press to the next; each is between half of it and one and a half.
    #[serde(default = "defaults::secs::<5>")]
    pub period: Time,
    /// When it is pressed for the last time at the latest; left out, somebody always comes.
    #[serde(default)]
    pub presses_until: Option<Time>,
    /// After how long without news it asks again what the lamp is; whole seconds.
    #[serde(default = "defaults::secs::<10>")]
    pub patience: Time,
}

/// What a switch counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "commands.given", doc: "times that it was pressed, and gave the lamp a command" },
    Metric { name: "commands.overruled", doc: "commands that the lamp, or a later press, found to be too old" },
    Metric { name: "command", doc: "the newest command that it gave or has heard of: the higher, the newer" },
    Metric { name: "seen", doc: "the command that it saw the lamp obey last" },
    Metric { name: "lamp", doc: "1 if it saw that the lamp is on, else 0" },
    Metric { name: "connected", doc: "1 while it is connected to the broker, else 0" },
    Metric {
        name: "connects.failed",
        doc: "connections to the broker, or observations of the lamp, that came to nothing",
    },
    Metric { name: "store.failures", doc: "times that its disk failed, and it started again" },
];

/// The events with ids that a switch reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "command.given", doc: "somebody pressed the switch, and what the lamp is to be is on its disk" },
    Flow { name: "state.seen", doc: "it saw that the lamp obeys a command that it has not seen it obey before" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    let summary = "Commands a \"lamp\" whenever somebody presses it, by MQTT or by CoAP, and sees what became of it.";
    TypedKind::new("lamp-switch", summary)
        .pooled()
        .counting_its_stack()
        .metrics(METRICS)
        .flows(FLOWS)
        .parts(ledger::PARTS)
        .check(check)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut findings = Findings::default();
    match (config.broker, config.address) {
        (Some(broker), None) => {
            findings.port("broker", broker.port(), "name the broker's port, such as \"10.0.0.3:1883\"");
        }
        (None, Some(address)) => {
            findings.port("address", address.0.port(), "leave the port out: CoAP's own is 5683");
        }
        (None, None) => {
            let help = "write broker = \"10.0.0.3:1883\" for MQTT, or address = \"10.0.0.5\" for CoAP";
            findings.refuse("lamp", "the switch has no way to the lamp", help);
        }
        (Some(_), Some(_)) => {
            let help = "leave out `broker` or `address`: for both ways there are two switches";
            findings.refuse("address", "the switch has two ways to the lamp", help);
        }
    }
    findings.not_zero("period", config.period, "write \"5s\", for example");
    findings.at_least("patience", config.patience, Time::from_secs(1), "write \"10s\", for example");
    findings.all()
}

const BACKOFF: Backoff =
    Backoff { base: std::time::Duration::from_millis(200), cap: std::time::Duration::from_secs(5) };
/// What its disk takes to keep a number.
const COMMIT_COST: Time = Time::from_millis(2);

type SwitchFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> SwitchFuture + use<> {
    let disk = ledger::disk(COMMIT_COST, site);
    let (network, config) = (Network::of(site), Arc::clone(config));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone(), disk.clone()))
}

async fn run(node: Node, config: Arc<Config>, network: Network, disk: Disk) -> Exit {
    let clock = TankClock(node.clock());
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, clock, &network.config_for(&node), network.seed(&node));
    if let Ok(wall) = Wall::open(&node, &config, &disk) {
        let pressing = pin!(press(&node, &config, &wall));
        let failing = wall.failed();
        let talking = pin!(async {
            match (config.broker, config.address) {
                (Some(broker), _) => by_mqtt(&node, &config, &stack, broker, &wall).await,
                (None, Some(address)) => by_coap(&node, &config, &stack, address.0, &wall).await,
                (None, None) => unreachable!("`check` saw to that"),
            }
        });
        let both = pin!(join(pressing, talking));
        runner.run_with(stack.telling(TankProbe(node.clone()), pin!(select(both, pin!(failing))))).await;
    }
    node.count("store.failures", 1);
    ledger::start_again(&node)
}

/// What the switch knows, and what somebody wants of it.
struct Wall {
    node: Node,
    lamp: String,
    rank: u8,
    /// The newest command that was given here, by its id: none is forgotten, and no number given twice, whatever its power
    /// does.
    given: Numbers,
    failed: Cell<bool>,
    /// The newest command that was heard of; `None` until something was.
    known: Cell<Option<Command>>,
    /// What the lamp was seen to obey.
    seen: Cell<Option<Command>>,
    /// What somebody pressed before anything was known.
    wish: Cell<Option<bool>>,
    /// The command that is to be brought to the lamp.
    pending: Cell<Option<Command>>,
    waiters: RefCell<Vec<Waker>>,
}

impl Wall {
    fn open(node: &Node, config: &Config, disk: &Disk) -> Result<Self, redb::Error> {
        let given = Numbers::open(disk, "switch.redb")?;
        let last = Command::from_id(given.reach(&config.lamp, 0)?).filter(|last| last.number > 0);
        if let Some(last) = last {
            // It may have been written down, and no more.
            node.flow("command.given", &config.lamp, last.id());
        }
        let wall = Self {
            node: node.clone(),
            lamp: config.lamp.clone(),
            rank: config.rank,
            given,
            failed: Cell::new(false),
            known: Cell::new(last),
            seen: Cell::default(),
            wish: Cell::default(),
            pending: Cell::new(last),
            waiters: RefCell::default(),
        };
        Ok(wall)
    }

    /// Somebody wants the lamp to be on, or off.
    fn press(&self, on: bool) {
        self.wish.set(Some(on));
        self.grant();
    }

    /// Gives the command that somebody wants, once it is known which number is high enough.
    fn grant(&self) {
        let (Some(known), true) = (self.known.get(), self.seen.get().is_some()) else { return };
        let Some(on) = self.wish.take() else { return };
        let command = Command { number: known.number.saturating_add(1), by: self.rank, on };
        if self.given.reach(&self.lamp, command.id()).is_err() {
            self.failed.set(true);
            return self.wake();
        }
        self.node.count("commands.given", 1);
        self.node.flow("command.given", &self.lamp, command.id());
        if self.pending.replace(Some(command)).is_some() {
            self.node.count("commands.overruled", 1);
        }
        self.learn(command);
        self.wake();
    }

    fn learn(&self, command: Command) {
        if self.known.get().is_none_or(|known| command.is_newer_than(&known)) {
            self.known.set(Some(command));
            self.node.gauge("command", command.id() as i64);
        }
    }

    /// The lamp says that it obeys that.
    fn see(&self, bytes: &[u8]) {
        let Some(Said::Numbered(command)) = Said::read(bytes) else { return };
        self.learn(command);
        if self.seen.get().is_none_or(|seen| command.is_newer_than(&seen)) {
            self.seen.set(Some(command));
            self.node.gauge("seen", command.id() as i64);
            self.node.gauge("lamp", command.on.into());
            // A lamp that was never told anything obeys nobody.
            if command.number > 0 {
                self.node.flow("state.seen", &self.lamp, command.id());
            }
        }
        // The lamp obeys it, or a newer one: there is nothing to bring any more.
        if self.pending.get().is_some_and(|pending| !pending.is_newer_than(&command)) {
            let overruled = self.pending.take() != Some(command);
            self.node.count("commands.overruled", overruled.into());
        }
        self.grant();
    }

    /// That command was brought.
    fn brought(&self, command: Command) {
        if self.pending.get() == Some(command) {
            self.pending.set(None);
        }
    }

    fn wake(&self) {
        self.waiters.take().into_iter().for_each(Waker::wake);
    }

    async fn when<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        poll_fn(|cx| match look() {
            Some(found) => Poll::Ready(found),
            None => {
                self.waiters.borrow_mut().push(cx.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// Waits for a command to bring, other than that one.
    async fn pressed(&self, but: Option<Command>) -> Command {
        self.when(|| self.pending.get().filter(|pending| Some(*pending) != but)).await
    }

    async fn failed(&self) {
        self.when(|| self.failed.get().then_some(())).await;
    }
}

/// Somebody who comes now and then.
async fn press(node: &Node, config: &Config, wall: &Wall) {
    let mut stream = node.stream("presses");
    let clock = node.clock();
    let mean_ns = config.period.as_nanos();
    let end_ns = config.presses_until.map_or(u64::MAX, Time::as_nanos);
    loop {
        let more = (u128::from(mean_ns) * u128::from(stream.next_u32())) >> 32;
        let wait_ns = mean_ns / 2 + u64::try_from(more).expect("a part of a 64-bit number");
        clock.sleep(std::time::Duration::from_nanos(wait_ns)).await;
        if node.world_now().as_nanos() > end_ns {
            return std::future::pending().await;
        }
        wall.press(stream.next_u32() & 1 == 1);
    }
}

/// By way of a broker.
async fn by_mqtt(node: &Node, config: &Config, stack: &Stack<'static>, broker: SocketAddr, wall: &Wall) {
    let clock = TankClock(node.clock());
    let (mut received, mut to_send, mut jitter) = (vec![0; 1_024], vec![0; 1_024], node.stream("jitter"));
    let mut client = Client::<_, _, 1>::new(clock, (), &mut received, &mut to_send);
    let mut options = Options::new(node.name());
    options.keep_alive = config.patience.as_duration();
    let mut failures = 0;
    // A command that was under way when a connection ended is so again, as it was; none has another's token.
    let mut under_way = None;
    loop {
        let mut tcp_options = tcp::Options::default();
        tcp_options.timeout = Some(options.patience);
        let connected = match tcp::Stream::connect(stack, broker, tcp_options).await {
            Ok(stream) => client.connect(stream, &options).await.ok(),
            Err(_) => None,
        };
        if let Some(mut connection) = connected {
            node.gauge_while_running("connected", 1);
            if talk(&mut connection, config, wall, &mut under_way).await {
                failures = 0;
            }
            node.gauge_while_running("connected", 0);
            connection.into_stream().abort();
        } else {
            node.count("connects.failed", 1);
        }
        sleep(&clock, BACKOFF.delay(failures, &mut jitter)).await;
        failures += 1;
    }
}

type Line<'c, 'b> = Connection<'c, 'b, tcp::Stream<'static>, TankClock, (), 1>;

/// One connection to the broker, to its end; answers whether it served.
async fn talk(connection: &mut Line<'_, '_>, config: &Config, wall: &Wall, under_way: &mut Option<Command>) -> bool {
    let (set, state) = (format!("lamps/{}/set", config.lamp), format!("lamps/{}/state", config.lamp));
    if connection.subscribe(&[Subscription::new(&state, QoS::AtLeastOnce)]).is_err() {
        return false;
    }
    let mut served = false;
    if let Some(command) = *under_way
        && !publish(connection, &set, command)
    {
        return false;
    }
    loop {
        let waits = under_way.is_some();
        let pressed = pin!(async {
            if waits {
                std::future::pending::<()>().await;
            }
            wall.pressed(None).await
        });
        let event = match select(pin!(connection.next()), pressed).await {
            Either::Left((event, _)) => Either::Left(event),
            Either::Right((command, _)) => Either::Right(command),
        };
        let receipt = match event {
            Either::Right(command) => {
                if !publish(connection, &set, command) {
                    return served;
                }
                *under_way = Some(command);
                None
            }
            Either::Left(Ok(Event::Message(message))) => {
                wall.see(message.payload);
                message.receipt
            }
            Either::Left(Ok(Event::Delivered(_))) => {
                served = true;
                // The broker keeps it for the lamp.
                under_way.take().into_iter().for_each(|command| wall.brought(command));
                None
            }
            Either::Left(Ok(_)) => None,
            Either::Left(Err(_)) => return served,
        };
        if receipt.is_some_and(|receipt| !connection.acknowledge(receipt)) {
            return served;
        }
    }
}

fn publish(connection: &mut Line<'_, '_>, topic: &str, command: Command) -> bool {
    let mut json = [0; JSON_MAX];
    let message = Message { topic, payload: command.json(&mut json), qos: QoS::AtLeastOnce, retain: true };
    connection.publish(command.id(), &message).is_ok()
}

/// Straight to the lamp: one socket asks, another one is told.
async fn by_coap(node: &Node, config: &Config, stack: &Stack<'static>, lamp: SocketAddr, wall: &Wall) {
    let clock = TankClock(node.clock());
    let client = |label| {
        CoapClient::new(stack, clock, node.stream(label), CoapOptions::default()).expect("nobody else has sockets")
    };
    let (mut asking, mut watching) = (client("coap"), client("observe"));
    let bring = async {
        let mut jitter = node.stream("jitter");
        let mut failures = 0;
        loop {
            let command = wall.pressed(None).await;
            let (mut json, mut buffer) = ([0; JSON_MAX], [0; 64]);
            let request = Request::put(PATH, 50, command.json(&mut json));
            // Whoever presses again does not wait for what they wanted before.
            let outcome = {
                let asked = pin!(asking.request(lamp, &request, &mut buffer));
                match select(asked, pin!(wall.pressed(Some(command)))).await {
                    Either::Left((outcome, _)) => Some(outcome),
                    Either::Right(_) => None,
                }
            };
            let Some(outcome) = outcome else { continue };
            match outcome {
                Ok(response) if response.code.is_success() => {
                    wall.brought(command);
                    failures = 0;
                }
                Ok(response) => {
                    wall.see(&buffer[..response.len]);
                    sleep(&clock, BACKOFF.delay(failures, &mut jitter)).await;
                    failures += 1;
                }
                Err(_) => {
                    sleep(&clock, BACKOFF.delay(failures, &mut jitter)).await;
                    failures += 1;
                }
            }
        }
    };
    let watch = async {
        let patience = config.patience.as_duration();
        loop {
            let mut buffer = [0; 64];
            match watching.observe(lamp, PATH, &mut buffer).await {
                Ok((mut observation, response)) => {
                    wall.see(&buffer[..response.len]);
                    // A lamp that says nothing may have forgotten us: it is observed again.
                    while let Ok(Ok(response)) =
                        timeout(&clock, patience, watching.next(&mut observation, &mut buffer)).await
                    {
                        wall.see(&buffer[..response.len]);
                    }
                }
                Err(_) => node.count("connects.failed", 1),
            }
            // Not at once: the network may have said that nobody is there.
            sleep(&clock, std::time::Duration::from_millis(500)).await;
        }
    };
    join(bring, watch).await;
}

/// Where a lamp is, over CoAP.
const PATH: &str = "lamp";
