//! The telemetry hub: a web application that stores what devices report.
//!
//! Devices post readings, numbered by themselves; a reading is acknowledged once it is durable, and posting it again
//! is harmless. The hub can be asked what it knows of each device.
//!
//! | request | answer |
//! |---|---|
//! | `POST /readings` with `{"device":"thermostat-1","sequence":17,"celsius_milli":21375,"at_ms":123456}` or an array of such | 201 if any of it is new, 200 if all was known, 409 if a number is taken by other content, 422 if a value is out of range |
//! | the same with `"quantities":{"air_pressure_pascal":101325000,…}` beside `celsius_milli` or in its place | as above |
//! | `GET /devices` | `{"devices":[…]}`, each as below |
//! | `GET /devices/:id` | `{"device":…,"online":…,"last_sequence":…,"last_heard_ms":…,"count":…}`, or 404 |
//! | `GET /devices/:id/readings?from=17&limit=100` | `{"device":…,"readings":[…],"next":…}`, by sequence; `next` is where the next page begins, or null |
//! | `GET /devices/:id/readings/:sequence` | one reading, or 404 |
//! | `GET /health` | 200 `ok` |
//! | `PUT /firmware/:name/:version` with an image, `Firmware-Signature` where the hub asks for one, and `Firmware-Minimum` with the oldest version that may be run once this one is confirmed; admin | 201 with its manifest, 409 if the version is another image, 422 if nobody vouches for it |
//! | `GET /firmware`, `GET /firmware/:name/:version/manifest`, `GET /firmware/:name/:version` | what there is; what it is, as JSON or with `Accept: text/plain` as the text that is signed; the image, or the range of it that is asked for |
//! | `PUT /rollouts/:name` with `{"version":"1.2.0","permille":100,"failures_max":3}`, `DELETE`; admin | the roll-out, as `GET /rollouts` has it with how far devices are |
//! | `GET /devices/:id/update?firmware=thermostat&running=1.1.0` | 200 with the manifest of what it is to run, as JSON or as text, or 204 |
//! | `POST /devices/:id/update` with `{"firmware":…,"version":…,"state":"downloading"}`, or `trying`, `installed`, `failed`, `rolled-back` | 204 |
//! | `POST /devices/:id/health` with `{"life":…,"cause":"power-on","up_ms":…,"sensor_errors":3,…}`, a [`Health`](health::Health) | 204 |
//! | `GET /devices/:id/health`, `GET /health/devices` | `{"device":…,"heard_ms":…,"overdue":…,"restarts":{"brown-out":1},"clock_ahead_ms":…,"report":{…}}`, or 404; `{"devices":[…]}`, each like that |
//! | `POST /devices/:id/commands` with any JSON; admin | 201 with the command's number |
//! | `GET /devices/:id/commands`, `POST /devices/:id/commands/:number` with `{"answer":…}` | what the device has yet to do; 204 |
//! | `POST /devices/:id/key`; admin | 201 with the device's key from now on |
//! | `GET /docs`, `GET /docs/openapi.json` | a page that describes much of this, and lets one try it; the description itself |
//! | `GET /` | a page for people, kept up to date by the server-sent events of `GET /events` |
//!
//! The admin shows a token as a bearer, or logs in on the page; devices show their keys as bearers, where the hub has a secret
//! that keys are made from ([`Security`]).
//!
//! Versions are three numbers, such as `1.2.0`. What is signed of an image is the text of its [`Manifest`](firmware::Manifest),
//! by Ed25519; OpenSSL's `pkeyutl -sign -rawin` will do, over the six lines that the manifest begins with.
//!
//! Of what a device measures beside a temperature the hub keeps up to 16 quantities a reading, each a name and thousandths of
//! the unit in which the name ends ([`Quantities`]).
//!
//! An array is stored as a whole or not at all. Times of the hub (`last_heard_ms`, `received_ms`) are milliseconds
//! since 1970; `at_ms` is whatever the device says.
//!
//! The hub knows no sockets, files or clocks of its own: it is served through [`wavetank_web`], keeps readings in a
//! [`Store`] and tells what happens to an [`Observer`].
#![forbid(unsafe_code)]

mod api;
mod commands;
pub mod firmware;
pub mod health;
mod hub;
mod listener;
mod observer;
mod page;
mod presence;
mod progress;
mod reading;
mod security;
mod store;
#[cfg(feature = "tokio")]
mod tokio;
mod updates;

pub use api::app;
pub use hub::{Config, Hub};
pub use observer::Observer;
pub use reading::{Invalid, Quantities, Reading};
pub use security::{Secret, Security};
pub use store::{Device, RecordError, Recorded, RedbStore, Shelf, Store, StoreError, StoredReading};

#[cfg(feature = "tls")]
pub use tokio::TlsFiles;
#[cfg(feature = "tokio")]
pub use tokio::{Place, ServeError, Sockets, run_tokio, serve_tokio};
pub use updates::PutFirmware;
