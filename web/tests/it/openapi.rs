//! Operations: answered, asked and described by one set of types.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::executor::block_on;
use http_body_util::Full;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tower_service::Service;
use wavetank_web::header::AUTHORIZATION;
use wavetank_web::middleware::{Auth, BodyLimit, same_secret};
use wavetank_web::openapi::{About, Asked, CallError, Caller, File, FileForm, Octets, Operation, Security, Text};
use wavetank_web::{
    App, AppService, Client, Error, HeaderMap, HeaderValue, Method, Params, Request, Result, RouteError, State,
    StatusCode,
};

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

/// A client as others make them: it wants to know where to, and that it may send from another thread.
#[derive(Clone)]
struct Pool(AppService<Kept>, Rc<RefCell<Vec<String>>>);

impl Service<http::Request<Full<Bytes>>> for Pool {
    type Response = wavetank_web::Response;
    type Error = std::convert::Infallible;
    type Future = <AppService<Kept> as Service<http::Request<Full<Bytes>>>>::Future;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Full<Bytes>>) -> Self::Future {
        fn may_go_elsewhere(_: &(impl Send + 'static)) {}
        may_go_elsewhere(&request);
        let who = request.headers().get("authorization").map(|who| who.to_str().unwrap().to_owned());
        self.1.borrow_mut().push(format!("{} {}", request.uri(), who.unwrap_or_default()));
        self.0.call(request)
    }
}

#[test]
fn a_client_is_told_where_to_and_who_asks() {
    block_on(async {
        let pool = Pool(readings().into_service().unwrap(), Rc::default());
        let seen = Rc::clone(&pool.1);
        let caller = Caller::by_client(pool, "https://hub.example:8443/".parse().unwrap());
        let caller = caller.header(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        let key = Key { device: "a b".into(), sequence: 1 };
        let reading = Reading::Celsius { milli: 7 };
        assert_eq!(caller.call(&KEEP, &key, &(), &reading).await.unwrap(), reading);
        let page = Page { from: 0, limit: Some(1) };
        assert_eq!(caller.call(&LIST, &(), &page, &()).await.unwrap(), [reading]);
        let path = KEEP.path().replace(":device", "a%20b").replace(":sequence", "1");
        let expected = [format!("https://hub.example:8443{path} Bearer x")];
        assert_eq!(seen.borrow()[..1], expected);
        assert!(seen.borrow()[1].starts_with("https://hub.example:8443/") && seen.borrow()[1].contains("limit=1"));
    });
}

#[test]
fn what_else_a_handler_takes_comes_before_what_was_asked() {
    const WHO: Operation<String, (), (), String> = Operation::get("/who/:name");
    const NOBODY: Operation<(), (), (), u8> = Operation::get("/nobody");
    block_on(async {
        let mut app = App::with_state(7_u8);
        app.at(WHO.path()).answer(
            &WHO,
            async |(state, method, agent): (State<u8>, Method, HeaderMap), asked: Asked<String>| {
                let agent = agent.get("user-agent").ok_or_else(|| Error::new(StatusCode::FORBIDDEN))?;
                Ok::<_, Error>(format!("{} {method} {} {agent:?}", *state, asked.params))
            },
        );
        app.answer(&NOBODY, async |(): (), _: Asked| Ok::<_, Error>(1));
        let client = Client::new(app.into_service().unwrap());
        let answer = client.get("/who/tom").header("user-agent", "x").send().await.unwrap();
        assert_eq!(answer.json::<String>().unwrap(), "7 GET tom \"x\"");
        assert_eq!(client.get("/who/tom").send().await.unwrap().status, StatusCode::FORBIDDEN);
        assert_eq!(client.get("/nobody").send().await.unwrap().text(), "1");
    });
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
    let document = readings().openapi(&ABOUT).unwrap();
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
    assert!(text.contains(r#"src="./docs/page.js""#) && !text.contains("//"), "nothing from elsewhere: {text}");
    let bytes: usize =
        ["", "/page.js", "/page.css"].map(|path| get(&format!("/api/docs{path}")).body.len()).iter().sum();
    assert!((1_000..13_000).contains(&bytes), "{bytes}");
}

#[test]
fn an_operation_is_at_its_own_path() {
    let mut app = App::with_state(Kept::default());
    app.at("/elsewhere").answer(&LIST, list);
    let expected = RouteError::OtherPath { path: "/elsewhere".into(), operation: "/readings".into() };
    assert_eq!(app.into_service().unwrap_err(), expected);
}

const UPLOAD: Operation<String, (), Octets, Text> = Operation::put("/images/:name")
    .name("upload")
    .headers(&[("signature", "Who vouches for it")])
    .status(201)
    .also(&[(200, "It was there already"), (204, "Nobody wants it")]);
const DOWNLOAD: Operation<String, (), (), Octets> = Operation::get("/images/:name").name("download").or_text();
const SAY: Operation<(), (), Text, Octets> = Operation::post("/say");
const SEND: Operation<(), (), FileForm<Sent>, u64> = Operation::post("/send");

#[derive(JsonSchema)]
#[allow(dead_code, reason = "it describes what is read part by part")]
struct Sent {
    /// What it is about.
    title: String,
    image: File,
}

fn images() -> App {
    let mut app = App::new();
    app.answer(&UPLOAD, async |_: State<()>, asked: Asked<String, (), Octets>| {
        Ok::<_, Error>(Text(format!("{}: {} bytes", asked.params, asked.body.0.len())))
    });
    app.answer(&DOWNLOAD, async |_: State<()>, asked: Asked<String>| Ok::<_, Error>(Octets(asked.params.into())));
    app.answer(&SAY, async |_: State<()>, asked: Asked<(), (), Text>| Ok::<_, Error>(Octets(asked.body.0.into())));
    app.answer(&SEND, async |_: State<()>, mut asked: Asked<(), (), FileForm<Sent>>| -> Result<u64> {
        let mut bytes = 0;
        while let Some(mut part) = asked.body.form.next().await? {
            bytes += u64::try_from(part.bytes(1_000).await?.len())?;
        }
        Ok(bytes)
    });
    app
}

#[test]
fn bodies_other_than_json_are_asked_answered_and_described() {
    block_on(async {
        let service = images().into_service().unwrap();
        let caller = Caller::new(service, "http://hub.example".parse().unwrap());
        let image = Octets(vec![0, 255, 7].into());
        assert_eq!(caller.call(&UPLOAD, &"a".into(), &(), &image).await.unwrap(), Text("a: 3 bytes".into()));
        assert_eq!(caller.call(&DOWNLOAD, &"a".into(), &(), &()).await.unwrap(), Octets("a".into()));
        assert_eq!(caller.call(&SAY, &(), &(), &Text("h\u{e9}".into())).await.unwrap(), Octets("h\u{e9}".into()));
        let base = "http://hub.example".parse().unwrap();
        let request = UPLOAD.request(&base, &"a".into(), &(), &image).unwrap();
        assert_eq!(request.headers()["content-type"], "application/octet-stream");
        assert_eq!(request.headers()["accept"], "text/plain, application/problem+json");
    });
    let client = Client::new(images().into_service().unwrap());
    let ask = |method, target: &str, kind: &str, body: &'static [u8]| {
        block_on(client.request(method, target).header("content-type", kind).body(body).send()).unwrap()
    };
    let put = ask(http::Method::PUT, "/images/a", "application/octet-stream", b"x");
    assert_eq!((put.status.as_u16(), put.header("content-type")), (201, "text/plain; charset=utf-8"));
    assert_eq!(ask(http::Method::PUT, "/images/a", "application/json", b"1").status, 415);
    assert_eq!(ask(http::Method::POST, "/say", "text/plain; charset=utf-8", b"\xff").status, 400);
    let form = b"--x\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\nfive5\r\n--x--\r\n";
    assert_eq!(ask(http::Method::POST, "/send", "multipart/form-data; boundary=x", form).text(), "5");
    assert_eq!(ask(http::Method::POST, "/send", "application/json", b"{}").status, 415);
    let document = images().openapi(&ABOUT).unwrap();
    let upload = &document["paths"]["/images/{name}"]["put"];
    assert_eq!(upload["requestBody"]["content"], json!({ "application/octet-stream": { "schema": {} } }));
    let header = json!({ "name": "signature", "in": "header", "required": false, "schema": { "type": "string" },
        "description": "Who vouches for it" });
    assert_eq!(upload["parameters"][1], header);
    let text = json!({ "text/plain": { "schema": { "type": "string" } } });
    assert_eq!(upload["responses"]["201"]["content"], text);
    assert_eq!(upload["responses"]["200"], json!({ "description": "It was there already", "content": text }));
    assert_eq!(upload["responses"]["204"], json!({ "description": "Nobody wants it" }));
    let download = &document["paths"]["/images/{name}"]["get"]["responses"]["200"]["content"];
    assert_eq!(download.as_object().unwrap().keys().collect::<Vec<_>>(), ["application/octet-stream", "text/plain"]);
    let form = &document["paths"]["/send"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"];
    let parts = &document["components"]["schemas"]["Sent"]["properties"];
    assert_eq!(form["$ref"], "#/components/schemas/Sent");
    assert_eq!(parts["image"], json!({ "type": "string", "contentMediaType": "application/octet-stream" }));
}

#[test]
fn parameters_are_an_app_s_own_whatever_it_is_nested_under() {
    const TWO: Operation<(String, u64), (), (), String> = Operation::get("/two/:name/:number");
    const ONE: Operation<u64, (), (), String> = Operation::get("/one/:number");
    let mut inner = App::new();
    inner.answer(&TWO, async |_: State<()>, Asked { params: (name, number), .. }: Asked<(String, u64)>| {
        Ok::<_, Error>(format!("{name} {number}"))
    });
    inner.answer(&ONE, async |_: State<()>, asked: Asked<u64>| Ok::<_, Error>(asked.params.to_string()));
    inner.at("/all/:number").get(async |Params((tenant, number)): Params<(String, u8)>, request: Request| {
        format!("{tenant} {number} {}", request.param::<String>("tenant").unwrap_or_default())
    });
    inner.at("/more/:number").get(async |Params((..)): Params<(String, String, String)>| "more than there are");
    let mut app = App::new();
    app.at("/:tenant").nest(inner);
    let document = app.openapi(&ABOUT).unwrap();
    let types = |path: &str| -> Vec<String> {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().unwrap();
        parameters.iter().map(|one| format!("{}: {}", one["name"], one["schema"]["type"]).replace('"', "")).collect()
    };
    assert_eq!(types("/{tenant}/two/{name}/{number}"), ["tenant: string", "name: string", "number: integer"]);
    assert_eq!(types("/{tenant}/one/{number}"), ["tenant: string", "number: integer"]);
    let client = Client::new(app.into_service().unwrap());
    let get = |path: &str| block_on(client.get(path).send()).unwrap();
    assert_eq!(get("/x/two/y/7").text(), "\"y 7\"");
    assert_eq!(get("/x/one/7").text(), "\"7\"");
    assert_eq!(get("/x/all/7").text(), "x 7 x");
    assert_eq!(get("/x/more/7").status, 500);
}

#[test]
fn an_app_that_is_nested_twice_is_described_with_names_that_are_each_one_operations() {
    let mut app = App::new();
    app.at("/v1").nest(readings());
    app.at("/v2").nest(readings());
    let document = app.openapi(&ABOUT).unwrap();
    assert_eq!(document["paths"]["/v1/readings"]["get"]["operationId"], "listReadings");
    assert_eq!(document["paths"]["/v2/readings"]["get"]["operationId"], Value::Null);
    assert!(document["paths"]["/v2/readings"]["get"]["responses"].is_object());
}

const FILE: Operation<String, (), (), String> = Operation::get("/files/:name").name("file");
const KEEP_FILE: Operation<String, (), String, ()> = Operation::put("/files/:name").name("keepFile");
const HEALTH: Operation<(), (), (), String> = Operation::get("/health").name("health");

/// Whatever it is asked.
async fn answer_text<P>(_: State<()>, _: Asked<P>) -> Result<String> {
    Ok("text".to_owned())
}

#[test]
fn what_openapi_has_one_place_for_is_described_once_or_refused_by_name() {
    // One shape, and two methods: one path, by the names of the first.
    let mut app = App::new();
    app.answer(&REST, answer_text);
    app.answer(&KEEP_FILE, async |_: State<()>, _: Asked<String, (), String>| Ok::<_, Error>(()));
    let document = app.openapi(&ABOUT).unwrap();
    assert_eq!(document["paths"].as_object().unwrap().keys().collect::<Vec<_>>(), ["/files/{path}"]);
    assert_eq!(document["paths"]["/files/{path}"]["get"]["parameters"][0]["name"], "path");
    assert_eq!(document["paths"]["/files/{path}"]["put"]["parameters"][0]["name"], "path");
    app.describe("/docs", &ABOUT);
    app.into_service().unwrap();
    // And one method: routes tell them apart, which a description cannot.
    let both = || {
        let mut app = App::new();
        app.answer(&REST, answer_text).answer(&FILE, answer_text);
        app
    };
    let client = Client::new(both().into_service().unwrap());
    assert_eq!(block_on(client.get("/files/a/b").send()).unwrap().status, 200);
    let clash = RouteError::SamePlace { operation: "GET /files/:name".into(), with: "GET /files/*path".into() };
    assert_eq!(both().openapi(&ABOUT), Err(clash.clone()));
    let mut app = both();
    app.describe("/docs", &ABOUT);
    assert_eq!(app.into_service().unwrap_err(), clash);
}

#[test]
fn the_apps_of_hosts_are_described_with_where_they_are() {
    let api = || {
        let mut app = App::new();
        app.answer(&HEALTH, answer_text).answer(&FILE, answer_text);
        app
    };
    let mut app = App::new();
    app.answer(&HEALTH, answer_text).answer(&LIST, async |_: State<()>, _: Asked<(), Page>| Ok::<_, Error>(vec![]));
    app.host("Api.Example.net", api()).host("*.example.org", readings());
    app.describe("/docs", &ABOUT);
    // The document of the same operations at several places, each of which says where.
    let refused = app.into_service().unwrap_err().to_string();
    assert!(
        refused.starts_with("`GET *.example.org/files/*path` and `GET api.example.net/files/:name` cannot"),
        "{refused}"
    );

    let mut app = App::new();
    app.answer(&HEALTH, answer_text);
    app.host("Api.Example.net", api());
    let mut below = App::new();
    below.answer(&LIST, async |_: State<()>, _: Asked<(), Page>| Ok::<_, Error>(vec![]));
    app.host("*.example.org", below);
    app.describe("/docs", &ABOUT);
    let client = Client::new(app.into_service().unwrap());
    let document: Value = block_on(client.get("/docs/openapi.json").send()).unwrap().json().unwrap();
    let paths = &document["paths"];
    assert_eq!(document["servers"], json!([{ "url": "../" }]));
    assert_eq!(paths["/health"]["get"]["servers"], json!([{ "url": "../" }, { "url": "//api.example.net/" }]));
    assert_eq!(paths["/health"]["get"]["operationId"], "health");
    assert_eq!(paths["/files/{name}"]["get"]["servers"], json!([{ "url": "//api.example.net/" }]));
    let any = json!({ "name": { "default": "www", "description": "Any name below example.org" } });
    assert_eq!(paths["/readings"]["get"]["servers"], json!([{ "url": "//{name}.example.org/", "variables": any }]));
}

const OPEN: Operation<(), (), (), u8> = Operation::get("/open");
const CLOSED: Operation<(), (), (), u8> = Operation::get("/closed");
const OWN: Operation<(), (), (), u8> = Operation::get("/own").secured(Security::Bearer);
const SOMETIMES: Operation<(), (), (), u8> = Operation::get("/sometimes").secured_at_times(Security::Bearer);

async fn seven(_: State<()>, _: Asked) -> Result<u8> {
    Ok(7)
}

fn basic() -> Auth<()> {
    Auth::basic("tides", async |name, password| same_secret(&(name + &password), "adas3cret").then_some(()))
}

#[test]
fn who_must_show_who_they_are_is_described() {
    let mut app = App::new();
    app.answer(&OPEN, seven).answer(&OWN, seven).answer(&SOMETIMES, seven);
    app.at("/closed").with(basic()).answer(&CLOSED, seven);
    assert_eq!(app.openapi(&ABOUT).unwrap()["paths"]["/closed"]["get"]["security"], json!([{ "basic": [] }]));
    let mut inner = App::new();
    inner.answer(&OPEN, seven).answer(&SOMETIMES, seven);
    // Also where it comes after the operations: it surrounds them all.
    inner.with(Auth::bearer("tides", async |token: String| same_secret(&token, "s3cret").then_some(())));
    app.at("/inner").nest(inner);
    let document = app.openapi(&ABOUT).unwrap();
    let security = |path: &str| &document["paths"][path]["get"]["security"];
    let (bearer, nothing) = (json!([{ "bearer": [] }]), Value::Null);
    assert_eq!([security("/open"), security("/own")], [&nothing, &bearer]);
    assert_eq!(security("/sometimes"), &json!([{}, { "bearer": [] }]));
    assert_eq!([security("/inner/open"), security("/inner/sometimes")], [&bearer, &bearer]);
    let schemes =
        json!({ "basic": { "type": "http", "scheme": "basic" }, "bearer": { "type": "http", "scheme": "bearer" } });
    assert_eq!(document["components"]["securitySchemes"], schemes);
    app.with(basic());
    let both = app.openapi(&ABOUT).unwrap();
    assert_eq!(both["paths"]["/inner/open"]["get"]["security"], json!([{ "basic": [], "bearer": [] }]));
    assert_eq!(readings().openapi(&ABOUT).unwrap()["components"]["securitySchemes"], nothing, "nobody asks");

    // What is described is what is asked.
    let client = Client::new(app.into_service().unwrap());
    assert_eq!(block_on(client.get("/open").send()).unwrap().status, 401);
    let answer = block_on(client.get("/open").header("authorization", "Basic YWRhOnMzY3JldA==").send()).unwrap();
    assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "7"));
}
