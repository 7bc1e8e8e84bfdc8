//! A hub to ask, and a witness of what it tells.
#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

#[path = "../../../tests/support/mod.rs"]
pub mod server;

use std::cell::RefCell;
use std::rc::Rc;

use futures::executor::block_on;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use server::Clock;
use wavetank_hub::health::Condition;
use wavetank_hub::{Config, Hub, Observer, Store};
use wavetank_web::AppService;

/// Writes down what the hub tells.
#[derive(Default)]
pub struct Witness(RefCell<Vec<String>>);

impl Witness {
    /// What was told since it was last asked.
    pub fn told(&self) -> Vec<String> {
        self.0.take()
    }
}

impl Observer for Witness {
    fn stored(&self, device: &str, sequence: u64) {
        self.0.borrow_mut().push(format!("stored {device} {sequence}"));
    }

    fn duplicate(&self, device: &str, sequence: u64) {
        self.0.borrow_mut().push(format!("duplicate {device} {sequence}"));
    }

    fn known(&self, devices: usize) {
        self.0.borrow_mut().push(format!("known {devices}"));
    }

    fn reported(&self, device: &str, now: &Condition, before: Option<&Condition>) {
        let restarts = now.restarts() - before.map_or(0, Condition::restarts);
        self.0.borrow_mut().push(format!("reported {device} {restarts}"));
    }

    fn online(&self, devices: usize) {
        self.0.borrow_mut().push(format!("online {devices}"));
    }
}

/// What a hub answered.
pub struct Answer {
    pub status: u16,
    pub location: String,
    pub body: Value,
}

/// A hub, asked without sockets.
pub struct Asked {
    pub hub: Hub,
    pub witness: Rc<Witness>,
    service: AppService<Hub>,
}

impl Asked {
    pub fn of(store: impl Store, clock: &Clock, config: Config) -> Self {
        let witness = Rc::<Witness>::default();
        let hub = Hub::new(store, clock, Rc::clone(&witness), config).unwrap();
        let service = wavetank_hub::app(hub.clone()).into_service().unwrap();
        Self { hub, witness, service }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(http::Request::get(path).body(String::new()).unwrap())
    }

    pub fn post(&self, body: &Value) -> Answer {
        self.ask(
            http::Request::post("/readings").header("content-type", "application/json").body(body.to_string()).unwrap(),
        )
    }

    /// What it can be asked: methods with a handler of their own, and paths.
    pub fn routes(&self) -> Vec<(String, String)> {
        let routes = self.service.routes();
        let both = |route: wavetank_web::Listed| {
            let path = route.path;
            route.methods.into_iter().map(move |method| (method.to_lowercase(), path.clone()))
        };
        routes.into_iter().flat_map(both).filter(|(method, _)| !matches!(&**method, "head" | "options")).collect()
    }

    /// What is no JSON.
    pub fn text_of(&self, path: &str) -> String {
        let response = block_on(self.service.respond(http::Request::get(path).body(String::new()).unwrap()));
        let bytes = block_on(response.into_body().collect()).unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    pub fn ask(&self, request: http::Request<String>) -> Answer {
        let response = block_on(self.service.respond(request));
        let status = response.status().as_u16();
        let location = response.headers().get("location").map_or("", |value| value.to_str().unwrap()).to_owned();
        let bytes = block_on(response.into_body().collect()).unwrap().to_bytes();
        Answer { status, location, body: serde_json::from_slice(&bytes).unwrap_or_default() }
    }
}

pub fn reading(device: &str, sequence: u64) -> Value {
    json!({ "device": device, "sequence": sequence, "celsius_milli": 21_375, "at_ms": sequence * 1_000 })
}
