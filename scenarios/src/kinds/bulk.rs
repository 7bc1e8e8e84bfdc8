//! `kind = "bulk-sender"` and `kind = "bulk-receiver"`: a TCP connection that carries as much as the network lets it.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::{Stack, tcp};

use crate::registry::{Metric, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::{Size, Time};

/// What a scenario tells a sender.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// Address and port of a receiver, such as "10.0.0.2:5001".
    pub to: SocketAddr,
    /// When it begins, after its boot.
    #[serde(default)]
    pub after: Time,
    /// How much it sends; without end if left out.
    #[serde(default)]
    pub bytes: Option<Size>,
    /// How much may be on the way and unacknowledged at once.
    #[serde(default = "window")]
    pub window: Size,
}

/// What a scenario tells a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Receiver {
    /// The TCP port that it listens at.
    pub port: u16,
    /// How much it takes in before it has been read.
    pub window: Size,
}

impl Default for Receiver {
    fn default() -> Self {
        Self { port: 5001, window: window() }
    }
}

fn window() -> Size {
    Size::from_bytes(256 * 1024)
}

/// What a sender counts.
pub static SENDER_METRICS: &[Metric] = &[
    Metric { name: "bytes.sent", doc: "bytes handed to the connection" },
    Metric { name: "connections.failed", doc: "connections that could not be opened, or broke" },
    Metric { name: "done", doc: "1 when all has been acknowledged" },
];

/// What a receiver counts.
pub static RECEIVER_METRICS: &[Metric] = &[
    Metric { name: "bytes.received", doc: "bytes that came" },
    Metric { name: "connections", doc: "connections that were opened" },
];

/// The kind of senders.
#[must_use]
pub fn sender() -> TypedKind<Sender> {
    TypedKind::new("bulk-sender", "Sends over TCP as much as the network lets it, to a \"bulk-receiver\".")
        .pooled()
        .counting_its_stack()
        .by_radio()
        .metrics(SENDER_METRICS)
        .check(|config: &Sender| check_window(config.window))
        .program(|config: &Arc<Sender>, site: &mut Site<'_>| {
            let (network, config) = (Network::of(site), Arc::clone(config));
            move |node| send(node, Arc::clone(&config), network.clone())
        })
}

/// The kind of receivers.
#[must_use]
pub fn receiver() -> TypedKind<Receiver> {
    TypedKind::new("bulk-receiver", "Takes in what \"bulk-sender\"s send, and throws it away.")
        .pooled()
        .counting_its_stack()
        .by_radio()
        .metrics(RECEIVER_METRICS)
        .check(|config: &Receiver| check_window(config.window))
        .program(|config: &Arc<Receiver>, site: &mut Site<'_>| {
            let (network, config) = (Network::of(site), Arc::clone(config));
            move |node| receive(node, Arc::clone(&config), network.clone())
        })
}

fn check_window(window: Size) -> Vec<ConfigProblem> {
    let bytes = window.as_bytes();
    let problem = || {
        let what = "a window is between 2 kB and 16 MiB";
        ConfigProblem::at("window", what).help("write \"256 KiB\", for example")
    };
    (!(2_000..=16 << 20).contains(&bytes)).then(problem).into_iter().collect()
}

async fn send(node: Node, config: Arc<Sender>, network: Network) -> Exit {
    let clock = node.clock();
    let mut memory = network.memory();
    let port = network.port(&node, &mut memory);
    let (stack, mut runner) = Stack::shared(port, TankClock(clock), &network.config_for(&node), network.seed(&node));
    let sending = pin!(async {
        clock.sleep(config.after.as_duration()).await;
        let mut options = tcp::Options::default();
        options.send_bytes = config.window.as_bytes() as usize;
        let mut left = config.bytes.map_or(u64::MAX, Size::as_bytes);
        while left > 0 {
            if let Ok(stream) = tcp::Stream::connect(&stack, config.to, options).await
                && pour(&node, &stream, &mut left).await.is_ok()
            {
                node.gauge("done", 1);
                stream.shutdown();
                continue;
            }
            node.count("connections.failed", 1);
            clock.sleep(std::time::Duration::from_secs(1)).await;
        }
        std::future::pending::<()>().await;
    });
    let sending: Pin<&mut dyn Future<Output = ()>> = sending;
    runner.run_with(stack.telling(TankProbe(node.clone()), sending)).await;
    Exit::Halt
}

/// Writes until nothing is left, and all of it has arrived.
async fn pour(node: &Node, stream: &tcp::Stream<'_>, left: &mut u64) -> Result<(), tcp::Error> {
    const CHUNK: [u8; 8_192] = [0x55; 8_192];
    while *left > 0 {
        let len = CHUNK.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
        let written = poll_fn(|cx| stream.poll_write(cx, &CHUNK[..len])).await?;
        *left -= written as u64;
        node.count("bytes.sent", written as u64);
    }
    stream.acknowledged().await
}

async fn receive(node: Node, config: Arc<Receiver>, network: Network) -> Exit {
    let mut memory = network.memory();
    let port = network.port(&node, &mut memory);
    let (stack, mut runner) =
        Stack::shared(port, TankClock(node.clock()), &network.config_for(&node), network.seed(&node));
    let mut options = tcp::Options::default();
    options.receive_bytes = config.window.as_bytes() as usize;
    let listener = tcp::Listener::bind(&stack, config.port, 16, options).expect("nobody else listens here");
    let taking = pin!(async {
        loop {
            let stream = listener.accept().await;
            node.count("connections", 1);
            let keeper = node.clone();
            node.spawn(async move { drain(&keeper, &stream).await });
        }
    });
    let taking: Pin<&mut dyn Future<Output = ()>> = taking;
    runner.run_with(stack.telling(TankProbe(node.clone()), taking)).await;
    Exit::Halt
}

async fn drain(node: &Node, stream: &tcp::Stream<'_>) {
    loop {
        let read = poll_fn(|cx| stream.poll_read_with(cx, <[u8]>::len)).await;
        match read {
            Ok(0) | Err(_) => return stream.shutdown(),
            Ok(bytes) => node.count("bytes.received", bytes as u64),
        }
    }
}
