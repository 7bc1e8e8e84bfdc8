//! What the admin steers and devices follow: firmware and roll-outs, commands, keys, and the login.
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod support;

use ed25519_dalek::{Signer as _, SigningKey};
use futures::executor::block_on;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use support::reading;
use support::server::Clock;
use wavetank_hub::firmware::{Manifest, PublicKey};
use wavetank_hub::{Config, Hub, RedbStore, Secret, Security};
use wavetank_web::AppService;

const TOKEN: &str = "a token that nobody guesses";

struct Steered {
    service: AppService<Hub>,
    clock: Clock,
}

struct Answer {
    status: u16,
    headers: http::HeaderMap,
    bytes: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes.clone()).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Steered {
    fn new(security: Security) -> Self {
        let clock = Clock::new();
        let config = Config { security, ..Config::default() };
        let hub = Hub::new(RedbStore::in_memory().unwrap(), &clock, (), config).unwrap();
        Self { service: wavetank_hub::app(hub).into_service().unwrap(), clock }
    }

    fn open() -> Self {
        Self::new(Security { admin_token: Some(Secret::new(TOKEN)), ..Security::default() })
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = block_on(self.service.respond(request.body(body.into()).unwrap()));
        let (parts, body) = response.into_parts();
        let bytes = block_on(body.collect()).unwrap().to_bytes().to_vec();
        Answer { status: parts.status.as_u16(), headers: parts.headers, bytes }
    }

    fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "")
    }

    fn told(&self, method: &str, path: &str, body: &Value) -> Answer {
        self.ask(method, path, &[("content-type", "application/json")], body.to_string())
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        self.ask(method, path, &[("content-type", "application/json"), ("authorization", &bearer)], body.to_string())
    }

    fn upload(&self, version: &str, image: &[u8]) -> Answer {
        let bearer = format!("Bearer {TOKEN}");
        self.ask("PUT", &format!("/firmware/thermostat/{version}"), &[("authorization", &bearer)], image)
    }

    fn roll_out(&self, version: &str, permille: u32) -> Answer {
        self.admin(
            "PUT",
            "/rollouts/thermostat",
            &json!({ "version": version, "permille": permille, "failures_max": 1 }),
        )
    }

    fn offer(&self, device: &str, running: &str) -> Option<Value> {
        let answer = self.get(&format!("/devices/{device}/update?firmware=thermostat&running={running}"));
        (answer.status == 200).then(|| answer.json())
    }

    fn report(&self, device: &str, version: &str, state: &str) {
        let body = json!({ "firmware": "thermostat", "version": version, "state": state, "detail": "so it is" });
        assert_eq!(self.told("POST", &format!("/devices/{device}/update"), &body).status, 204);
    }
}

