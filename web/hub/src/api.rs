//! The hub over HTTP.

use http::header::LOCATION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wavetank_web::middleware::{BodyLimit, SameOrigin, Trace};
use wavetank_web::openapi::{About, Asked, Operation, Security, Text};
use wavetank_web::{App, Error, IntoResponse, Json, Request, Response, Result, State, StatusCode};

use crate::reading::Posted;
use crate::{Device, Hub, Reading, RecordError, Recorded, StoredReading, commands, health, page, security, updates};

const BODY_BYTES_MAX: u64 = 1024 * 1024;

/// The hub as a web application, to be served, extended or asked without a socket.
#[must_use]
pub fn app(hub: Hub) -> App<Hub> {
    let mut app = App::with_state(hub);
    app.with(Trace).with(SameOrigin::new());
    page::add_to(&mut app);
    updates::add_to(&mut app);
    commands::add_to(&mut app);
    health::add_to(&mut app);
    app.at("/health").get(async || "ok").described(&HEALTH);
    app.at("/readings").with(BodyLimit::new(BODY_BYTES_MAX)).post(post_readings).described(&POST_READINGS);
    app.answer(&LIST_DEVICES, list_devices).answer(&SHOW_DEVICE, show_device);
    app.answer(&LIST_READINGS, list_readings).answer(&SHOW_READING, show_reading);
    app.describe("/docs", &ABOUT);
    app
}

const ABOUT: About<'_> = About {
    title: "Telemetry hub",
    version: env!("CARGO_PKG_VERSION"),
    summary: "Readings of devices. Whoever has a key of a device or the admin's token shows it as a bearer.",
};

const HEALTH: Operation<(), (), (), Text> =
    Operation::get("/health").name("health").summary("Whether the hub is there");

#[derive(Serialize, Deserialize, JsonSchema)]
struct Receipt {
    /// Readings that were new.
    stored: usize,
    /// Readings that were stored already.
    duplicate: usize,
}

const POST_READINGS: Operation<(), (), Posted, Receipt> = Operation::post("/readings")
    .name("postReadings")
    .summary("Stores a reading, or an array of them as a whole")
    .secured_at_times(Security::Bearer)
    .status(201)
    .also(&[(200, "All were known already")]);

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

#[derive(Serialize, Deserialize, JsonSchema)]
struct DeviceView {
    device: String,
    /// Whether it was heard lately.
    online: bool,
    last_sequence: u64,
    /// Milliseconds since 1970, by the hub's clock.
    last_heard_ms: u64,
    /// How many readings of it are stored.
    count: u64,
}

impl From<(Device, bool)> for DeviceView {
    fn from((device, online): (Device, bool)) -> Self {
        let Device { device, last_sequence, last_heard_ms, count } = device;
        Self { device, online, last_sequence, last_heard_ms, count }
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Devices {
    devices: Vec<DeviceView>,
}

const LIST_DEVICES: Operation<(), (), (), Devices> =
    Operation::get("/devices").name("listDevices").summary("All devices that have reported, by name");

async fn list_devices(hub: State<Hub>, _: Asked) -> Result<Devices> {
    Ok(Devices { devices: hub.devices()?.into_iter().map(DeviceView::from).collect() })
}

/// The parameter of a device's paths.
#[derive(Serialize, Deserialize, JsonSchema)]
pub(crate) struct Of {
    /// The device's name.
    pub(crate) id: String,
}

const SHOW_DEVICE: Operation<Of, (), (), DeviceView> =
    Operation::get("/devices/:id").name("showDevice").summary("What is known of a device");

async fn show_device(hub: State<Hub>, asked: Asked<Of>) -> Result<DeviceView> {
    let device = hub.device(&asked.params.id)?;
    Ok(device.ok_or_else(no_such_device)?.into())
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Page {
    /// The first sequence number that is wanted.
    #[serde(default)]
    from: u64,
    /// So many readings at most.
    limit: Option<usize>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Readings {
    device: String,
    readings: Vec<StoredReading>,
    /// Where the next page begins, if there is one.
    next: Option<u64>,
}

const PAGE_DEFAULT: usize = 100;

const LIST_READINGS: Operation<Of, Page, (), Readings> =
    Operation::get("/devices/:id/readings").name("listReadings").summary("A page of a device's readings, by sequence");

async fn list_readings(hub: State<Hub>, asked: Asked<Of, Page>) -> Result<Readings> {
    let Asked { params: Of { id: device }, query: page, .. } = asked;
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
    Ok(Readings { device, readings, next })
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Which {
    /// The device's name.
    id: String,
    sequence: u64,
}

const SHOW_READING: Operation<Which, (), (), StoredReading> =
    Operation::get("/devices/:id/readings/:sequence").name("showReading").summary("One reading of a device");

async fn show_reading(hub: State<Hub>, asked: Asked<Which>) -> Result<StoredReading> {
    let reading = hub.reading(&asked.params.id, asked.params.sequence)?;
    reading.ok_or_else(|| Error::new(StatusCode::NOT_FOUND).detail("there is no such reading"))
}

fn no_such_device() -> Error {
    Error::new(StatusCode::NOT_FOUND).detail("no device of this name has reported")
}
