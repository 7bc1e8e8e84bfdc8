//! The works on embassy-net, which is the stack alone: two of them on a cable, and a clock that jumps to whatever is next.
//! No switch, no trace, no fingerprint, no nodes.

mod cable;
mod clock;

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use embassy_net::tcp::TcpSocket;
use embassy_net::{Config, Ipv4Address, Ipv4Cidr, Runner, Stack, StackResources, StaticConfigV4};
use peer_report::{Asked, Tally, Watch};

use cable::{Cable, End};

const SERVER: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const CLIENT: Ipv4Address = Ipv4Address::new(10, 0, 0, 2);
const BUFFER: usize = 4_096;

fn main() {
    let asked = Asked::read();
    match asked.work.as_str() {
        "tcp-ping-pong" => ping_pong(asked.of(50_000)),
        work => panic!("embassy-net has no work {work}"),
    }
}

fn stack<'r>(end: End, address: Ipv4Address, resources: &'r mut StackResources<1>) -> (Stack<'r>, Runner<'r, End>) {
    let address = Ipv4Cidr::new(address, 24);
    let config = StaticConfigV4 { address, gateway: None, dns_servers: Default::default() };
    embassy_net::new(end, Config::ipv4_static(config), resources, 7)
}

fn ping_pong(rounds: u64) {
    let tally = Tally::default();
    let (cable, [left, right]) = Cable::new(Duration::from_millis(1));
    let (mut at_server, mut at_client) = (StackResources::new(), StackResources::new());
    let (server, mut server_runner) = stack(left, SERVER, &mut at_server);
    let (client, mut client_runner) = stack(right, CLIENT, &mut at_client);
    let (serving, calling) = (pin!(async { server_runner.run().await; }), pin!(async { client_runner.run().await; }));
    let (echoing, asking) = (pin!(echo(server)), pin!(ask(client, &tally)));
    let watch = Watch::over(&tally);
    let (prepared, measured) = (Duration::from_millis(101), Duration::from_millis(2 * rounds));
    run(&cable, [Task::new(serving), Task::new(calling), Task::new(echoing), Task::new(asking)], &watch, prepared, measured);
}

async fn echo(stack: Stack<'_>) {
    let (mut received, mut to_send) = ([0; BUFFER], [0; BUFFER]);
    let mut socket = TcpSocket::new(stack, &mut received, &mut to_send);
    socket.set_nagle_enabled(false);
    socket.accept(80).await.expect("the client connects");
    let mut message = [0; 64];
    loop {
        read_whole(&mut socket, &mut message).await;
        write_whole(&mut socket, &message).await;
    }
}

async fn ask(stack: Stack<'_>, tally: &Tally) {
    let (mut received, mut to_send) = ([0; BUFFER], [0; BUFFER]);
    let mut socket = TcpSocket::new(stack, &mut received, &mut to_send);
    socket.set_nagle_enabled(false);
    socket.connect((SERVER, 80)).await.expect("the server listens");
    let mut message = [7; 64];
    loop {
        write_whole(&mut socket, &message).await;
        read_whole(&mut socket, &mut message).await;
        tally.add(1);
    }
}

async fn read_whole(socket: &mut TcpSocket<'_>, message: &mut [u8; 64]) {
    let mut read = 0;
    while read < message.len() {
        match socket.read(&mut message[read..]).await.expect("nothing is lost") {
            0 => panic!("the other end hung up"),
            count => read += count,
        }
    }
}

async fn write_whole(socket: &mut TcpSocket<'_>, message: &[u8; 64]) {
    let mut written = 0;
    while written < message.len() {
        written += socket.write(&message[written..]).await.expect("nothing is lost");
    }
}

/// Whether a task wants to be polled.
struct Called(AtomicBool);

impl Wake for Called {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// A future with a waker of its own, as an executor's tasks have. With one for all, a read that finds nothing would wake the
/// stack's runner, and so itself, for ever.
struct Task<'a> {
    future: Pin<&'a mut dyn Future<Output = ()>>,
    called: Arc<Called>,
    waker: Waker,
}

impl<'a> Task<'a> {
    fn new(future: Pin<&'a mut dyn Future<Output = ()>>) -> Self {
        let called = Arc::new(Called(AtomicBool::new(true)));
        let waker = Waker::from(Arc::clone(&called));
        Self { future, called, waker }
    }

    /// Polls it if it was called; whether it was.
    fn poll(&mut self) -> bool {
        let is_called = self.called.0.swap(false, Relaxed);
        if is_called {
            let polled = self.future.as_mut().poll(&mut Context::from_waker(&self.waker));
            assert!(polled.is_pending(), "the work has no end");
        }
        is_called
    }
}

/// Polls whoever is called, and jumps to the next instant at which something happens.
fn run(cable: &Cable, mut tasks: [Task<'_>; 4], watch: &Watch, prepared: Duration, measured: Duration) {
    let (start, end) = (micros(prepared), micros(prepared + measured));
    let mut started = false;
    loop {
        // All have their turn before any has the next.
        while tasks.iter_mut().fold(false, |any, task| task.poll() | any) {}
        let next = clock::next().into_iter().chain(cable.next()).min().expect("there is always something to come");
        if next >= start && !started {
            watch.start();
            started = true;
        }
        if next >= end {
            return watch.stop(measured);
        }
        clock::advance(next);
        cable.arrive(next);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).expect("a short time")
}