#[test]
fn firmware_is_put_there_once_and_fetched_in_parts() {
    let hub = Steered::open();
    assert_eq!(hub.ask("PUT", "/firmware/thermostat/1.0.0", &[], "image").status, 401);
    assert_eq!(hub.ask("PUT", "/firmware/thermostat/1.0.0", &[("authorization", "Bearer x")], "image").status, 401);
    let answer = hub.upload("1.0.0", b"an image");
    assert_eq!((answer.status, answer.header("location")), (201, "/firmware/thermostat/1.0.0"));
    assert_eq!(answer.json()["length"], 8);
    assert_eq!(hub.upload("1.0.0", b"an image").status, 200, "the same again");
    assert_eq!(hub.upload("1.0.0", b"another").status, 409);
    assert_eq!(hub.upload("%2e%2e", b"an image").status, 422);
    assert_eq!(hub.upload("1.0.1", b"").status, 422);
    assert_eq!(hub.upload("1.0", b"an image").status, 422, "nobody knows which of two such versions is older");
    for header in ["firmware-minimum", "firmware-signature"] {
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", &*bearer), (header, "0.9.0é")];
        let refused = hub.ask("PUT", "/firmware/thermostat/1.0.1", &headers, "an image");
        assert_eq!(refused.status, 422, "{header} is not passed over");
    }
    let whole = hub.get("/firmware/thermostat/1.0.0");
    assert_eq!((whole.status, &whole.bytes[..]), (200, &b"an image"[..]));
    let part =
        hub.ask("GET", "/firmware/thermostat/1.0.0", &[("range", "bytes=3-"), ("if-range", whole.header("etag"))], "");
    assert_eq!((part.status, &part.bytes[..]), (206, &b"image"[..]));
    assert_eq!(part.header("content-range"), "bytes 3-7/8");
    assert_eq!(hub.get("/firmware/thermostat/2.0.0").status, 404);
    // One that is kept, and sent, in pieces.
    let long: Vec<u8> = (0..200_000_u32).flat_map(u32::to_be_bytes).collect();
    assert_eq!(hub.upload("3.0.0", &long).status, 201);
    assert!(hub.get("/firmware/thermostat/3.0.0").bytes == long);
    let part = hub.ask("GET", "/firmware/thermostat/3.0.0", &[("range", "bytes=100001-500000")], "");
    assert!(part.status == 206 && part.bytes == long[100_001..=500_000]);
    assert_eq!(part.header("content-length"), "400000");
    assert_eq!(hub.get("/firmware").json()["firmware"][0]["version"], "1.0.0");
}

#[test]
fn a_hub_with_a_key_takes_what_is_signed_with_it() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let security = Security {
        admin_token: Some(Secret::new(TOKEN)),
        firmware_key: Some(PublicKey(key.verifying_key().to_bytes())),
        ..Security::default()
    };
    let hub = Steered::new(security);
    assert_eq!(hub.upload("1.0.0", b"an image").status, 422);
    let unsigned = Steered::open().upload("1.0.0", b"an image").json();
    let hash = unsigned["sha256"].as_str().unwrap();
    let text = format!("wavetank firmware 2\nthermostat\n1.0.0\n0.9.0\n8\n{hash}\n");
    let signature: String = key.sign(text.as_bytes()).to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", &*bearer), ("firmware-minimum", "0.9.0"), ("firmware-signature", &*signature)];
    let refused = hub.ask("PUT", "/firmware/thermostat/1.0.0", &headers[..2], "an image");
    assert_eq!((refused.status, &refused.json()["signed_text"]), (422, &json!(text)), "one is told what to sign");
    assert_eq!(hub.ask("PUT", "/firmware/thermostat/1.0.0", &headers, "an image").status, 201);
    assert_eq!(hub.ask("PUT", "/firmware/thermostat/1.0.1", &headers, "an image").status, 422);
    let manifest = hub.get("/firmware/thermostat/1.0.0/manifest").json();
    assert_eq!((&manifest["signature"], &manifest["minimum"]), (&json!(signature), &json!("0.9.0")));
    let text = hub.ask("GET", "/firmware/thermostat/1.0.0/manifest", &[("accept", "text/plain, */*;q=0.1")], "");
    let manifest = Manifest::parse(&text.bytes).expect("the text that was signed");
    assert_eq!(manifest.verify(&PublicKey(key.verifying_key().to_bytes())), Ok(()));
    assert!(text.header("content-type").starts_with("text/plain"));
    let browsers = [("accept", "application/json, text/plain, */*")];
    let json = hub.ask("GET", "/firmware/thermostat/1.0.0/manifest", &browsers, "").json();
    assert_eq!(json["version"], "1.0.0", "what is named first is meant");
}

