//! Our TLS client against OpenSSL's server.

use embedded_io_async::{Read as _, Write as _};
use tokio::process::Child;
use wavetank_stack::tcp;
use wavetank_stack::time::{SetClock, WallClock as _};
use wavetank_stack::tls::{CertificateError, Error, Memory, Trust, connect};

use crate::shore::{KERNEL, Shore, at, bound, entropy, read, start};
use crate::table::{Failure, Outcome, demand};

const IDENTITY: &str = "sensor-1";
const KEY: [u8; 32] = [0x5a; 32];

/// A server that sends each line back, its end first.
async fn server(arguments: &[&str]) -> Result<Child, Failure> {
    let port = format!("{KERNEL}:443");
    let arguments = [&["s_server", "-quiet", "-rev", "-tls1_3", "-accept", &port], arguments].concat();
    let server = start("openssl", &arguments)?;
    bound("tcp", 443).await?;
    Ok(server)
}

/// Says something, and has it said backwards.
async fn talk(shore: &Shore, trust: &Trust<'_>) -> Result<(), Error> {
    let stream = tcp::Stream::connect(&shore.stack, at(KERNEL, 443), tcp::Options::default()).await;
    let stream = stream.map_err(|error| Error::Stream(embedded_io_async::Error::kind(&error)))?;
    let mut memory: Box<Memory<4_400, 2_048>> = Box::default();
    let mut stream = connect(stream, &mut memory, trust, entropy()).await?;
    stream.write_all(b"ahoy\n").await?;
    stream.flush().await?;
    let (mut answer, mut len) = ([0; 5], 0);
    while len < answer.len() {
        match stream.read(&mut answer[len..]).await? {
            0 => return Err(Error::Closed),
            count => len += count,
        }
    }
    if answer == *b"yoha\n" { stream.close().await.map(drop) } else { Err(Error::Protocol) }
}

pub(crate) async fn certificates() -> Outcome {
    let shore = Shore::new().await?;
    let (key, root) = (shore.file("root.key", "")?, shore.file("root.pem", "")?);
    let (own_key, own, request) = (shore.file("own.key", "")?, shore.file("own.pem", "")?, shore.file("own.csr", "")?);
    let der = shore.file("root.der", "")?;
    let extensions = shore.file("own.ext", "subjectAltName=DNS:hub.example")?;
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let make = [&["req", "-x509", "-days", "30", "-subj", "/CN=root", "-keyout", &key, "-out", &root], &curve[..]];
    read("openssl", &make.concat()).await?;
    let ask = [&["req", "-subj", "/CN=hub", "-keyout", &own_key, "-out", &request], &curve[..]];
    read("openssl", &ask.concat()).await?;
    let sign = ["x509", "-req", "-days", "7", "-in", &request, "-CA", &root, "-CAkey", &key, "-CAcreateserial"];
    read("openssl", &[&sign[..], &["-extfile", &extensions, "-out", &own]].concat()).await?;
    read("openssl", &["x509", "-in", &root, "-outform", "DER", "-out", &der]).await?;
    let root = std::fs::read(&der)?;
    let _server = server(&["-cert", &own, "-key", &own_key]).await?;
    let wall = SetClock::new(shore.clock);
    let roots: [&[u8]; 1] = [&root];
    let trust = |name| Trust::Roots { certificates: &roots, name, clock: &wall };
    let early = talk(&shore, &trust("hub.example")).await;
    demand!(early == Err(Error::NoTime), "before the time is known: {early:?}");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros() as u64;
    wall.set_unix_micros(now);
    talk(&shore, &trust("hub.example")).await?;
    let other = talk(&shore, &trust("other.example")).await;
    demand!(other == Err(Error::Certificate(CertificateError::WrongName)), "by another name: {other:?}");
    wall.set_unix_micros(now + 8 * 86_400 * 1_000_000);
    let late = talk(&shore, &trust("hub.example")).await;
    demand!(late == Err(Error::Certificate(CertificateError::Expired)), "a day too late: {late:?}");
    Ok("a text there and back; no time, another name, an expired certificate refused".into())
}

pub(crate) async fn shared_key() -> Outcome {
    let shore = Shore::new().await?;
    let hex: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
    let _server = server(&["-nocert", "-psk", &hex, "-psk_identity", IDENTITY]).await?;
    talk(&shore, &Trust::Key { identity: IDENTITY.as_bytes(), key: &KEY }).await?;
    let wrong = talk(&shore, &Trust::Key { identity: IDENTITY.as_bytes(), key: &[1; 32] }).await;
    demand!(wrong.is_err(), "a wrong key was good enough");
    Ok(format!("a text there and back; with another key: {}", wrong.err().map_or(String::new(), |it| it.to_string())))
}
