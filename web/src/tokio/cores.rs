//! As many servers as there are cores, at one address. The system spreads connections over them.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::select;
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::watch;
use tower_service::Service;

use super::{TokioListener, TokioRuntime};
use crate::{BoxError, Listener, Options, Served, serve_with};

const BACKLOG: i32 = 1_024;

/// Serves at this address by so many threads until `stop` resolves on each: `make` is called on every thread for an app of
/// its own. What the apps share must be shared by them: `Send` things that `make` hands out, or a database.
///
/// `stop` is called on every thread, too: a watch channel's receiver does well.
///
/// # Errors
/// If the address cannot be had, a thread not be started, or an app not be made: nothing is served then, by any of them. And if
/// a thread panics while it serves: the others are stopped then, as by `stop`, for an address at which some connections are
/// answered by nobody is worse than none.
pub fn serve_per_core<S, B, Stop>(
    options: &Options,
    address: SocketAddr,
    threads: NonZeroUsize,
    make: impl Fn() -> io::Result<S> + Sync,
    stop: impl Fn() -> Stop + Sync,
    bound: impl FnOnce(SocketAddr),
) -> io::Result<Served>
where
    S: Service<http::Request<Incoming>, Response = http::Response<B>> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    Stop: Future<Output = ()>,
{
    serve_per_core_with(options, address, threads, make, |listener| listener, stop, bound)
}

/// Serves as [`serve_per_core`] does, by what `wrap` makes of each thread's listener: a [`TlsListener`](crate::tls::TlsListener),
/// say, that shares its configuration.
///
/// # Errors
/// As [`serve_per_core`].
pub fn serve_per_core_with<S, B, L, Stop>(
    options: &Options,
    address: SocketAddr,
    threads: NonZeroUsize,
    make: impl Fn() -> io::Result<S> + Sync,
    wrap: impl Fn(TokioListener) -> L + Sync,
    stop: impl Fn() -> Stop + Sync,
    bound: impl FnOnce(SocketAddr),
) -> io::Result<Served>
where
    S: Service<http::Request<Incoming>, Response = http::Response<B>> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    L: Listener,
    Stop: Future<Output = ()>,
{
    // All sockets listen before anyone is served, so that an address that is taken is an error and not a surprise.
    let first = listen(address)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..threads.get() {
        sockets.push(listen(address)?);
    }
    bound(address);
    let (make, wrap, stop) = (&make, &wrap, &stop);
    let crew = &Crew::of(threads.get());
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (index, socket) in sockets.into_iter().enumerate() {
            let run = move || crew.work(|phases| run(options, socket, make, wrap, stop, crew, phases));
            match thread::Builder::new().name(format!("serve-{index}")).spawn_scoped(scope, run) {
                Ok(thread) => running.push(thread),
                Err(error) => {
                    crew.end();
                    return Err(error);
                }
            }
        }
        let mut all = Served::default();
        let mut wrong = None;
        for thread in running {
            match thread.join().unwrap_or_else(|_| Err(io::Error::other("a server's thread panicked"))) {
                Ok(served) => {
                    all.connections += served.connections;
                    all.failed += served.failed;
                    all.cut += served.cut;
                }
                Err(error) => wrong = wrong.or(Some(error)),
            }
        }
        wrong.map_or(Ok(all), Err)
    })
}

/// What the threads are at together: they begin when each of them can, and end when one of them fails.
struct Crew {
    threads: usize,
    ready: AtomicUsize,
    phase: watch::Sender<Phase>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Preparing,
    Serving,
    Ending,
}

impl Crew {
    fn of(threads: usize) -> Self {
        Self { threads, ready: AtomicUsize::new(0), phase: watch::Sender::new(Phase::Preparing) }
    }

    /// Does a thread's work. If it fails, or panics, all are to end.
    fn work<T>(&self, work: impl FnOnce(watch::Receiver<Phase>) -> io::Result<T>) -> io::Result<T> {
        struct Alarm<'crew>(Option<&'crew Crew>);
        impl Drop for Alarm<'_> {
            fn drop(&mut self) {
                self.0.iter().for_each(|crew| crew.end());
            }
        }
        let mut alarm = Alarm(Some(self));
        let done = work(self.phase.subscribe())?;
        alarm.0 = None;
        Ok(done)
    }

    fn end(&self) {
        self.phase.send_replace(Phase::Ending);
    }

    /// One more can begin; with the last of them all do.
    fn is_ready(&self) {
        if self.ready.fetch_add(1, Ordering::Relaxed) + 1 == self.threads {
            self.phase.send_if_modified(|phase| {
                let begins = *phase == Phase::Preparing;
                if begins {
                    *phase = Phase::Serving;
                }
                begins
            });
        }
    }
}

#[allow(clippy::too_many_arguments, reason = "they are what the whole was called with, for one thread")]
fn run<S, B, L, Stop>(
    options: &Options,
    socket: std::net::TcpListener,
    make: impl Fn() -> io::Result<S>,
    wrap: impl Fn(TokioListener) -> L,
    stop: impl Fn() -> Stop,
    crew: &Crew,
    mut phases: watch::Receiver<Phase>,
) -> io::Result<Served>
where
    S: Service<http::Request<Incoming>, Response = http::Response<B>> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + 'static,
    B::Error: Into<BoxError>,
    L: Listener,
    Stop: Future<Output = ()>,
{
    let service = make()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = wrap(TokioListener::from(tokio::net::TcpListener::from_std(socket)?));
        crew.is_ready();
        // The sender is the crew's, which outlives its threads.
        let begun =
            phases.wait_for(|phase| *phase != Phase::Preparing).await.is_ok_and(|phase| *phase == Phase::Serving);
        if !begun {
            return Ok(Served::default());
        }
        let ending = phases.wait_for(|phase| *phase == Phase::Ending);
        let (stop, ending) = (pin!(stop()), pin!(ending));
        let stop = select(stop, ending).map(drop);
        Ok(serve_with(options.clone(), listener, service, TokioRuntime, stop).await)
    })
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    #[cfg(unix)]
    {
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
