//! The hub's page: what a person wants to know of the devices, rendered here and kept up to date by server-sent events.

mod condition;
mod steering;

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::rc::Rc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream;
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use sha2::{Digest as _, Sha256};
use wavetank_web::middleware::{CacheControl, SecurityHeaders};
use wavetank_web::{App, Content, Error, IntoResponse, Request, Response, Result, Sse, SseEvent};

use crate::firmware::Update;
use crate::health::{self, Condition};
use crate::{Device, Hub, Shelf, StoreError, StoredReading, updates};
use condition::Health;
use steering::{Firmware, write_rollouts, write_steering};

/// What the page is shown with: path, type, bytes.
const PARTS: [(&str, &str, &[u8]); 3] = [
    ("/page.css", "text/css; charset=utf-8", include_bytes!("page/page.css")),
    ("/page.js", "text/javascript; charset=utf-8", include_bytes!("page/page.js")),
    ("/icon.svg", "image/svg+xml", include_bytes!("page/icon.svg")),
];

/// How many devices are shown: those beyond are in `GET /devices`.
const DEVICES_MAX: usize = 200;
/// How many readings a chart has.
const READINGS_MAX: u64 = 60;
/// How many pages are kept up to date at a time.
const LISTENERS_MAX: usize = 64;
/// What has changed is told no oftener than this,
const PAUSE: Duration = Duration::from_secs(1);
/// and what has not, such as how long ago a device was heard, this often.
const REFRESH: Duration = Duration::from_secs(10);
/// After so long without a word the page takes the hub for gone, and asks again.
const SILENCE: Duration = Duration::from_secs(15);

pub(crate) fn add_to(app: &mut App<Hub>) {
    app.at("/").with(SecurityHeaders::default()).with(CacheControl::no_store()).get(page);
    app.at("/events").get(events);
    steering::add_to(app);
    for (path, media_type, bytes) in PARTS {
        // A version of the program would not do for a tag: a browser must not keep what another build of it came with.
        let tag = URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..12]);
        let part = Rc::new(Content::new(media_type, bytes, format!("\"{tag}\"")));
        app.at(path).with(CacheControl::no_cache()).get(move |request: Request<Hub>| {
            let part = Rc::clone(&part);
            async move { part.respond(&request) }
        });
    }
}

async fn page(request: Request<Hub>) -> Result<Response> {
    show(&request, "")
}

/// The page, with something to say before all else.
fn show(request: &Request<Hub>, notice: &str) -> Result<Response> {
    let overview = render(request.state())?;
    let mut steering = String::new();
    write_steering(&mut steering, request)?;
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Telemetry hub</title>\n\
         <link rel=\"icon\" href=\"icon.svg\">\n\
         <link rel=\"stylesheet\" href=\"page.css\">\n<script src=\"page.js\" defer></script>\n</head>\n<body>\n\
         <header><h1>Telemetry hub</h1><p id=\"state\" role=\"status\" data-silence=\"{}\">\
         As of when the page was loaded</p></header>\n\
         <main>\n{notice}{steering}<p class=\"only\"><input id=\"only\" type=\"checkbox\" autocomplete=\"off\">\
         <label for=\"only\">Only devices that are offline</label></p>\n\
         <div id=\"overview\">\n{overview}</div>\n</main>\n</body>\n</html>\n",
        SILENCE.as_millis()
    );
    let mut response = page.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    Ok(response)
}

async fn events(request: Request<Hub>) -> Result<Sse> {
    let hub = request.state().clone();
    let Some(listener) = hub.listen(LISTENERS_MAX) else {
        return Err(Error::new(StatusCode::SERVICE_UNAVAILABLE)
            .detail("too many pages are kept up to date already")
            .header(RETRY_AFTER, HeaderValue::from_static("30")));
    };
    let events = stream::unfold((listener, true), |(mut listener, at_once)| async move {
        if !at_once {
            listener.rest(PAUSE).await;
            if !listener.changed_within(REFRESH).await {
                return None;
            }
        }
        let event = match render(listener.hub()) {
            Ok(overview) => SseEvent::new(&overview).named("overview"),
            Err(error) => {
                tracing::error!(%error, "the page cannot be rendered");
                return None;
            }
        };
        Some((event, (listener, false)))
    });
    Ok(Sse::new(events))
}

