//! Our TCP against the kernel's.

use std::net::IpAddr;

use embedded_io_async::{Read as _, Write as _};
use futures_util::future::{try_join, try_join4};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Duration, Instant, sleep};
use wavetank_stack::tcp;

use crate::cable::Weather;
use crate::shore::{KERNEL, KERNEL_V6, OURS, Shore, at};
use crate::table::{Failure, Outcome, demand};

const MANY: usize = 8 * 1024 * 1024;
const PORT: u16 = 7000;

/// What the `i`th byte of a stream is.
fn byte(i: usize) -> u8 {
    (i.wrapping_mul(31) >> 3) as u8
}

fn options() -> tcp::Options {
    let mut options = tcp::Options::default();
    (options.receive_bytes, options.send_bytes) = (65_535, 65_535);
    options
}

async fn pair(shore: &Shore, kernel: IpAddr) -> Result<(tcp::Stream<'static>, TcpStream), Failure> {
    let listener = TcpListener::bind(at(kernel, PORT)).await?;
    let connecting = async { Ok::<_, Failure>(tcp::Stream::connect(&shore.stack, at(kernel, PORT), options()).await?) };
    let accepting = async { Ok(listener.accept().await?.0) };
    try_join(connecting, accepting).await
}

fn rate(bytes: usize, start: Instant) -> String {
    let seconds = start.elapsed().as_secs_f64();
    format!("{} KiB at {:.1} Mbit/s", bytes >> 10, bytes as f64 * 8e-6 / seconds)
}

async fn write_ours(stream: &mut tcp::Stream<'_>, bytes: usize) -> Result<(), Failure> {
    let mut sent = 0;
    while sent < bytes {
        let chunk: Vec<u8> = (sent..bytes.min(sent + 16_384)).map(byte).collect();
        stream.write_all(&chunk).await?;
        sent += chunk.len();
    }
    stream.shutdown();
    Ok(())
}

async fn read_ours(stream: &mut tcp::Stream<'_>) -> Result<usize, Failure> {
    let (mut buffer, mut received) = (vec![0; 16_384], 0);
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok(received);
        }
        check(&buffer[..len], received)?;
        received += len;
    }
}

async fn write_theirs(stream: &mut TcpStream, bytes: usize) -> Result<(), Failure> {
    let all: Vec<u8> = (0..bytes).map(byte).collect();
    stream.write_all(&all).await?;
    Ok(stream.shutdown().await?)
}

async fn read_theirs(stream: &mut TcpStream) -> Result<usize, Failure> {
    let (mut buffer, mut received) = (vec![0; 16_384], 0);
    loop {
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Ok(received);
        }
        check(&buffer[..len], received)?;
        received += len;
    }
}

fn check(chunk: &[u8], from: usize) -> Result<(), Failure> {
    let wrong = chunk.iter().enumerate().find(|&(i, &seen)| seen != byte(from + i));
    demand!(wrong.is_none(), "another byte than was sent, at {}", from + wrong.map_or(0, |(i, _)| i));
    Ok(())
}

async fn out(kernel: IpAddr) -> Outcome {
    let shore = Shore::new().await?;
    let (mut ours, mut theirs) = pair(&shore, kernel).await?;
    let start = Instant::now();
    let ((), received) = try_join(write_ours(&mut ours, MANY), read_theirs(&mut theirs)).await?;
    demand!(received == MANY, "{received} bytes of {MANY} arrived");
    Ok(rate(MANY, start))
}

pub(crate) async fn bulk_out() -> Outcome {
    out(KERNEL.into()).await
}

pub(crate) async fn bulk_v6() -> Outcome {
    out(KERNEL_V6.into()).await
}

pub(crate) async fn bulk_in() -> Outcome {
    let shore = Shore::new().await?;
    let (mut ours, mut theirs) = pair(&shore, KERNEL.into()).await?;
    let start = Instant::now();
    let ((), received) = try_join(write_theirs(&mut theirs, MANY), read_ours(&mut ours)).await?;
    demand!(received == MANY, "{received} bytes of {MANY} arrived");
    Ok(rate(MANY, start))
}

