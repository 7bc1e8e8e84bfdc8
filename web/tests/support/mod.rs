//! A world for servers to be tested in: connections in memory, and a clock that moves when told.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures::channel::mpsc;
use futures::executor::LocalPool;
use futures::{FutureExt as _, StreamExt as _};
use hyper::rt::{Read, ReadBufCursor, Sleep, Timer, Write};
use wavetank_web::{Listener, Options, Peer, Runtime, Served, serve_with};

/// The date at the start of every test: Sun, 06 Nov 1994 08:49:37 GMT.
pub const START: Duration = Duration::from_secs(784_111_777);

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct Clock(Arc<Mutex<Inside>>);

struct Inside {
    origin: Instant,
    now: Duration,
    next: u64,
    sleeping: BTreeMap<u64, (Duration, Option<Waker>)>,
}

impl Clock {
    #[allow(clippy::disallowed_methods, reason = "an instant has no other origin; only differences to it show")]
    pub fn new() -> Self {
        let inside = Inside { origin: Instant::now(), now: Duration::ZERO, next: 0, sleeping: BTreeMap::new() };
        Self(Arc::new(Mutex::new(inside)))
    }

    /// How many sleeps are under way.
    pub fn sleeping(&self) -> usize {
        self.0.lock().unwrap().sleeping.len()
    }

    /// Lets time pass.
    pub fn advance(&self, duration: Duration) {
        let now = self.0.lock().unwrap().now;
        self.move_to(now + duration);
    }

    fn move_to(&self, now: Duration) {
        let mut inside = self.0.lock().unwrap();
        inside.now = now;
        for (until, waker) in inside.sleeping.values_mut() {
            if *until <= now
                && let Some(waker) = waker.take()
            {
                waker.wake();
            }
        }
    }
}

impl Runtime for Clock {
    type Timer = Self;

    fn timer(&self) -> Self {
        self.clone()
    }

    fn wall_clock(&self) -> SystemTime {
        UNIX_EPOCH + START + self.0.lock().unwrap().now
    }
}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        let mut inside = self.0.lock().unwrap();
        let id = inside.next;
        inside.next += 1;
        let until = inside.now + duration;
        inside.sleeping.insert(id, (until, None));
        Box::pin(Sleeping { clock: self.clone(), id })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        self.sleep(deadline.saturating_duration_since(self.now()))
    }

    fn now(&self) -> Instant {
        let inside = self.0.lock().unwrap();
        inside.origin + inside.now
    }
}

struct Sleeping {
    clock: Clock,
    id: u64,
}

impl Sleep for Sleeping {}

