//! What an app answers, asked without a socket.

use std::cell::Cell;
use std::future::Future;

use bytes::Bytes;
use futures::executor::block_on;
use futures::stream;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, LOCATION};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use wavetank_web::middleware::{BodyLimit, CatchPanic, Trace};
use wavetank_web::{
    App, AppService, Body, BoxError, Error, HeaderValue, IntoResponse, Json, Method, Middleware, Next, Request,
    Response, Result, RouteError, StatusCode,
};

fn respond<State: 'static>(service: &AppService<State>, request: http::Request<impl Into<Body>>) -> Response {
    block_on(service.respond(request))
}

fn request(method: &str, path: &str) -> http::Request<()> {
    http::Request::builder().method(method).uri(path).body(()).unwrap()
}

pub(crate) fn text(response: Response) -> String {
    let bytes = block_on(response.into_body().collect()).unwrap().to_bytes();
    String::from_utf8(bytes.into()).unwrap()
}

pub(crate) fn header(response: &Response, name: HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn problem(response: Response) -> serde_json::Value {
    assert_eq!(header(&response, CONTENT_TYPE), "application/problem+json");
    let status = response.status();
    let problem: serde_json::Value = serde_json::from_str(&text(response)).unwrap();
    assert_eq!(problem["status"], status.as_u16());
    problem
}

fn devices() -> AppService {
    let mut app = App::new();
    app.at("/").get(async || "root");
    app.at("/devices").get(async || "all").post(async || StatusCode::CREATED);
    app.at("/devices/:id").get(async |request: Request| request.param::<u32>("id").map(|id| format!("device {id}")));
    app.at("/files/*path").get(async |request: Request| request.param::<String>("path"));
    app.at("/head").head(async || ([(CONTENT_LENGTH, "7")], ())).get(async || "other");
    app.at("/any").all(async |request: Request| request.method().to_string()).get(async || "own");
    app.at("/missing-param").get(async |request: Request| request.param::<String>("nothing"));
    app.into_service().unwrap()
}

#[test]
fn paths_are_routed_and_params_decoded() {
    let app = devices();
    let get = |path: &str| {
        let response = respond(&app, request("GET", path));
        (response.status().as_u16(), text(response))
    };
    assert_eq!(get("/"), (200, "root".into()));
    assert_eq!(get("/devices?x=1"), (200, "all".into()));
    assert_eq!(get("/devices/7"), (200, "device 7".into()));
    assert_eq!(get("/devices/%37"), (200, "device 7".into()));
    assert_eq!(get("/devices/seven").0, 400);
    assert_eq!(get("/devices/%ff").0, 400);
    assert_eq!(get("/files/a%2Fb/%C3%BC.txt"), (200, "a/b/ü.txt".into()));
    assert_eq!(get("/missing-param").0, 500);
    for path in ["/nothing", "/devices/", "/devices/7/8", "/files/", "//"] {
        assert_eq!(get(path).0, 404, "{path}");
    }
}

#[test]
fn other_methods_are_answered_for() {
    let app = devices();
    let response = respond(&app, request("DELETE", "/devices"));
    assert_eq!(response.status(), 405);
    assert_eq!(header(&response, ALLOW), "GET, POST, HEAD, OPTIONS");
    assert_eq!(problem(response)["title"], "Method Not Allowed");

    let response = respond(&app, request("OPTIONS", "/devices/7"));
    assert_eq!((response.status().as_u16(), header(&response, ALLOW)), (204, "GET, HEAD, OPTIONS"));
    assert_eq!(respond(&app, request("OPTIONS", "*")).status(), 204);
    assert_eq!(respond(&app, request("OPTIONS", "/nothing")).status(), 404);

    let response = respond(&app, request("HEAD", "/devices"));
    assert_eq!((response.status().as_u16(), header(&response, CONTENT_LENGTH)), (200, "3"));
    assert_eq!(text(response), "");
    let response = respond(&app, request("HEAD", "/head"));
    assert_eq!(header(&response, CONTENT_LENGTH), "7");
    assert_eq!(respond(&app, request("HEAD", "/nothing")).status(), 404);

    assert_eq!(text(respond(&app, request("BREW", "/any"))), "BREW");
    assert_eq!(text(respond(&app, request("OPTIONS", "/any"))), "OPTIONS");
    assert_eq!(text(respond(&app, request("GET", "/any"))), "own");
}

#[test]
fn an_app_that_contradicts_itself_is_refused_by_name() {
    let refused = |register: fn(&mut App)| {
        let mut app = App::new();
        register(&mut app);
        app.into_service().unwrap_err()
    };
    let twice = refused(|app| {
        app.at("/x").get(async || "one");
        app.at("/x").get(async || "two");
    });
    assert_eq!(twice, RouteError::SameMethod { path: "/x".into(), method: Method::GET });
    let ambiguous = refused(|app| {
        app.at("/x/:a").get(async || "one");
        app.at("/x/:b").post(async || "two");
    });
    assert_eq!(ambiguous.to_string(), "the paths `/x/:b` and `/x/:a` match the same requests");
}

#[derive(Deserialize)]
struct Query {
    #[serde(default)]
    limit: Option<u8>,
    #[serde(default)]
    tag: Vec<String>,
}

#[test]
fn queries_are_deserialised() {
    let mut app = App::new();
    app.at("/").get(async |request: Request| -> Result<String> {
        let query: Query = request.query()?;
        Ok(format!("{:?} {}", query.limit, query.tag.join("+")))
    });
    let app = app.into_service().unwrap();
    assert_eq!(text(respond(&app, request("GET", "/"))), "None ");
    assert_eq!(text(respond(&app, request("GET", "/?limit=7&tag=a&tag=b%26c"))), "Some(7) a+b&c");
    let response = respond(&app, request("GET", "/?limit=700"));
    assert_eq!(response.status(), 400);
    let detail = problem(response)["detail"].to_string();
    assert!(detail.contains("in the query: `limit`: "), "{detail}");
}

#[derive(Deserialize)]
struct Amount {
    by: u64,
}

async fn add(mut request: Request<Cell<u64>>) -> Result<impl IntoResponse> {
    let amount: Amount = request.body_json().await?;
    let total = request.state();
    total.set(total.get() + amount.by);
    Ok((StatusCode::CREATED, [(LOCATION, "/total")], Json(total.get())))
}

#[test]
fn json_goes_in_and_out_and_every_way_it_can_be_wrong_has_a_status() {
    let mut app = App::with_state(Cell::new(0));
    app.with(BodyLimit::new(100));
    app.at("/total").post(add);
    let app = app.into_service().unwrap();
    let post = |content_type: &str, body: Body| {
        let request = http::Request::post("/total").header(CONTENT_TYPE, content_type).body(body).unwrap();
        respond(&app, request)
    };
    let response = post("application/json; charset=utf-8", r#"{"by":3}"#.into());
    assert_eq!((response.status().as_u16(), header(&response, LOCATION)), (201, "/total"));
    assert_eq!(text(response), "3");
    let pieces = stream::iter([r#"{"b"#, r#"y":"#, "4}"].map(|piece| Ok::<_, BoxError>(Bytes::from(piece))));
    assert_eq!(text(post("application/merge-patch+json", Body::from_stream(pieces))), "7");

    let status = |content_type: &str, body: Body| post(content_type, body).status().as_u16();
    assert_eq!(status("text/plain", r#"{"by":3}"#.into()), 415);
    assert_eq!(respond(&app, http::Request::post("/total").body(r#"{"by":3}"#).unwrap()).status(), 415);
    assert_eq!(status("application/json", "".into()), 400);
    assert_eq!(status("application/json", r#"{"by":"#.into()), 400);
    assert_eq!(status("application/json", Body::from(vec![0xff; 10])), 400);
    assert_eq!(status("application/json", r#"{"by":-3}"#.into()), 422);
    assert_eq!(status("application/json", "{}".into()), 422);
    assert_eq!(status("application/json", " ".repeat(101).into()), 413);
    let endless = stream::repeat_with(|| Ok::<_, BoxError>(Bytes::from_static(b"          ")));
    assert_eq!(status("application/json", Body::from_stream(endless)), 413);
    let broken = stream::iter([Err::<Bytes, BoxError>("secret".into())]);
    let response = post("application/json", Body::from_stream(broken));
    assert_eq!(response.status(), 500);
    assert!(!text(response).contains("secret"));
}

#[test]
fn deep_json_is_refused_without_a_deep_stack() {
    let mut app = App::new();
    app.at("/").post(async |mut request: Request| request.body_json::<serde_json::Value>().await.map(Json));
    let app = app.into_service().unwrap();
    let request = http::Request::post("/").header(CONTENT_TYPE, "application/json").body("[".repeat(10_000)).unwrap();
    assert_eq!(respond(&app, request).status(), 400);
}

#[test]
fn errors_tell_the_client_what_it_may_know() {
    let mut app = App::new();
    app.at("/own").get(async || -> Result<()> {
        Err(Error::new(StatusCode::CONFLICT)
            .kind("https://example.net/taken", "Taken")
            .detail("that name is taken")
            .member("name", "x")
            .member("status", "no member may hide another")
            .caused_by("secret"))
    });
    app.at("/slip").get(async || -> Result<String> { Ok(std::fs::read_to_string("/nowhere/secret")?) });
    let app = app.into_service().unwrap();
    let own = problem(respond(&app, request("GET", "/own")));
    let expected = serde_json::json!({
        "type": "https://example.net/taken", "title": "Taken", "status": 409, "detail": "that name is taken", "name": "x",
    });
    assert_eq!(own, expected);
    let slip = problem(respond(&app, request("GET", "/slip")));
    assert_eq!(slip, serde_json::json!({ "title": "Internal Server Error", "status": 500 }));
    let broken_header = ([(LOCATION, "line\nbreak")], "x").into_response();
    assert_eq!(broken_header.status(), 500);
}

/// Adds its name to a header on the way out, and answers by itself where it is asked to.
struct Mark(&'static str);

impl<State: 'static> Middleware<State> for Mark {
    fn handle(&self, request: Request<State>, next: Next<State>) -> impl Future<Output = Response> {
        let name = self.0;
        async move {
            let mut response = match request.headers().get("stop-at") {
                Some(at) if at == name => StatusCode::IM_A_TEAPOT.into_response(),
                _ => next.run(request).await,
            };
            response.headers_mut().append("passed", HeaderValue::from_static(name));
            response
        }
    }
}

#[test]
fn middleware_surrounds_everything_in_the_order_it_was_added() {
    let mut app = App::new();
    app.at("/panic").get(async || -> &'static str { panic!("by design") });
    app.with(Trace).with(Mark("outer")).with(Mark("inner")).with(CatchPanic);
    app.at("/").get(async || "in");
    let app = app.into_service().unwrap();
    let ask = |path: &str, stop_at: &str| {
        let request = http::Request::get(path).header("stop-at", stop_at).body(()).unwrap();
        let response = respond(&app, request);
        let passed: Vec<_> = response.headers().get_all("passed").iter().map(|name| name.to_str().unwrap()).collect();
        (response.status().as_u16(), passed.join(" "))
    };
    assert_eq!(ask("/", ""), (200, "inner outer".into()));
    assert_eq!(ask("/", "inner"), (418, "inner outer".into()));
    assert_eq!(ask("/", "outer"), (418, "outer".into()));
    assert_eq!(ask("/nothing", ""), (404, "inner outer".into()));
    assert_eq!(ask("/panic", ""), (500, "inner outer".into()));
}

#[test]
fn a_tower_service_is_what_it_is() {
    fn call<S>(service: &mut S) -> S::Future
    where
        S: tower_service::Service<http::Request<http_body_util::Full<Bytes>>>,
    {
        service.call(http::Request::post("/").body(http_body_util::Full::from("hello")).unwrap())
    }
    let mut app = App::new();
    app.at("/").post(async |mut request: Request| request.body_text().await);
    let response = block_on(call(&mut app.into_service().unwrap())).unwrap();
    assert_eq!(text(response), "hello");
}
