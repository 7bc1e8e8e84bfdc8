//! Allocations a request: both servers over connections in memory, on this thread, which is where they are counted. Prints a
//! table row a work; who asks allocates nothing.

use std::error::Error;
use std::io;
use std::net::SocketAddr;

use allocation_counter::{AllocationInfo, measure};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::LocalSet;
use wavetank_web::tokio::TokioRuntime;
use wavetank_web::{Listener, Options, Peer, serve_with};

type Outcome<T> = Result<T, Box<dyn Error>>;

const WORKS: [(&str, &str); 5] = [
    ("plaintext", "/plaintext"),
    ("JSON", "/json"),
    ("two parameters", "/users/tom/posts/7"),
    ("ten middlewares", "/layers"),
    ("1 MiB streamed", "/stream"),
];
const REQUESTS: u64 = 1_000;
const PIPE_BYTES: usize = 4 * 1024 * 1024;

/// One connection in memory, and no other.
struct Connections(UnboundedReceiver<DuplexStream>);

impl Connections {
    async fn next(&mut self) -> DuplexStream {
        match self.0.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }
}

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 1))
}

impl Listener for Connections {
    type Io = TokioIo<DuplexStream>;

    async fn accept(&mut self) -> io::Result<(Self::Io, Peer)> {
        Ok((TokioIo::new(self.next().await), Peer::Ip(address())))
    }
}

impl axum::serve::Listener for Connections {
    type Io = DuplexStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (DuplexStream, SocketAddr) {
        (self.next().await, address())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(address())
    }
}

/// Asks on a connection, and reads the answer to its last byte, by its length or its last chunk.
async fn ask(connection: &mut DuplexStream, request: &[u8], buffer: &mut [u8]) -> io::Result<usize> {
    connection.write_all(request).await?;
    let mut read = 0;
    loop {
        let count = connection.read(&mut buffer[read..]).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        read += count;
        if is_whole(&buffer[..read]) {
            return Ok(read);
        }
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = std::str::from_utf8(&answer[..end]).unwrap_or_default();
    match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => answer.len() >= end + 4 + length.parse().unwrap_or(0),
        None => answer.ends_with(b"\r\n0\r\n\r\n"),
    }
}

/// What requests for this path allocate, after some that were not counted.
fn allocated(
    runtime: &tokio::runtime::Runtime,
    tasks: &LocalSet,
    client: &mut DuplexStream,
    path: &str,
) -> Outcome<AllocationInfo> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: hub\r\n\r\n");
    let mut buffer = vec![0; 2 * 1024 * 1024];
    let mut rounds = |buffer: &mut [u8], count: u64| {
        tasks.block_on(runtime, async {
            for _ in 0..count {
                ask(client, request.as_bytes(), buffer).await?;
            }
            Ok::<_, io::Error>(())
        })
    };
    rounds(&mut buffer, 10)?;
    if !buffer.starts_with(b"HTTP/1.1 200 ") {
        return Err(format!("{path}: {}", String::from_utf8_lossy(&buffer[..100])).into());
    }
    // What is allocated once a run, be it by who counts, is not a request's.
    let mut outcome = Ok(());
    let none = measure(|| outcome = rounds(&mut buffer, 0));
    let some = measure(|| outcome = rounds(&mut buffer, REQUESTS));
    outcome?;
    let per = |some: u64, none: u64| (some - none) / REQUESTS;
    Ok(AllocationInfo {
        count_total: per(some.count_total, none.count_total),
        bytes_total: per(some.bytes_total, none.bytes_total),
        ..AllocationInfo::default()
    })
}

fn main() -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = LocalSet::new();
    let mut clients = Vec::new();
    for who in 0..2 {
        let (connect, connections) = unbounded_channel();
        let (client, server) = tokio::io::duplex(PIPE_BYTES);
        connect.send(server)?;
        clients.push(client);
        let connections = Connections(connections);
        if who == 0 {
            let service = peer_web_wavetank::app().into_service()?;
            tasks.spawn_local(serve_with(
                Options::default(),
                connections,
                service,
                TokioRuntime,
                std::future::pending(),
            ));
        } else {
            tasks.spawn_local(async { axum::serve(connections, peer_web_axum::app()).await });
        }
        std::mem::forget(connect);
    }
    println!("| work | wavetank, allocations a request | bytes | axum, allocations a request | bytes |");
    println!("|---|---|---|---|---|");
    for (name, path) in WORKS {
        let ours = allocated(&runtime, &tasks, &mut clients[0], path)?;
        let theirs = allocated(&runtime, &tasks, &mut clients[1], path)?;
        let counts = [ours.count_total, ours.bytes_total, theirs.count_total, theirs.bytes_total];
        let [ours, our_bytes, theirs, their_bytes] = counts;
        println!("| {name} | {ours} | {our_bytes} | {theirs} | {their_bytes} |");
    }
    Ok(())
}
