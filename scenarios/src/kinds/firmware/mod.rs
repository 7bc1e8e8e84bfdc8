//! Firmware of simulated boards: images that are bytes, flash that holds them, and a boot loader that starts them.
//!
//! An image here is a description of itself and as many bytes as it is said to be long, which follow from it. The boot loader
//! and the updater are the stack's own, and know nothing of that: they see a signature and a hash. What plays the processor
//! reads the image that was started from the flash, and does what the description says: it runs the device's program, on
//! hardware that the image's drivers can or cannot speak to, or hangs, or starts over.

mod board;
mod image;

use std::fmt;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use wavetank_stack::update::{Manifest, Version};

use super::board::ERASE;
use super::check::Findings;
use super::defaults::{self, millis, secs};
use crate::diagnose::{did_you_mean, list};
use crate::registry::{Metric, Place};
use crate::schema::ConfigProblem;
use crate::units::{Size, Time};

pub(super) use board::{Absent, Board, Loaded, Wired, run};
pub use image::{Behaviour, Signer};
pub(super) use image::{Image, vendor};

/// The firmware of a device that takes updates from a hub, and reports its health there. Its board has two slots for images
/// and a boot loader, which starts nothing that the vendor has not signed, tries what was fetched, and goes back to what was
/// there before if it does not prove itself; the loader runs at every boot over the node's flash, and can lose its power
/// like everything else. What an image is, and what it does, is written at the hub that hands it out:
/// `firmware = [{ name = "thermostat", version = "1.1.0", behaves = "hangs" }]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Updates {
    /// Address and port of the hub that hands out firmware, such as "10.0.0.2:8080"; if left out, that which the device
    /// reports to, if it reports to one.
    #[serde(default)]
    pub hub: Option<SocketAddr>,
    /// The version that it leaves the factory with.
    #[serde(default = "running")]
    pub running: FirmwareVersion,
    /// How long that image is.
    #[serde(default = "size")]
    pub size: Size,
    /// Pages of 4 KiB of each slot, one of which holds the manifest; at least 2.
    #[serde(default = "defaults::pages::<32>")]
    pub slot_pages: u16,
    /// From one question for news to the next, each with a report of the device's health; what is wrong for the first time is
    /// reported at once.
    #[serde(default = "defaults::secs::<10>")]
    pub period: Time,
    /// How long an image on trial has to prove itself.
    #[serde(default = "defaults::secs::<30>")]
    pub trial: Time,
    /// How long an image on trial has to run before it may be confirmed, if it is well; shorter than `trial`.
    #[serde(default = "defaults::secs::<5>")]
    pub soak: Time,
    /// How often an image is tried that always loses its power.
    #[serde(default = "tries")]
    pub tries: u8,
    /// How long its watchdog waits to be fed before it resets the device.
    #[serde(default = "defaults::secs::<8>")]
    pub watchdog: Time,
}

/// An image that a hub hands out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Firmware {
    /// What kind of firmware: the kind of the nodes that take it, such as "thermostat".
    pub name: String,
    /// Which version of it.
    pub version: FirmwareVersion,
    /// Whoever has confirmed this version runs none older than that from then on; any, if left out.
    #[serde(default)]
    pub minimum: FirmwareVersion,
    /// How long it is; from 1 KiB to 4 MiB.
    #[serde(default = "size")]
    pub size: Size,
    /// What it does once it is started.
    #[serde(default)]
    pub behaves: Behaviour,
    /// Who has signed it. Devices take what the vendor has signed.
    #[serde(default)]
    pub signed_by: Signer,
}

/// How far a hub rolls out which version, and from when on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollout {
    /// Of what kind of firmware.
    pub name: String,
    /// Which version, one of those in `firmware`.
    pub version: FirmwareVersion,
    /// From when on, since the world's start.
    #[serde(default)]
    pub at: Time,
    /// For how many devices in a thousand.
    #[serde(default = "everybody")]
    pub permille: u16,
    /// After so many that failed, nobody else is offered it.
    #[serde(default = "failures_max")]
    pub failures_max: u32,
}

