//! What the hub answers, and what it tells meanwhile.
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use support::server::{Clock, START, Server};
use support::{Asked, reading};
use wavetank_hub::{Config, Device, Hub, Reading, RecordError, Recorded, RedbStore, Store, StoreError, StoredReading};

fn hub() -> Asked {
    Asked::of(RedbStore::in_memory().unwrap(), &Clock::new(), Config::default())
}

#[test]
fn a_reading_is_stored_once_however_often_it_is_posted() {
    let hub = hub();
    assert_eq!(hub.witness.told(), ["known 0", "online 0"]);
    let answer = hub.post(&reading("thermostat-1", 17));
    assert_eq!((answer.status, answer.location.as_str()), (201, "/devices/thermostat-1/readings/17"));
    assert_eq!(answer.body, json!({ "stored": 1, "duplicate": 0 }));
    assert_eq!(hub.witness.told(), ["stored thermostat-1 17", "known 1", "online 1"]);

    let answer = hub.post(&reading("thermostat-1", 17));
    assert_eq!((answer.status, answer.body), (200, json!({ "stored": 0, "duplicate": 1 })));
    assert_eq!(hub.witness.told(), ["duplicate thermostat-1 17"]);

    let mut other = reading("thermostat-1", 17);
    other["celsius_milli"] = json!(0);
    let answer = hub.post(&other);
    assert_eq!(answer.status, 409);
    assert_eq!(answer.body["detail"], "reading 17 of `thermostat-1` is already stored with other content");
    assert!(hub.witness.told().is_empty());

    let stored = hub.get("/devices/thermostat-1/readings/17").body;
    let received_ms = START.as_secs() * 1_000;
    let expected = json!({ "sequence": 17, "celsius_milli": 21_375, "at_ms": 17_000, "received_ms": received_ms });
    assert_eq!(stored, expected);
    assert_eq!(hub.get("/devices/thermostat-1").body["count"], 1);
}

#[test]
fn a_batch_is_stored_as_a_whole_or_not_at_all() {
    let hub = hub();
    let answer = hub.post(&json!([reading("a", 1), reading("b", 1), reading("a", 2), reading("a", 1)]));
    assert_eq!((answer.status, answer.body), (201, json!({ "stored": 3, "duplicate": 1 })));
    assert_eq!(hub.post(&json!([reading("a", 1), reading("b", 1)])).status, 200);
    hub.witness.told();

    let mut taken = reading("b", 1);
    taken["at_ms"] = json!(5);
    let answer = hub.post(&json!([reading("c", 1), reading("a", 3), taken]));
    assert_eq!((answer.status, &answer.body["index"]), (409, &json!(2)));
    let answer = hub.post(&json!([reading("c", 1), reading("c", 0)]));
    assert_eq!((answer.status, &answer.body["index"]), (422, &json!(1)));
    assert_eq!(hub.get("/devices/c").status, 404);
    assert_eq!(hub.get("/devices/a").body["last_sequence"], 2);
    assert!(hub.witness.told().is_empty());

    assert_eq!(hub.post(&json!([])).status, 422);
    let too_many: Vec<Value> = (1..=1_001).map(|sequence| reading("a", sequence)).collect();
    assert_eq!(hub.post(&json!(too_many)).status, 422);
}

