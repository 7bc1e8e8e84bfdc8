//! The hub's page in a real browser, headless Chromium. Where there is none, this test says so and passes.
//!
//! `WAVETANK_SCREENSHOTS=FOLDER` keeps pictures of it: light, dark, and on a narrow screen.
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

#[path = "support/browser.rs"]
mod browser;

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use browser::Browser;
use serde_json::{Value, json};
use wavetank_hub::{Config, Secret, Security, Sockets, serve_tokio};

const TOKEN: &str = "a token that nobody guesses";

/// Sends a request, and returns what comes back.
fn ask(address: SocketAddr, head: &str, body: &str) -> String {
    let mut connection = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        connection,
        "{head} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\nauthorization: Bearer {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 2"), "{head}: {answer}");
    answer
}

/// So many devices are shown.
const DEVICES: u32 = 200;

/// A hub with many devices: one whose readings have a gap, one that failed to update.
fn fill(address: SocketAddr) {
    for device in 1..=6_u32 {
        let readings: Vec<String> = (1..=40_u32)
            .filter(|sequence| device != 3 || !(12..=17).contains(sequence))
            .map(|sequence| {
                let celsius_milli = 20_000 + device * 500 + (sequence * device * 37) % 1_900;
                format!(
                    r#"{{"device":"thermostat-{device}","sequence":{sequence},"celsius_milli":{celsius_milli},"at_ms":1}}"#
                )
            })
            .collect();
        ask(address, "POST /readings", &format!("[{}]", readings.join(",")));
    }
    let others: Vec<String> = (7..=DEVICES)
        .map(|device| {
            let measured = match device % 3 {
                0 => r#""quantities":{"air_pressure_pascal":101325040,"relative_humidity_percent":41000,"wind_metre_per_second":7000}"#,
                _ => r#""celsius_milli":21000"#,
            };
            format!(r#"{{"device":"weather-station-{device:03}","sequence":1,{measured},"at_ms":1}}"#)
        })
        .collect();
    ask(address, "POST /readings", &format!("[{}]", others.join(",")));
    ask(address, "PUT /firmware/thermostat/1.4.0", "an image");
    ask(address, "PUT /rollouts/thermostat", r#"{"version":"1.4.0","permille":500}"#);
    for (device, state) in [(1, "installed"), (2, "installed"), (4, "downloading"), (5, "failed")] {
        let body = format!(r#"{{"firmware":"thermostat","version":"1.4.0","state":"{state}"}}"#);
        ask(address, &format!("POST /devices/thermostat-{device}/update"), &body);
    }
    let well = r#"{"life":1,"cause":"power-on","up_ms":7200000,"every_s":3600,"version":"1.4.0","battery_mv":2905}"#;
    let ailing = r#"{"life":3,"cause":"brown-out","up_ms":90000,"every_s":3600,"version":"1.3.2","battery_mv":2410,
        "cut_off":true,"waiting":40,"lost":1234,"sensor_errors":17,"flash_errors":1,"link_failures":5,
        "network":{"retransmissions":31,"timeouts":2}}"#;
    for (device, report) in
        [("thermostat-1", well), ("thermostat-2", well), ("thermostat-5", well), ("thermostat-5", ailing)]
    {
        ask(address, &format!("POST /devices/{device}/health"), report);
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the hub runs on a thread while the browser looks at it")]
fn the_page_is_live_in_a_browser() {
    if !browser::is_here() {
        println!("there is no chromium here: nothing was tested");
        return;
    }
    let (tell, told) = mpsc::channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let security = Security { admin_token: Some(Secret::new(TOKEN)), ..Security::default() };
        let config = Config { security, ..Config::default() };
        let stopped = async { stopped.await.unwrap_or_default() };
        let bound = move |place: &str| tell.send(place.strip_prefix("http://").unwrap().parse().unwrap()).unwrap();
        let sockets = Sockets::at("127.0.0.1:0".parse().unwrap());
        runtime.block_on(serve_tokio(&sockets, None, config, bound, stopped)).unwrap()
    });
    let address = told.recv().unwrap();
    fill(address);
    let profile = tempfile::tempdir().unwrap();
    let cable = Cable::to(address);
    let mut browser = Browser::open(profile.path(), &format!("http://{}/", cable.address));
    browser.wait_for("document.getElementById('state').textContent === 'Live'");
    assert_eq!(browser.evaluate("document.querySelectorAll('tbody tr').length"), DEVICES);
    assert_eq!(
        browser.evaluate("document.querySelectorAll('tbody svg path').length"),
        6 + (7..=DEVICES).filter(|n| n % 3 > 0).count()
    );
    // The keyboard stays where it is while the table is replaced under it.
    browser.evaluate("document.querySelector('.scroll').focus()");
    assert_eq!(browser.evaluate("document.querySelector('progress').value"), 2);
    // What is posted while the page is open comes to be shown.
    ask(address, "POST /readings", r#"{"device":"visitor","sequence":1,"celsius_milli":-40000,"at_ms":1}"#);
    browser.wait_for("document.querySelector('dd').textContent === '201'");
    assert_eq!(browser.evaluate("document.activeElement.className"), "scroll");
    // Nor does only who measures something come to be seen.
    ask(address, "POST /devices/lamp/health", r#"{"life":1,"cause":"power-on","up_ms":1,"every_s":60}"#);
    let lamp = "[...document.querySelectorAll('tbody tr')].find((row) => row.cells[0].textContent === 'lamp')";
    browser.wait_for(&format!("{lamp}?.textContent.includes('nothing wrong')"));
    assert_eq!(browser.evaluate(&format!("{lamp}.className")), "is-online");
    let ails = "[...document.querySelectorAll('.ails .missing')].map((ail) => ail.textContent)";
    let expected = json!(["cut off from its server", "1,234 losses", "17 sensor errors", "1 flash error"]);
    assert_eq!(browser.evaluate(ails), expected);
    browser.evaluate("document.getElementById('only').click()");
    assert_eq!(
        browser.evaluate("[...document.querySelectorAll('tbody tr')].filter((row) => row.offsetHeight > 0).length"),
        0
    );
    browser.evaluate("document.getElementById('only').click()");
    assert_eq!(browser.evaluate(OUTLINE), json!([]), "the page can be read by its headings and labels");
    // Nothing scrolls sideways but the table, and that on narrow screens alone.
    for (name, width, scheme) in
        [("light", 1400, "light"), ("dark", 1400, "dark"), ("narrow", 375, "light"), ("narrow-dark", 375, "dark")]
    {
        browser.look(width, scheme);
        assert_eq!(browser.evaluate(FAINT), json!([]), "{name}");
        if width == 1400 {
            let hidden =
                "document.querySelector('.scroll').scrollWidth - document.querySelector('.scroll').clientWidth";
            assert_eq!(browser.evaluate(hidden), 0, "{name}: the table is shown whole");
        }
        let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(overflow), 0, "{name}");
        browser.keep_picture(name);
    }
    assert_eq!(browser.complaints, Vec::<Value>::new(), "the browser finds nothing wrong with the page");
    // Who is cut off sees so, though nobody closes a connection, and who is not any more sees that.
    cable.is_cut.store(true, Relaxed);
    browser.evaluate("state.dataset.silence = 100");
    browser.wait_for("state.textContent === 'Not live: the hub does not answer'");
    ask(address, "POST /readings", r#"{"device":"another","sequence":1,"celsius_milli":20000,"at_ms":1}"#);
    cable.is_cut.store(false, Relaxed);
    browser.evaluate("state.dataset.silence = 15000");
    browser.wait_for("state.textContent === 'Live' && document.querySelector('dd').textContent === '203'");
    // Logging in by the form, as a person does, at the second go.
    browser.evaluate("document.querySelector('summary').click(); token.value = 'wrong'; token.form.submit()");
    browser.wait_for("document.querySelector('[role=alert]')?.textContent.startsWith('That is not the token')");
    let log_in = format!("document.querySelector('summary').click(); token.value = '{TOKEN}'; token.form.submit()");
    browser.evaluate(&log_in);
    browser.wait_for("document.body.textContent.includes('Log out')");
    browser.look(1100, "light");
    browser.keep_picture("steering");
    browser.evaluate("percent.value = 75; percent.form.submit()");
    browser.wait_for("document.querySelector('.rollouts')?.textContent.includes('to 75 % of the devices')");
    try_the_description(&mut browser);
    drop(browser);
    stop.send(()).unwrap();
    serving.join().unwrap();
}

/// What lies between the browser and the hub. While it is cut, nothing passes, and nobody is told.
struct Cable {
    address: SocketAddr,
    is_cut: Arc<AtomicBool>,
}

impl Cable {
    #[allow(clippy::disallowed_methods, reason = "bytes are carried by threads while the browser looks at the page")]
    fn to(hub: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, is_cut) = (listener.local_addr().unwrap(), Arc::new(AtomicBool::new(false)));
        let cut = Arc::clone(&is_cut);
        thread::spawn(move || {
            for near in listener.incoming() {
                let (near, far) = (near.unwrap(), TcpStream::connect(hub).unwrap());
                for (from, to) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                    let cut = Arc::clone(&cut);
                    thread::spawn(move || carry(from, to, &cut));
                }
            }
        });
        Self { address, is_cut }
    }
}

/// Until either is closed, or the cable is cut: then what passed by it does not pass again.
fn carry(mut from: TcpStream, mut to: TcpStream, is_cut: &AtomicBool) {
    from.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut piece = [0; 16 * 1024];
    while !is_cut.load(Relaxed) {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(count) if to.write_all(&piece[..count]).is_ok() => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            _ => break,
        }
    }
    if is_cut.load(Relaxed) {
        // Both ends stay open, for as long as the test.
        std::mem::forget((from, to));
        return;
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// What of a page cannot be found by its headings (each at most one deeper than the one before), labels and names.
const OUTLINE: &str = r#"(() => {
  const wrong = [];
  let level = 0;
  for (const heading of document.querySelectorAll("h1,h2,h3,h4")) {
    const own = Number(heading.tagName[1]);
    if (own > level + 1) wrong.push(heading.textContent);
    level = own;
  }
  if (document.querySelectorAll("h1").length !== 1) wrong.push("h1");
  for (const field of document.querySelectorAll("input,select,textarea"))
    if (!field.labels.length && !field.ariaLabel) wrong.push(field.id);
  for (const region of document.querySelectorAll("[aria-labelledby]"))
    if (!document.getElementById(region.getAttribute("aria-labelledby"))) wrong.push(region.className);
  for (const drawing of document.querySelectorAll("svg,progress")) if (!drawing.ariaLabel) wrong.push(drawing.tagName);
  for (const cell of document.querySelectorAll("th")) if (!cell.scope) wrong.push(cell.textContent);
  return wrong;
})()"#;

/// Words that are fainter against what is behind them than 4.5 to 1 (WCAG 2.2, 1.4.3).
const FAINT: &str = r#"(() => {
  const numbers = (color) => color.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [.2126, .7152, .0722][at], 0);
  const behind = (element) => {
    const [r, g, b, alpha = 1] = numbers(getComputedStyle(element).backgroundColor);
    return alpha > 0 || !element.parentElement ? [r, g, b] : behind(element.parentElement);
  };
  const words = [...document.querySelectorAll("body *")].filter((element) =>
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()) && element.offsetHeight > 0);
  if (words.length < 100) return ["there is nothing to read"];
  return [...new Set(words.flatMap((element) => {
    const [dark, bright] = [light(numbers(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => a - b);
    const ratio = (bright + .05) / (dark + .05);
    return ratio < 4.5 ? [`${element.tagName}.${element.className}: ${ratio.toFixed(2)}`] : [];
  }))];
})()"#;

