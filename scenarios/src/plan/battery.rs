//! What nodes live on: whether it can be, and whether what it names is there.

use std::collections::BTreeMap;
use std::time::Duration;

use wavetank_sim::hw::battery::{Battery, BatterySpec, Draw, Radio, VOLTAGE_UV_MAX};

use super::roster::{Member, Roster};
use crate::diagnose::{Code, Problem, list};
use crate::schema::{self, Spanned, Text};
use crate::units::{Current, Probability, Resistance, Size, Time, Voltage};

const RESTART: Time = Time::from_millis(100);
const BROWN_OUT_UV: u64 = 1_800_000;
const HYSTERESIS_UV: u64 = 100_000;
const VOLTAGE_UV: u64 = 3_000_000;
const WHOLE_PPB: u32 = 1_000_000_000;

/// The battery of each node, looked at once for each entry. `None` where there is none.
pub(super) fn batteries(roster: &Roster<'_, '_>, problems: &mut Vec<Problem>) -> Vec<Option<BatterySpec>> {
    let mut read: BTreeMap<*const schema::Node<'_>, Option<BatterySpec>> = BTreeMap::new();
    let each = roster.members.iter().map(|member| {
        let entry = std::ptr::from_ref(member.entry);
        read.entry(entry).or_insert_with(|| battery(member, member.entry.battery.as_ref()?, problems)).clone()
    });
    each.collect()
}

fn battery(member: &Member<'_, '_>, told: &schema::Battery, problems: &mut Vec<Problem>) -> Option<BatterySpec> {
    refuse_strangers(member, told, problems);
    let na = |current: Option<Current>| current.map_or(0, Current::as_nanoamperes);
    let uv = |voltage: &Option<Spanned<Voltage>>| voltage.as_ref().map(|voltage| voltage.get_ref().as_microvolts());
    let brown_out_uv = uv(&told.brown_out).unwrap_or(BROWN_OUT_UV);
    let recovers_uv = uv(&told.recovers).unwrap_or(brown_out_uv.saturating_add(HYSTERESIS_UV));
    let idle_na = na(told.idle);
    let radio = match &told.radio {
        Some(radio) => Some(Radio {
            rate_bps: radio.rate?.as_bits_per_second(),
            overhead_bytes: u32::try_from(radio.overhead.map_or(0, Size::as_bytes)).unwrap_or(u32::MAX),
            transmit_na: na(radio.transmit),
            receive_na: na(radio.receive),
            listen_na: na(radio.listen),
        }),
        None => None,
    };
    let spec = BatterySpec {
        capacity_nc: told.capacity.as_ref()?.get_ref().as_nanocoulombs(),
        charge_ppb: told.charge.as_ref().map_or(WHOLE_PPB, |charge| charge.get_ref().as_ppb()),
        curve: curve(told, problems)?,
        resistance_mohm: told.resistance.as_ref().map(Spanned::get_ref).map_or(0, Resistance::as_milliohms),
        brown_out_uv,
        recovers_uv,
        hold_up: told.hold_up.map_or(Duration::ZERO, Time::as_duration),
        restart: told.restart.unwrap_or(RESTART).as_duration().max(Duration::from_nanos(1)),
        draw: Draw { sleep_na: na(told.sleep), idle_na, busy_na: told.busy.map_or(idle_na, Current::as_nanoamperes) },
        radio,
        parts: told.parts.iter().map(|(name, current)| (name.as_str().to_owned(), current.as_nanoamperes())).collect(),
        messages: told.messages.as_ref().map(|metric| metric.as_str().to_owned()),
    };
    refuse_lifeless(told, &spec, problems);
    Some(spec)
}

/// The voltage by the charge, in the order of the charge.
fn curve(told: &schema::Battery, problems: &mut Vec<Problem>) -> Option<Vec<(u32, u64)>> {
    let mut points: Vec<_> = told.curve.as_ref().ok()?.iter().collect();
    if let Some((_, high)) = points.iter().find(|(_, voltage)| voltage.get_ref().as_microvolts() > VOLTAGE_UV_MAX) {
        let what = format!("{} is more than any battery here has", high.get_ref());
        let most = format!("at most {}", Voltage::from_microvolts(VOLTAGE_UV_MAX));
        problems.push(Problem::new(Code::OutOfRange, high.span(), what, "here").help(most));
        return None;
    }
    points.sort_by_key(|(charge, _)| charge.get_ref().as_ppb());
    for pair in points.windows(2) {
        let [(less, low), (more, high)] = pair else { continue };
        let what = if less.get_ref() == more.get_ref() {
            "two voltages for the same charge".to_owned()
        } else if high.get_ref() < low.get_ref() {
            format!("the voltage falls from {} to {} as the charge rises", low.get_ref(), high.get_ref())
        } else {
            continue;
        };
        let problem = Problem::new(Code::OutOfRange, more.span(), what, "here").also(less.span(), "and here");
        problems.push(problem.help("a fuller battery has at least the voltage of an emptier one"));
        return None;
    }
    let point = |(charge, voltage): &(Spanned<Probability>, Spanned<Voltage>)| {
        (charge.get_ref().as_ppb(), voltage.get_ref().as_microvolts())
    };
    let curve: Vec<_> = points.into_iter().map(point).collect();
    Some(if curve.is_empty() { vec![(0, VOLTAGE_UV)] } else { curve })
}

/// Parts and metrics that the kind does not have.
fn refuse_strangers(member: &Member<'_, '_>, told: &schema::Battery, problems: &mut Vec<Problem>) {
    let Some(kind) = &member.kind else { return };
    let mut refuse = |code, text: &Text, noun: &str, has: Vec<&str>| {
        let what = format!("a \"{}\" has no {noun} called \"{}\"", kind.name(), text.as_str());
        let help = match has.as_slice() {
            [] => format!("it has no {noun} at all: leave this out"),
            has => format!("it has {}", list(has.iter().copied())),
        };
        problems.push(Problem::new(code, text.span(), what, "unknown").help(help));
    };
    for (part, _) in &told.parts {
        if kind.parts().iter().all(|known| known.name != part.as_str()) {
            refuse(Code::NoMatch, part, "part", kind.parts().iter().map(|part| part.name).collect());
        }
    }
    if let Some(metric) = &told.messages
        && kind.metrics().iter().all(|known| known.name != metric.as_str())
    {
        refuse(Code::UnknownMetric, metric, "metric", kind.metrics().iter().map(|metric| metric.name).collect());
    }
}

/// A node that could never boot.
fn refuse_lifeless(told: &schema::Battery, spec: &BatterySpec, problems: &mut Vec<Problem>) {
    if spec.recovers_uv < spec.brown_out_uv {
        let span = told.recovers.as_ref().map_or(told.span.clone(), Spanned::span);
        let problem = Problem::new(Code::OutOfRange, span, "`recovers` is less than `brown_out`", "here");
        problems.push(problem.help("make it at least as much, or leave it out"));
        return;
    }
    if Battery::new(spec.clone()).recovers() {
        return;
    }
    let span = told.charge.as_ref().map_or(told.span.clone(), Spanned::span);
    let what = if spec.charge_ppb == 0 {
        "the battery is empty at the start".to_owned()
    } else {
        let needed = Voltage::from_microvolts(spec.recovers_uv);
        format!("at the start the battery does not give the {needed} that the node boots at, under its load when idle")
    };
    let help = "give it more charge, a higher voltage or less resistance, or let the node boot at less (`recovers`)";
    problems.push(Problem::new(Code::OutOfRange, span, what, "the node would never boot").help(help));
}