/// What changes of the page.
fn render(hub: &Hub) -> Result<String, StoreError> {
    let (devices, conditions) = (hub.devices()?, health::conditions(hub)?);
    let devices = known(hub, &devices, &conditions);
    let online = devices.values().filter(|known| known.online).count();
    let readings: u64 = devices.values().filter_map(|known| known.device).map(|device| device.count).sum();
    let offline = devices.len() - online;
    let mut html = String::new();
    write!(
        html,
        "<dl class=\"totals\">\n<div><dt>Online</dt><dd>{online}</dd></div>\n<div><dt>Offline</dt><dd>{offline}</dd></div>\n\
         <div><dt>Readings</dt><dd>{}</dd></div>\n</dl>\n",
        Grouped(readings)
    )
    .expect("a string takes all that is written to it");
    // What is done to all comes before the devices, of which there may be many.
    write_rollouts(&mut html, hub)?;
    write_devices(&mut html, hub, &devices)?;
    Ok(html)
}

/// What there is to show of a device.
struct Known<'a> {
    online: bool,
    /// Of one that has sent readings.
    device: Option<&'a Device>,
    /// Of one that has said how it is.
    condition: Option<&'a Condition>,
}

/// All devices that were ever heard, by name.
fn known<'a>(
    hub: &Hub,
    devices: &'a [(Device, bool)],
    conditions: &'a [(String, Condition)],
) -> BTreeMap<&'a str, Known<'a>> {
    let with_readings = devices.iter().map(|(device, online)| {
        let online = *online;
        (device.device.as_str(), Known { online, device: Some(device), condition: None })
    });
    let mut known: BTreeMap<_, _> = with_readings.collect();
    for (name, condition) in conditions {
        let nothing = Known { online: false, device: None, condition: None };
        let known = known.entry(name).or_insert(nothing);
        known.condition = Some(condition);
        // Who sends readings has to be heard as often as those are; who does not, when it said it would be.
        let keeps_its_word = condition.report.every_s > 0 && !hub.is_overdue(condition);
        known.online |= hub.is_within_window(condition.heard_ms) || known.device.is_none() && keeps_its_word;
    }
    known
}

fn write_devices(html: &mut String, hub: &Hub, devices: &BTreeMap<&str, Known<'_>>) -> Result<(), StoreError> {
    let known = devices.len();
    let infallible = "a string takes all that is written to it";
    html.push_str("<h2 id=\"devices\">Devices</h2>\n");
    if devices.is_empty() {
        html.push_str(
            "<p class=\"empty\">No device has reported yet. Readings are posted to <code>/readings</code>.</p>\n",
        );
        return Ok(());
    }
    html.push_str(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-labelledby=\"devices\">\n<table>\n<thead><tr><th scope=\"col\">Device</th>\
         <th scope=\"col\">State</th><th scope=\"col\" class=\"number\">Temperature</th>\
         <th scope=\"col\">Lately</th><th scope=\"col\">Health</th><th scope=\"col\">Firmware</th><th scope=\"col\" class=\"number\">Readings</th>\
         <th scope=\"col\" class=\"number\">Missing</th><th scope=\"col\" class=\"number\">Heard</th></tr></thead>\n<tbody>\n",
    );
    let now_ms = hub.now_ms();
    for (name, known) in devices.iter().take(DEVICES_MAX) {
        let lately = match known.device {
            Some(device) => {
                let from = (device.last_sequence + 1).saturating_sub(READINGS_MAX);
                hub.readings(name, from, usize::try_from(READINGS_MAX).unwrap_or(usize::MAX))?
            }
            None => Vec::new(),
        };
        let update: Option<Update> = updates::read(hub, Shelf::Updates, name)?;
        let firmware = Firmware(update.as_ref());
        write_row(html, (name, known), &lately, &firmware, now_ms).expect(infallible);
    }
    html.push_str("</tbody>\n</table>\n</div>\n");
    if known > DEVICES_MAX {
        writeln!(html, "<p>{} more are not shown.</p>", known - DEVICES_MAX).expect(infallible);
    }
    Ok(())
}