/// The page that describes the hub: all is shown, and what is asked from it is answered.
fn try_the_description(browser: &mut Browser) {
    browser.evaluate("location.href = '/docs'");
    browser.wait_for("document.querySelectorAll('main > details').length > 8");
    assert_eq!(browser.evaluate("document.title"), "Telemetry hub");
    browser.evaluate("document.getElementById('listDevices').open = true");
    browser.evaluate("document.querySelector('#listDevices form').requestSubmit()");
    browser.wait_for("document.querySelector('#listDevices .answer h2')?.textContent.startsWith('200')");
    assert_eq!(
        browser.evaluate("document.querySelector('#listDevices .answer pre').textContent.includes('visitor')"),
        true
    );
    browser.evaluate("document.getElementById('listReadings').open = true");
    browser.evaluate("document.querySelector('#listReadings [name=\"path id\"]').value = 'visitor'");
    browser.evaluate("document.querySelector('#listReadings [name=\"query from\"]').value = '1'");
    browser.evaluate("document.querySelector('#listReadings form').requestSubmit()");
    browser.wait_for("document.querySelector('#listReadings .answer pre')?.textContent.includes('-40000')");
    browser.evaluate("document.getElementById('postReadings').open = true");
    browser.evaluate("document.querySelector('#postReadings form').requestSubmit()");
    browser.wait_for("document.querySelector('#postReadings .answer h2')?.textContent.startsWith('422')");
    for (name, width, scheme) in
        [("docs-light", 1100, "light"), ("docs-dark", 1100, "dark"), ("docs-narrow", 390, "light")]
    {
        browser.look(width, scheme);
        let overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
        assert_eq!(browser.evaluate(overflow), 0, "{name}");
        browser.keep_picture(name);
    }
}
