//! Each middleware, by itself.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::channel::oneshot;
use futures::executor::{LocalPool, block_on};
use futures::task::LocalSpawnExt as _;
use http::{HeaderName, Method};
use tracing::field::{Field, Visit};
use tracing::span::{self, Attributes, Record};
use tracing::{Event, Metadata, Subscriber};
use wavetank_web::middleware::{
    Auth, CacheControl, ConcurrencyLimit, Cors, Etag, Id, RateLimit, RequestId, SameOrigin, SecurityHeaders, Trace,
    same_secret,
};
use wavetank_web::{Answer, App, Client, Extension, Middleware, Request, StatusCode};

use crate::support::Clock;

fn around(middleware: impl Middleware<()>) -> Client {
    let mut app = App::new();
    app.with(middleware);
    app.at("/").get(async || "hello").post(async || "done");
    app.at("/id").get(async |Extension(Id(id)): Extension<Id>| id.to_string());
    app.at("/user").get(async |Extension(user): Extension<String>| user);
    app.at("/own").get(async || ([(HeaderName::from_static("cache-control"), "private")], "own"));
    Client::new(app.into_service().unwrap())
}

fn get(client: &Client, target: &str, fields: &[(&'static str, &'static str)]) -> Answer {
    ask(client, Method::GET, target, fields)
}

fn ask(client: &Client, method: Method, target: &str, fields: &[(&'static str, &'static str)]) -> Answer {
    let asking =
        fields.iter().fold(client.request(method, target), |asking, (name, value)| asking.header(*name, *value));
    block_on(asking.send()).unwrap()
}

/// Writes down what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> span::Id {
        let mut fields = Fields(span.metadata().name().to_owned());
        span.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &span::Id) {
        self.0.lock().unwrap().push("{".into());
    }

    fn exit(&self, _: &span::Id) {
        self.0.lock().unwrap().push("}".into());
    }
}

#[test]
fn a_request_is_logged_with_its_route_and_its_status() {
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        let mut app = App::new();
        app.with(Trace);
        app.at("/users/:name").get(async || StatusCode::IM_A_TEAPOT);
        let client = Client::new(app.into_service().unwrap());
        get(&client, "/users/tom?secret=1", &[]);
        ask(&client, Method::POST, "/none", &[]);
    });
    let lines = log.0.lock().unwrap().join("\n");
    let answered = |status| format!("{{\nINFO message=answered status={status}\n}}");
    for expected in [
        "request method=GET path=\"/users/tom\" route=\"/users/:name\"",
        &answered(418),
        "request method=POST path=\"/none\" route=\"none\"",
        &answered(404),
    ] {
        assert!(lines.contains(expected), "{expected}: {lines}");
    }
    assert!(!lines.contains("secret"), "{lines}");
}

#[test]
fn requests_are_named_once() {
    let client = around(RequestId::counting("run7"));
    let answer = get(&client, "/id", &[]);
    assert_eq!((answer.text().as_str(), answer.header("x-request-id")), ("run7-1", "run7-1"));
    assert_eq!(get(&client, "/id", &[("x-request-id", "theirs:1")]).text(), "theirs:1");
    assert_eq!(get(&client, "/id", &[("x-request-id", "no \"name\"")]).text(), "run7-2");
    assert_eq!(get(&client, "/nothing", &[]).header("x-request-id"), "run7-3");
}

#[test]
fn credentials_are_asked_for_and_tell_who_asks() {
    let token = Auth::bearer("hub", async |token: String| same_secret(&token, "s3cret").then(|| "device".to_owned()));
    let client = around(token);
    let answer = get(&client, "/user", &[]);
    assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer realm=\"hub\""));
    let answer = get(&client, "/user", &[("authorization", "Bearer wrong")]);
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"hub\", error=\"invalid_token\"");
    assert_eq!(answer.status, 401);
    assert_eq!(get(&client, "/user", &[("authorization", "bearer s3cret")]).text(), "device");

    let known = async |name: String, password: String| (password == "open: sesame").then_some(name);
    let client = around(Auth::basic("a \"hub\"", known));
    let answer = get(&client, "/user", &[("authorization", "Bearer s3cret")]);
    assert_eq!(answer.header("www-authenticate"), "Basic realm=\"a hub\", charset=\"UTF-8\"");
    // "ada:open: sesame"
    assert_eq!(get(&client, "/user", &[("authorization", "Basic YWRhOm9wZW46IHNlc2FtZQ==")]).text(), "ada");
    for wrong in ["Basic", "Basic !", "Basic YWRh", "Basic /////w==", ""] {
        assert_eq!(get(&client, "/user", &[("authorization", wrong)]).status, 401, "{wrong}");
    }
}

