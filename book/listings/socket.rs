//! An app on a real socket, asked by a blocking client, and stopped.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use futures::channel::oneshot;
use wavetank_web::tokio::{TokioListener, TokioRuntime};
use wavetank_web::{App, serve};

/// Asks for one page, in the way of the old world.
fn ask(server: SocketAddr, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn an_app_is_served_on_a_socket() -> Result<(), Box<dyn Error>> {
    let mut app = App::new();
    app.at("/tide").get(async || "high");
    let service = app.into_service()?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(TokioListener::bind("127.0.0.1:0"))?;
    let server = listener.local_addr()?;

    // The server ends when this future does: here, when the client has its answer.
    let (done, stop) = oneshot::channel::<()>();
    let client = thread::spawn(move || {
        let answer = ask(server, "/tide");
        let _ = done.send(());
        answer
    });
    runtime.block_on(serve(listener, service, TokioRuntime, async {
        let _ = stop.await;
    }));

    let answer = client.join().expect("the client only asks")?;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhigh"),
        "{answer}"
    );
    Ok(())
}
