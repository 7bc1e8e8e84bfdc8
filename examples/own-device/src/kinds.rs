//! Both kinds of node: what a scenario can tell them, what they report, and what they run in the tank.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt;
use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use futures::future::join;
use schemars::JsonSchema;
use serde::Deserialize;
use wavetank::Registry;
use wavetank::scenarios::registry::{Flow, Metric, TypedKind};
use wavetank::scenarios::runtime::{Network, TankClock, TankListener, TankProbe, TankRuntime};
use wavetank::scenarios::schema::ConfigProblem;
use wavetank::scenarios::site::Site;
use wavetank::scenarios::units::Time;
use wavetank::sim::node::{Exit, Node};
use wavetank_stack::{Stack, tcp};

use crate::device::{self, Parts};
use crate::river::{FloatSwitch, River};
use crate::server::{Audience, Desk, Report, router};

/// The kinds that wavetank brings along, and ours.
#[must_use]
pub fn registry() -> Registry {
    let mut registry = Registry::builtin();
    registry.add(gauge()).add(desk());
    registry
}

/// What a scenario tells a gauge.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GaugeConfig {
    /// Address and port of the desk that it reports to, such as "10.0.0.2:80".
    pub desk: SocketAddr,
    /// Time from one look at the switches to the next.
    #[serde(default = "defaults::look_every")]
    pub look_every: Time,
    /// How long the desk may take to answer a report.
    #[serde(default = "defaults::answer_timeout")]
    pub answer_timeout: Time,
    /// The longest wait before a report is tried again.
    #[serde(default = "defaults::retry")]
    pub retry: Time,
    /// How often the level is told again while it does not change.
    #[serde(default = "defaults::repeat_every")]
    pub repeat_every: Time,
    /// The water around it.
    #[serde(default)]
    pub river: River,
}

mod defaults {
    use wavetank::scenarios::units::Time;

    pub(super) fn look_every() -> Time {
        Time::from_millis(200)
    }

    /// Time for TCP to miss a segment twice and send it once more: it waits 1 s at first, then 2 s.
    pub(super) fn answer_timeout() -> Time {
        Time::from_secs(4)
    }

    pub(super) fn retry() -> Time {
        Time::from_millis(500)
    }

    pub(super) fn repeat_every() -> Time {
        Time::from_secs(5)
    }
}

/// `kind = "flood-gauge"`.
fn gauge() -> TypedKind<GaugeConfig> {
    TypedKind::new("flood-gauge", "Float switches in a river; reports the level over HTTP.")
        .metrics(&[
            Metric { name: "level", doc: "switches under water" },
            Metric { name: "reports.sent", doc: "reports begun, retries included" },
            Metric { name: "reports.failed", doc: "reports that the desk did not acknowledge in time" },
            Metric { name: "switches.failed", doc: "looks at the switches that a pin refused" },
        ])
        .flows(&[Flow { name: "level.told", doc: "the desk acknowledged the change of that number" }])
        .check(check_gauge)
        .program(install_gauge)
}

fn check_gauge(config: &GaugeConfig) -> Vec<ConfigProblem> {
    let times = [
        ("look_every", config.look_every),
        ("answer_timeout", config.answer_timeout),
        ("repeat_every", config.repeat_every),
    ];
    let problem = |(key, _)| ConfigProblem::at(key, format!("`{key}` cannot be 0")).help("write \"1s\", for example");
    times.into_iter().filter(|(_, time)| time.as_nanos() == 0).map(problem).collect()
}

/// Puts a gauge into its river: called once a run. What it returns is called at each boot.
fn install_gauge(config: &Arc<GaugeConfig>, site: &mut Site<'_>) -> impl Fn(Node) -> GaugeFuture + use<> {
    let (config, network, height) = (Arc::clone(config), Network::of(site), config.river.height(site));
    move |node| {
        let parts = Parts {
            switches: std::array::from_fn(|n| FloatSwitch::new(node.clone(), height.clone(), n)),
            net: node.nic(0).expect("a plan plugs every node in"),
            clock: TankClock(node.clock()),
            rng: node.stream("entropy"),
            probe: TankProbe(node.clone()),
        };
        let config = device::Config {
            name: node.name().try_into().expect("a plan's names are short"),
            address: network.address_towards(config.desk.ip()).expect("the gauge has an address of its desk's family"),
            desk: config.desk,
            look_every: config.look_every.as_duration(),
            answer_timeout: config.answer_timeout.as_duration(),
            retry: config.retry.as_duration(),
            repeat_every: config.repeat_every.as_duration(),
        };
        Box::pin(async move { match device::run(parts, config).await {} })
    }
}

type GaugeFuture = std::pin::Pin<Box<dyn Future<Output = Exit>>>;

/// What a scenario tells a desk.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeskConfig {
    /// The TCP port that it serves HTTP on.
    pub port: u16,
}

impl Default for DeskConfig {
    fn default() -> Self {
        Self { port: 80 }
    }
}

/// `kind = "flood-desk"`.
fn desk() -> TypedKind<DeskConfig> {
    TypedKind::new("flood-desk", "Shows the town how high the water stands; an axum application.")
        .metrics(&[
            Metric { name: "levels", doc: "the levels that it shows, added up" },
            Metric { name: "shown.backwards", doc: "reports shown after a later one of the same gauge" },
        ])
        .flows(&[Flow { name: "level.shown", doc: "the town sees the change" }])
        .check(|config: &DeskConfig| {
            let problem = || ConfigProblem::at("port", "port 0 is no port").help("write port = 80, for example");
            (config.port == 0).then(problem).into_iter().collect()
        })
        .program(install_desk)
}

fn install_desk(config: &Arc<DeskConfig>, site: &mut Site<'_>) -> impl Fn(Node) -> DeskFuture + use<> {
    let (port, network) = (config.port, Network::of(site));
    move |node| Box::pin(run_desk(node, port, network.clone()))
}

type DeskFuture = std::pin::Pin<Box<dyn Future<Output = Exit>>>;

async fn run_desk(node: Node, port: u16, network: Network) -> Exit {
    let nic = node.nic(0).expect("a plan plugs every node in");
    let clock = node.clock();
    let (stack, mut runner) = Stack::shared(nic, TankClock(clock), &network.config(), network.seed(&node));
    let listener = tcp::Listener::bind(&stack, port, 16, tcp::Options::default()).expect("nobody else listens here");
    let (wire, shown) = mpsc::unbounded();
    let desk = router(Desk::new(Wire(wire)));
    let serving = wavetank_web::serve(TankListener(listener), desk, TankRuntime::new(clock), pending());
    runner.run_with(join(serving, watch(&node, shown))).await;
    Exit::Halt
}

/// axum wants all that it holds to be `Send`, which a node is not: what the desk shows is told over a channel.
struct Wire(UnboundedSender<(String, Report)>);

impl Audience for Wire {
    fn shown(&self, gauge: &str, report: Report) {
        // Nobody watches once the node is being dropped.
        let _ = self.0.unbounded_send((gauge.to_owned(), report));
    }
}

/// Turns what the desk shows into metrics and flows.
async fn watch(node: &Node, mut shown: UnboundedReceiver<(String, Report)>) {
    let mut gauges: BTreeMap<String, Report> = BTreeMap::new();
    while let Some((gauge, report)) = shown.next().await {
        node.flow("level.shown", &gauge, report.number);
        if gauges.insert(gauge, report).is_some_and(|before| before.number > report.number) {
            node.count("shown.backwards", 1);
        }
        node.gauge("levels", gauges.values().map(|report| i64::from(report.level)).sum());
    }
}