fn write_row(
    html: &mut String,
    (name, known): (&str, &Known<'_>),
    lately: &[StoredReading],
    firmware: &Firmware<'_>,
    now_ms: u64,
) -> fmt::Result {
    let Known { online, device, condition } = *known;
    let (class, health) = if online { ("online", "Online") } else { ("offline", "Offline") };
    let count = device.map_or(0, |device| device.count);
    let missing = device.map_or(0, |device| device.last_sequence.saturating_sub(count));
    let heard_ms = device.map(|device| device.last_heard_ms).max(condition.map(|condition| condition.heard_ms));
    write!(html, "<tr class=\"is-{class}\"><th scope=\"row\">{}</th>", Text(name))?;
    write!(html, "<td><span class=\"health {class}\">{health}</span></td><td class=\"number\">")?;
    match lately.last().and_then(|reading| reading.celsius_milli) {
        Some(celsius_milli) => write!(html, "{}", Celsius(celsius_milli))?,
        None => html.push('–'),
    }
    html.push_str("</td><td>");
    write_chart(html, lately)?;
    write_quantities(html, lately.last())?;
    write!(html, "</td><td class=\"condition\">{}</td><td>{firmware}</td>", Health(condition))?;
    write!(html, "<td class=\"number\">{}</td>", Grouped(count))?;
    let class = if missing > 0 { "number missing" } else { "number" };
    write!(html, "<td class=\"{class}\">{}</td>", Grouped(missing))?;
    writeln!(html, "<td class=\"number\">{}</td></tr>", Ago(now_ms.saturating_sub(heard_ms.unwrap_or(0))))
}

const CHART_WIDTH: i64 = 160;
const CHART_HEIGHT: i64 = 32;

/// What a reading says beside its temperature.
fn write_quantities(html: &mut String, reading: Option<&StoredReading>) -> fmt::Result {
    let Some(reading) = reading.filter(|reading| !reading.quantities.is_empty()) else { return Ok(()) };
    html.push_str("<dl class=\"quantities\">");
    for (name, value) in &reading.quantities {
        write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", Text(&name.replace('_', " ")), Milli(*value))?;
    }
    html.push_str("</dl>");
    Ok(())
}

/// A line of temperatures by their numbers; a gap in the numbers, or a reading without one, is a gap in the line.
fn write_chart(html: &mut String, readings: &[StoredReading]) -> fmt::Result {
    let points = readings.iter().filter_map(|reading| Some((reading.sequence, i64::from(reading.celsius_milli?))));
    let temperatures = points.clone().map(|(_, celsius_milli)| celsius_milli);
    let (Some(low), Some(high)) = (temperatures.clone().min(), temperatures.max()) else {
        return Ok(());
    };
    let (Some((first, _)), Some((last, _))) = (points.clone().next(), points.clone().next_back()) else {
        return Ok(());
    };
    // A flat line is drawn in the middle, and a wobble of a sensor's last digit is not drawn as a mountain range.
    let span = (high - low).max(1_000);
    let base = (low + high - span) / 2;
    let steps = i64::try_from(last - first).unwrap_or(1).max(1);
    write!(
        html,
        "<svg viewBox=\"0 0 {CHART_WIDTH} {CHART_HEIGHT}\" width=\"{CHART_WIDTH}\" height=\"{CHART_HEIGHT}\" role=\"img\" \
         aria-label=\"{} readings between {} and {}\"><path d=\"",
        points.clone().count(),
        Celsius(i32::try_from(low).unwrap_or_default()),
        Celsius(i32::try_from(high).unwrap_or_default()),
    )?;
    let (mut before, mut end) = (None, (0, 0));
    for (sequence, celsius_milli) in points {
        let number = i64::try_from(sequence - first).unwrap_or_default();
        let x = 3 + number * (CHART_WIDTH - 6) / steps;
        let above = celsius_milli - base;
        let y = CHART_HEIGHT - 3 - above * (CHART_HEIGHT - 6) / span;
        let follows = before.is_some_and(|before: u64| before + 1 == sequence);
        write!(html, "{}{x} {y}", if follows { 'L' } else { 'M' })?;
        (before, end) = (Some(sequence), (x, y));
    }
    write!(html, "\"/><circle cx=\"{}\" cy=\"{}\" r=\"2.5\"/></svg>", end.0, end.1)
}

/// Text in HTML.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            other => f.write_char(other),
        })
    }
}

