//! Which handler answers which request.

use futures::executor::block_on;
use http::header::{ALLOW, HOST, LOCATION};
use wavetank_web::{
    App, AppService, HeaderValue, Middleware, Next, Request, Response, RouteError, StatusCode, TrailingSlash,
};

use crate::answers::{header, text};

fn ask<State: 'static>(service: &AppService<State>, method: &str, target: &str) -> Response {
    let request = http::Request::builder().method(method).uri(target).header(HOST, "hub:8080").body(()).unwrap();
    block_on(service.respond(request))
}

fn get<State: 'static>(service: &AppService<State>, target: &str) -> (u16, String) {
    let response = ask(service, "GET", target);
    (response.status().as_u16(), text(response))
}

/// Says that it was passed.
struct Mark(&'static str);

impl<State: 'static> Middleware<State> for Mark {
    async fn handle(&self, request: Request<State>, next: Next<State>) -> Response {
        let mut response = next.run(request).await;
        response.headers_mut().append("passed", HeaderValue::from_static(self.0));
        response
    }
}

fn passed(response: &Response) -> String {
    let names: Vec<_> = response.headers().get_all("passed").iter().map(|name| name.to_str().unwrap()).collect();
    names.join(" ")
}

fn seen(request: &Request<&'static str>) -> String {
    format!("{} {} {} {}", request.state(), request.mount(), request.path(), request.route().unwrap_or("none"))
}

