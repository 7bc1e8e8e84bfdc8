//! The parts of the page by which the admin steers, and what it shows of roll-outs. They work without the script.

use std::fmt::{self, Write as _};

use http::header::{LOCATION, SET_COOKIE};
use serde::Deserialize;
use wavetank_web::middleware::{CacheControl, SecurityHeaders};
use wavetank_web::{App, Error, IntoResponse, Request, Response, Result, StatusCode};

use super::Text;
use crate::firmware::{Manifest, Rollout, Update};
use crate::progress::Progress;
use crate::updates;
use crate::{Hub, Shelf, StoreError, security};

pub(super) fn add_to(app: &mut App<Hub>) {
    app.at("/login").with(SecurityHeaders::default()).with(CacheControl::no_store()).post(log_in);
    app.at("/logout").post(log_out);
    app.at("/steer").post(steer);
}

#[derive(Deserialize)]
struct Login {
    token: String,
}

async fn log_in(mut request: Request<Hub>) -> Result<Response> {
    let Login { token } = request.body_form().await?;
    match security::log_in(request.state(), &token) {
        Some(cookie) => {
            Ok((StatusCode::SEE_OTHER, [(SET_COOKIE, cookie), (LOCATION, "/".parse()?)], ()).into_response())
        }
        None => {
            let told = "That is not the token that this hub was started with.";
            let notice = format!("<p class=\"card missing\" role=\"alert\">{told}</p>\n");
            let mut response = super::show(&request, &notice)?;
            // Not a 401, which would have to say by which scheme to ask (RFC 9110, 15.5.2).
            *response.status_mut() = StatusCode::FORBIDDEN;
            Ok(response)
        }
    }
}

async fn log_out() -> Result<Response> {
    Ok((StatusCode::SEE_OTHER, [(SET_COOKIE, security::log_out()), (LOCATION, "/".parse()?)], ()).into_response())
}

#[derive(Deserialize)]
struct Steer {
    firmware: String,
    percent: u32,
}

async fn steer(mut request: Request<Hub>) -> Result<Response> {
    security::admin(&request)?;
    let Steer { firmware, percent } = request.body_form().await?;
    let place = firmware.split_once('/').and_then(|(name, version)| Some((name, version.parse().ok()?)));
    let Some((name, version)) = place else {
        return Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY).detail("no such firmware"));
    };
    let hub = request.state();
    let before = updates::read::<Rollout>(hub, Shelf::Rollouts, name)?;
    let failures_max = before.map_or(3, |before| before.failures_max);
    let rollout = Rollout { version, permille: percent.saturating_mul(10), failures_max };
    updates::set_rollout(hub, name, &rollout)?;
    Ok((StatusCode::SEE_OTHER, [(LOCATION, "/")], ()).into_response())
}

/// What is there for the admin: nothing at a hub that has none.
pub(super) fn write_steering(html: &mut String, request: &Request<Hub>) -> Result<(), StoreError> {
    let hub = request.state();
    if hub.config().security.admin_token.is_none() {
        return Ok(());
    }
    if !security::is_logged_in(request) {
        html.push_str(
            "<details class=\"card\"><summary>Log in to steer</summary>\n<form method=\"post\" action=\"login\">\n\
             <label for=\"token\">Admin token</label>\n\
             <input id=\"token\" name=\"token\" type=\"password\" autocomplete=\"current-password\" required>\n\
             <button>Log in</button>\n</form></details>\n",
        );
        return Ok(());
    }
    html.push_str("<section class=\"card\" aria-labelledby=\"steer\"><h2 id=\"steer\">Steer</h2>\n");
    let manifests = updates::all::<Manifest>(hub, Shelf::Manifests)?;
    if manifests.is_empty() {
        html.push_str("<p>There is no firmware yet. It is put to <code>/firmware/NAME/VERSION</code>.</p>\n");
    } else {
        html.push_str(
            "<form method=\"post\" action=\"steer\">\n<label for=\"firmware\">Roll out</label>\n\
             <select id=\"firmware\" name=\"firmware\">\n",
        );
        for (place, manifest) in manifests.iter().rev() {
            let Manifest { name, version, .. } = manifest;
            write_str(html, format_args!("<option value=\"{}\">{name} {version}</option>\n", Text(place)));
        }
        html.push_str(
            "</select>\n<label for=\"percent\">to percent of the devices</label>\n\
             <input id=\"percent\" name=\"percent\" type=\"number\" min=\"0\" max=\"100\" value=\"10\" required>\n\
             <button>Roll out</button>\n</form>\n",
        );
    }
    html.push_str("<form method=\"post\" action=\"logout\"><button>Log out</button></form>\n</section>\n");
    Ok(())
}

/// What is rolled out, and how far devices are; nothing where nothing is.
pub(super) fn write_rollouts(html: &mut String, hub: &Hub) -> Result<(), StoreError> {
    let rollouts = updates::all::<Rollout>(hub, Shelf::Rollouts)?;
    if rollouts.is_empty() {
        return Ok(());
    }
    html.push_str("<h2 id=\"rollouts\">Roll-outs</h2>\n<ul class=\"rollouts\" aria-labelledby=\"rollouts\">\n");
    for (name, rollout) in &rollouts {
        let progress = Progress::of(hub, name, rollout)?;
        let Progress { offered, downloading, trying, installed, failed } = progress;
        let (percent, tenths) = (rollout.permille / 10, rollout.permille % 10);
        let tenths = if tenths == 0 { String::new() } else { format!(".{tenths}") };
        let halted = if progress.is_halted(rollout) { "<strong class=\"missing\">Halted</strong> " } else { "" };
        let all = (offered + downloading + trying + installed + failed).max(1);
        write_str(
            html,
            format_args!(
                "<li class=\"card\"><p><b>{} {}</b> to {percent}{tenths} % of the devices {halted}</p>\
                 <progress max=\"{all}\" value=\"{installed}\" aria-label=\"installed\"></progress>\
                 <p class=\"quiet\">{offered} offered, {downloading} downloading, {trying} trying, {installed} installed, {failed} failed</p></li>\n",
                Text(name),
                rollout.version,
            ),
        );
    }
    html.push_str("</ul>\n");
    Ok(())
}

/// How far a device is with its update, in a cell.
pub(super) struct Firmware<'a>(pub(super) Option<&'a Update>);

impl fmt::Display for Firmware<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Update { name, version, state, detail, .. }) = self.0 else {
            return f.write_str("–");
        };
        let class = if state.is_failure() { " class=\"missing\"" } else { "" };
        write!(f, "<span{class} title=\"{} {}\">{} {}</span>", name, Text(detail), version, state.name())
    }
}

fn write_str(html: &mut String, text: fmt::Arguments<'_>) {
    html.write_fmt(text).expect("a string takes all that is written to it");
}
