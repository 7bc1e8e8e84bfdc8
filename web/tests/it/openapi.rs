//! Operations: answered, asked and described by one set of types.

use std::cell::RefCell;

use futures::executor::block_on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wavetank_web::middleware::BodyLimit;
use wavetank_web::openapi::{About, Asked, CallError, Caller, Operation};
use wavetank_web::{App, Client, Error, Result, RouteError, State, StatusCode};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Key {
    /// Which device.
    device: String,
    sequence: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Page {
    from: u64,
    /// So many at most.
    limit: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
enum Reading {
    Celsius { milli: i32 },
    Broken { why: String },
}

const KEEP: Operation<Key, (), Reading, Reading> =
    Operation::put("/devices/:device/readings/:sequence").name("keepReading").summary("Keeps a reading").status(201);
const LIST: Operation<(), Page, (), Vec<Reading>> = Operation::get("/readings").name("listReadings");
const FORGET: Operation<(String, u64)> = Operation::delete("/devices/:device/readings/:sequence");
const REST: Operation<String, (), (), String> = Operation::get("/files/*path");

type Kept = RefCell<Vec<(Key, Reading)>>;

async fn keep(state: State<Kept>, asked: Asked<Key, (), Reading>) -> Result<Reading> {
    if asked.params.sequence == 0 {
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY).detail("sequences begin with 1"));
    }
    state.borrow_mut().push((asked.params, asked.body.clone()));
    Ok(asked.body)
}

async fn list(state: State<Kept>, Asked { query, .. }: Asked<(), Page>) -> Result<Vec<Reading>> {
    let from = usize::try_from(query.from)?;
    let limit = query.limit.map_or(Ok(usize::MAX), usize::try_from)?;
    Ok(state.borrow().iter().skip(from).take(limit).map(|(_, reading)| reading.clone()).collect())
}

async fn forget(state: State<Kept>, asked: Asked<(String, u64)>) -> Result<()> {
    let (device, sequence) = asked.params;
    state.borrow_mut().retain(|(key, _)| *key != Key { device: device.clone(), sequence });
    Ok(())
}

fn readings() -> App<Kept> {
    let mut app = App::with_state(Kept::default());
    app.at(KEEP.path()).with(BodyLimit::new(100)).answer(&KEEP, keep).answer(&FORGET, forget);
    app.answer(&LIST, list);
    app.answer(&REST, async |_: State<Kept>, asked: Asked<String>| Ok::<_, Error>(asked.params));
    app.at("/unspoken").get(async || "not described");
    app
}

const ABOUT: About<'_> = About { title: "Readings", version: "1.0.0", summary: "What devices have said" };

#[test]
fn what_is_asked_by_types_is_answered_by_them() {
    block_on(async {
        let mut app = App::new();
        app.at("/api/v1").nest(readings());
        let caller = Caller::new(app.into_service().unwrap(), "https://hub.example:8443/api/v1/".parse().unwrap());
        let key = |sequence| Key { device: "a/b %ü".into(), sequence };
        let reading = Reading::Celsius { milli: -40_000 };
        assert_eq!(caller.call(&KEEP, &key(1), &(), &reading).await.unwrap(), reading);
        let broken = Reading::Broken { why: "wet".into() };
        caller.call(&KEEP, &key(2), &(), &broken).await.unwrap();
        let page = Page { from: 1, limit: Some(5) };
        assert_eq!(caller.call(&LIST, &(), &page, &()).await.unwrap(), std::slice::from_ref(&broken));
        caller.call(&FORGET, &("a/b %ü".into(), 2), &(), &()).await.unwrap();
        assert_eq!(caller.call(&LIST, &(), &Page::default(), &()).await.unwrap(), std::slice::from_ref(&reading));
        assert_eq!(caller.call(&REST, &"a b/c".into(), &(), &()).await.unwrap(), "a b/c");

        for dots in ["..", "."] {
            let key = Key { device: dots.into(), sequence: 1 };
            let refused = caller.call(&KEEP, &key, &(), &reading).await.unwrap_err();
            assert!(matches!(&refused, CallError::Dots { name, .. } if name == "device"), "{refused}");
        }
        let refused = caller.call(&REST, &"a/../../readings".into(), &(), &()).await.unwrap_err();
        assert!(matches!(refused, CallError::Dots { .. }), "it is no other path's: {refused}");
        assert_eq!(caller.call(&REST, &"...".into(), &(), &()).await.unwrap(), "...");

        let again = Operation::<Key, (), Reading, Reading>::put(KEEP.path());
        assert_eq!(caller.call(&again, &key(1), &(), &reading).await.unwrap(), reading, "201 where 200 is usual");
        let refused = caller.call(&KEEP, &key(0), &(), &reading).await.unwrap_err();
        assert_eq!(refused.to_string(), "422 Unprocessable Entity: sequences begin with 1");
        let large = Reading::Broken { why: "x".repeat(200) };
        let refused = caller.call(&KEEP, &key(1), &(), &large).await.unwrap_err();
        assert!(matches!(refused, CallError::Refused { status: StatusCode::PAYLOAD_TOO_LARGE, .. }), "{refused}");
        let elsewhere = Operation::<(), (), (), u8>::get("/nothing");
        let refused = caller.call(&elsewhere, &(), &(), &()).await.unwrap_err();
        assert!(matches!(refused, CallError::Refused { status: StatusCode::NOT_FOUND, .. }), "{refused}");
        let other = Operation::<String, (), (), u8>::get("/files/:path");
        assert!(matches!(caller.call(&other, &"x".into(), &(), &()).await, Err(CallError::Answer(_))));
        let nothing = Operation::<(), (), (), u8>::get("/files/:path");
        let refused = caller.call(&nothing, &(), &(), &()).await.unwrap_err();
        assert!(refused.to_string().starts_with("the path `/files/:path` wants a `path`"), "{refused}");
    });
}

