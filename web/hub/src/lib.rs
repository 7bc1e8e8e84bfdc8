//! The telemetry hub: a web application that stores what devices report.
//!
//! Devices post readings, numbered by themselves; a reading is acknowledged once it is durable, and posting it again
//! is harmless. The hub can be asked what it knows of each device.
//!
//! | request | answer |
//! |---|---|
//! | `POST /readings` with `{"device":"thermostat-1","sequence":17,"celsius_milli":21375,"at_ms":123456}` or an array of such | 201 if any of it is new, 200 if all was known, 409 if a number is taken by other content, 422 if a value is out of range |
//! | `GET /devices` | `{"devices":[…]}`, each as below |
//! | `GET /devices/:id` | `{"device":…,"online":…,"last_sequence":…,"last_heard_ms":…,"count":…}`, or 404 |
//! | `GET /devices/:id/readings?from=17&limit=100` | `{"device":…,"readings":[…],"next":…}`, by sequence; `next` is where the next page begins, or null |
//! | `GET /devices/:id/readings/:sequence` | one reading, or 404 |
//! | `GET /health` | 200 `ok` |
//! | `GET /` | a page for people, kept up to date by the server-sent events of `GET /events` |
//!
//! An array is stored as a whole or not at all. Times of the hub (`last_heard_ms`, `received_ms`) are milliseconds
//! since 1970; `at_ms` is whatever the device says.
//!
//! The hub knows no sockets, files or clocks of its own: it is served through [`wavetank_web`], keeps readings in a
//! [`Store`] and tells what happens to an [`Observer`].
#![forbid(unsafe_code)]

mod api;
mod hub;
mod listener;
mod observer;
mod page;
mod presence;
mod reading;
mod store;
#[cfg(feature = "tokio")]
mod tokio;

pub use api::app;
pub use hub::{Config, Hub};
pub use observer::Observer;
pub use reading::{Invalid, Reading};
pub use store::{Device, RecordError, Recorded, RedbStore, Store, StoreError, StoredReading};

#[cfg(feature = "tokio")]
pub use tokio::{ServeError, run_tokio, serve_tokio};
