//! tower's layers and services, and an app's as theirs.

use futures::executor::block_on;
use http::{HeaderName, HeaderValue};
use tower_http::set_header::{SetRequestHeaderLayer, SetResponseHeaderLayer};
use tower_layer::Layer as _;
use wavetank_web::middleware::BodyLimit;
use wavetank_web::tower::{FromLayer, FromService, IntoLayer};
use wavetank_web::{App, Client, Request};

#[test]
fn layers_and_services_of_tower_fit() {
    let name = HeaderName::from_static("by");
    let mut app = App::with_state(7);
    app.with(FromLayer::new(SetResponseHeaderLayer::overriding(name.clone(), HeaderValue::from_static("tower"))));
    app.with(FromLayer::new(SetRequestHeaderLayer::overriding(name, HeaderValue::from_static("layer"))));
    app.at("/:id").get(async |request: Request<i32>| -> wavetank_web::Result<String> {
        Ok(format!("{} {} {:?}", request.state(), request.param::<u32>("id")?, request.headers().get("by")))
    });
    let mut other = App::new();
    other.at("/other/:x").get(async || "other");
    app.at("/other/*rest").all(FromService::new(other.into_service().unwrap()));
    let client = Client::new(app.into_service().unwrap());
    let answer = block_on(client.get("/5").send()).unwrap();
    assert_eq!((answer.text().as_str(), answer.header("by")), ("7 5 Some(\"layer\")", "tower"));
    assert_eq!(block_on(client.get("/other/1").send()).unwrap().text(), "other");
}

#[test]
fn middleware_is_a_layer_for_others() {
    let mut inner = App::new();
    inner.at("/").post(async |mut request: Request| request.body_text().await);
    let client = Client::new(IntoLayer::new(BodyLimit::new(3)).layer(inner.into_service().unwrap()));
    assert_eq!(block_on(client.post("/").body("one").send()).unwrap().text(), "one");
    assert_eq!(block_on(client.post("/").body("four").send()).unwrap().status, 413);
}