impl Future for Sleeping {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut inside = self.clock.0.lock().unwrap();
        let now = inside.now;
        let (until, waker) = inside.sleeping.get_mut(&self.id).expect("a sleep is removed when dropped");
        if *until <= now {
            return Poll::Ready(());
        }
        *waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleeping {
    fn drop(&mut self) {
        self.clock.0.lock().unwrap().sleeping.remove(&self.id);
    }
}

/// One direction of a connection.
#[derive(Default)]
struct Pipe {
    bytes: VecDeque<u8>,
    room: Option<usize>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// The server's end of a connection.
pub struct ServerEnd {
    incoming: Rc<RefCell<Pipe>>,
    outgoing: Rc<RefCell<Pipe>>,
}

impl Read for ServerEnd {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let mut pipe = self.incoming.borrow_mut();
        if pipe.bytes.is_empty() && !pipe.closed {
            pipe.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buf.remaining().min(pipe.bytes.len());
        let bytes: Vec<u8> = pipe.bytes.drain(..count).collect();
        buf.put_slice(&bytes);
        Poll::Ready(Ok(()))
    }
}

impl Write for ServerEnd {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut pipe = self.outgoing.borrow_mut();
        let room = pipe.room.map_or(usize::MAX, |room| room.saturating_sub(pipe.bytes.len()));
        if room == 0 {
            pipe.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = room.min(buf.len());
        pipe.bytes.extend(&buf[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.outgoing.borrow_mut().closed = true;
        Poll::Ready(Ok(()))
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.outgoing.borrow_mut().closed = true;
    }
}

/// The client's end of a connection: raw bytes, at once.
pub struct Client {
    to_server: Rc<RefCell<Pipe>>,
    from_server: Rc<RefCell<Pipe>>,
}

impl Client {
    pub fn send(&self, bytes: impl AsRef<[u8]>) {
        let mut pipe = self.to_server.borrow_mut();
        pipe.bytes.extend(bytes.as_ref());
        if let Some(waker) = pipe.reader.take() {
            waker.wake();
        }
    }

    /// All that has arrived, as text.
    pub fn received(&self) -> String {
        String::from_utf8(self.received_bytes()).expect("responses in tests are text")
    }

    /// All that has arrived.
    pub fn received_bytes(&self) -> Vec<u8> {
        let mut pipe = self.from_server.borrow_mut();
        let bytes: Vec<u8> = pipe.bytes.drain(..).collect();
        if let Some(waker) = pipe.writer.take() {
            waker.wake();
        }
        bytes
    }

    /// Lets this many bytes wait to be received, and no more.
    pub fn take_no_more_than(&self, bytes: usize) {
        self.from_server.borrow_mut().room = Some(bytes);
    }

    /// How many bytes sent the server has yet to read.
    pub fn unread_by_server(&self) -> usize {
        self.to_server.borrow().bytes.len()
    }

    pub fn is_closed(&self) -> bool {
        self.from_server.borrow().closed
    }

    pub fn close(&self) {
        let mut pipe = self.to_server.borrow_mut();
        pipe.closed = true;
        if let Some(waker) = pipe.reader.take() {
            waker.wake();
        }
    }
}

pub struct Network {
    accepting: mpsc::UnboundedReceiver<io::Result<ServerEnd>>,
}

impl Listener for Network {
    type Io = ServerEnd;

    async fn accept(&mut self) -> io::Result<(ServerEnd, Peer)> {
        match self.accepting.next().await {
            Some(end) => Ok((end?, SocketAddr::from((Ipv4Addr::new(192, 0, 2, 7), 7000)).into())),
            None => std::future::pending().await,
        }
    }
}

/// A server under test, which runs when told to.
pub struct Server {
    pub clock: Clock,
    pool: LocalPool,
    connecting: mpsc::UnboundedSender<io::Result<ServerEnd>>,
    stop: Option<futures::channel::oneshot::Sender<()>>,
    served: futures::channel::oneshot::Receiver<Served>,
}

impl Server {
    /// Serves by what `run` makes of a listener and a signal to stop.
    pub fn run<F>(clock: Clock, run: impl FnOnce(Network, Pin<Box<dyn Future<Output = ()>>>) -> F) -> Self
    where
        F: Future<Output = Served> + 'static,
    {
        let pool = LocalPool::new();
        let (connecting, accepting) = mpsc::unbounded();
        let (stop, stopped) = futures::channel::oneshot::channel();
        let (done, served) = futures::channel::oneshot::channel();
        let serving = run(Network { accepting }, Box::pin(stopped.map(drop)));
        let serving = async move { done.send(serving.await).unwrap_or_default() };
        futures::task::LocalSpawnExt::spawn_local(&pool.spawner(), serving).expect("the pool is up");
        let mut server = Self { clock, pool, connecting, stop: Some(stop), served };
        server.settle();
        server
    }

    /// Serves a service.
    pub fn of<S, B>(options: Options, clock: &Clock, service: S) -> Self
    where
        S: tower_service::Service<http::Request<hyper::body::Incoming>, Response = http::Response<B>> + Clone + 'static,
        S::Error: Into<wavetank_web::BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + 'static,
        B::Error: Into<wavetank_web::BoxError>,
    {
        let runtime = clock.clone();
        Self::run(clock.clone(), move |network, stop| serve_with(options, network, service, runtime, stop))
    }

    pub fn connect(&mut self) -> Client {
        let to_server = Rc::<RefCell<Pipe>>::default();
        let from_server = Rc::<RefCell<Pipe>>::default();
        let end = ServerEnd { incoming: Rc::clone(&to_server), outgoing: Rc::clone(&from_server) };
        self.connecting.unbounded_send(Ok(end)).ok();
        self.settle();
        Client { to_server, from_server }
    }

    pub fn fail_to_accept(&mut self, error: io::Error) {
        self.connecting.unbounded_send(Err(error)).ok();
        self.settle();
    }

    /// Runs until everybody waits.
    pub fn settle(&mut self) {
        self.pool.run_until_stalled();
    }

    /// Lets time pass, one sleeper after the other.
    pub fn pass(&mut self, duration: Duration) {
        let end = self.clock.0.lock().unwrap().now + duration;
        loop {
            let next = self.clock.0.lock().unwrap().sleeping.values().map(|(until, _)| *until).min();
            let next = next.filter(|next| *next < end).unwrap_or(end);
            self.clock.move_to(next);
            self.settle();
            if next == end {
                return;
            }
        }
    }

    /// Sends a request on a connection and returns what comes back by then.
    pub fn ask(&mut self, client: &Client, request: impl AsRef<[u8]>) -> String {
        client.send(request);
        self.settle();
        client.received()
    }

    pub fn stop(&mut self) {
        self.stop.take().expect("stopped once").send(()).ok();
        self.settle();
    }

    /// What was served, if the server has ended.
    pub fn served(&mut self) -> Option<Served> {
        self.served.try_recv().ok().flatten()
    }
}