/// A version in words: three numbers below 1,000, such as "1.2.0".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct FirmwareVersion(pub Version);

impl TryFrom<String> for FirmwareVersion {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let small = |version: &Version| [version.major, version.minor, version.patch].iter().all(|part| *part < 1_000);
        let version = text.parse().ok().filter(small);
        version.map(Self).ok_or("expected a version of three numbers below 1000, such as \"1.2.0\"")
    }
}

impl From<FirmwareVersion> for String {
    fn from(version: FirmwareVersion) -> Self {
        version.to_string()
    }
}

impl fmt::Display for FirmwareVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const fn running() -> FirmwareVersion {
    FirmwareVersion(Version::new(1, 0, 0))
}

fn size() -> Size {
    Size::parse("64 KiB").expect("it is a size")
}

const fn tries() -> u8 {
    16
}

const fn everybody() -> u16 {
    1_000
}

const fn failures_max() -> u32 {
    3
}

/// What a device that takes updates counts and measures, beside what it does otherwise.
pub static METRICS: &[Metric] = &[
    Metric { name: "firmware", doc: "the version that runs; 1.2.3 is 1002003" },
    Metric { name: "firmware.confirmed", doc: "the version that was confirmed last" },
    Metric { name: "firmware.minimum", doc: "the oldest version that it may run" },
    Metric { name: "firmware.on-trial", doc: "1 while what runs has to prove itself, else 0" },
    Metric { name: "firmware.broken", doc: "starts of an image that is not whole, as the board sees it" },
    Metric { name: "firmware.strange", doc: "starts of an image that the vendor never signed, as the board sees it" },
    Metric { name: "firmware.forbidden", doc: "starts of an image older than what a confirmed one allows" },
    Metric { name: "bricked", doc: "boots with nothing that may be started" },
    Metric { name: "updates.fetched", doc: "bytes of the next image that are there" },
    Metric { name: "downloads.begun", doc: "downloads that began at the first byte" },
    Metric { name: "downloads.resumed", doc: "downloads that went on where they had broken off" },
    Metric { name: "downloads.changed", doc: "downloads that began anew because the hub had another image by then" },
    Metric { name: "downloads.damaged", doc: "downloads that were all there, and were not what was signed" },
    Metric { name: "updates.refused", doc: "images that were refused for what their manifest says" },
    Metric { name: "updates.taken", doc: "images that were whole, and were to be tried" },
    Metric { name: "updates.confirmed", doc: "images that proved themselves" },
    Metric { name: "updates.given-up", doc: "images that could not prove themselves in time" },
    Metric { name: "updates.calls-failed", doc: "calls to the hub about updates, or of health, that came to nothing" },
    Metric { name: "updates.flash-errors", doc: "times that the flash with the images failed" },
    Metric { name: "health.reported", doc: "reports of its health that the hub has" },
];

impl Updates {
    /// What is wrong with it, at the key `updates`. `hub` is the one that the device reports to.
    pub(super) fn check(&self, hub: Option<SocketAddr>, findings: &mut Findings) {
        const KEY: &str = "updates";
        match self.hub.or(hub) {
            None => findings.refuse(KEY, "`hub` is missing in `updates`", "write hub = \"10.0.0.2:8080\", for example"),
            Some(hub) => findings.port(KEY, hub.port(), "name the hub's port, such as \"10.0.0.2:8080\""),
        }
        check_size(KEY, self.size, findings);
        let room = u64::from(self.slot_pages.saturating_sub(1)) * ERASE as u64;
        if self.size.as_bytes() > room {
            let text = format!("an image of {} does not fit {} pages", self.size, self.slot_pages);
            let help = "a slot has pages of 4 KiB, and one more for the manifest: write slot_pages = 32, for example";
            findings.refuse(KEY, text, help);
        }
        for (key, time, least) in [
            ("period", self.period, millis::<100>()),
            ("trial", self.trial, secs::<1>()),
            ("watchdog", self.watchdog, millis::<10>()),
        ] {
            if time < least {
                findings.refuse(KEY, format!("`{key}` is at least {least}"), "write \"10s\", for example");
            }
        }
        if self.soak >= self.trial {
            let text = format!("`soak` is {}, and `trial` no longer", self.soak);
            findings.refuse(KEY, text, "an image that has to run for longer than it has time is never confirmed");
        }
        if self.tries == 0 {
            findings.refuse(KEY, "`tries` is at least 1", "an image that is never tried is never confirmed");
        }
    }
}