fn nested() -> AppService<&'static str> {
    let mut orders = App::with_state("orders");
    orders.with(Mark("orders"));
    orders.at("/").get(async |request: Request<&'static str>| seen(&request));
    orders.at("/:order").get(async |request: Request<&'static str>| -> wavetank_web::Result<String> {
        let (tenant, order): (String, u32) = (request.param("tenant")?, request.param("order")?);
        Ok(format!("{} {tenant} {order}", seen(&request)))
    });
    orders.fallback(async |request: Request<&'static str>| (StatusCode::GONE, seen(&request)));
    let mut tenant = App::with_state("tenant");
    tenant.with(Mark("tenant"));
    tenant.at("/").get(async || "tenant's root");
    tenant.at("/orders").nest(orders);
    tenant.at("/name").get(async |request: Request<&'static str>| request.param::<String>("tenant"));
    let mut app = App::with_state("app");
    app.with(Mark("app"));
    app.at("/tenants/:tenant").nest(tenant);
    app.at("/tenants/:tenant/name").post(async || "post");
    app.fallback(async |request: Request<&'static str>| (StatusCode::NOT_FOUND, seen(&request)));
    app.into_service().unwrap()
}

#[test]
fn a_nested_app_sees_paths_without_what_it_is_nested_under() {
    let app = nested();
    let orders = "orders /tenants/acme/orders";
    assert_eq!(get(&app, "/tenants/acme/orders").1, format!("{orders} / /tenants/:tenant/orders"));
    assert_eq!(get(&app, "/tenants/acme/orders/").1, format!("{orders} / /tenants/:tenant/orders/"));
    assert_eq!(get(&app, "/tenants/acme/orders/7").1, format!("{orders} /7 /tenants/:tenant/orders/:order acme 7"));
    assert_eq!(get(&app, "/tenants/acme").1, "tenant's root");
    assert_eq!(get(&app, "/tenants/acme/").1, "tenant's root");
    assert_eq!(get(&app, "/tenants/acme/name").1, "acme");
    assert_eq!(passed(&ask(&app, "GET", "/tenants/acme/orders/7")), "orders tenant app");
}

#[test]
fn fallbacks_survive_nesting() {
    let app = nested();
    let (status, text) = get(&app, "/tenants/acme/orders/7/8");
    assert_eq!((status, text.as_str()), (410, "orders /tenants/acme/orders /7/8 none"));
    assert_eq!(passed(&ask(&app, "GET", "/tenants/acme/orders/7/8")), "orders tenant app");
    assert_eq!(get(&app, "/tenants/acme/nothing"), (404, "app  /tenants/acme/nothing none".into()));
    assert_eq!(get(&app, "/ordersx"), (404, "app  /ordersx none".into()));
}

#[test]
fn the_fallback_of_the_preferred_path_answers() {
    let falling = |name: &'static str| {
        let mut app = App::new();
        app.fallback(move || std::future::ready(name));
        app
    };
    let mut app = falling("root");
    for prefix in ["/:tenant", "/api", "/:tenant/x", "/api/v1", "/:tenant/:user"] {
        app.at(prefix).nest(falling(prefix));
    }
    let app = app.into_service().unwrap();
    for (target, expected) in [
        ("/", "root"),
        ("/api/nothing", "/api"),
        ("/api/x/1", "/api"),
        ("/api/v1/nothing", "/api/v1"),
        ("/acme/x/1", "/:tenant/x"),
        ("/acme/else/1", "/:tenant/:user"),
        ("/acme", "/:tenant"),
    ] {
        assert_eq!(get(&app, target).1, expected, "{target}");
    }
    let refused = |one: &'static str, other: &'static str| {
        let mut app = App::new();
        app.at(one).nest(falling(one));
        app.at(other).nest(falling(other));
        app.into_service().unwrap_err().to_string()
    };
    assert_eq!(refused("/t/:a", "/t/:b"), "the fallbacks below `/t/:b` and `/t/:a` answer the same requests");
    assert_eq!(refused("/", "/"), "the fallbacks below `/` and `/` answer the same requests");
}

#[test]
fn what_a_nested_app_answers_by_itself_passes_its_middleware() {
    let app = nested();
    let response = ask(&app, "PUT", "/tenants/acme/name");
    assert_eq!((response.status().as_u16(), header(&response, ALLOW)), (405, "GET, POST, HEAD, OPTIONS"));
    assert_eq!(passed(&response), "tenant app");
    let response = ask(&app, "OPTIONS", "/tenants/acme/orders/7");
    assert_eq!((response.status().as_u16(), passed(&response).as_str()), (204, "orders tenant app"));
}

#[test]
fn contradictions_across_nested_apps_name_both_routes() {
    let refused = |first: &str, prefix: &str, second: &str| {
        let mut inner = App::with_state(7);
        inner.at(second).get(async || "inner");
        let mut app = App::new();
        app.at(first).get(async || "outer");
        app.at(prefix).nest(inner);
        app.into_service().unwrap_err().to_string()
    };
    assert_eq!(
        refused("/api/:a", "/api", "/:b"),
        "the paths `/api/:b` and `/api/:a` match the same requests",
        "both are named in full"
    );
    assert_eq!(refused("/api/x", "/api", "/x"), "`GET /api/x` has two handlers");
    assert_eq!(refused("/", "/:id", "/x/:id"), "the path `/:id/x/:id` has two parameters named `id`");
    assert_eq!(refused("/", "/*rest", "/x"), "in `/*rest/x`, `*` takes the rest of the path and so must come last");
    assert_eq!(refused("/", "api", "/x"), "the path `api` must start with `/`");
    assert_eq!(
        refused("/caf\u{e9}/:id", "/", "/x"),
        "no request has `\u{e9}` in its path, as `/caf\u{e9}/:id` does: write it as clients send it, `%C3%A9`"
    );
    for char in [' ', '?', '#', '<', '\\', '\u{7f}'] {
        assert!(refused("/", "/", &format!("/a{char}b")).contains("write it as clients send it"), "{char}");
    }
    // axum names both where a path contradicts another, and the method and the path where a handler does.
    let panic = std::panic::catch_unwind(|| {
        let handler = || axum::routing::get(async || "");
        drop(axum::Router::<()>::new().route("/d/{id}", handler()).route("/d/{name}", handler()));
    });
    let told = panic.unwrap_err().downcast::<String>().unwrap();
    assert!(told.contains("/d/{id}") && told.contains("/d/{name}"), "{told}");
    let mut twice = App::new();
    twice.at("/x").all(async || "one").all(async || "two");
    assert_eq!(twice.into_service().unwrap_err(), RouteError::SameOtherwise { path: "/x".into() });
}

#[test]
fn middleware_of_a_route_surrounds_its_handlers_only() {
    let mut app = App::new();
    app.with(Mark("app"));
    app.at("/x").get(async || "free").with(Mark("route")).post(async || "guarded");
    let app = app.into_service().unwrap();
    assert_eq!(passed(&ask(&app, "GET", "/x")), "app");
    assert_eq!(passed(&ask(&app, "POST", "/x")), "route app");
    assert_eq!(passed(&ask(&app, "PUT", "/x")), "app");
}

fn slashes(policy: TrailingSlash) -> AppService {
    let mut app = App::new();
    app.trailing_slash(policy);
    app.at("/without").get(async || "without");
    app.at("/with/").get(async || "with");
    app.at("/:a/:b").get(async || "two");
    app.at("/files/*path").get(async |request: Request| request.param::<String>("path"));
    app.into_service().unwrap()
}

#[test]
fn a_slash_at_the_end_is_treated_as_the_app_wishes() {
    let strict = slashes(TrailingSlash::Strict);
    assert_eq!((get(&strict, "/without/").0, get(&strict, "/with").0), (404, 404));

    let ignoring = slashes(TrailingSlash::Ignore);
    assert_eq!(get(&ignoring, "/without/"), (200, "without".into()));
    assert_eq!(get(&ignoring, "/with"), (200, "with".into()));
    assert_eq!(get(&ignoring, "/files/a/"), (200, "a/".into()));
    assert_eq!(get(&ignoring, "//").0, 404);

    let redirecting = slashes(TrailingSlash::Redirect);
    for (from, to) in [("/without/?a=1", "/without?a=1"), ("/with", "/with/"), ("/x/y/", "/x/y")] {
        let response = ask(&redirecting, "POST", from);
        assert_eq!((response.status().as_u16(), header(&response, LOCATION)), (308, to));
    }
    // Browsers take `/\` for `//`.
    for nothing in ["//evil.example/x/", "/\\evil.example/x/", "/nothing", "/", "//"] {
        let response = ask(&redirecting, "GET", nothing);
        assert_eq!((response.status().as_u16(), header(&response, LOCATION)), (404, ""), "{nothing}");
    }
}

fn hosts() -> AppService {
    let on = |name: &'static str| {
        let mut app = App::with_state(name);
        app.at("/").get(async |request: Request<&'static str>| {
            format!("{} {}", request.state(), request.host().unwrap_or("none"))
        });
        app
    };
    let mut app = App::new();
    app.at("/").get(async || "elsewhere");
    app.host("*.example.net", on("any")).host("api.example.net", on("api")).host("*.b.example.net", on("b"));
    app.into_service().unwrap()
}

