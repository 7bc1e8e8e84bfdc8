//! The desk without any network: requests in, answers out.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use own_device::server::{Desk, router};
use tower::ServiceExt;

fn ask(desk: &Desk, method: Method, path: &str, body: &'static str) -> (StatusCode, String) {
    futures::executor::block_on(async {
        let request = Request::builder().method(method).uri(path).body(Body::from(body)).unwrap();
        let answer = router(desk.clone()).oneshot(request).await.unwrap();
        let status = answer.status();
        let body = to_bytes(answer.into_body(), 1_024).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    })
}

#[test]
fn what_a_gauge_reports_is_shown() {
    let desk = Desk::new(());
    assert_eq!(ask(&desk, Method::GET, "/gauges/mill", "").0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&desk, Method::PUT, "/gauges/mill", "1 2").0, StatusCode::NO_CONTENT);
    assert_eq!(ask(&desk, Method::PUT, "/gauges/bridge", "7 0").0, StatusCode::NO_CONTENT);
    assert_eq!(ask(&desk, Method::GET, "/gauges/mill", ""), (StatusCode::OK, "1 2\n".to_owned()));
    assert_eq!(ask(&desk, Method::GET, "/gauges", "").1, "bridge 7 0\nmill 1 2\n");
}

#[test]
fn what_is_no_report_is_refused() {
    for body in ["", "1", "1 x", "1 256", "-1 2", "1  2"] {
        let desk = Desk::new(());
        let (status, _) = ask(&desk, Method::PUT, "/gauges/mill", body);
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body:?}");
        assert_eq!(ask(&desk, Method::GET, "/gauges", "").1, "");
    }
}