/// Both directions at a time, over a cable of the tank's that loses, doubles, damages and reorders frames of both.
pub(crate) async fn bulk_lossy() -> Outcome {
    const SOME: usize = MANY / 32;
    let weather = Weather { lost: 50, twice: 100, damaged: 200, overtakes: 100 };
    let shore = Shore::stormy(weather).await?;
    let (ours, theirs) = pair(&shore, KERNEL.into()).await?;
    let ((mut in_, mut out), (mut from, mut to)) = (ours.into_split(), theirs.into_split());
    let all: Vec<u8> = (0..SOME).map(byte).collect();
    let start = Instant::now();
    let we_write = async {
        out.write_all(&all).await?;
        out.shutdown();
        Ok::<_, Failure>(())
    };
    let they_write = async {
        to.write_all(&all).await?;
        Ok(to.shutdown().await?)
    };
    let we_read = async {
        let (mut buffer, mut received) = (vec![0; 16_384], 0);
        while let len @ 1.. = in_.read(&mut buffer).await? {
            check(&buffer[..len], received)?;
            received += len;
        }
        Ok((received, rate(SOME, start)))
    };
    let they_read = async {
        let (mut buffer, mut received) = (vec![0; 16_384], 0);
        while let len @ 1.. = from.read(&mut buffer).await? {
            check(&buffer[..len], received)?;
            received += len;
        }
        Ok((received, rate(SOME, start)))
    };
    let ((), (), (ours, in_rate), (theirs, out_rate)) = try_join4(we_write, they_write, we_read, they_read).await?;
    demand!((ours, theirs) == (SOME, SOME), "{ours} and {theirs} of {SOME} bytes arrived");
    Ok(format!("out {out_rate}, in {in_rate}"))
}

/// The kernel understands that our window is of 1 MiB; or of 64 KiB, if it does not scale (RFC 7323, section 2.2).
pub(crate) async fn windows() -> Outcome {
    let shore = Shore::new().await?;
    let mut seen = Vec::new();
    for (scales, least, most) in [("1", 1_000_000, 1 << 20), ("0", 65_000, 65_535)] {
        // Of the namespace that this process is in.
        std::fs::write("/proc/sys/net/ipv4/tcp_window_scaling", scales)?;
        let mut large = options();
        (large.receive_bytes, large.send_bytes) = (1 << 20, 1 << 20);
        let listener = TcpListener::bind(at(KERNEL, PORT)).await?;
        let connecting = async { Ok::<_, Failure>(tcp::Stream::connect(&shore.stack, at(KERNEL, PORT), large).await?) };
        let (mut ours, (mut theirs, _)) = try_join(connecting, async { Ok(listener.accept().await?) }).await?;
        // In a handshake nothing is scaled.
        theirs.write_all(&[byte(0)]).await?;
        ours.read_exact(&mut [0]).await?;
        sleep(Duration::from_millis(100)).await;
        let told = crate::shore::read("ss", &["-tinO", "sport", "=", &format!(":{PORT}")]).await?;
        let number = |name: &str| told.split_whitespace().find_map(|word| word.strip_prefix(name));
        let window: usize = number("snd_wnd:").unwrap_or_default().parse()?;
        demand!((least..=most).contains(&window), "the kernel sees a window of {window}: {told}");
        demand!(number("wscale:").is_some() == (scales == "1"), "not as the kernel was told: {told}");
        let ((), received) = try_join(write_ours(&mut ours, MANY / 2), read_theirs(&mut theirs)).await?;
        demand!(received == MANY / 2, "{received} bytes arrived of those that we sent");
        let ((), received) = try_join(write_theirs(&mut theirs, MANY / 2), read_ours(&mut ours)).await?;
        demand!(received == MANY / 2, "{received} bytes arrived of those that the kernel sent");
        seen.push(window.to_string());
    }
    Ok(format!("the kernel sees {} bytes, and {} where it does not scale", seen[0], seen[1]))
}

pub(crate) async fn half_close() -> Outcome {
    const SOME: usize = 300_000;
    let shore = Shore::new().await?;
    // We end first, and go on reading.
    let (mut ours, mut theirs) = pair(&shore, KERNEL.into()).await?;
    let ((), received) = try_join(write_ours(&mut ours, SOME), read_theirs(&mut theirs)).await?;
    demand!(received == SOME, "the kernel read {received} of {SOME}");
    let ((), received) = try_join(write_theirs(&mut theirs, SOME), read_ours(&mut ours)).await?;
    demand!(received == SOME, "we read {received} of {SOME} after our end");
    drop((ours, theirs));
    // The kernel ends first, and goes on reading.
    let (mut ours, mut theirs) = pair(&shore, KERNEL.into()).await?;
    let ((), received) = try_join(write_theirs(&mut theirs, SOME), read_ours(&mut ours)).await?;
    demand!(received == SOME, "we read {received} of {SOME}");
    let ((), received) = try_join(write_ours(&mut ours, SOME), read_theirs(&mut theirs)).await?;
    demand!(received == SOME, "the kernel read {received} of {SOME} after its end");
    Ok("both ends outlive the other's".into())
}

