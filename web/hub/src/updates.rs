//! Firmware and roll-outs over HTTP: what the admin puts there, and what devices ask for and report.

mod described;

use http::header::LOCATION;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wavetank_web::middleware::BodyLimit;
use wavetank_web::openapi::{Octets, Operation, Security};
use wavetank_web::{App, Error, IntoResponse, Json, Pieces, Request, Response, Result, StatusCode, negotiation};

use crate::api::Of;
use crate::firmware::{self, FirmwareError, Manifest, Name, Put, Rollout, Update, UpdateState, Version};
use crate::progress::Progress;
use crate::{Hub, Shelf, StoreError, security};

/// What fits on any board that the hub is made for.
const IMAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How much a device may say of its update.
const DETAIL_BYTES_MAX: usize = 200;

pub(crate) fn add_to(app: &mut App<Hub>) {
    app.at("/firmware").get(list_firmware).described(&LIST_FIRMWARE);
    let mut firmware = app.at("/firmware/:name/:version");
    firmware.get(image).described(&SHOW_IMAGE);
    firmware.with(BodyLimit::new(IMAGE_BYTES_MAX)).put(upload).described(&PUT_IMAGE);
    app.at("/firmware/:name/:version/manifest").get(show_manifest).described(&SHOW_MANIFEST);
    app.at("/rollouts").get(list_rollouts).described(&LIST_ROLLOUTS);
    let mut rollouts = app.at("/rollouts/:name");
    rollouts.get(show_rollout).put(roll_out).delete(call_off);
    rollouts.described(&SHOW_ROLLOUT).described(&ROLL_OUT).described(&CALL_OFF);
    app.at("/devices/:id/update").get(offer).post(report).described(&OFFER).described(&REPORT);
}

const LIST_FIRMWARE: Operation<(), (), (), described::AllFirmware> =
    Operation::get("/firmware").name("listFirmware").summary("What the manifests of all images say");
const SHOW_IMAGE: Operation<described::Image, (), (), Octets> = Operation::get("/firmware/:name/:version")
    .name("showImage")
    .summary("An image, or a part of it")
    .headers(&[
        ("Range", "Which bytes are wanted: `bytes=4096-`"),
        ("If-Range", "The entity tag of the image that the part must be of"),
    ])
    .also(&[(206, "The part that was asked for")]);
const PUT_IMAGE: Operation<described::Image, (), Octets, described::Manifest> =
    Operation::put("/firmware/:name/:version")
        .name("putImage")
        .summary("Puts an image there; for the admin")
        .secured(Security::Bearer)
        .headers(&[
            (
                "Firmware-Signature",
                "An Ed25519 signature of the manifest's text, in 128 hex digits, if the hub asks for one",
            ),
            ("Firmware-Minimum", "The oldest version that devices run once they have confirmed this one"),
        ])
        .status(201)
        .also(&[(200, "The very same was there already")]);
const SHOW_MANIFEST: Operation<described::Image, (), (), described::Manifest> =
    Operation::get("/firmware/:name/:version/manifest")
        .name("showManifest")
        .summary("What an image is, as JSON or as the text that is signed")
        .or_text();
const LIST_ROLLOUTS: Operation<(), (), (), described::Rollouts> =
    Operation::get("/rollouts").name("listRollouts").summary("What is rolled out, how far, and how devices take it");
const SHOW_ROLLOUT: Operation<described::Kind, (), (), described::Rollout> =
    Operation::get("/rollouts/:name").name("showRollout").summary("How far a kind of firmware is rolled out");
const ROLL_OUT: Operation<described::Kind, (), described::RollOut, described::Rollout> =
    Operation::put("/rollouts/:name")
        .name("rollOut")
        .summary("Rolls a version out so far; for the admin")
        .secured(Security::Bearer);
const CALL_OFF: Operation<described::Kind> = Operation::delete("/rollouts/:name")
    .name("callOff")
    .summary("Offers it to nobody else; for the admin")
    .secured(Security::Bearer);
const OFFER: Operation<Of, described::Asks, (), described::Manifest> = Operation::get("/devices/:id/update")
    .name("offerUpdate")
    .summary("What a device is to run next, as JSON or as text")
    .secured_at_times(Security::Bearer)
    .or_text()
    .also(&[(204, "It runs what it should")]);
const REPORT: Operation<Of, (), described::Said> = Operation::post("/devices/:id/update")
    .name("reportUpdate")
    .summary("Says how far a device is with its update")
    .secured_at_times(Security::Bearer);

