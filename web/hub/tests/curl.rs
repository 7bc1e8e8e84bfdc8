//! The hub on a real socket, asked by curl. Where there is no curl, these tests say so and pass.
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use wavetank_hub::{Config, Sockets, serve_tokio};
use wavetank_web::Served;

/// A hub on a thread and a port of its own, until it is stopped.
struct Serving {
    address: SocketAddr,
    stop: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<Served>,
}

impl Serving {
    #[allow(clippy::disallowed_methods, reason = "the hub's one thread, while curl is waited for on this one")]
    fn start(data: Option<PathBuf>) -> Self {
        let (tell, told) = mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let bound = move |place: &str| tell.send(place.strip_prefix("http://").unwrap().parse().unwrap()).unwrap();
            let stopped = async { stopped.await.unwrap_or_default() };
            let sockets = Sockets::at("127.0.0.1:0".parse().unwrap());
            runtime.block_on(serve_tokio(&sockets, data.as_deref(), Config::default(), bound, stopped)).unwrap()
        });
        Self { address: told.recv().unwrap(), stop, thread }
    }

    fn stop(self) -> Served {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap()
    }

    /// The status and the body that curl gets.
    fn curl(&self, path: &str, arguments: &[&str]) -> (u16, String) {
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "10", "--noproxy", "*", "--write-out", "\n%{http_code}"])
            .args(arguments)
            .arg(format!("http://{}{path}", self.address))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    fn post(&self, body: &str) -> (u16, String) {
        self.curl("/readings", &["--header", "content-type: application/json", "--data-binary", body])
    }
}

fn curl_is_missing() -> bool {
    let missing = Command::new("curl").arg("--version").output().is_err();
    if missing {
        println!("there is no curl here: nothing was tested");
    }
    missing
}

const READING: &str = r#"{"device":"thermostat-1","sequence":17,"celsius_milli":21375,"at_ms":123456}"#;

#[test]
fn curl_posts_and_reads_and_the_file_keeps_it() {
    if curl_is_missing() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("hub.redb");
    let hub = Serving::start(Some(data.clone()));
    assert_eq!(hub.curl("/health", &[]), (200, "ok".into()));
    assert_eq!(hub.post(READING), (201, r#"{"stored":1,"duplicate":0}"#.into()));
    assert_eq!(hub.post(READING).0, 200);
    assert_eq!(hub.stop().failed, 0);

    let hub = Serving::start(Some(data));
    let (status, device) = hub.curl("/devices/thermostat-1", &[]);
    assert_eq!(status, 200);
    assert!(device.starts_with(r#"{"device":"thermostat-1","online":true,"last_sequence":17,"#), "{device}");
    hub.stop();
}

#[test]
fn curl_gets_a_response_to_whatever_it_sends() {
    if curl_is_missing() {
        return;
    }
    let hub = Serving::start(None);
    let (status, head) = hub.curl("/devices", &["--head"]);
    assert_eq!(status, 200);
    assert!(head.to_lowercase().contains("\ndate: "), "{head}");
    assert_eq!(hub.curl("/devices", &["--request", "DELETE"]).0, 405);
    assert_eq!(hub.curl("/devices", &["--request", "OPTIONS"]).0, 204);
    let folder = tempfile::tempdir().unwrap();
    let large = large_file(folder.path());
    let upload = format!("@{}", large.display());
    assert_eq!(hub.post(&upload).0, 413);
    let chunked = ["--header", "transfer-encoding: chunked", "--header", "content-type: application/json"];
    let (status, _) = hub.curl("/readings", &[chunked.as_slice(), &["--data-binary", &upload]].concat());
    assert_eq!(status, 413);
    let expecting = ["--header", "expect: 100-continue", "--header", "content-type: application/json"];
    assert_eq!(hub.curl("/readings", &[expecting.as_slice(), &["--data-binary", READING]].concat()).0, 201);
    assert_eq!(hub.stop().cut, 0);
}

fn large_file(folder: &Path) -> PathBuf {
    let path = folder.join("large.json");
    std::fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
    path
}
