//! What devices are to do: the admin says it, the device fetches it, does it, and says what came of it.

use http::header::LOCATION;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wavetank_web::openapi::{Operation, Security};
use wavetank_web::{App, Error, IntoResponse, Json, Request, Response, Result, StatusCode};

use crate::api::Of;
use crate::updates::{read, write};
use crate::{Hub, Shelf, StoreError, security};

/// A command to a device. It is kept, so that one may see what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Command {
    /// Counts the device's commands, from 1.
    number: u64,
    /// What the admin said, for the device to understand.
    command: Value,
    /// What the device said when it was done.
    answer: Option<Value>,
}

/// Commands that wait for one device: it may be gone for good.
const WAITING_MAX: usize = 100;

pub(crate) fn add_to(app: &mut App<Hub>) {
    app.at("/devices/:id/commands").get(waiting).post(command).described(&WAITING).described(&COMMAND);
    app.at("/devices/:id/commands/:number").get(show).post(answer).described(&SHOW).described(&ANSWER);
    app.at("/devices/:id/key").post(turn_key).described(&TURN_KEY);
}

const COMMAND: Operation<Of, (), Value, Command> = Operation::post("/devices/:id/commands")
    .name("commandDevice")
    .summary("Has a device do something; for the admin")
    .secured(Security::Bearer)
    .status(201);
const WAITING: Operation<Of, (), (), Waiting> = Operation::get("/devices/:id/commands")
    .name("waitingCommands")
    .summary("What a device has yet to do, in order")
    .secured_at_times(Security::Bearer);
const SHOW: Operation<Which, (), (), Command> = Operation::get("/devices/:id/commands/:number")
    .name("showCommand")
    .summary("A command, and what came of it; for the admin")
    .secured(Security::Bearer);
const ANSWER: Operation<Which, (), Answer> = Operation::post("/devices/:id/commands/:number")
    .name("answerCommand")
    .summary("Says that a device has done it, and what came of it")
    .secured_at_times(Security::Bearer);
const TURN_KEY: Operation<Of, (), (), Key> = Operation::post("/devices/:id/key")
    .name("turnKey")
    .summary("Gives a device another key, which is told this once; for the admin")
    .secured(Security::Bearer)
    .status(201);

#[derive(Serialize, Deserialize, JsonSchema)]
struct Which {
    /// The device's name.
    id: String,
    number: u64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Waiting {
    commands: Vec<Command>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Key {
    device: String,
    key: String,
}

fn place(device: &str, number: u64) -> String {
    // In the order of their numbers.
    format!("{device}/{number:020}")
}

fn all(hub: &Hub, device: &str) -> Result<Vec<Command>, StoreError> {
    let documents = hub.store().documents(Shelf::Commands, &format!("{device}/"))?;
    documents.iter().map(|(_, bytes)| serde_json::from_slice(bytes).map_err(StoreError::new)).collect()
}

fn named(request: &Request<Hub>) -> Result<String> {
    let device: String = request.param("id")?;
    if crate::reading::is_plain_name(&device) {
        return Ok(device);
    }
    Err(Error::new(StatusCode::NOT_FOUND).detail("no device has such a name"))
}

async fn command(mut request: Request<Hub>) -> Result<Response> {
    security::admin(&request)?;
    let device = named(&request)?;
    let command: Value = request.body_json().await?;
    let hub = request.state();
    let before = all(hub, &device)?;
    if before.iter().filter(|command| command.answer.is_none()).count() >= WAITING_MAX {
        let detail = format!("{WAITING_MAX} commands wait for this device already");
        return Err(Error::new(StatusCode::TOO_MANY_REQUESTS).detail(detail));
    }
    let number = before.last().map_or(1, |command| command.number + 1);
    let command = Command { number, command, answer: None };
    write(hub, Shelf::Commands, &place(&device, number), &command)?;
    hub.changes().note();
    let location = format!("/devices/{device}/commands/{number}");
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(command)).into_response())
}

/// What the device has yet to do, in order.
async fn waiting(request: Request<Hub>) -> Result<Json<Waiting>> {
    let device = named(&request)?;
    security::device(&request, &device)?;
    let commands = all(request.state(), &device)?;
    let commands = commands.into_iter().filter(|command| command.answer.is_none()).collect();
    Ok(Json(Waiting { commands }))
}

async fn show(request: Request<Hub>) -> Result<Json<Command>> {
    security::admin(&request)?;
    Ok(Json(find(&request)?.1))
}

fn find(request: &Request<Hub>) -> Result<(String, Command)> {
    let place = place(&named(request)?, request.param("number")?);
    let command = read(request.state(), Shelf::Commands, &place)?;
    Ok((place, command.ok_or_else(|| Error::new(StatusCode::NOT_FOUND).detail("there is no such command"))?))
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Answer {
    answer: Value,
}

/// The device is done with it. Saying so again is harmless; saying something else is not.
async fn answer(mut request: Request<Hub>) -> Result<StatusCode> {
    security::device(&request, &named(&request)?)?;
    let Answer { answer } = request.body_json().await?;
    let (place, command) = find(&request)?;
    match &command.answer {
        Some(before) if *before == answer => return Ok(StatusCode::NO_CONTENT),
        Some(_) => return Err(Error::new(StatusCode::CONFLICT).detail("the command was answered otherwise before")),
        None => {}
    }
    write(request.state(), Shelf::Commands, &place, &Command { answer: Some(answer), ..command })?;
    request.state().changes().note();
    Ok(StatusCode::NO_CONTENT)
}

/// Another key for a device, which is told this once.
async fn turn_key(request: Request<Hub>) -> Result<(StatusCode, Json<Key>)> {
    security::admin(&request)?;
    let device = named(&request)?;
    let key = security::turn_device_key(request.state(), &device)?;
    Ok((StatusCode::CREATED, Json(Key { device, key })))
}
