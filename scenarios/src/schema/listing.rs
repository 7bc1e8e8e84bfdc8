//! Everything that can go wrong, for whoever lists it: faults, and what links do to frames.

use serde::Serialize;

use super::faults::{FAULTS, Lasting, OWN, SPECIAL, Target};
use super::language::{FAULT, Field, PROFILE, STORM, Shape, Table};
use super::radio::RADIO;
use super::wifi::WIFI;

/// Something that a scenario can do to its network and nodes.
#[derive(Clone, Debug, Serialize)]
pub struct Listed {
    /// As the language names it.
    pub name: &'static str,
    /// What sort of thing it is.
    pub sort: Sort,
    /// What it does.
    pub doc: &'static str,
    /// What it happens to.
    pub target: &'static str,
    /// What it can be told.
    pub parameters: Vec<Parameter>,
    /// A text that is right where it stands.
    pub example: String,
}

/// What sort of thing goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// A `[[fault]]`.
    Fault,
    /// A key of a `[profile.NAME]`.
    Impairment,
    /// A `[[storm]]`.
    Storm,
    /// What the members of a `[network.NAME]` share.
    Medium,
}

/// What something can be told.
#[derive(Clone, Debug, Serialize)]
pub struct Parameter {
    /// The key.
    pub key: &'static str,
    /// What its value is, with the units that it may have.
    pub value: String,
    /// Whether it must be there.
    pub required: bool,
    /// What it means, and what holds if it is left out.
    pub doc: &'static str,
    /// A line that is right.
    pub example: &'static str,
}

/// All faults, impairments, the storm and shared media.
#[must_use]
pub fn listing() -> Vec<Listed> {
    let faults = FAULTS.iter().map(|row| {
        let fits = |field: &&Field| match field.key {
            "kind" => false,
            "for" => row.lasting == Lasting::Yes,
            key if SPECIAL.contains(&key) => row.takes.contains(&key),
            _ => true,
        };
        let needs = |field: &Field| field.required || row.needs.contains(&field.key);
        let told = |field: &'static Field| {
            let own = OWN.iter().find(|(kinds, own)| own.key == field.key && kinds.contains(&row.name));
            parameter(own.map_or(field, |(_, own)| own), needs(field))
        };
        Listed {
            name: row.name,
            sort: Sort::Fault,
            doc: row.doc,
            target: match row.target {
                Target::Link => "links",
                Target::Node => "nodes",
                Target::Network => "networks",
            },
            parameters: FAULT.fields.iter().filter(fits).map(told).collect(),
            example: row.example.to_owned(),
        }
    });
    let impairments = PROFILE.fields.iter().filter(|field| !["up", "down"].contains(&field.key)).map(|field| Listed {
        name: field.key,
        sort: Sort::Impairment,
        doc: field.doc,
        target: "links",
        parameters: match field.shape {
            Shape::Table(table) | Shape::ProbabilityOr(table) | Shape::SizeOr(table) => parameters(table),
            _ => vec![parameter(field, true)],
        },
        example: field.example.to_owned(),
    });
    let storm = Listed {
        name: "storm",
        sort: Sort::Storm,
        doc: STORM.doc,
        target: "links and nodes",
        parameters: parameters(&STORM),
        example: "[[storm]]\nkinds = [\"cut-link\", \"crash\"]\ntarget = \"thermostat-*\"\nevery = \"3s\"\n\
                  shortest = \"500ms\"\nlongest = \"4s\"\nat_once = 2\nkeep = \"majority\"\n"
            .to_owned(),
    };
    let radio = Listed {
        name: "radio",
        sort: Sort::Medium,
        doc: RADIO.doc,
        target: "networks",
        parameters: parameters(&RADIO),
        example: "[network.air]\nkind = \"radio\"\nmembers = \"mote-*\"\n\
                  radio = { band = \"868 MHz\", exponent = 3.5, duty_cycle = \"10 %\" }\n\n\
                  [node.mote]\nkind = \"pinger\"\ncount = 2\naddress = \"fd00:1::11/64\"\n\
                  position = { x = 0, y = 0, step_x = 20 }\nconfig = { to = \"fd00:1::12\" }\n"
            .to_owned(),
    };
    let wifi = Listed {
        name: "wifi",
        sort: Sort::Medium,
        doc: WIFI.doc,
        target: "networks",
        parameters: parameters(&WIFI),
        example: "[network.hall]\nkind = \"wifi\"\nmembers = [\"ceiling-*\", \"robot\", \"counter\"]\n\
                  wifi = { band = \"5 GHz\", wired = [\"counter\"], roam_dbm = -72 }\n\n\
                  [node.ceiling]\nkind = \"access-point\"\ncount = 2\nposition = { x = 0, y = 0, step_x = 30 }\n\n\
                  [node.robot]\nkind = \"pinger\"\naddress = \"10.7.0.11/24\"\nposition = { x = 2, y = 0 }\n\
                  moves = [{ at = \"5s\", x = 2, y = 0 }, { at = \"30s\", x = 28, y = 0 }]\n\
                  config = { to = \"10.7.0.2\" }\n\n\
                  [node.counter]\nkind = \"pinger\"\naddress = \"10.7.0.2/24\"\nconfig = { to = \"10.7.0.11\" }\n"
            .to_owned(),
    };
    faults.chain(impairments).chain([storm, radio, wifi]).collect()
}

fn parameters(table: &Table) -> Vec<Parameter> {
    table.fields.iter().map(|field| parameter(field, field.required)).collect()
}

fn parameter(field: &Field, required: bool) -> Parameter {
    Parameter { key: field.key, value: value(field.shape), required, doc: field.doc, example: field.example }
}

fn value(shape: Shape) -> String {
    let units = |units: &[&str]| units.join(", ");
    match shape {
        Shape::Time | Shape::SignedTime => format!("time ({})", units(&["ns", "us", "ms", "s", "min", "h", "d"])),
        Shape::Rate => format!("rate ({})", units(&["bit/s", "kbit/s", "Mbit/s", "Gbit/s"])),
        Shape::Size | Shape::SignedSize | Shape::SizeOr(_) => {
            format!("size ({})", units(&["B", "kB", "KiB", "MB", "MiB"]))
        }
        Shape::Probability | Shape::ProbabilityOr(_) => "probability (0 to 1, %, ppm, ppb)".to_owned(),
        Shape::Current => format!("current ({})", units(&["nA", "uA", "mA", "A"])),
        Shape::Drift => "number (ppm)".to_owned(),
        Shape::Number => "number".to_owned(),
        Shape::Integer { min, max: i64::MAX } => format!("integer from {min}"),
        Shape::Integer { min, max } => format!("integer from {min} to {max}"),
        Shape::Integers { .. } => "list of integers".to_owned(),
        Shape::Word(words) | Shape::Words(words) => words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" | "),
        Shape::Names => "name, or list of names and globs".to_owned(),
        _ => "text".to_owned(),
    }
}
