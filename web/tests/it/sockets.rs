//! Servers on real sockets, asked by curl. Where there is no curl, what needs it says so and passes.

use std::io::{Read as _, Write as _};
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::mpsc;

use wavetank_web::tokio::{TokioRuntime, UnixListener, serve_per_core};
use wavetank_web::{App, Json, Options, Params, Served, serve};

fn app() -> App {
    let mut app = App::new();
    app.at("/double/:n").get(async |Params(n): Params<u32>| Json(n * 2));
    app.at("/echo").post(async |text: String| text);
    app
}

/// What curl says, or nothing where there is none.
fn curl(arguments: &[&str]) -> Option<String> {
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
