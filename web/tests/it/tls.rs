//! TLS in front of a server: in memory, with a client that gets and gives what it is told to; and on a socket, asked by curl.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use tempfile::TempDir;
use wavetank_web::tls::{TlsError, TlsListener, config};
use wavetank_web::tokio::{TokioListener, TokioRuntime, serve_per_core_with};
use wavetank_web::{App, Body, Json, Options, Params, serve, serve_with};

use crate::sockets::curl;
use crate::support::{Client, Clock, Server};

/// A certificate for `localhost` and its key, in files.
struct Files {
    _folder: TempDir,
    certificate: PathBuf,
    key: PathBuf,
}

fn files() -> Files {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("chain.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, cert.pem()).unwrap();
    fs::write(&key, signing_key.serialize_pem()).unwrap();
    Files { _folder: folder, certificate, key }
}

fn app() -> App {
    let mut app = App::new();
    app.at("/double/:n").get(async |Params(n): Params<u32>| Json(n * 2));
    app.at("/echo").post(async |body: Body| body);
    app.at("/large").get(async || "tide ".repeat(400_000));
    app
}

/// A client of TLS on a connection in memory.
struct Secured {
    client: Client,
    tls: ClientConnection,
}

impl Secured {
    fn connect(server: &mut Server, files: &Files, protocols: &[&[u8]]) -> Self {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&files.certificate).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let tls = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
        Self { client: server.connect(), tls }
    }

    /// Sends what there is to send in pieces of so many bytes, takes what comes, and so on until nothing comes any more.
    fn exchange(&mut self, server: &mut Server, piece: usize) -> Vec<u8> {
        let mut plain = Vec::new();
        loop {
            let mut bytes = Vec::new();
            while self.tls.wants_write() {
                self.tls.write_tls(&mut bytes).unwrap();
            }
            for piece in bytes.chunks(piece) {
                self.client.send(piece);
                server.settle();
            }
            let received = self.client.received_bytes();
            server.settle();
            if bytes.is_empty() && received.is_empty() {
                return plain;
            }
            let mut rest = &received[..];
            while !rest.is_empty() {
                self.tls.read_tls(&mut rest).unwrap();
                self.tls.process_new_packets().unwrap();
                let mut some = [0; 20_000];
                while let Ok(count @ 1..) = self.tls.reader().read(&mut some) {
                    plain.extend_from_slice(&some[..count]);
                }
            }
        }
    }
}

fn secured(options: Options, clock: &Clock, files: &Files) -> Server {
    let config = config(&files.certificate, &files.key).unwrap();
    let (runtime, service) = (clock.clone(), app().into_service().unwrap());
    Server::run(clock.clone(), move |network, stop| {
        serve_with(options, TlsListener::new(network, config), service, runtime, stop)
    })
}

#[test]
fn requests_are_answered_whatever_pieces_they_come_in() {
    let files = files();
    for piece in [1, 7, 100_000] {
        let mut server = secured(Options::default(), &Clock::new(), &files);
        let mut client = Secured::connect(&mut server, &files, &[b"http/1.1"]);
        client.tls.writer().write_all(b"GET /double/4 HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let answer = String::from_utf8(client.exchange(&mut server, piece)).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n8"), "{answer}");
        assert_eq!(client.tls.alpn_protocol(), Some(&b"http/1.1"[..]));
        // A response that is larger than what TLS keeps, taken a little at a time.
        client.client.take_no_more_than(3_000);
        client.tls.writer().write_all(b"GET /large HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let answer = client.exchange(&mut server, piece);
        assert!(answer.ends_with(b"tide tide ") && answer.len() > 2_000_000, "{}", answer.len());
        assert!(client.client.is_closed());
        client.tls.process_new_packets().unwrap();
        assert_eq!(client.tls.reader().read(&mut [0]).unwrap(), 0, "it took leave as TLS does");
        server.stop();
        assert_eq!(server.served().unwrap().failed, 0);
    }
}

#[test]
fn http_2_is_what_is_agreed_upon_if_the_client_has_it() {
    let files = files();
    let mut server = secured(Options::default(), &Clock::new(), &files);
    let mut client = Secured::connect(&mut server, &files, &[b"http/1.1", b"h2"]);
    client.tls.writer().write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let answer = client.exchange(&mut server, 50);
    assert_eq!(client.tls.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(answer.get(3), Some(&4), "SETTINGS are the first frame: {answer:?}");
    let mut client = Secured::connect(&mut server, &files, &[b"spdy/3"]);
    while client.tls.wants_write() {
        let mut bytes = Vec::new();
        client.tls.write_tls(&mut bytes).unwrap();
        client.client.send(bytes);
    }
    server.settle();
    let received = client.client.received_bytes();
    client.tls.read_tls(&mut &received[..]).unwrap();
    let told = client.tls.process_new_packets().unwrap_err();
    // RFC 7301, 3.2.
    assert_eq!(told, rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol));
}

#[test]
fn whoever_speaks_no_tls_or_dawdles_is_let_go() {
    let files = files();
    let clock = Clock::new();
    let mut server = secured(Options::default(), &clock, &files);
    let plain = server.connect();
    plain.send("GET /double/4 HTTP/1.1\r\nhost: localhost\r\n\r\n");
    server.settle();
    assert_eq!(plain.received_bytes()[0], 21, "an alert");
    assert!(plain.is_closed());
    let slow = server.connect();
    slow.send(b"\x16\x03\x01\x02\x00\x01");
    server.settle();
    server.pass(Duration::from_secs(29));
    assert!(!slow.is_closed());
    server.pass(Duration::from_secs(31));
    assert!(slow.is_closed(), "the handshake takes no longer than a head may");
    server.stop();
    assert_eq!(server.served().unwrap().failed, 1);
}

