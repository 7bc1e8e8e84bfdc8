//! `kind = "image-store"`: takes images by HTTP, and only those that are what was sent.

use std::cell::RefCell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures::channel::oneshot;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use wavetank_sim::disk::Disk;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::{Stack, tcp};
use wavetank_web::{App, Error, Options, Request, Result, StatusCode, serve_with};

use super::check::Findings;
use super::defaults;
use super::ledger::{self, Numbers};
use crate::registry::{Flow, Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankListener, TankProbe, TankRuntime};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// What a scenario tells a store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The TCP port that it listens on.
    #[serde(default = "port")]
    pub port: u16,
    /// How long the disk takes to make durable that an image is there.
    #[serde(default = "defaults::millis::<2>")]
    pub commit_cost: Time,
}

const fn port() -> u16 {
    8080
}

/// What a store counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "images.kept", doc: "images that were new, and whole" },
    Metric { name: "images.duplicate", doc: "images that it had already" },
    Metric { name: "images.missing", doc: "images whose place was empty when a later one came" },
    Metric { name: "images.damaged", doc: "images that were not what their digest says; none of them is kept" },
    Metric { name: "images.broken-off", doc: "images of which the end never came" },
    Metric { name: "bytes.kept", doc: "bytes of images that were kept" },
    Metric { name: "latest", doc: "the highest number of an image that came in this life of the store" },
    Metric { name: "store.failures", doc: "times that its database failed, and it started again" },
];

/// The events with ids that a store reports.
pub static FLOWS: &[Flow] = &[
    Flow { name: "image.kept", doc: "a whole image is there that was not there before" },
    Flow { name: "image.whole", doc: "an image came that was what its digest says, new or known" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    let summary =
        "Takes cameras' images, POST /images/NAME/NUMBER, checks each against its digest, and remembers their numbers.";
    TypedKind::new("image-store", summary)
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
    findings.port("port", config.port, "write 8080, for example");
    findings.all()
}

/// The longest image.
const IMAGE_MAX: u64 = 1 << 20;
/// Connections that may wait to be accepted.
const BACKLOG: usize = 16;
/// How long a connection may be silent between images.
const IDLE: Duration = Duration::from_secs(300);

type StoreFuture = Pin<Box<dyn Future<Output = Exit>>>;

/// Gives the store its disk, which outlives it, and says what it runs.
fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> StoreFuture + use<> {
    let disk = ledger::disk(config.commit_cost, site);
    let (port, network) = (config.port, Network::of(site));
    move |node| Box::pin(run(node, port, network.clone(), disk.clone()))
}

async fn run(node: Node, port: u16, network: Network, disk: Disk) -> Exit {
    let clock = node.clock();
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, TankClock(clock), &network.config_for(&node), network.seed(&node));
    if let Ok(newest) = Numbers::open(&disk, "images.redb") {
        let (fail, failed) = oneshot::channel();
        let desk = Desk(Rc::new(Inner { node: node.clone(), newest, fail: RefCell::new(Some(fail)) }));
        let mut app = App::with_state(desk);
        app.at("/images/:device/:number").post(take);
        let service = app.into_service().expect("there is one path");
        let mut options = tcp::Options::default();
        options.nagle = false;
        let listener = tcp::Listener::bind(&stack, port, BACKLOG, options).expect("nobody else listens here");
        let serving = Options { head_timeout: Some(IDLE), ..Options::default() };
        let failed = async {
            // Nobody drops the sender before it has said something.
            let _ = failed.await;
        };
        let serving = pin!(serve_with(serving, TankListener(listener), service, TankRuntime::new(clock), failed));
        runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await;
    }
    node.count("store.failures", 1);
    ledger::start_again(&node)
}

#[derive(Clone)]
struct Desk(Rc<Inner>);

struct Inner {
    node: Node,
    /// By device: the number of its newest image.
    newest: Numbers,
    /// Ends the serving.
    fail: RefCell<Option<oneshot::Sender<()>>>,
}

async fn take(mut request: Request<Desk>) -> Result<StatusCode> {
    let (device, number) = (request.param::<String>("device")?, request.param::<u64>("number")?);
    let told = request.headers().get("content-digest").and_then(|digest| digest.to_str().ok()).map(str::to_owned);
    let Some(told) = told else {
        return Err(Error::new(StatusCode::BAD_REQUEST).detail("an image has a Content-Digest (RFC 9530)"));
    };
    request.set_body_bytes_max(IMAGE_MAX);
    let desk = request.state().clone();
    let node = &desk.0.node;
    let image = request.body_bytes().await.inspect_err(|_| node.count("images.broken-off", 1))?;
    if told != digest(&image) {
        node.count("images.damaged", 1);
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY).detail("the image is not what its digest says"));
    }
    let Ok(before) = desk.0.newest.reach(&device, number) else {
        // A database that failed goes on failing until it is opened anew.
        if let Some(fail) = desk.0.fail.take() {
            // Nobody waits for it any more if it has ended already.
            let _ = fail.send(());
        }
        return Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR));
    };
    node.flow("image.whole", &device, number);
    if number <= before {
        node.count("images.duplicate", 1);
        return Ok(StatusCode::OK);
    }
    node.count("images.kept", 1);
    node.count("images.missing", number - before - 1);
    node.count("bytes.kept", image.len() as u64);
    node.gauge("latest", i64::try_from(number).unwrap_or(i64::MAX));
    node.flow("image.kept", &device, number);
    Ok(StatusCode::CREATED)
}

/// What `Content-Digest` says of those bytes.
fn digest(bytes: &[u8]) -> String {
    format!("sha-256=:{}:", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, Sha256::digest(bytes)))
}
