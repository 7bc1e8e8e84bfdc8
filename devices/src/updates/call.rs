//! What a device and the hub say to each other about updates, and of the device's health.

use core::fmt::{self, Display, Write as _};
use core::pin::pin;

use embedded_io_async::{Read, Write};
use heapless::String;
use wavetank_health::Health;
use wavetank_stack::http::{Connection, Request};
use wavetank_stack::time::timeout;
use wavetank_stack::update::{Manifest, Name, Version};
use wavetank_stack::{Clock, Duration};

use crate::DeviceId;

/// `/devices/`, an id, `/update?firmware=`, a name, `&running=` and a version.
const TARGET_MAX: usize = 9 + DeviceId::LEN_MAX + 17 + Name::LEN_MAX + 9 + Version::LEN_MAX;
/// `/firmware/`, a name, `/` and a version.
const IMAGE_MAX: usize = 10 + Name::LEN_MAX + 1 + Version::LEN_MAX;
/// An address and a port; an IPv6 one has brackets and perhaps a scope.
const HOST_MAX: usize = 64;
/// Names and braces, a firmware's name, a version, a state, and a line of detail.
const REPORT_MAX: usize = 52 + Name::LEN_MAX + Version::LEN_MAX + 11 + DETAIL_MAX;
const DETAIL_MAX: usize = 90;

/// The hub's address and port.
pub(super) type HostName = String<HOST_MAX>;

/// Why a call came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The connection, or what the hub says.
    Broken {
        /// Whether some of an image came all the same.
        moved: bool,
    },
    /// The device's own flash.
    Flash,
}

const BROKEN: Trouble = Trouble::Broken { moved: false };

/// How far a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Downloading,
    Trying,
    Failed,
    RolledBack,
}

impl Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Said::Downloading => "downloading",
            Said::Trying => "trying",
            Said::Failed => "failed",
            Said::RolledBack => "rolled-back",
        })
    }
}

/// The hub, as the device speaks to it.
pub(super) struct Hub<'a, C> {
    /// Its address, as requests name it.
    pub(super) host: &'a str,
    pub(super) device: &'a DeviceId,
    pub(super) patience: Duration,
    pub(super) clock: &'a C,
}

impl<C: Clock> Hub<'_, C> {
    /// What the device is to run of that name, if it is something else than what it runs.
    pub(super) async fn ask<S: Read + Write>(
        &self,
        connection: &mut Connection<'_, S>,
        name: &Name,
        running: Version,
    ) -> Result<Option<Manifest>, Trouble> {
        let mut target = String::<TARGET_MAX>::new();
        let device = self.device;
        write(&mut target, format_args!("/devices/{device}/update?firmware={name}&running={running}"));
        let asking = async {
            let request = Request::get(&target, self.host).with_headers(&[("Accept", "text/plain")]);
            let mut response = connection.send(&request).await.map_err(|_| BROKEN)?;
            let mut text = [0; Manifest::TEXT_MAX];
            match response.status() {
                200 => {
                    let text = response.read_to_end(&mut text).await.map_err(|_| BROKEN)?;
                    Manifest::parse(text).map(Some).map_err(|_| BROKEN)
                }
                204 => Ok(None),
                _ => Err(BROKEN),
            }
        };
        timeout(self.clock, self.patience, pin!(asking)).await.unwrap_or(Err(BROKEN))
    }

    /// Says how far the device is with that version of its firmware.
    pub(super) async fn say<S: Read + Write>(
        &self,
        connection: &mut Connection<'_, S>,
        name: &Name,
        version: Version,
        said: Said,
        detail: &impl Display,
    ) -> Result<(), Trouble> {
        let (mut target, mut body) = (String::<TARGET_MAX>::new(), String::<REPORT_MAX>::new());
        let mut text = String::<DETAIL_MAX>::new();
        // What is too long is cut off: it is for people.
        let _ = write!(Cut(&mut text), "{detail}");
        write(&mut target, format_args!("/devices/{}/update", self.device));
        // None of these has a character that JSON writes in another way.
        write(
            &mut body,
            format_args!(r#"{{"firmware":"{name}","version":"{version}","state":"{said}","detail":"{text}"}}"#),
        );
        if self.post(connection, &target, body.as_bytes()).await? == 204 { Ok(()) } else { Err(BROKEN) }
    }

    /// Says how the device is; the status of the answer.
    pub(super) async fn hear<S: Read + Write>(
        &self,
        connection: &mut Connection<'_, S>,
        health: &Health,
    ) -> Result<u16, Trouble> {
        let mut target = String::<TARGET_MAX>::new();
        write(&mut target, format_args!("/devices/{}/health", self.device));
        let mut json = [0; Health::JSON_MAX];
        let body = health.json(&mut json);
        self.post(connection, &target, body).await
    }

    async fn post<S: Read + Write>(
        &self,
        connection: &mut Connection<'_, S>,
        target: &str,
        json: &[u8],
    ) -> Result<u16, Trouble> {
        let posting = async {
            let request = Request::post(target, self.host, json).with_headers(&[("Content-Type", "application/json")]);
            let mut response = connection.send(&request).await.map_err(|_| BROKEN)?;
            let status = response.status();
            response.drain().await.map_err(|_| BROKEN)?;
            Ok(status)
        };
        timeout(self.clock, self.patience, pin!(posting)).await.unwrap_or(Err(BROKEN))
    }
}

/// Where the hub has that image.
pub(super) fn image(manifest: &Manifest) -> String<IMAGE_MAX> {
    let mut target = String::new();
    write(&mut target, format_args!("/firmware/{}/{}", manifest.name, manifest.version));
    target
}

/// Takes as much of a text as there is room for.
struct Cut<'a>(&'a mut String<DETAIL_MAX>);

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| self.0.push(char).map_err(|_| fmt::Error))
    }
}

/// Writes what there is room for by the lengths above.
pub(super) fn write<const N: usize>(text: &mut String<N>, arguments: fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("there is room for the longest of each");
}