async fn upload(mut request: Request<Hub>) -> Result<Response> {
    security::admin(&request)?;
    let (name, version): (String, String) = (request.param("name")?, request.param("version")?);
    // What is no text is not what it should be either, and is refused as that.
    let header = |name| request.headers().get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let (signature, minimum) = (header("firmware-signature"), header("firmware-minimum"));
    let image = request.body_bytes().await?;
    let put = Put { name: &name, version: &version, minimum: minimum.as_deref(), signature: signature.as_deref() };
    let hub = request.state();
    let manifest = firmware::manifest(&put, &image, hub.config().security.firmware_key.as_ref()).map_err(|error| {
        let refused = Error::new(StatusCode::UNPROCESSABLE_ENTITY).detail(error.to_string());
        match error {
            FirmwareError::Unsigned | FirmwareError::Signature => {
                refused.member("signed_text", firmware::text_to_sign(&put, &image))
            }
            _ => refused,
        }
    })?;
    match put_firmware(hub, &manifest, &image)? {
        PutFirmware::New => {
            let location = format!("/firmware/{}", firmware::place(&manifest.name, manifest.version));
            Ok((StatusCode::CREATED, [(LOCATION, location)], Json(manifest)).into_response())
        }
        PutFirmware::Known => Ok(Json(manifest).into_response()),
        PutFirmware::Another => {
            Err(Error::new(StatusCode::CONFLICT).detail("this version is there already, and is another"))
        }
    }
}

/// What became of an image that was put to a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutFirmware {
    /// It is there now.
    New,
    /// It was there already.
    Known,
    /// This version is there already, and is another: what devices have been told of cannot become something else.
    Another,
}

/// Keeps an image with its manifest. Nothing is verified.
pub(crate) fn put_firmware(hub: &Hub, manifest: &Manifest, image: &[u8]) -> Result<PutFirmware, StoreError> {
    let place = firmware::place(&manifest.name, manifest.version);
    match read::<Manifest>(hub, Shelf::Manifests, &place)? {
        Some(before) if before == *manifest => return Ok(PutFirmware::Known),
        Some(_) => return Ok(PutFirmware::Another),
        None => {}
    }
    // The manifest comes last: whoever finds it finds the image.
    hub.store().keep(Shelf::Images, &place, Some(image))?;
    write(hub, Shelf::Manifests, &place, manifest)?;
    Ok(PutFirmware::New)
}

async fn list_firmware(request: Request<Hub>) -> Result<Json<Value>> {
    let manifests = all::<Manifest>(request.state(), Shelf::Manifests)?;
    let manifests: Vec<Manifest> = manifests.into_iter().map(|(_, manifest)| manifest).collect();
    Ok(Json(json!({ "firmware": manifests })))
}

fn manifest(request: &Request<Hub>) -> Result<(String, Manifest)> {
    let place = firmware::place(&request.param::<String>("name")?, request.param::<String>("version")?);
    let manifest = read(request.state(), Shelf::Manifests, &place)?;
    Ok((place, manifest.ok_or_else(|| Error::new(StatusCode::NOT_FOUND).detail("there is no such firmware"))?))
}

async fn show_manifest(request: Request<Hub>) -> Result<Response> {
    Ok(answer(&request, manifest(&request)?.1))
}

/// A manifest, as JSON or as the text that is signed, whichever of them is liked better; as JSON, if neither is.
fn answer(request: &Request<Hub>, manifest: Manifest) -> Response {
    const TEXT: &str = "text/plain";
    match negotiation::media_type(request.headers(), &["application/json", TEXT]) {
        Some(TEXT) => manifest.to_string().into_response(),
        _ => Json(manifest).into_response(),
    }
}

/// The image, or the part that is asked for: a device goes on where its connection broke.
async fn image(request: Request<Hub>) -> Result<Response> {
    let (place, manifest) = manifest(&request)?;
    let tag = format!("\"{}\"", manifest.sha256);
    let hub = request.state().clone();
    let read = move |first, count| {
        let part = hub.store().part(Shelf::Images, &place, first, count)?;
        Ok(part.unwrap_or_default().into())
    };
    Pieces::new("application/octet-stream", manifest.length.into(), tag, read).respond(&request)
}

async fn roll_out(mut request: Request<Hub>) -> Result<Json<Value>> {
    security::admin(&request)?;
    let name: String = request.param("name")?;
    let rollout: Rollout = request.body_json().await?;
    set_rollout(request.state(), &name, &rollout)?;
    Ok(Json(view(request.state(), &name, &rollout)?))
}

/// Rolls a version out so far.
pub(crate) fn set_rollout(hub: &Hub, name: &str, rollout: &Rollout) -> Result<()> {
    let refused = |detail: String| Err(Error::new(StatusCode::UNPROCESSABLE_ENTITY).detail(detail));
    if rollout.permille > 1_000 {
        return refused("`permille` must be in 0..=1000".into());
    }
    if read::<Manifest>(hub, Shelf::Manifests, &firmware::place(name, rollout.version))?.is_none() {
        return refused(format!("there is no firmware {name} {}", rollout.version));
    }
    write(hub, Shelf::Rollouts, name, rollout)?;
    hub.changes().note();
    Ok(())
}

async fn call_off(request: Request<Hub>) -> Result<StatusCode> {
    security::admin(&request)?;
    request.state().store().keep(Shelf::Rollouts, &request.param::<String>("name")?, None)?;
    request.state().changes().note();
    Ok(StatusCode::NO_CONTENT)
}

