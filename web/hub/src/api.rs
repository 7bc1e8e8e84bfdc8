//! The hub over HTTP.

use http::header::LOCATION;
use serde::{Deserialize, Serialize};
use wavetank_web::middleware::{BodyLimit, SameOrigin, Trace};
use wavetank_web::{App, Error, IntoResponse, Json, Request, Response, Result, StatusCode};

use crate::reading::Posted;
use crate::{Device, Hub, Reading, RecordError, Recorded, StoredReading, commands, page, security, updates};

const BODY_BYTES_MAX: u64 = 1024 * 1024;

/// The hub as a web application, to be served, extended or asked without a socket.
#[must_use]
pub fn app(hub: Hub) -> App<Hub> {
    let mut app = App::with_state(hub);
    app.with(Trace).with(SameOrigin::new());
    page::add_to(&mut app);
    updates::add_to(&mut app);
    commands::add_to(&mut app);
    app.at("/health").get(async || "ok");
    app.at("/readings").with(BodyLimit::new(BODY_BYTES_MAX)).post(post_readings);
    app.at("/devices").get(list_devices);
    app.at("/devices/:id").get(show_device);
    app.at("/devices/:id/readings").get(list_readings);
    app.at("/devices/:id/readings/:sequence").get(show_reading);
    app
}

#[derive(Serialize)]
struct Receipt {
    stored: usize,
    duplicate: usize,
}

async fn post_readings(mut request: Request<Hub>) -> Result<Response> {
    let posted: Posted = request.body_json().await?;
    let readings = posted.readings();
    check(readings, request.state().config().batch_max)?;
    for reading in readings {
        security::device(&request, &reading.device)?;
    }
    let recorded = request.state().record(readings).map_err(|error| match error {
        RecordError::Taken { index } => {
            let Reading { device, sequence, .. } = &readings[index];
            Error::new(StatusCode::CONFLICT)
                .detail(format!("reading {sequence} of `{device}` is already stored with other content"))
                .member("index", index)
        }
        RecordError::Store(error) => error.into(),
    })?;
    let stored = recorded.iter().filter(|recorded| **recorded == Recorded::Stored).count();
    let receipt = Json(Receipt { stored, duplicate: recorded.len() - stored });
    Ok(match posted {
        _ if stored == 0 => receipt.into_response(),
        Posted::Batch(_) => (StatusCode::CREATED, receipt).into_response(),
        Posted::One(Reading { device, sequence, .. }) => {
            let location = format!("/devices/{device}/readings/{sequence}");
            (StatusCode::CREATED, [(LOCATION, location)], receipt).into_response()
        }
    })
}

fn check(readings: &[Reading], batch_max: usize) -> Result<()> {
    let refused = Error::new(StatusCode::UNPROCESSABLE_ENTITY);
    if readings.is_empty() || readings.len() > batch_max {
        return Err(refused.detail(format!("a batch has 1 to {batch_max} readings")));
    }
    for (index, reading) in readings.iter().enumerate() {
        if let Err(invalid) = reading.check() {
            return Err(refused.detail(invalid.to_string()).member("index", index));
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct DeviceView {
    device: String,
    online: bool,
    last_sequence: u64,
    last_heard_ms: u64,
    count: u64,
}

impl From<(Device, bool)> for DeviceView {
    fn from((device, online): (Device, bool)) -> Self {
        let Device { device, last_sequence, last_heard_ms, count } = device;
        Self { device, online, last_sequence, last_heard_ms, count }
    }
}

#[derive(Serialize)]
struct Devices {
    devices: Vec<DeviceView>,
}

async fn list_devices(request: Request<Hub>) -> Result<Json<Devices>> {
    let devices = request.state().devices()?;
    Ok(Json(Devices { devices: devices.into_iter().map(DeviceView::from).collect() }))
}

async fn show_device(request: Request<Hub>) -> Result<Json<DeviceView>> {
    let name: String = request.param("id")?;
    let device = request.state().device(&name)?;
    Ok(Json(device.ok_or_else(no_such_device)?.into()))
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    from: u64,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Readings {
    device: String,
    readings: Vec<StoredReading>,
    next: Option<u64>,
}

const PAGE_DEFAULT: usize = 100;

async fn list_readings(request: Request<Hub>) -> Result<Json<Readings>> {
    let device: String = request.param("id")?;
    let page: Page = request.query()?;
    let hub = request.state();
    let page_max = hub.config().page_max;
    let limit = page.limit.unwrap_or(PAGE_DEFAULT.min(page_max));
    if limit == 0 || limit > page_max {
        let detail = format!("`limit` must be in 1..={page_max}");
        return Err(Error::new(StatusCode::BAD_REQUEST).detail(detail));
    }
    // One more than asked for tells whether there is a next page, and where.
    let mut readings = hub.readings(&device, page.from, limit + 1)?;
    if readings.is_empty() && hub.device(&device)?.is_none() {
        return Err(no_such_device());
    }
    let next = readings.get(limit).map(|reading| reading.sequence);
    readings.truncate(limit);
    Ok(Json(Readings { device, readings, next }))
}

async fn show_reading(request: Request<Hub>) -> Result<Json<StoredReading>> {
    let device: String = request.param("id")?;
    let sequence: u64 = request.param("sequence")?;
    let reading = request.state().reading(&device, sequence)?;
    Ok(Json(reading.ok_or_else(|| Error::new(StatusCode::NOT_FOUND).detail("there is no such reading"))?))
}

fn no_such_device() -> Error {
    Error::new(StatusCode::NOT_FOUND).detail("no device of this name has reported")
}
