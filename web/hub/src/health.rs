//! How devices are by their own word: the newest report of each, and what the hub makes of one after the other.

mod described;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wavetank_web::middleware::BodyLimit;
use wavetank_web::openapi::{Operation, Security};
use wavetank_web::{App, Error, Json, Request, Result, StatusCode};

use crate::api::Of;
use crate::updates::{all, read, write};
use crate::{Hub, Shelf, StoreError, reading, security};

pub use wavetank_health::{Health, Network, ResetCause};

/// Far above what any report is long, and far below what would cost anything.
const REPORT_BYTES_MAX: u64 = 4 * 1024;

pub(crate) fn add_to(app: &mut App<Hub>) {
    let mut health = app.at("/devices/:id/health");
    health.with(BodyLimit::new(REPORT_BYTES_MAX)).get(show).post(report).described(&SHOW).described(&REPORT);
    app.at("/health/devices").get(list).described(&LIST);
}

const REPORT: Operation<Of, (), described::Report> = Operation::post("/devices/:id/health")
    .name("reportHealth")
    .summary("Says how a device is")
    .secured_at_times(Security::Bearer);
const SHOW: Operation<Of, (), (), described::Condition> = Operation::get("/devices/:id/health")
    .name("showHealth")
    .summary("How a device is, by its own word and by what the hub has seen");
const LIST: Operation<(), (), (), described::Conditions> = Operation::get("/health/devices")
    .name("listHealth")
    .summary("How all devices are that have reported their health, by name");

/// What a hub knows of a device's health.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// The newest report.
    pub report: Health,
    /// When it came, in milliseconds since 1970 by the hub's clock.
    pub heard_ms: u64,
    /// How often the device has started anew since the hub first heard of it, by what it was started by; oftener, if one of its
    /// lives was too short to report.
    pub restarts: BTreeMap<ResetCause, u32>,
    /// When the first report of its present life came.
    since_ms: u64,
    /// How long it had run by then, by its own word.
    up_ms: u64,
}

impl Condition {
    /// What is known once this report has come.
    pub(crate) fn after(before: Option<&Self>, report: Health, now_ms: u64) -> Self {
        let mut restarts = before.map(|before| before.restarts.clone()).unwrap_or_default();
        match before {
            Some(before) if before.report.life == report.life => {
                let Self { since_ms, up_ms, .. } = *before;
                return Self { report, heard_ms: now_ms, restarts, since_ms, up_ms };
            }
            Some(_) => {
                let count = restarts.entry(report.cause).or_default();
                *count = count.saturating_add(1);
            }
            None => {}
        }
        Self { report, heard_ms: now_ms, restarts, since_ms: now_ms, up_ms: report.up_ms }
    }

    /// How often it has started anew.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.restarts.values().fold(0, |all, count| all.saturating_add(*count))
    }

    /// By how much the device's clock has gone ahead of the hub's since the first report of its present life, in milliseconds; it
    /// stays behind by what the newest report took longer to come.
    #[must_use]
    pub fn clock_ahead_ms(&self) -> i64 {
        let by_device = i128::from(self.report.up_ms) - i128::from(self.up_ms);
        let by_hub = i128::from(self.heard_ms) - i128::from(self.since_ms);
        i64::try_from(by_device - by_hub).unwrap_or(if by_device < by_hub { i64::MIN } else { i64::MAX })
    }

    /// Whether the device has been silent for longer than it said it would be, and as long again as `grace_ms`.
    #[must_use]
    pub fn is_overdue(&self, now_ms: u64, grace_ms: u64) -> bool {
        let due_ms = self.heard_ms.saturating_add(u64::from(self.report.every_s) * 1_000);
        self.report.every_s > 0 && due_ms.saturating_add(grace_ms) < now_ms
    }
}

/// Takes a report, and tells of it. When this returns it is durable.
fn take(hub: &Hub, device: &str, report: Health) -> Result<(), StoreError> {
    let before = read::<Condition>(hub, Shelf::Health, device)?;
    let condition = Condition::after(before.as_ref(), report, hub.now_ms());
    write(hub, Shelf::Health, device, &condition)?;
    hub.observer().reported(device, &condition, before.as_ref());
    hub.changes().note();
    Ok(())
}