/// Thousandths of a degree, to a tenth.
struct Celsius(i32);

impl fmt::Display for Celsius {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (i64::from(self.0) + if self.0 < 0 { -50 } else { 50 }) / 100;
        let sign = if tenths < 0 { "−" } else { "" };
        write!(f, "{sign}{}.{} °C", tenths.abs() / 10, tenths.abs() % 10)
    }
}

/// Thousandths of something, to a tenth.
struct Milli(i64);

impl fmt::Display for Milli {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0.unsigned_abs() + 50) / 100;
        let sign = if self.0 < 0 && tenths > 0 { "−" } else { "" };
        write!(f, "{sign}{}.{}", Grouped(tenths / 10), tenths % 10)
    }
}

/// A number that can be read: 1,234,567.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        digits.bytes().enumerate().try_for_each(|(index, digit)| {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_char(',')?;
            }
            f.write_char(char::from(digit))
        })
    }
}

/// How long ago, to what a person wants to know.
struct Ago(u64);

impl fmt::Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 / 1_000 {
            0 => f.write_str("just now"),
            _ => write!(f, "{} ago", Span(self.0)),
        }
    }
}

/// How long, likewise.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 / 1_000 {
            seconds @ 0..60 => write!(f, "{seconds} s"),
            seconds @ 60..3_600 => write!(f, "{} min", seconds / 60),
            seconds @ 3_600..86_400 => write!(f, "{} h", seconds / 3_600),
            seconds => write!(f, "{} d", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ago, Celsius, Grouped, Milli, Text, write_chart, write_quantities};
    use crate::{Quantities, StoredReading};

    fn reading(sequence: u64, celsius_milli: Option<i32>) -> StoredReading {
        StoredReading { sequence, celsius_milli, quantities: Quantities::new(), at_ms: 0, received_ms: 0 }
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(|n| Grouped(n).to_string()), ["0", "999", "1,000", "1,234,567"]);
        let degrees = [21_375, -49, -50, 0, -40_000].map(|milli| Celsius(milli).to_string());
        assert_eq!(degrees, ["21.4 °C", "0.0 °C", "−0.1 °C", "0.0 °C", "−40.0 °C"]);
        let ago = [0, 59_999, 60_000, 7_200_000, 172_800_000].map(|ms| Ago(ms).to_string());
        assert_eq!(ago, ["just now", "59 s ago", "1 min ago", "2 h ago", "2 d ago"]);
        assert_eq!(Text("<a href=\"x\">&").to_string(), "&lt;a href=&quot;x&quot;&gt;&amp;");
    }

    #[test]
    fn a_chart_has_gaps_where_readings_are_missing() {
        let reading = |sequence, celsius_milli| reading(sequence, Some(celsius_milli));
        let mut html = String::new();
        write_chart(&mut html, &[reading(5, 20_000), reading(6, 21_000), reading(9, 22_000)]).expect("a string");
        assert!(html.contains("d=\"M3 29L41 16M157 3\""), "{html}");
        assert!(html.contains("3 readings between 20.0 °C and 22.0 °C"), "{html}");
        let mut empty = String::new();
        write_chart(&mut empty, &[]).expect("a string");
        assert_eq!(empty, "");
    }

    #[test]
    fn a_device_without_a_temperature_has_no_chart_but_its_quantities() {
        let mut html = String::new();
        let mut weather = reading(7, None);
        write_chart(&mut html, std::slice::from_ref(&weather)).expect("a string");
        write_quantities(&mut html, Some(&weather)).expect("a string");
        assert_eq!(html, "");
        weather.quantities = [("air_pressure_pascal".to_owned(), 101_325_040), ("lean_g".to_owned(), -960)].into();
        write_quantities(&mut html, Some(&weather)).expect("a string");
        let rows = "<div><dt>air pressure pascal</dt><dd>101,325.0</dd></div><div><dt>lean g</dt><dd>−1.0</dd></div>";
        assert_eq!(html, format!("<dl class=\"quantities\">{rows}</dl>"));
        assert_eq!([0, -49, 50, -50].map(|milli| Milli(milli).to_string()), ["0.0", "0.0", "0.1", "−0.1"]);
    }
}
