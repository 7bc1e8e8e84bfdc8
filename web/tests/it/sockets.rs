//! Servers on real sockets, asked by curl. Where there is no curl, what needs it says so and passes.

use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use wavetank_web::tokio::{TokioListener, TokioRuntime, UnixListener, serve_per_core};
use wavetank_web::{App, Json, Listener, Listeners, Options, Params, Peer, Served, serve, serve_with};

fn app() -> App {
    let mut app = App::new();
    app.at("/double/:n").get(async |Params(n): Params<u32>| Json(n * 2));
    app.at("/echo").post(async |text: String| text);
    app
}

/// What curl says, or nothing where there is none.
pub(crate) fn curl(arguments: &[&str]) -> Option<String> {
    let common = ["--silent", "--show-error", "--max-time", "10", "--noproxy", "*"];
    let output = match Command::new("curl").args(common).args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            println!("there is no curl here ({error}): nothing was tested");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the server runs on threads while this one asks")]
fn every_thread_serves_at_the_one_address_and_stops() {
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let serving = std::thread::spawn(move || {
        let threads = NonZeroUsize::new(2).unwrap();
        let stop = move || {
            let mut stopped = stopped.clone();
            async move { stopped.wait_for(|stop| *stop).await.map(drop).unwrap_or_default() }
        };
        let make = || app().into_service().map_err(std::io::Error::other);
        serve_per_core(&Options::default(), "127.0.0.1:0".parse().unwrap(), threads, make, stop, |at| {
            tell.send(at).unwrap();
        })
    });
    let address = told.recv().unwrap();
    for n in 0..20 {
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        write!(connection, "GET /double/{n} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        assert!(response.ends_with(&format!("\r\n\r\n{}", n * 2)), "{response}");
    }
    // A body that is refused while it is sent: the refusal arrives, for nothing is reset.
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    let length = 3_000_000;
    write!(connection, "POST /echo HTTP/1.1\r\nhost: hub\r\ncontent-length: {length}\r\n\r\n").unwrap();
    connection.write_all(&vec![b'x'; length]).unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 413 "), "{response}");
    let mut asked = 21;
    if let Some(answer) =
        curl(&["--http2-prior-knowledge", "--write-out", " %{http_version}", &format!("http://{address}/double/21")])
    {
        asked += 1;
        assert_eq!(answer, "42 2");
    }
    stop.send(true).unwrap();
    assert_eq!(serving.join().unwrap().unwrap(), Served { connections: asked, failed: 0, cut: 0 });
}

/// Serves by three threads, and gives what becomes of that; `make` is told how many apps were made before.
fn on_three_threads<Stop: Future<Output = ()>>(
    make: impl Fn(usize) -> std::io::Result<App> + Sync,
    stop: impl Fn() -> Stop + Sync,
    bound: impl FnOnce(std::net::SocketAddr),
) -> std::io::Result<Served> {
    let made = AtomicUsize::new(0);
    let make = || make(made.fetch_add(1, Ordering::Relaxed))?.into_service().map_err(std::io::Error::other);
    let threads = NonZeroUsize::new(3).unwrap();
    serve_per_core(&Options::default(), "127.0.0.1:0".parse().unwrap(), threads, make, stop, bound)
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the server runs on threads while this one asks")]
fn where_one_thread_cannot_begin_none_does() {
    let (asked, answers) = mpsc::channel();
    let make = |before| if before == 1 { Err(std::io::Error::other("no database")) } else { Ok(app()) };
    let ask = |address| {
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        connection.write_all(b"GET /double/4 HTTP/1.1\r\nhost: hub\r\n\r\n").unwrap();
        asked.send(connection).unwrap();
    };
    let served = on_three_threads(make, std::future::pending::<()>, ask);
    assert_eq!(served.unwrap_err().to_string(), "no database");
    let mut answer = Vec::new();
    let read = answers.recv().unwrap().read_to_end(&mut answer);
    assert!(answer.is_empty(), "nobody has served: {read:?} {answer:?}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the server runs on threads while this one asks")]
fn where_one_thread_fails_all_stop() {
    let (tell, told) = mpsc::channel();
    let (fail, failing) = tokio::sync::watch::channel(false);
    let serving = std::thread::spawn(move || {
        let first = AtomicUsize::new(0);
        // One of them panics where it is told to, and nobody tells the others anything.
        let stop = || {
            let mut failing = failing.clone();
            let is_first = first.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                failing.wait_for(|fails| *fails).await.map(drop).unwrap_or_default();
                assert!(!is_first, "by design");
                std::future::pending::<()>().await;
            }
        };
        on_three_threads(|_| Ok(app()), stop, |address| tell.send(address).unwrap())
    });
    let mut connection = std::net::TcpStream::connect(told.recv().unwrap()).unwrap();
    connection.write_all(b"GET /double/4 HTTP/1.1\r\nhost: hub\r\n\r\n").unwrap();
    assert!(connection.read(&mut [0; 1_024]).unwrap() > 0, "they serve");
    fail.send(true).unwrap();
    assert_eq!(serving.join().unwrap().unwrap_err().to_string(), "a server's thread panicked");
    // Whoever served it has closed it, or dropped it.
    let end = connection.read(&mut [0; 1_024]);
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the server runs on a thread while this one asks")]
fn a_unix_socket_is_served_and_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.sock");
    let (ready, bound) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let at = path.clone();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = UnixListener::bind(&at).unwrap();
            assert!(UnixListener::bind(&at).is_err(), "it is listened at");
            ready.send(()).unwrap();
            let stopped = async { stopped.await.unwrap_or_default() };
            serve(listener, app().into_service().unwrap(), TokioRuntime, stopped).await
        })
    });
    bound.recv().unwrap();
    let mut connection = std::os::unix::net::UnixStream::connect(&path).unwrap();
    write!(connection, "GET /double/4 HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    connection.read_to_string(&mut response).unwrap();
    assert!(response.ends_with("\r\n\r\n8"), "{response}");
    stop.send(()).unwrap();
    serving.join().unwrap();
    assert!(!path.exists());
}