#[test]
fn hosts_have_apps_of_their_own() {
    let app = hosts();
    let on = |host: &str| {
        let request = http::Request::get("/").header(HOST, host).body(()).unwrap();
        text(block_on(app.respond(request)))
    };
    assert_eq!(on("api.example.net"), "api api.example.net");
    assert_eq!(on("API.example.net:8080"), "api API.example.net");
    assert_eq!(on("x.example.net"), "any x.example.net");
    assert_eq!(on("a.b.example.net"), "b a.b.example.net");
    assert_eq!(on("example.net"), "elsewhere");
    assert_eq!(on("[::1]:80"), "elsewhere");
    assert_eq!(get(&app, "http://api.example.net:80/").1, "api api.example.net");

    let refused = |host: &str| {
        let mut app = App::new();
        app.host("a.example.net", App::new()).host(host, App::new());
        app.into_service().unwrap_err()
    };
    assert_eq!(refused("A.example.net"), RouteError::SameHost { host: "A.example.net".into() });
    assert_eq!(refused("a:80"), RouteError::Host { host: "a:80".into() });
    let mut outer = App::new();
    let mut inner = App::new();
    inner.host("a.example.net", App::new());
    outer.at("/x").nest(inner);
    let expected = RouteError::NestedHost { path: "/x".into(), host: "a.example.net".into() };
    assert_eq!(outer.into_service().unwrap_err(), expected);
}

#[test]
fn routes_are_listed_as_they_are_served() {
    let listed: Vec<String> = nested().routes().iter().map(ToString::to_string).collect();
    assert_eq!(listed.len(), 6, "{listed:?}");
    assert_eq!(listed[0], "/tenants/:tenant [GET, HEAD, OPTIONS]");
    assert!(listed.contains(&"/tenants/:tenant/orders/:order [GET, HEAD, OPTIONS]".to_owned()), "{listed:?}");
    assert!(listed.contains(&"/tenants/:tenant/name [GET, POST, HEAD, OPTIONS]".to_owned()), "{listed:?}");
    assert_eq!(hosts().routes()[0].to_string(), "api.example.net/ [GET, HEAD, OPTIONS]");
}