async fn list_rollouts(request: Request<Hub>) -> Result<Json<Value>> {
    let hub = request.state();
    let rollouts = all::<Rollout>(hub, Shelf::Rollouts)?;
    let views = rollouts.iter().map(|(name, rollout)| view(hub, name, rollout)).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(json!({ "rollouts": views })))
}

async fn show_rollout(request: Request<Hub>) -> Result<Json<Value>> {
    let name: String = request.param("name")?;
    let rollout = read::<Rollout>(request.state(), Shelf::Rollouts, &name)?;
    let rollout =
        rollout.ok_or_else(|| Error::new(StatusCode::NOT_FOUND).detail("nothing of this name is rolled out"))?;
    Ok(Json(view(request.state(), &name, &rollout)?))
}

fn view(hub: &Hub, name: &str, rollout: &Rollout) -> Result<Value, StoreError> {
    let progress = Progress::of(hub, name, rollout)?;
    let Rollout { version, permille, failures_max } = rollout;
    Ok(json!({
        "name": name, "version": version, "permille": permille, "failures_max": failures_max,
        "halted": progress.is_halted(rollout), "devices": progress,
    }))
}

/// What a device says of itself when it asks.
#[derive(Deserialize)]
struct Asks {
    firmware: Name,
    running: Version,
}

/// The manifest of what the device is to run, or 204.
async fn offer(request: Request<Hub>) -> Result<Response> {
    let device: String = request.param("id")?;
    security::device(&request, &device)?;
    let Asks { firmware: name, running } = request.query()?;
    let hub = request.state();
    let Some(rollout) = read::<Rollout>(hub, Shelf::Rollouts, &name)? else {
        return Ok(StatusCode::NO_CONTENT.into_response());
    };
    let before = read::<Update>(hub, Shelf::Updates, &device)?
        .filter(|update| update.name == name && update.version == rollout.version);
    if running == rollout.version {
        if before.is_some_and(|update| update.state != UpdateState::Installed) {
            note(hub, &device, Said { name, version: running, state: UpdateState::Installed, detail: String::new() })?;
        }
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let has_failed = before.as_ref().is_some_and(|update| update.state.is_failure());
    let is_open = !Progress::of(hub, &name, &rollout)?.is_halted(&rollout);
    if has_failed || !is_open || !rollout.is_for(&name, &device) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let manifest = read::<Manifest>(hub, Shelf::Manifests, &firmware::place(&name, rollout.version))?;
    let manifest = manifest.ok_or_else(|| Error::new(StatusCode::NOT_FOUND).detail("the firmware is gone"))?;
    if before.is_none() {
        let version = rollout.version;
        note(hub, &device, Said { name, version, state: UpdateState::Offered, detail: String::new() })?;
    }
    Ok(answer(&request, manifest))
}

/// What a device says of its update.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(rename = "firmware")]
    name: Name,
    version: Version,
    state: UpdateState,
    #[serde(default)]
    detail: String,
}

async fn report(mut request: Request<Hub>) -> Result<StatusCode> {
    let device: String = request.param("id")?;
    security::device(&request, &device)?;
    let mut said: Said = request.body_json().await?;
    let len = said.detail.len();
    let end = (0..=DETAIL_BYTES_MAX.min(len)).rev().find(|&at| said.detail.is_char_boundary(at)).unwrap_or(0);
    said.detail.truncate(end);
    note(request.state(), &device, said)?;
    Ok(StatusCode::NO_CONTENT)
}

fn note(hub: &Hub, device: &str, said: Said) -> Result<()> {
    if !crate::reading::is_plain_name(device) {
        return Err(Error::new(StatusCode::NOT_FOUND).detail("no device has such a name"));
    }
    let Said { name, version, state, detail } = said;
    let update = Update { name, version, state, detail, since_ms: hub.now_ms() };
    let before = read::<Update>(hub, Shelf::Updates, device)?;
    write(hub, Shelf::Updates, device, &update)?;
    hub.tally().note(before.as_ref(), &update);
    hub.observer().updated(device, &update);
    hub.changes().note();
    Ok(())
}

/// A document of a shelf, as what it is.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    hub: &Hub,
    shelf: Shelf,
    name: &str,
) -> Result<Option<T>, StoreError> {
    let document = hub.store().document(shelf, name)?;
    document.map(|bytes| serde_json::from_slice(&bytes).map_err(StoreError::new)).transpose()
}

/// All documents of a shelf, by name.
pub(crate) fn all<T: serde::de::DeserializeOwned>(hub: &Hub, shelf: Shelf) -> Result<Vec<(String, T)>, StoreError> {
    let documents = hub.store().documents(shelf, "")?;
    let parse = |(name, bytes): (String, Vec<u8>)| Ok((name, serde_json::from_slice(&bytes).map_err(StoreError::new)?));
    documents.into_iter().map(parse).collect()
}

pub(crate) fn write(hub: &Hub, shelf: Shelf, name: &str, document: &impl Serialize) -> Result<(), StoreError> {
    let bytes = serde_json::to_vec(document).map_err(StoreError::new)?;
    hub.store().keep(shelf, name, Some(&bytes))
}