#[test]
fn a_unix_socket_is_for_whom_it_is_said_to_be() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.sock");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _inside = runtime.enter();
    let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let listener = UnixListener::bind(&path).unwrap();
    assert_eq!((mode(), listener.path()), (0o600, Some(path.clone())));
    drop(listener);
    assert!(!path.exists());
    // What nobody listens at is replaced, whatever its mode was.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let listener = UnixListener::bind_with_mode(&path, 0o660).unwrap();
    assert_eq!(mode(), 0o660);
    drop(listener);
    std::fs::write(&path, "a file").unwrap();
    assert!(UnixListener::bind(&path).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a file");
}

/// A listener at which somebody is always waiting.
struct Crowded(&'static str);

impl Listener for Crowded {
    type Io = hyper_util::rt::TokioIo<tokio::io::DuplexStream>;

    async fn accept(&mut self) -> std::io::Result<(Self::Io, Peer)> {
        if self.0 == "broken" {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        let address = std::net::SocketAddr::new(self.0.parse().unwrap(), 1);
        Ok((hyper_util::rt::TokioIo::new(tokio::io::duplex(1).0), Peer::Ip(address)))
    }
}

#[test]
fn several_listeners_take_turns() {
    let mut listeners = Listeners::new();
    assert!(listeners.is_empty());
    for peer in ["192.0.2.1", "broken", "192.0.2.3"] {
        listeners.push(Crowded(peer));
    }
    let who: Vec<String> = (0..6)
        .map(|_| match futures::executor::block_on(listeners.accept()) {
            Ok((_, Peer::Ip(address))) => address.ip().to_string(),
            Ok(_) => unreachable!("they have addresses"),
            Err(error) => error.kind().to_string(),
        })
        .collect();
    assert_eq!(who[..3], ["192.0.2.1", "connection aborted", "192.0.2.3"]);
    assert_eq!(who[..3], who[3..]);
}

/// All listeners stop with their server: who is being answered is answered, who takes too long is cut.
#[test]
#[allow(clippy::disallowed_methods, reason = "the server runs on a thread while this one asks")]
fn tcp_and_unix_are_served_at_once_and_stop_within_one_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.sock");
    let (ready, bound) = mpsc::channel();
    let (tell, at_work) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let at = path.clone();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut listeners = Listeners::new();
            for _ in 0..2 {
                let listener = TokioListener::bind("127.0.0.1:0").await.unwrap();
                ready.send(listener.local_addr().unwrap()).unwrap();
                listeners.push(listener);
            }
            listeners.push(UnixListener::bind(&at).unwrap());
            ready.send("0.0.0.0:0".parse().unwrap()).unwrap();
            let mut app = app();
            app.at("/never").get(move || {
                tell.send(()).unwrap();
                std::future::pending::<()>()
            });
            let options = Options { stop_timeout: std::time::Duration::from_millis(50), ..Options::default() };
            let stopped = async { stopped.await.unwrap_or_default() };
            serve_with(options, listeners, app.into_service().unwrap(), TokioRuntime, stopped).await
        })
    });
    let addresses = [bound.recv().unwrap(), bound.recv().unwrap()];
    bound.recv().unwrap();
    let ask = |mut connection: Box<dyn ReadWrite>| {
        connection.write_all(b"GET /double/4 HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        connection.read_to_string(&mut response).unwrap();
        assert!(response.ends_with("\r\n\r\n8"), "{response}");
    };
    ask(Box::new(std::net::TcpStream::connect(addresses[0]).unwrap()));
    ask(Box::new(std::os::unix::net::UnixStream::connect(&path).unwrap()));
    ask(Box::new(std::net::TcpStream::connect(addresses[1]).unwrap()));
    let mut waits = std::os::unix::net::UnixStream::connect(&path).unwrap();
    waits.write_all(b"GET /never HTTP/1.1\r\nhost: hub\r\n\r\n").unwrap();
    // Answered once, or the server might not know of it yet when it stops.
    let mut idle = std::net::TcpStream::connect(addresses[0]).unwrap();
    idle.write_all(b"GET /double/4 HTTP/1.1\r\nhost: hub\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n8") {
        let mut byte = [0];
        idle.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    at_work.recv().unwrap();
    stop.send(()).unwrap();
    assert_eq!(idle.read(&mut [0]).unwrap(), 0, "whoever is idle is told to go");
    assert_eq!(serving.join().unwrap(), Served { connections: 5, failed: 0, cut: 1 });
    assert!(std::net::TcpStream::connect(addresses[1]).is_err() && !path.exists(), "nobody listens any more");
}

trait ReadWrite: std::io::Read + std::io::Write {}

impl<T: std::io::Read + std::io::Write> ReadWrite for T {}