#[test]
fn files_that_hold_no_certificate_are_told_by_name() {
    let (one, other) = (files(), files());
    let told = |certificate: &PathBuf, key: &PathBuf| config(certificate, key).unwrap_err();
    assert!(matches!(told(&one.key, &one.key), TlsError::Pem { what: "certificate", .. }));
    assert!(matches!(told(&one.certificate, &one.certificate), TlsError::Pem { what: "private key", .. }));
    assert!(matches!(told(&PathBuf::from("nowhere.pem"), &one.key), TlsError::Pem { what: "certificate", .. }));
    let pair = told(&one.certificate, &other.key);
    assert!(matches!(pair, TlsError::Pair { .. }), "{pair}");
    let _: Arc<ServerConfig> = config(&one.certificate, &one.key).unwrap();
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the server runs on a thread while curl asks")]
fn curl_is_served_over_tls_by_either_protocol() {
    let files = files();
    let tls = config(&files.certificate, &files.key).unwrap();
    let (ready, bound) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TokioListener::bind("127.0.0.1:0").await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            let stopped = async { stopped.await.unwrap_or_default() };
            serve(TlsListener::new(listener, tls), app().into_service().unwrap(), TokioRuntime, stopped).await
        })
    });
    let address = bound.recv().unwrap();
    let (port, root) = (address.port(), files.certificate.to_str().unwrap());
    let resolve = format!("localhost:{port}:127.0.0.1");
    let ask = |options: &[&str], path: &str| {
        let url = format!("https://localhost:{port}{path}");
        let common = ["--cacert", root, "--resolve", &resolve, "--write-out", " %{http_version}", &url];
        curl(&[options, &common].concat())
    };
    // Without a word of TLS: a connection that ends, and nobody else notices.
    let mut plain = TcpStream::connect(address).unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    let mut alert = Vec::new();
    let _ = plain.read_to_end(&mut alert);
    assert_eq!(alert.first(), Some(&21));
    let body = files.key.parent().unwrap().join("body");
    fs::write(&body, "wave ".repeat(300_000)).unwrap();
    let upload = format!("@{}", body.display());
    let answers = [
        (ask(&["--http2"], "/double/21"), "42 2"),
        (ask(&["--http1.1"], "/double/21"), "42 1.1"),
        (ask(&["--tls-max", "1.2"], "/double/21"), "42 2"),
        (ask(&["--http2-prior-knowledge"], "/double/21"), "42 2"),
    ];
    for (answer, expected) in answers {
        assert!(answer.is_none_or(|answer| answer == expected));
    }
    for protocol in ["--http2", "--http1.1"] {
        let answer = ask(&[protocol, "--data-binary", &upload], "/echo");
        assert!(answer.is_none_or(|answer| answer.len() > 1_500_000 && answer.starts_with("wave wave ")));
        let answer = ask(&[protocol], "/large");
        assert!(answer.is_none_or(|answer| answer.len() > 2_000_000 && answer.starts_with("tide tide ")));
    }
    for version in ["-tls1_2", "-tls1_3"] {
        let answer = s_client(address.port(), root, version);
        assert!(answer.is_none_or(|answer| answer.ends_with("\r\n\r\n42")), "{version}");
    }
    stop.send(()).unwrap();
    let served = serving.join().unwrap();
    assert_eq!(served.failed, 1, "{served:?}");
}

/// What OpenSSL is answered, who looks at the name and at who vouches for it; `None` where it is not installed.
fn s_client(port: u16, root: &str, version: &str) -> Option<String> {
    let connect = format!("127.0.0.1:{port}");
    let verify = ["-verify_return_error", "-verify_hostname", "localhost", "-servername", "localhost"];
    let spawned = Command::new("openssl")
        .args(["s_client", "-quiet", "-ign_eof", "-connect", &connect, "-CAfile", root, version])
        .args(verify)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut client) = spawned else {
        println!("skipped: openssl is not installed");
        return None;
    };
    let request = b"GET /double/21 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    client.stdin.take().unwrap().write_all(request).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{version}: {output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the server runs on threads while this one asks")]
fn every_thread_speaks_tls_at_the_one_address() {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let files = files();
    let server = config(&files.certificate, &files.key).unwrap();
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let serving = std::thread::spawn(move || {
        let stop = move || {
            let mut stopped = stopped.clone();
            async move { stopped.wait_for(|stop| *stop).await.map(drop).unwrap_or_default() }
        };
        let make = || app().into_service().map_err(std::io::Error::other);
        let wrap = |listener| TlsListener::new(listener, Arc::clone(&server));
        let threads = std::num::NonZeroUsize::new(2).unwrap();
        let at = "127.0.0.1:0".parse().unwrap();
        serve_per_core_with(&Options::default(), at, threads, make, wrap, stop, |at| tell.send(at).unwrap())
    });
    let address = told.recv().unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&files.certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
    for n in 0..8 {
        let tls = ClientConnection::new(Arc::clone(&client), ServerName::try_from("localhost").unwrap()).unwrap();
        let mut secured = rustls::StreamOwned::new(tls, TcpStream::connect(address).unwrap());
        write!(secured, "GET /double/{n} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut response = String::new();
        secured.read_to_string(&mut response).unwrap();
        assert!(response.ends_with(&format!("\r\n\r\n{}", n * 2)), "{response}");
    }
    stop.send(true).unwrap();
    assert_eq!(serving.join().unwrap().unwrap(), wavetank_web::Served { connections: 8, failed: 0, cut: 0 });
}
