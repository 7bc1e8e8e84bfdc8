//! The flood desk: shows the town how high the water stands at every gauge.
//!
//! - `PUT /gauges/{name}` with the body `{number} {level}`: the gauge reports its change of that number;
//! - `GET /gauges/{name}`: its last report, in the same words; 404 if there is none;
//! - `GET /gauges`: all of them, a line each.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;

/// What a gauge reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The number of the change, by the gauge.
    pub number: u64,
    /// How high the water stands since.
    pub level: u8,
}

impl FromStr for Report {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "a report is a number and a level, such as \"17 3\"\n";
        let (number, level) = text.split_once(' ').ok_or(WRONG)?;
        Ok(Self { number: number.parse().map_err(|_| WRONG)?, level: level.parse().map_err(|_| WRONG)? })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.level)
    }
}

/// Who is told what the desk shows: the sirens of the town.
pub trait Audience: Send + Sync + 'static {
    /// The desk shows this report of the gauge from now on.
    fn shown(&self, gauge: &str, report: Report);
}

/// Nobody listens.
impl Audience for () {
    fn shown(&self, _gauge: &str, _report: Report) {}
}

/// The desk's memory; a handle to it.
#[derive(Clone)]
pub struct Desk(Arc<Inner>);

struct Inner {
    shown: Mutex<BTreeMap<String, Report>>,
    audience: Box<dyn Audience>,
}

impl Desk {
    /// A desk that has not heard of any gauge.
    pub fn new(audience: impl Audience) -> Self {
        Self(Arc::new(Inner { shown: Mutex::default(), audience: Box::new(audience) }))
    }

    fn with<R>(&self, f: impl FnOnce(&mut BTreeMap<String, Report>) -> R) -> R {
        f(&mut self.0.shown.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The web application.
pub fn router(desk: Desk) -> Router {
    Router::new().route("/gauges", get(all)).route("/gauges/{name}", get(one).put(report)).with_state(desk)
}

async fn report(State(desk): State<Desk>, Path(gauge): Path<String>, body: String) -> Result<StatusCode, Refusal> {
    let report: Report = body.parse().map_err(|wrong| (StatusCode::UNPROCESSABLE_ENTITY, wrong))?;
    desk.with(|shown| shown.insert(gauge.clone(), report));
    desk.0.audience.shown(&gauge, report);
    Ok(StatusCode::NO_CONTENT)
}

type Refusal = (StatusCode, &'static str);

async fn one(State(desk): State<Desk>, Path(gauge): Path<String>) -> Result<String, StatusCode> {
    let report = desk.with(|shown| shown.get(&gauge).copied());
    report.map(|report| format!("{report}\n")).ok_or(StatusCode::NOT_FOUND)
}

async fn all(State(desk): State<Desk>) -> String {
    desk.with(|shown| shown.iter().map(|(gauge, report)| format!("{gauge} {report}\n")).collect())
}
