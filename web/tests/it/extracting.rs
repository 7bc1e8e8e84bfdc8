//! Handlers that take parts of a request.

use std::rc::Rc;

use bytes::Bytes;
use futures::executor::block_on;
use http::header::CONTENT_TYPE;
use serde::{Deserialize, Serialize};
use wavetank_web::{
    App, Body, Error, Extension, Form, FromRequest, HeaderMap, Json, Method, Params, Query, Request, Result, State,
    StatusCode,
};

use crate::answers::text;

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    from: u32,
}

#[derive(Deserialize, Serialize)]
struct Order {
    of: String,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Thermostat,
    SmartLock,
}

#[derive(Deserialize)]
struct Place {
    floor: i8,
    room: Option<String>,
}

/// Not `Send`, as handlers and their futures need not be.
struct Greeting(Rc<str>);

impl<S> FromRequest<S> for Greeting {
    async fn from_request(request: &mut Request<S>) -> Result<Self> {
        let name = request.headers().get("name").and_then(|name| name.to_str().ok());
        let name = name.ok_or_else(|| Error::new(StatusCode::UNAUTHORIZED).detail("who are you?"))?;
        Ok(Self(format!("hello {name}").into()))
    }
}

fn ask(request: http::Request<&'static str>) -> (u16, String) {
    let mut app = App::with_state(String::from("state"));
    app.at("/one/:n").get(async |Params(n): Params<u8>| n.to_string());
    app.at("/kind/:kind").get(async |Params(kind): Params<Kind>| match kind {
        Kind::Thermostat => "warm",
        Kind::SmartLock => "safe",
    });
    app.at("/two/:a/:b").get(async |Params((a, b)): Params<(String, f32)>| format!("{a} {b}"));
    app.at("/place/:room/:floor")
        .get(async |Params(Place { floor, room }): Params<Place>| format!("{floor} {}", room.unwrap_or_default()));
    app.at("/wrong/:a").get(async |Params((a, b)): Params<(String, String)>| a + &b);
    app.at("/query").get(async |Query(page): Query<Page>, method: Method| format!("{method} {}", page.from));
    app.at("/maybe")
        .get(async |page: Option<Query<Page>>| page.map_or("none".into(), |Query(page)| page.from.to_string()));
    app.at("/result")
        .get(async |page: Result<Query<Page>>| page.err().map(|error| error.status().to_string()).unwrap_or_default());
    app.at("/json").post(async |state: State<String>, Json(order): Json<Order>| format!("{} {}", *state, order.of));
    app.at("/form").post(async |Form(order): Form<Order>| Form(order));
    app.at("/text").post(async |text: String, bytes: Bytes| format!("{text} {}", bytes.len()));
    app.at("/stream").post(async |headers: HeaderMap, body: Body| (headers, body));
    app.at("/extension").get(async |Extension(n): Extension<u32>| n.to_string());
    app.at("/own")
        .get(async |greeting: Greeting, request: Request<String>| format!("{} {}", greeting.0, request.path()));
    let response = block_on(app.into_service().unwrap().respond(request));
    (response.status().as_u16(), text(response))
}

fn get(target: &str) -> (u16, String) {
    ask(http::Request::get(target).body("").unwrap())
}

fn post(target: &str, content_type: &str, body: &'static str) -> (u16, String) {
    ask(http::Request::post(target).header(CONTENT_TYPE, content_type).body(body).unwrap())
}

#[test]
fn path_parameters_are_what_the_handler_wants_them_to_be() {
    assert_eq!(get("/one/7"), (200, "7".into()));
    assert_eq!(get("/kind/smart-lock"), (200, "safe".into()));
    assert_eq!(get("/two/a%2Fb/1.5"), (200, "a/b 1.5".into()));
    assert_eq!(get("/place/attic/-2"), (200, "-2 attic".into()));
    let (status, problem) = get("/one/256");
    assert_eq!(status, 400);
    assert!(problem.contains("in the path: `n`: `256` is not an integer in 0..=255"), "{problem}");
    let (status, problem) = get("/kind/kettle");
    assert_eq!(status, 400);
    assert!(problem.contains("in the path: `kind`: unknown variant `kettle`"), "{problem}");
    assert_eq!(get("/one/%ff").0, 400);
    let (status, problem) = get("/wrong/x");
    assert_eq!(status, 500, "the handler asks for what its route has not");
    assert!(!problem.contains("wrong"), "{problem}");
}

#[test]
fn what_does_not_fit_is_told_by_its_name() {
    let told = |(status, problem): (u16, String), expected: &str| {
        assert!((400..500).contains(&status) && problem.contains(expected), "{status} {problem}");
    };
    told(get("/query?from=x"), "in the query: `from`: ");
    told(get("/two/a/b"), "in the path: `b`: `b` is not a number");
    told(get("/place/attic/x"), "in the path: `floor`: `x` is not a small integer");
    told(post("/json", "application/json", r#"{"of":"tea","tags":["a",7]}"#), "in the body: `tags[1]`: invalid type");
    told(post("/json", "application/json", "[]"), "in the body: invalid length 0");
    told(post("/json", "application/json", r#"{"tags":[]}"#), "in the body: missing field `of`");
    told(post("/form", "application/x-www-form-urlencoded", "tags=1"), "in the body: missing field `of`");
}

#[test]
fn parts_are_taken_in_order_and_the_request_last() {
    assert_eq!(get("/query?from=3"), (200, "GET 3".into()));
    assert_eq!(get("/query?from=x").0, 400);
    assert_eq!(get("/maybe?from=x"), (200, "none".into()));
    assert_eq!(get("/maybe?from=4"), (200, "4".into()));
    assert_eq!(get("/result?from=x"), (200, "400 Bad Request".into()));
    assert_eq!(get("/extension").0, 500);
    assert_eq!(get("/own").0, 401);
    let request = http::Request::get("/own").header("name", "Ada").body("").unwrap();
    assert_eq!(ask(request), (200, "hello Ada /own".into()));
    let mut request = http::Request::get("/extension").body("").unwrap();
    request.extensions_mut().insert(7_u32);
    assert_eq!(ask(request), (200, "7".into()));
}

#[test]
fn bodies_are_taken_as_they_are_asked_for() {
    assert_eq!(post("/json", "application/json", r#"{"of":"tea"}"#), (200, "state tea".into()));
    assert_eq!(post("/json", "application/json", r#"{"of":7}"#).0, 422);
    let form = "application/x-www-form-urlencoded";
    assert_eq!(post("/form", form, "of=t%C3%A9+a&tags=1&tags=2"), (200, "of=t%C3%A9+a&tags=1&tags=2".into()));
    assert_eq!(post("/form", form, "tags=1").0, 422);
    assert_eq!(post("/form", "application/json", "of=tea").0, 415);
    assert_eq!(post("/text", "text/plain", "five5"), (200, "five5 0".into()), "a body is taken once");
    assert_eq!(post("/stream", "a/b", "flow"), (200, "flow".into()));
}