#[test]
fn a_roll_out_goes_as_far_as_it_is_told_and_halts_where_it_fails() {
    let hub = Steered::open();
    hub.upload("2.0.0", b"an image");
    assert_eq!(hub.offer("d-1", "1.0.0"), None, "nothing is rolled out");
    assert_eq!(hub.roll_out("3.0.0", 1_000).status, 422, "there is no such version");
    assert_eq!(hub.roll_out("2.0.0", 1_001).status, 422);
    assert_eq!(hub.told("PUT", "/rollouts/thermostat", &json!({ "version": "2.0.0", "permille": 1 })).status, 401);
    assert_eq!(hub.roll_out("2.0.0", 300).status, 200);
    let devices: Vec<String> = (0..100).map(|n| format!("d-{n}")).collect();
    let first: Vec<&String> = devices.iter().filter(|device| hub.offer(device, "1.0.0").is_some()).collect();
    assert!((15..45).contains(&first.len()), "{} of 100", first.len());
    assert_eq!(hub.offer(first[0], "2.0.0"), None, "it runs it");
    hub.report(first[1], "2.0.0", "downloading");
    hub.report(first[5], "2.0.0", "trying");
    hub.report(first[2], "2.0.0", "failed");
    assert_eq!(hub.offer(first[2], "1.0.0"), None, "it has tried");
    assert!(hub.offer(first[3], "1.0.0").is_some());
    let view = hub.get("/rollouts/thermostat").json();
    assert_eq!(view["devices"]["installed"], 1);
    assert_eq!((&view["devices"]["downloading"], &view["devices"]["failed"]), (&json!(1), &json!(1)));
    assert_eq!(view["devices"]["trying"], 1);
    assert_eq!(view["halted"], false);
    let schemas = &hub.get("/docs/openapi.json").json()["components"]["schemas"];
    for (name, shown) in [("Rollout", &view), ("Devices", &view["devices"])] {
        let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&schemas[name]["properties"]), keys(shown), "it is described as it is");
    }
    hub.report(first[4], "2.0.0", "rolled-back");
    assert_eq!(hub.get("/rollouts").json()["rollouts"][0]["halted"], true);
    hub.roll_out("2.0.0", 1_000);
    assert!(devices.iter().all(|device| hub.offer(device, "1.0.0").is_none()), "two have failed");
    hub.upload("2.0.1", b"a better image");
    hub.roll_out("2.0.1", 1_000);
    assert!(devices.iter().all(|device| hub.offer(device, "1.0.0").is_some()), "another version has another chance");
    assert_eq!(hub.admin("DELETE", "/rollouts/thermostat", &json!(null)).status, 204);
    assert_eq!(hub.offer("d-1", "1.0.0"), None);
}

#[test]
fn commands_wait_for_their_device_and_are_answered_once() {
    let hub = Steered::open();
    assert_eq!(hub.told("POST", "/devices/d-1/commands", &json!("blink")).status, 401);
    let answer = hub.admin("POST", "/devices/d-1/commands", &json!({ "period_ms": 500 }));
    assert_eq!((answer.status, answer.header("location")), (201, "/devices/d-1/commands/1"));
    hub.admin("POST", "/devices/d-1/commands", &json!("blink"));
    assert_eq!(hub.get("/devices/d-2/commands").json(), json!({ "commands": [] }));
    let waiting = hub.get("/devices/d-1/commands").json();
    assert_eq!(waiting["commands"][0]["command"], json!({ "period_ms": 500 }));
    assert_eq!(waiting["commands"][1]["number"], 2);
    let done = json!({ "answer": "done" });
    assert_eq!(hub.told("POST", "/devices/d-1/commands/1", &done).status, 204);
    assert_eq!(hub.told("POST", "/devices/d-1/commands/1", &done).status, 204, "the answer was lost, and comes again");
    assert_eq!(hub.told("POST", "/devices/d-1/commands/1", &json!({ "answer": "not done" })).status, 409);
    assert_eq!(hub.told("POST", "/devices/d-1/commands/9", &done).status, 404);
    assert_eq!(hub.get("/devices/d-1/commands").json()["commands"][0]["number"], 2);
    assert_eq!(hub.admin("GET", "/devices/d-1/commands/1", &json!(null)).json()["answer"], "done");
    for _ in 0..99 {
        hub.admin("POST", "/devices/d-1/commands", &json!("blink"));
    }
    assert_eq!(hub.admin("POST", "/devices/d-1/commands", &json!("blink")).status, 429);
    assert_eq!(hub.admin("POST", "/devices/-/commands", &json!("blink")).status, 404);
}