#[test]
fn other_origins_read_what_they_are_allowed_to() {
    let cors = Cors::origins(["https://A.example:443/page".parse().unwrap()])
        .methods([Method::PUT])
        .headers([HeaderName::from_static("x-key")]);
    let client = around(cors.credentials().max_age(Duration::from_secs(60)).exposed([HeaderName::from_static("x-n")]));
    let answer = get(&client, "/", &[("origin", "https://a.example")]);
    assert_eq!(answer.header("access-control-allow-origin"), "https://a.example");
    assert_eq!(answer.header("access-control-allow-credentials"), "true");
    assert_eq!((answer.header("access-control-expose-headers"), answer.header("vary")), ("x-n", "origin"));
    let answer = get(&client, "/", &[("origin", "https://a.example.evil")]);
    assert_eq!((answer.header("access-control-allow-origin"), answer.header("vary")), ("", "origin"));
    let asks = ("access-control-request-method", "PUT");
    let answer = ask(&client, Method::OPTIONS, "/", &[("origin", "https://a.example"), asks]);
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-methods")), (204, "PUT"));
    assert_eq!(answer.header("access-control-allow-headers"), "x-key");
    assert_eq!(answer.header("access-control-max-age"), "60");
    let answer = ask(&client, Method::OPTIONS, "/", &[("origin", "https://b.example"), asks]);
    assert_eq!(answer.header("access-control-allow-methods"), "");
    let answer = ask(&client, Method::OPTIONS, "/", &[]);
    assert_eq!(answer.header("allow"), "GET, POST, HEAD, OPTIONS", "no preflight is the app's to answer");
    let any = around(Cors::any_origin().credentials());
    let answer = get(&any, "/", &[("origin", "https://b.example")]);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-credentials"), "");
}

