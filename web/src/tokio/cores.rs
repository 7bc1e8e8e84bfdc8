//! As many servers as there are cores, at one address. The system spreads connections over them.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::thread;

use bytes::Bytes;
use http_body::Body as HttpBody;
use hyper::body::Incoming;
use socket2::{Domain, Protocol, Socket, Type};
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
/// If the address cannot be had, a thread not be started, or an app not be made. Nothing is served then.
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
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (index, socket) in sockets.into_iter().enumerate() {
            let run = move || run(options, socket, make, wrap, stop);
            running.push(thread::Builder::new().name(format!("serve-{index}")).spawn_scoped(scope, run)?);
        }
        let mut all = Served::default();
        for thread in running {
            let served = thread.join().unwrap_or_else(|_| Err(io::Error::other("a server's thread panicked")))?;
            all.connections += served.connections;
            all.failed += served.failed;
            all.cut += served.cut;
        }
        Ok(all)
    })
}

fn run<S, B, L, Stop>(
    options: &Options,
    socket: std::net::TcpListener,
    make: impl Fn() -> io::Result<S>,
    wrap: impl Fn(TokioListener) -> L,
    stop: impl Fn() -> Stop,
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
        Ok(serve_with(options.clone(), listener, service, TokioRuntime, stop()).await)
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