/// What is wrong with what a hub is to hand out.
pub(super) fn check(firmware: &[Firmware], rollouts: &[Rollout], findings: &mut Findings) {
    for (at, image) in firmware.iter().enumerate() {
        let Firmware { name, version, minimum, size, behaves, .. } = image;
        if name.parse::<wavetank_stack::update::Name>().is_err() {
            let help = "write the devices' kind: name = \"thermostat\"";
            findings.refuse("firmware", format!("\"{name}\" is no name of a firmware"), help);
        }
        if minimum > version {
            let text = format!("version {version} would forbid itself by a minimum of {minimum}");
            findings.refuse("firmware", text, "a minimum is at most the version itself");
        }
        if firmware[..at].iter().any(|other| (&other.name, other.version) == (name, *version)) {
            let help = "a version is one image: write another";
            findings.refuse("firmware", format!("{name} {version} is there twice"), help);
        }
        check_size("firmware", *size, findings);
        // These have no bus whose driver could be wrong.
        if *behaves == Behaviour::CannotMeasure
            && matches!(name.as_str(), "lamp" | "door-sensor" | "camera" | "gateway")
        {
            let help = "write behaves = \"hangs\" or \"reboots\" for an image that does not prove itself";
            findings.refuse("firmware", format!("a \"{name}\" has no I2C bus, so that it can always measure"), help);
        }
    }
    for Rollout { name, version, permille, .. } in rollouts {
        if !firmware.iter().any(|image| (&image.name, image.version) == (name, *version)) {
            let text = format!("there is no firmware {name} {version} to roll out");
            findings.refuse("rollouts", text, "name one of those in `firmware`");
        }
        if *permille > 1_000 {
            findings.refuse("rollouts", "`permille` is at most 1000", "1000 is every device");
        }
    }
}

/// Images for a kind that no node of the scenario is, which nobody would ever ask for.
pub(super) fn fit(firmware: &[Firmware], place: &Place<'_>) -> Vec<ConfigProblem> {
    let strange = |name: &String| !place.kinds.contains(&name.as_str());
    let mut names: Vec<&String> = firmware.iter().map(|image| &image.name).filter(|name| strange(name)).collect();
    names.dedup();
    let refuse = |name: &String| {
        let kinds = || place.kinds.iter().copied();
        let help = match did_you_mean(name, kinds()) {
            Some(meant) => format!("did you mean \"{meant}\"? Nodes are of the kinds {}", list(kinds())),
            None => {
                format!("an image is for nodes of the kind that it is named after; here they are {}", list(kinds()))
            }
        };
        ConfigProblem::at("firmware", format!("there is firmware for a \"{name}\", and no node of this kind"))
            .help(help)
    };
    names.into_iter().map(refuse).collect()
}

fn check_size(key: &'static str, size: Size, findings: &mut Findings) {
    if !(1_024..=4 * 1_024 * 1_024).contains(&size.as_bytes()) {
        let text = format!("an image of {size} is too short or too long");
        findings.refuse(key, text, "write from \"1 KiB\" to \"4 MiB\"");
    }
}

impl Firmware {
    /// The bytes, and what is said of them.
    pub(super) fn image(&self) -> (Manifest, Vec<u8>) {
        let Self { name, version, minimum, size, behaves, signed_by } = self.clone();
        let image = Image { name, version, minimum, size: size.as_bytes(), behaves, signed_by };
        (image.manifest(), image.bytes())
    }
}