/// We do not read for a while: the kernel must wait, and go on.
pub(crate) async fn zero_window_ours() -> Outcome {
    let shore = Shore::new().await?;
    let (mut ours, mut theirs) = pair(&shore, KERNEL.into()).await?;
    let reading = async {
        sleep(Duration::from_secs(2)).await;
        read_ours(&mut ours).await
    };
    let ((), received) = try_join(write_theirs(&mut theirs, MANY / 4), reading).await?;
    demand!(received == MANY / 4, "{received} bytes arrived");
    Ok("after 2 s of it, all arrived".into())
}

/// The kernel does not read for a while: we must wait, ask, and go on.
pub(crate) async fn zero_window_theirs() -> Outcome {
    let shore = Shore::new().await?;
    let (mut ours, mut theirs) = pair(&shore, KERNEL.into()).await?;
    let reading = async {
        sleep(Duration::from_secs(2)).await;
        read_theirs(&mut theirs).await
    };
    let ((), received) = try_join(write_ours(&mut ours, MANY), reading).await?;
    demand!(received == MANY, "{received} bytes arrived");
    Ok("after 2 s of it, all arrived".into())
}

pub(crate) async fn refused_and_reset() -> Outcome {
    let shore = Shore::new().await?;
    let refused = tcp::Stream::connect(&shore.stack, at(KERNEL, 9), options()).await;
    demand!(matches!(refused, Err(tcp::Error::Refused)), "a closed port: {refused:?}");
    let theirs = TcpStream::connect(at(OURS, 9)).await;
    demand!(
        theirs.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused),
        "our closed port: {theirs:?}"
    );
    let (mut ours, theirs) = pair(&shore, KERNEL.into()).await?;
    theirs.set_zero_linger()?;
    drop(theirs);
    let reset = ours.read(&mut [0; 1]).await;
    demand!(reset == Err(tcp::Error::Reset), "the kernel's reset: {reset:?}");
    let (ours, mut theirs) = pair(&shore, KERNEL.into()).await?;
    ours.abort();
    let reset = theirs.read(&mut [0; 1]).await;
    demand!(
        reset.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
        "our reset: {reset:?}"
    );
    Ok("told apart, both ways".into())
}

/// iperf3 counts a stream that comes by our listener, which hands it on to a server of its own.
pub(crate) async fn listener() -> Outcome {
    const IPERF: u16 = 5201;
    let shore = Shore::new().await?;
    let _server = crate::shore::start("iperf3", &["--server", "--bind", "127.0.0.1"])?;
    let stack = shore.stack.clone();
    let forward = tokio::task::spawn_local(async move {
        let listener = tcp::Listener::bind(&stack, IPERF, 4, options()).map_err(Failure::from)?;
        loop {
            let ours = listener.accept().await;
            let theirs = TcpStream::connect(("127.0.0.1", IPERF)).await?;
            tokio::task::spawn_local(pass(ours, theirs));
        }
        #[expect(unreachable_code, reason = "it says what the question marks above mean")]
        Ok::<(), Failure>(())
    });
    sleep(Duration::from_millis(300)).await;
    let told = crate::shore::read("iperf3", &["--client", &OURS.to_string(), "--time", "3", "--format", "m"]).await?;
    forward.abort();
    let line = told.lines().find(|line| line.contains("receiver")).unwrap_or_default();
    let rate = line.split_whitespace().zip(line.split_whitespace().skip(1)).find(|(_, unit)| *unit == "Mbits/sec");
    let Some((rate, _)) = rate else {
        return Err(Failure::Told(format!("iperf3 counted nothing: {told}")));
    };
    Ok(format!("{rate} Mbit/s, in and on by one process"))
}

async fn pass(ours: tcp::Stream<'static>, theirs: TcpStream) -> Result<(), Failure> {
    let ((mut in_, mut out), (mut from, mut to)) = (ours.into_split(), theirs.into_split());
    let inward = async {
        let mut buffer = vec![0; 65_536];
        loop {
            match in_.read(&mut buffer).await? {
                0 => return Ok::<_, Failure>(to.shutdown().await?),
                len => to.write_all(&buffer[..len]).await?,
            }
        }
    };
    let outward = async {
        let mut buffer = vec![0; 65_536];
        loop {
            match from.read(&mut buffer).await? {
                0 => {
                    out.shutdown();
                    return Ok(());
                }
                len => out.write_all(&buffer[..len]).await?,
            }
        }
    };
    try_join(inward, outward).await.map(drop)
}
