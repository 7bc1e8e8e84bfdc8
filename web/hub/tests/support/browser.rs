//! A page in a headless Chromium, spoken to by its debugging protocol.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

/// Whether there is one here.
pub fn is_here() -> bool {
    Command::new("chromium").arg("--version").output().is_ok()
}

/// A browser that shows a page.
#[derive(Debug)]
pub struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    asked: u64,
    /// Errors that it has logged.
    pub complaints: Vec<Value>,
}

/// How long the browser may take for anything, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Asks again and again until there is an answer.
#[allow(clippy::disallowed_methods, reason = "another program is waited for, which says nothing of itself")]
pub fn patiently<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(50));
    }
}

impl Browser {
    /// Opens this URL.
    pub fn open(profile: &Path, url: &str) -> Self {
        let child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg(url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port: u16 = patiently("the browser says where it listens", || {
            let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
            text.lines().next()?.parse().ok()
        });
        let debugged = patiently("the browser has the page", || {
            let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
            connection.write_all(b"GET /json/list HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
            // It keeps the connection all the same.
            connection.set_read_timeout(Some(Duration::from_millis(500))).ok()?;
            let mut answer = Vec::new();
            connection.read_to_end(&mut answer).ok();
            let answer = String::from_utf8(answer).ok()?;
            let pages: Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
            let page =
                pages.as_array()?.iter().find(|page| page["url"].as_str().is_some_and(|at| at.starts_with(url)))?;
            Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
        });
        let connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(debugged, connection).unwrap();
        let mut browser = Self { child, socket, asked: 0, complaints: Vec::new() };
        browser.ask("Log.enable", &json!({}));
        browser
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let question = json!({ "id": self.asked, "method": method, "params": params });
        self.socket.send(Message::text(question.to_string())).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let mut answer: Value = serde_json::from_str(&text).unwrap();
            if answer["method"] == "Log.entryAdded" && answer["params"]["entry"]["level"] == "error" {
                self.complaints.push(answer["params"]["entry"]["text"].take());
            }
            if answer["id"] == self.asked {
                return answer["result"].take();
            }
        }
    }

    /// What an expression of JavaScript comes to.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true });
        self.ask("Runtime.evaluate", &params)["result"]["value"].take()
    }

    /// Waits until this is true.
    pub fn wait_for(&mut self, condition: &str) {
        patiently(condition, || (self.evaluate(condition) == true).then_some(()));
    }

    /// Makes it so wide, and light or dark.
    pub fn look(&mut self, width: u32, scheme: &str) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.ask("Emulation.setDeviceMetricsOverride", &size);
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.ask("Emulation.setEmulatedMedia", &media);
    }

    /// Keeps a picture, where `WAVETANK_SCREENSHOTS` says.
    pub fn keep_picture(&mut self, name: &str) {
        if let Some(folder) = std::env::var_os("WAVETANK_SCREENSHOTS") {
            let answer = self.ask("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
            let picture = STANDARD.decode(answer["data"].as_str().unwrap()).unwrap();
            std::fs::write(Path::new(&folder).join(name).with_extension("png"), picture).unwrap();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