#[test]
fn what_is_not_a_reading_is_refused_with_the_reason() {
    let hub = hub();
    let post = |content_type: &str, body: &str| {
        let request = http::Request::post("/readings").header("content-type", content_type);
        let answer = hub.ask(request.body(body.to_owned()).unwrap());
        (answer.status, answer.body["detail"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(post("text/plain", "{}").0, 415);
    assert_eq!(post("application/json", "{").0, 400);
    assert_eq!(post("application/json", "").0, 400);
    assert_eq!(post("application/json", &" ".repeat(1024 * 1024 + 1)).0, 413);
    let (status, detail) = post("application/json", r#"{"device":"a","sequence":1}"#);
    assert_eq!(status, 422);
    assert!(detail.contains("missing field `at_ms`"), "{detail}");
    let (status, detail) = post("application/json", r#"{"device":"a","sequence":1,"at_ms":1}"#);
    assert_eq!((status, &*detail), (422, "a reading has `celsius_milli`, or `quantities`, or both"));
    let (status, detail) = post("application/json", "7");
    assert_eq!(status, 422);
    assert!(detail.contains("a reading or an array of readings"), "{detail}");
    assert_eq!(hub.post(&reading("no/name", 1)).status, 422);
    let mut cold = reading("a", 1);
    cold["celsius_milli"] = json!(-273_151);
    let answer = hub.post(&cold);
    assert_eq!((answer.status, &answer.body["detail"]), (422, &json!("`celsius_milli` must be in -273150..=1000000")));
    assert_eq!(hub.get("/devices").body, json!({ "devices": [] }));
}

#[test]
fn a_reading_can_have_several_quantities_with_or_without_a_temperature() {
    let hub = hub();
    let weather = json!({
        "device": "station", "sequence": 1, "at_ms": 5,
        "quantities": { "air_pressure_pascal": 101_325_000, "humidity_percent": 45_210 },
    });
    let both =
        json!({ "device": "station", "sequence": 2, "celsius_milli": 21_375, "at_ms": 6, "quantities": { "x": -1 } });
    assert_eq!(hub.post(&json!([weather, reading("thermostat-1", 1), both])).status, 201);
    assert_eq!(hub.post(&weather).status, 200, "it was stored, as it is");
    for (name, value) in [("humidity_percent", 45_211), ("y", 0)] {
        let mut other = weather.clone();
        other["quantities"][name] = json!(value);
        assert_eq!(hub.post(&other).status, 409, "{name}");
    }
    assert_eq!(hub.post(&reading("station", 2)).status, 409, "a temperature alone is something else");
    let mut first = hub.get("/devices/station/readings/1").body;
    let received_ms = first["received_ms"].take();
    assert!(received_ms.is_u64());
    let quantities = &weather["quantities"];
    assert_eq!(first, json!({ "sequence": 1, "quantities": quantities, "at_ms": 5, "received_ms": null }));
    let page = hub.get("/devices/station/readings").body;
    assert_eq!(
        (&page["readings"][0]["quantities"], &page["readings"][1]["quantities"]),
        (quantities, &json!({ "x": -1 }))
    );
    let plain = hub.get("/devices/thermostat-1/readings/1").body;
    assert_eq!(plain.get("quantities"), None);
    assert_eq!(plain["celsius_milli"], 21_375);
    let html = hub.text_of("/");
    assert!(html.contains("<dt>x</dt><dd>0.0</dd>"), "{html}");
}

#[test]
fn readings_are_paged_by_sequence() {
    let hub = hub();
    let batch: Vec<Value> = [1, 2, 3, 5, 8, 13].map(|sequence| reading("a", sequence)).into();
    hub.post(&json!(batch));
    hub.post(&reading("a.b", 4));
    let page = |query: &str| {
        let Value::Object(page) = hub.get(&format!("/devices/a/readings{query}")).body else { panic!("no page") };
        let sequences =
            page["readings"].as_array().unwrap().iter().map(|reading| reading["sequence"].as_u64().unwrap());
        (sequences.collect::<Vec<_>>(), page["next"].as_u64())
    };
    assert_eq!(page(""), (vec![1, 2, 3, 5, 8, 13], None));
    assert_eq!(page("?limit=2"), (vec![1, 2], Some(3)));
    assert_eq!(page("?limit=2&from=3"), (vec![3, 5], Some(8)));
    assert_eq!(page("?limit=2&from=8"), (vec![8, 13], None));
    assert_eq!(page("?from=14"), (vec![], None));
    for wrong in ["?limit=0", "?limit=1001", "?limit=x", "?from=-1"] {
        assert_eq!(hub.get(&format!("/devices/a/readings{wrong}")).status, 400, "{wrong}");
    }
    assert_eq!(hub.get("/devices/none/readings").status, 404);
    assert_eq!(hub.get("/devices/a/readings/4").status, 404);
    assert_eq!(hub.get("/devices/a/readings/x").status, 400);
    assert_eq!(hub.get("/health").status, 200);
}

#[test]
fn devices_go_offline_when_they_fall_silent() {
    let clock = Clock::new();
    let config = Config { online_window: Duration::from_secs(30), ..Config::default() };
    let asked = Asked::of(RedbStore::in_memory().unwrap(), &clock, config);
    asked.witness.told();
    let (hub, runtime) = (asked.hub.clone(), clock.clone());
    let serving = async move |network, stop| hub.serve(network, runtime, stop).await;
    let mut server = Server::run(clock, serving);
    let online = || {
        let devices = asked.get("/devices").body["devices"].clone();
        let online = |device: &Value| device["online"].as_bool().unwrap().then(|| device["device"].to_string());
        devices.as_array().unwrap().iter().filter_map(online).collect::<Vec<_>>().join(" ")
    };

    let client = server.connect();
    let body = reading("a", 1).to_string();
    let post = format!(
        "POST /readings HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(server.ask(&client, post).starts_with("HTTP/1.1 201 Created\r\n"));
    server.pass(Duration::from_secs(20));
    asked.post(&reading("b", 1));
    assert_eq!(asked.witness.told(), ["stored a 1", "known 1", "online 1", "stored b 1", "known 2", "online 2"]);
    server.pass(Duration::from_secs(10));
    assert_eq!(online(), r#""a" "b""#);
    server.pass(Duration::from_millis(1));
    assert_eq!((online().as_str(), asked.witness.told()), (r#""b""#, vec!["online 1".to_owned()]));
    asked.post(&reading("a", 1));
    assert_eq!(asked.witness.told(), ["duplicate a 1", "online 2"]);
    assert_eq!(asked.get("/devices/a").body["last_heard_ms"], START.as_secs() * 1_000 + 30_001);
    server.pass(Duration::from_secs(100));
    assert_eq!((online().as_str(), asked.witness.told()), ("", vec!["online 1".into(), "online 0".into()]));
    asked.post(&reading("b", 2));
    server.pass(Duration::from_secs(31));
    assert_eq!(asked.witness.told(), ["stored b 2", "online 1", "online 0"]);
    server.stop();
    assert!(server.served().is_some());
    assert_eq!(server.clock.sleeping(), 0);
}

/// A hub's store with idempotency taken out: it appends whatever comes.
#[derive(Clone, Default)]
struct Appending {
    rows: Rc<RefCell<Vec<Reading>>>,
}

impl Store for Appending {
    fn record(&self, batch: &[Reading], _: u64) -> Result<Vec<Recorded>, RecordError> {
        self.rows.borrow_mut().extend_from_slice(batch);
        Ok(vec![Recorded::Stored; batch.len()])
    }

    fn devices(&self) -> Result<Vec<Device>, StoreError> {
        Ok(Vec::new())
    }

    fn device(&self, _: &str) -> Result<Option<Device>, StoreError> {
        Ok(None)
    }

    fn reading(&self, _: &str, _: u64) -> Result<Option<StoredReading>, StoreError> {
        Ok(None)
    }

    fn readings(&self, _: &str, _: u64, _: usize) -> Result<Vec<StoredReading>, StoreError> {
        Ok(Vec::new())
    }
}

#[test]
fn the_witness_sees_when_idempotency_is_taken_out() {
    let store = Appending::default();
    let hub = Asked::of(store.clone(), &Clock::new(), Config::default());
    hub.witness.told();
    hub.post(&reading("a", 1));
    assert_eq!(hub.post(&reading("a", 1)).status, 201);
    assert_eq!(hub.witness.told(), ["stored a 1", "known 1", "online 1", "stored a 1"]);
    assert_eq!(store.rows.borrow().len(), 2);
}

/// A store that is broken.
struct Broken;

impl Store for Broken {
    fn record(&self, _: &[Reading], _: u64) -> Result<Vec<Recorded>, RecordError> {
        Err(StoreError::new("secret").into())
    }

    fn devices(&self) -> Result<Vec<Device>, StoreError> {
        Ok(Vec::new())
    }

    fn device(&self, _: &str) -> Result<Option<Device>, StoreError> {
        Err(StoreError::new("secret"))
    }

    fn reading(&self, _: &str, _: u64) -> Result<Option<StoredReading>, StoreError> {
        Err(StoreError::new("secret"))
    }

    fn readings(&self, _: &str, _: u64, _: usize) -> Result<Vec<StoredReading>, StoreError> {
        Err(StoreError::new("secret"))
    }
}

#[test]
fn a_broken_store_is_a_500_that_says_nothing_of_it() {
    let hub = Asked::of(Broken, &Clock::new(), Config::default());
    hub.witness.told();
    for answer in [hub.post(&reading("a", 1)), hub.get("/devices/a"), hub.get("/devices/a/readings")] {
        assert_eq!(answer.body, json!({ "status": 500, "title": "Internal Server Error" }));
    }
    assert!(hub.witness.told().is_empty());
}

#[test]
fn the_page_shows_the_devices_and_is_kept_up_to_date() {
    let clock = Clock::new();
    let hub = Hub::new(RedbStore::in_memory().unwrap(), &clock, (), Config::default()).unwrap();
    let (serving, runtime) = (hub.clone(), clock.clone());
    let mut server =
        Server::run(clock, move |network, stop| async move { serving.serve(network, runtime, stop).await });
    let (device, page) = (server.connect(), server.connect());
    let shown = server.ask(&page, "GET / HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert!(shown.contains("content-type: text/html") && shown.contains("No device has reported yet"), "{shown}");
    assert!(shown.contains("content-security-policy: default-src 'self'"), "{shown}");
    let first = server.ask(&page, "GET /events HTTP/1.1\r\nhost: hub\r\n\r\n");
    assert!(first.contains("text/event-stream") && first.contains("No device has reported yet"), "{first}");

    let body = json!([reading("thermostat-1", 1), reading("thermostat-1", 2), reading("thermostat-1", 4)]).to_string();
    let length = body.len();
    let head = "POST /readings HTTP/1.1\r\nhost: hub\r\ncontent-type: application/json\r\n";
    server.ask(&device, format!("{head}content-length: {length}\r\n\r\n{body}"));
    server.pass(Duration::from_secs(1));
    let event = page.received();
    assert!(event.contains("event: overview"), "{event}");
    assert!(event.contains("<th scope=\"row\">thermostat-1</th>") && event.contains("21.4 °C"), "{event}");
    assert!(event.contains("class=\"number missing\">1<") && event.contains("1 s ago"), "{event}");
    server.pass(Duration::from_secs(5));
    assert_eq!(page.received(), "", "nothing has changed");
    server.pass(Duration::from_secs(6));
    assert!(page.received().contains("12 s ago"), "but time has passed");
    server.pass(Duration::from_secs(60));
    assert!(page.received().contains("health offline"));

    server.stop();
    assert!(page.is_closed(), "a page that is open does not keep the hub from stopping");
    assert_eq!(server.served().unwrap().cut, 0);
}

#[test]
fn the_hub_describes_itself() {
    let hub = hub();
    let document = hub.get("/docs/openapi.json").body;
    assert_eq!(document["openapi"], "3.1.0");
    let mut names = Vec::new();
    for methods in document["paths"].as_object().unwrap().values() {
        for operation in methods.as_object().unwrap().values() {
            names.push(operation["operationId"].as_str().unwrap().to_owned());
            assert!(!operation["summary"].as_str().unwrap().is_empty());
        }
    }
    names.sort_unstable();
    assert!(names.len() > 8 && names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    let text = document.to_string();
    for (_, reference) in text.match_indices("#/components/schemas/").map(|(at, _)| ((), &text[at..])) {
        let name = reference["#/components/schemas/".len()..].split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    assert_eq!(document["components"]["schemas"]["Posted"]["anyOf"][1]["type"], "array");
    // All that is no page is there.
    let mut described = 0;
    for (method, path) in hub.routes() {
        let is_page =
            ["/", "/events", "/page.css", "/page.js", "/icon.svg", "/login", "/logout", "/steer"].contains(&&*path);
        if is_page || path.starts_with("/docs") {
            continue;
        }
        let named = |segment: &str| segment.strip_prefix(':').map_or(segment.to_owned(), |name| format!("{{{name}}}"));
        let template = path.split('/').map(named).collect::<Vec<_>>().join("/");
        assert!(document["paths"][&template][&method].is_object(), "{method} {template} is not described");
        described += 1;
    }
    assert_eq!(described, names.len());
    let image = &document["paths"]["/firmware/{name}/{version}"];
    assert!(image["put"]["requestBody"]["content"]["application/octet-stream"].is_object());
    assert!(image["get"]["responses"]["206"]["content"]["application/octet-stream"].is_object());
    let manifest = &document["paths"]["/firmware/{name}/{version}/manifest"]["get"]["responses"]["200"]["content"];
    assert!(manifest["text/plain"].is_object() && manifest["application/json"].is_object());
}

fn tell_health(hub: &Asked, device: &str, body: &str) -> u16 {
    let request = http::Request::post(format!("/devices/{device}/health")).header("content-type", "application/json");
    hub.ask(request.body(body.to_owned()).unwrap()).status
}

#[test]
fn of_each_device_the_newest_word_of_its_health_is_kept_and_its_restarts_are_counted() {
    let clock = Clock::new();
    let hub = Asked::of(RedbStore::in_memory().unwrap(), &clock, Config::default());
    assert_eq!(hub.get("/devices/lamp/health").status, 404);
    assert_eq!(hub.get("/health/devices").body, json!({ "devices": [] }));
    hub.witness.told();

    let first = r#"{"life":7,"cause":"power-on","up_ms":500,"every_s":60,"version":"1.2.0","mood":"good"}"#;
    assert_eq!(tell_health(&hub, "lamp", first), 204);
    clock.advance(Duration::from_secs(10));
    assert_eq!(tell_health(&hub, "lamp", r#"{"life":7,"cause":"power-on","up_ms":10503,"sensor_errors":3}"#), 204);
    assert_eq!(tell_health(&hub, "lamp", r#"{"life":8,"cause":"brown-out","up_ms":20,"every_s":60}"#), 204);
    assert_eq!(tell_health(&hub, "door", r#"{"life":1,"cause":"wake","up_ms":1}"#), 204);
    assert_eq!(hub.witness.told(), ["reported lamp 0", "reported lamp 0", "reported lamp 1", "reported door 0"]);

    let heard_ms = START.as_secs() * 1_000 + 10_000;
    let lamp = json!({
        "device": "lamp", "heard_ms": heard_ms, "overdue": false, "restarts": { "brown-out": 1 }, "clock_ahead_ms": 0,
        "report": { "life": 8, "cause": "brown-out", "up_ms": 20, "every_s": 60 },
    });
    assert_eq!(hub.get("/devices/lamp/health").body, lamp);
    let all = hub.get("/health/devices").body;
    assert_eq!((&all["devices"][0]["device"], &all["devices"][1]), (&json!("door"), &lamp));
    clock.advance(Duration::from_secs(121));
    assert_eq!(hub.get("/devices/lamp/health").body["overdue"], true, "60 s, and the window");
    assert_eq!(hub.get("/devices/door/health").body["overdue"], false, "it did not say when");

    for (device, body, status) in [
        ("la mp", first, 404),
        ("lamp", r#"{"life":7,"cause":"boredom","up_ms":1}"#, 422),
        ("lamp", r#"{"life":7,"cause":"wake"}"#, 422),
        ("lamp", "nothing", 400),
        ("lamp", &format!("{first}{}", " ".repeat(4_096)), 413),
    ] {
        assert_eq!(tell_health(&hub, &device.replace(' ', "%20"), body), status, "{body}");
    }
    assert_eq!(hub.get("/devices/lamp/health").body["report"], lamp["report"]);
    assert!(hub.witness.told().is_empty());
    assert_eq!(hub.get("/devices").body, json!({ "devices": [] }), "it has no readings");
}