#[test]
fn other_origins_pages_change_nothing() {
    let client = around(SameOrigin::new().trust(&"https://desk.example".parse().unwrap()));
    let post = |fields: &[(&'static str, &'static str)]| ask(&client, Method::POST, "/", fields).status.as_u16();
    assert_eq!(post(&[]), 200, "no browser");
    assert_eq!(post(&[("sec-fetch-site", "same-origin")]), 200);
    assert_eq!(post(&[("sec-fetch-site", "none")]), 200);
    assert_eq!(post(&[("sec-fetch-site", "cross-site"), ("origin", "http://test")]), 403);
    assert_eq!(post(&[("sec-fetch-site", "same-site")]), 403);
    assert_eq!(post(&[("sec-fetch-site", "cross-site"), ("origin", "https://desk.example")]), 200);
    assert_eq!(post(&[("origin", "http://test")]), 200);
    assert_eq!(post(&[("origin", "http://evil")]), 403);
    assert_eq!(post(&[("origin", "null")]), 403);
    assert_eq!(get(&client, "/", &[("sec-fetch-site", "cross-site")]).status, 200, "reading changes nothing");
    // RFC 6455, 10.2: but a socket is for both, and no browser keeps a page from opening one elsewhere.
    let socket = |fields: &[(&'static str, &'static str)]| {
        let fields = [&[("connection", "upgrade"), ("upgrade", "websocket")], fields].concat();
        get(&client, "/", &fields).status.as_u16()
    };
    assert_eq!((socket(&[]), socket(&[("origin", "http://test")])), (200, 200));
    assert_eq!(socket(&[("origin", "http://evil")]), 403);
    assert_eq!(socket(&[("origin", "https://evil"), ("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(socket(&[("origin", "https://desk.example"), ("sec-fetch-site", "cross-site")]), 200);
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let client = around(Etag);
    let answer = get(&client, "/", &[]);
    let tag = answer.header("etag").to_owned();
    assert!(tag.len() == 34 && tag.starts_with('"'), "{tag}");
    let again = block_on(client.get("/").header("if-none-match", tag.as_str()).send()).unwrap();
    assert_eq!((again.status.as_u16(), again.body.len(), again.header("etag")), (304, 0, tag.as_str()));
    assert_eq!(again.header("content-type"), "");
    assert_eq!(get(&client, "/", &[("if-none-match", "\"other\"")]).status, 200);
    assert_eq!(get(&client, "/nothing", &[]).header("etag"), "");
    let head = block_on(client.head("/").header("if-none-match", tag.as_str()).send()).unwrap();
    assert_eq!(head.status, 304);
}

#[test]
fn fields_are_added_where_there_are_none() {
    let client = around(SecurityHeaders::default().tls_only());
    let answer = get(&client, "/nothing", &[]);
    assert_eq!((answer.header("x-content-type-options"), answer.header("x-frame-options")), ("nosniff", "DENY"));
    assert!(answer.header("strict-transport-security").starts_with("max-age="));
    let client = around(CacheControl::public(60));
    assert_eq!(get(&client, "/", &[]).header("cache-control"), "public, max-age=60");
    assert_eq!(get(&client, "/own", &[]).header("cache-control"), "private");
    assert_eq!(get(&client, "/nothing", &[]).header("cache-control"), "");
}

#[test]
fn who_asks_too_often_waits() {
    let clock = Clock::new();
    let key = |request: &Request| request.headers().get("key").map(|key| format!("{key:?}"));
    let client = around(RateLimit::new(clock.clone(), Duration::from_secs(10), 2).by(key));
    let ask = |key: &'static str| get(&client, "/", &[("key", key)]);
    assert_eq!((ask("a").status, ask("a").status), (StatusCode::OK, StatusCode::OK));
    let refused = ask("a");
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "10"));
    assert_eq!(ask("b").status, 200);
    clock.advance(Duration::from_secs(10));
    assert_eq!((ask("a").status.as_u16(), ask("a").status.as_u16()), (200, 429));
    clock.advance(Duration::from_secs(100));
    assert_eq!((ask("a").status.as_u16(), ask("a").status.as_u16(), ask("a").status.as_u16()), (200, 200, 429));
}

/// Those who are in wait for these.
type Doors = Rc<RefCell<Vec<oneshot::Sender<()>>>>;

#[test]
fn so_many_are_in_so_many_wait_and_the_rest_are_turned_away() {
    let inside = Rc::new(Cell::new(0));
    let doors = Doors::default();
    let mut app = App::with_state((Rc::clone(&inside), Rc::clone(&doors)));
    app.with(ConcurrencyLimit::new(2).waiting_max(2));
    app.at("/").get(async |request: Request<(Rc<Cell<u32>>, Doors)>| {
        let (inside, doors) = request.state();
        inside.set(inside.get() + 1);
        let (open, opened) = oneshot::channel();
        doors.borrow_mut().push(open);
        opened.await.ok();
        inside.set(inside.get() - 1);
    });
    let service = app.into_service().unwrap();
    let mut pool = LocalPool::new();
    let statuses: Rc<RefCell<Vec<u16>>> = Rc::default();
    let mut handles = Vec::new();
    for _ in 0..5 {
        let (service, statuses) = (service.clone(), Rc::clone(&statuses));
        let asking = async move {
            let response = service.respond(http::Request::get("/").body("").unwrap()).await;
            statuses.borrow_mut().push(response.status().as_u16());
        };
        handles.push(pool.spawner().spawn_local_with_handle(asking).unwrap());
    }
    pool.run_until_stalled();
    assert_eq!((inside.get(), statuses.take()), (2, vec![503]));
    // One of those that wait goes away: the other is let in next.
    drop(handles.remove(2));
    doors.borrow_mut().remove(0).send(()).unwrap();
    pool.run_until_stalled();
    assert_eq!((inside.get(), statuses.take()), (2, vec![200]));
    doors.take().into_iter().for_each(|door| door.send(()).unwrap());
    pool.run_until_stalled();
    assert_eq!((inside.get(), statuses.take()), (0, vec![200, 200]));
}