async fn report(mut request: Request<Hub>) -> Result<StatusCode> {
    let device: String = request.param("id")?;
    if !reading::is_plain_name(&device) {
        return Err(Error::new(StatusCode::NOT_FOUND).detail("no device has such a name"));
    }
    security::device(&request, &device)?;
    let report: Health = request.body_json().await?;
    let hub = request.state();
    hub.told(take(hub, &device, report))?;
    Ok(StatusCode::NO_CONTENT)
}

/// How all devices are that have ever said so, by name.
pub(crate) fn conditions(hub: &Hub) -> Result<Vec<(String, Condition)>, StoreError> {
    hub.told(all(hub, Shelf::Health))
}

async fn show(request: Request<Hub>) -> Result<Json<Value>> {
    let (hub, device) = (request.state(), request.param::<String>("id")?);
    let condition = hub.told(read::<Condition>(hub, Shelf::Health, &device))?;
    let unknown = || Error::new(StatusCode::NOT_FOUND).detail("no device of this name has reported its health");
    Ok(Json(view(hub, &device, &condition.ok_or_else(unknown)?)))
}

async fn list(request: Request<Hub>) -> Result<Json<Value>> {
    let hub = request.state();
    let conditions = conditions(hub)?;
    let views = conditions.iter().map(|(device, condition)| view(hub, device, condition)).collect::<Vec<_>>();
    Ok(Json(json!({ "devices": views })))
}

fn view(hub: &Hub, device: &str, condition: &Condition) -> Value {
    json!({
        "device": device,
        "heard_ms": condition.heard_ms,
        "overdue": hub.is_overdue(condition),
        "restarts": condition.restarts,
        "clock_ahead_ms": condition.clock_ahead_ms(),
        "report": condition.report,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(life: u32, cause: ResetCause, up_ms: u64) -> Health {
        Health { up_ms, every_s: 60, ..Health::new(life, cause) }
    }

    #[test]
    fn another_life_is_a_restart_and_the_same_one_is_not() {
        let mut condition = Condition::after(None, report(1, ResetCause::PowerOn, 500), 10_000);
        assert_eq!((condition.restarts(), condition.clock_ahead_ms()), (0, 0));
        for (life, cause, up_ms, now_ms, restarts) in [
            (1, ResetCause::PowerOn, 60_500, 70_000, 0),
            (2, ResetCause::BrownOut, 70_000, 140_000, 1),
            (2, ResetCause::BrownOut, 70_000, 140_000, 1),
            (3, ResetCause::Watchdog, 100, 141_000, 2),
            (4, ResetCause::Watchdog, 100, 142_000, 3),
        ] {
            condition = Condition::after(Some(&condition), report(life, cause, up_ms), now_ms);
            assert_eq!(condition.restarts(), restarts);
        }
        let by_cause = [(ResetCause::BrownOut, 1), (ResetCause::Watchdog, 2)];
        assert_eq!(condition.restarts, by_cause.into());
    }

    #[test]
    fn a_clock_that_runs_fast_is_ahead() {
        let first = Condition::after(None, report(1, ResetCause::PowerOn, 500), 10_000);
        let ahead = |up_ms, now_ms| {
            Condition::after(Some(&first), report(1, ResetCause::PowerOn, up_ms), now_ms).clock_ahead_ms()
        };
        assert_eq!((ahead(10_500, 20_000), ahead(10_600, 20_000), ahead(10_400, 20_000)), (0, 100, -100));
        assert_eq!(ahead(u64::MAX, 0), i64::MAX, "an answer that nobody's clock gives");
        let old = Condition::after(None, report(1, ResetCause::PowerOn, u64::MAX), 0);
        let odd = Condition::after(Some(&old), report(1, ResetCause::PowerOn, 0), u64::MAX);
        assert_eq!(odd.clock_ahead_ms(), i64::MIN);
    }

    #[test]
    fn who_said_when_it_will_report_is_overdue_then_and_who_did_not_never_is() {
        let condition = Condition::after(None, report(1, ResetCause::PowerOn, 0), 10_000);
        assert!(!condition.is_overdue(75_000, 5_000) && condition.is_overdue(75_001, 5_000));
        let silent = Health { every_s: 0, ..condition.report };
        assert!(!Condition::after(None, silent, 10_000).is_overdue(u64::MAX, 0));
    }
}