#[test]
fn a_device_shows_its_own_key_and_an_old_one_counts_no_more() {
    let security = Security {
        admin_token: Some(Secret::new(TOKEN)),
        device_secret: Some(Secret::new("secret")),
        ..Security::default()
    };
    let hub = Steered::new(security);
    let key = |device: &str| {
        let answer = hub.admin("POST", &format!("/devices/{device}/key"), &json!(null));
        assert_eq!(answer.status, 201);
        answer.json()["key"].as_str().unwrap().to_owned()
    };
    let post = |key: &str, body: &Value| {
        let bearer = format!("Bearer {key}");
        let headers = [("content-type", "application/json"), ("authorization", &*bearer)];
        hub.ask("POST", "/readings", &headers, body.to_string()).status
    };
    let (first, other) = (key("d-1"), key("d-2"));
    assert_ne!(first, other);
    assert_eq!(hub.told("POST", "/readings", &reading("d-1", 1)).status, 401);
    assert_eq!(post(&other, &reading("d-1", 1)), 401);
    assert_eq!(post(&first, &reading("d-1", 1)), 201);
    assert_eq!(post(&first, &json!([reading("d-1", 2), reading("d-2", 1)])), 401, "nor for another in the same batch");
    let second = key("d-1");
    assert_eq!(post(&first, &reading("d-1", 3)), 401);
    assert_eq!(post(&second, &reading("d-1", 3)), 201);
    assert_eq!(hub.get("/devices/d-1/commands").status, 401);
}

#[test]
fn an_admin_logs_in_steers_and_logs_out() {
    let hub = Steered::open();
    hub.upload("2.0.0", b"an image");
    assert!(hub.get("/").text().contains("Log in to steer"));
    let form = [("content-type", "application/x-www-form-urlencoded")];
    assert_eq!(hub.ask("POST", "/login", &form, "token=wrong").status, 403);
    let answer = hub.ask("POST", "/login", &form, format!("token={}", TOKEN.replace(' ', "+")));
    assert_eq!((answer.status, answer.header("location")), (303, "/"));
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let logged_in = [("cookie", cookie), form[0]];
    assert!(hub.ask("GET", "/", &logged_in, "").text().contains("Log out"));
    let steer = "firmware=thermostat%2F2.0.0&percent=25";
    assert_eq!(hub.ask("POST", "/steer", &form, steer).status, 401);
    let elsewhere = [logged_in[0], form[0], ("sec-fetch-site", "cross-site")];
    assert_eq!(hub.ask("POST", "/steer", &elsewhere, steer).status, 403, "another site's page");
    assert_eq!(hub.ask("POST", "/steer", &logged_in, steer).status, 303);
    assert_eq!(hub.get("/rollouts/thermostat").json()["permille"], 250);
    hub.told("POST", "/readings", &reading("d-1", 1));
    let page = hub.get("/").text();
    assert!(page.contains("<b>thermostat 2.0.0</b> to 25 % of the devices"), "{page}");
    let forged = cookie.replace("admin=", "admin=9");
    assert!(!hub.ask("GET", "/", &[("cookie", &*forged)], "").text().contains("Log out"), "the time is part of it");
    hub.clock.advance(std::time::Duration::from_secs(12 * 3_600 + 1));
    assert!(!hub.ask("GET", "/", &logged_in, "").text().contains("Log out"), "it lasts so long");
    assert!(hub.ask("POST", "/logout", &logged_in, "").header("set-cookie").contains("Max-Age=0"));
}

#[test]
fn a_hub_without_an_admin_cannot_be_steered() {
    let hub = Steered::new(Security::default());
    assert_eq!(hub.upload("1.0.0", b"an image").status, 403);
    assert_eq!(hub.admin("POST", "/devices/d-1/commands", &json!("blink")).status, 403);
    assert!(!hub.get("/").text().contains("Log in"));
}