#[test]
fn requests_are_those_of_the_base() {
    let base = "http://[::1]:80/hub".parse().unwrap();
    let request = LIST.request(&base, &(), &Page { from: 3, limit: None }, &()).unwrap();
    assert_eq!(request.uri(), "/hub/readings?from=3");
    assert_eq!(request.headers()["host"], "[::1]");
    let base = "http://hub.example:8080?left=over#x".parse().unwrap();
    let request = FORGET.request(&base, &("d 1".into(), 7), &(), &()).unwrap();
    assert_eq!((request.method().as_str(), request.uri().to_string()), ("DELETE", "/devices/d%201/readings/7".into()));
    assert_eq!(request.headers()["host"], "hub.example:8080");
}

#[test]
fn operations_are_described() {
    let document = readings().openapi(&ABOUT);
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(
        document["info"],
        json!({ "title": "Readings", "version": "1.0.0", "description": "What devices have said" })
    );
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths, ["/devices/{device}/readings/{sequence}", "/files/{path}", "/readings"]);
    let keep = &document["paths"]["/devices/{device}/readings/{sequence}"]["put"];
    assert_eq!((&keep["operationId"], &keep["summary"]), (&json!("keepReading"), &json!("Keeps a reading")));
    let device = json!({ "name": "device", "in": "path", "required": true, "schema": { "type": "string" },
        "description": "Which device." });
    assert_eq!(keep["parameters"][0], device);
    assert_eq!(keep["parameters"][1]["schema"]["type"], "integer");
    let reading = json!({ "$ref": "#/components/schemas/Reading" });
    assert_eq!(keep["requestBody"]["content"]["application/json"]["schema"], reading);
    assert_eq!(keep["responses"]["201"]["content"]["application/json"]["schema"], reading);
    let statuses: Vec<&String> = keep["responses"].as_object().unwrap().keys().collect();
    assert_eq!(statuses, ["201", "4XX", "5XX"], "no other status of success is a problem");
    assert!(document["components"]["schemas"]["Reading"]["oneOf"].is_array(), "{document:#}");
    let forget = &document["paths"]["/devices/{device}/readings/{sequence}"]["delete"];
    assert_eq!(forget["parameters"][1]["schema"]["type"], "integer", "by their order");
    assert_eq!(forget["responses"]["204"], json!({ "description": "No Content" }));
    assert_eq!(forget["requestBody"], Value::Null);
    let list = &document["paths"]["/readings"]["get"];
    let required: Vec<(&Value, &Value)> =
        list["parameters"].as_array().unwrap().iter().map(|one| (&one["name"], &one["required"])).collect();
    assert_eq!(required, [(&json!("from"), &json!(true)), (&json!("limit"), &json!(false))]);
    assert_eq!(document["paths"]["/files/{path}"]["get"]["parameters"][0]["schema"]["type"], "string");
}

#[test]
fn the_description_is_served_with_a_page() {
    let mut inner = readings();
    inner.describe("/docs", &ABOUT);
    let mut app = App::new();
    app.at("/api").nest(inner);
    app.describe("/all/docs", &ABOUT);
    let client = Client::new(app.into_service().unwrap());
    let get = |path: &str| block_on(client.get(path).send()).unwrap();
    let document: Value = get("/api/docs/openapi.json").json().unwrap();
    assert_eq!(document["servers"], json!([{ "url": "../" }]));
    assert!(document["paths"]["/readings"].is_object());
    let document: Value = get("/all/docs/openapi.json").json().unwrap();
    assert_eq!(document["servers"], json!([{ "url": "../../" }]));
    assert!(document["paths"]["/api/readings"].is_object());
    let page = get("/api/docs");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    let text = page.text();
    assert!(text.contains(r#"src="docs/page.js""#) && !text.contains("//"), "nothing from elsewhere: {text}");
    let bytes: usize =
        ["", "/page.js", "/page.css"].map(|path| get(&format!("/api/docs{path}")).body.len()).iter().sum();
    assert!((1_000..12_000).contains(&bytes), "{bytes}");
}

#[test]
fn an_operation_is_at_its_own_path() {
    let mut app = App::with_state(Kept::default());
    app.at("/elsewhere").answer(&LIST, list);
    let expected = RouteError::OtherPath { path: "/elsewhere".into(), operation: "/readings".into() };
    assert_eq!(app.into_service().unwrap_err(), expected);
}
