//! Our WebSocket client against websocketd, which speaks by gorilla/websocket for a program's lines or bytes.

use tokio::process::Child;
use tokio::time::{Duration, sleep};
use wavetank_stack::tcp::{self, Stream};
use wavetank_stack::websocket::{self, Close, Error, Memory, Message, Options, Request, WebSocket};
use wavetank_tap::HostClock;

use crate::shore::{KERNEL, Shore, at, entropy, start};
use crate::table::{Failure, Outcome, demand};

type Socket<'m> = WebSocket<'m, Stream<'static>, HostClock, rand_chacha::ChaCha8Rng>;

async fn websocketd(arguments: &[&str]) -> Result<Child, Failure> {
    let address = format!("--address={KERNEL}");
    let server = start("websocketd", &[&["--port=80", &address][..], arguments].concat())?;
    sleep(Duration::from_millis(500)).await;
    Ok(server)
}

async fn open<'m, const IN: usize>(
    shore: &Shore,
    memory: &'m mut Memory<IN, 512>,
    options: Options,
) -> Result<Socket<'m>, Failure> {
    let stream = Stream::connect(&shore.stack, at(KERNEL, 80), tcp::Options::default()).await?;
    let request = Request::new("/", "tank");
    Ok(websocket::open(stream, memory, &request, shore.clock, entropy(), options).await?)
}

/// Lines that a program says back; its end is the server's farewell.
pub(crate) async fn texts() -> Outcome {
    const LINES: usize = 50;
    let shore = Shore::new().await?;
    // Each line is handed on at once, and after the last the program ends.
    let _server = websocketd(&["sed", "-u", &format!("{LINES}q")]).await?;
    let mut options = Options::default();
    // Between two lines the server is asked whether it is there.
    (options.ping_after, options.silence) = (Some(Duration::from_millis(20)), Duration::from_secs(5));
    let mut memory: Memory<1_024, 512> = Memory::new();
    let mut socket = open(&shore, &mut memory, options).await?;
    for line in 0..LINES {
        let text = format!("line {line}, ☂ {}", "~".repeat(5 * line));
        if line % 10 == 0 {
            let quiet = tokio::time::timeout(Duration::from_millis(100), socket.recv()).await;
            demand!(quiet.is_err(), "heard {quiet:?} unasked");
        }
        socket.send_text(&text).await?;
        let heard = socket.recv().await;
        demand!(heard == Ok(Message::Text(&text)), "heard {heard:?} instead of {text}");
    }
    let farewell = socket.recv().await;
    demand!(matches!(farewell, Ok(Message::Close(Close { .. })) | Err(Error::Ended)), "{farewell:?}");
    Ok(format!("{LINES} lines, pings in between, and the server's farewell"))
}

/// Bytes that a program says back, in whatever messages it reads them.
pub(crate) async fn long() -> Outcome {
    const LEN: usize = 60_000;
    let shore = Shore::new().await?;
    let _server = websocketd(&["--binary", "cat"]).await?;
    let mut memory: Box<Memory<66_000, 512>> = Box::default();
    let mut socket = open(&shore, &mut memory, Options::default()).await?;
    let sent: Vec<u8> = (0..LEN).map(|i| (i * i) as u8).collect();
    socket.send_binary(&sent).await?;
    let mut heard = Vec::new();
    while heard.len() < LEN {
        match socket.recv().await {
            Ok(Message::Binary(bytes)) => heard.extend_from_slice(bytes),
            other => return Err(Failure::Told(format!("{other:?} after {} bytes", heard.len()))),
        }
    }
    demand!(heard == sent, "not the bytes that were sent");
    socket.close(1000, "done").await?;
    Ok(format!("{LEN} bytes out in pieces of {}, and back; our farewell answered", 512 - 8))
}
