//! `wavetank explore --guided`: runs that showed something new are varied, and what fails is written down.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wavetank_scenarios::Plan;
use wavetank_scenarios::explore::guided::{self, Variation};
use wavetank_scenarios::explore::pool::Order;
use wavetank_scenarios::explore::{Group, Limits, Panics, Signature, listen};

use super::report::Report;
use super::{Search, found_line, print};
use crate::arguments::Explore;
use crate::command::{Trouble, program};
use crate::exit::Exit;
use crate::human::count;
use crate::input;
use crate::interrupt::Interrupt;
use crate::progress::Line;
use crate::report::quoted;

/// Varies runs as long as is asked for, and prints the summary or the JSON object.
pub(super) fn run(
    arguments: &Explore,
    folder: &Path,
    text: &str,
    plan: Plan,
    order: Order,
    limits: &Limits,
    out: &mut impl Write,
) -> Result<Exit, Trouble> {
    listen(Panics::Silent);
    let plan = Arc::new(plan);
    let (interrupt, mut line) = (Interrupt::heard(), Line::new());
    let mut search = Search::new(order, arguments.lasts.map(|lasts| Duration::from_nanos(lasts.as_nanos())));
    let (mut firsts, mut new): (BTreeMap<Signature, Variation>, u64) = Default::default();
    let runs = (order.first, order.count.unwrap_or(u64::MAX));
    let flow = guided::explore(&plan, runs, order.jobs, limits, |varied| {
        new += u64::from(varied.is_new);
        if let Some(group) = search.take(&varied.outcome) {
            line.above(&found_line(varied.outcome.seed, group));
            firsts.insert(group.signature.clone(), varied.variation);
        }
        line.draw(|| format!("{}  {} showed something new", search.line(), count(new)));
        if interrupt.was_pressed() || search.time_is_up() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    line.clear();
    // Whoever broke off has seen enough.
    let _: ControlFlow<()> = flow.map_err(|error| Trouble::Input(error.to_string()))?;
    let written = write(folder, &arguments.file, text, &plan, search.groups.all(), &firsts)?;
    let interrupted = interrupt.was_pressed();
    let replay = |group: &Group| {
        let path = written[&group.signature].display().to_string();
        format!("{} run {}", quoted(&program()), quoted(&path))
    };
    let report = Report::new(arguments, &plan, &search, &[], interrupted, replay);
    print(&report, arguments.json, out)?;
    Ok(match (interrupted, search.groups.failures()) {
        (true, _) => Exit::Interrupted,
        (false, 0) if search.untested.unmet().is_empty() => Exit::Pass,
        (false, _) => Exit::Fail,
    })
}

/// Writes the first run of each group as a scenario; says where each is.
fn write(
    folder: &Path,
    scenario: &Path,
    text: &str,
    plan: &Arc<Plan>,
    groups: &[Group],
    firsts: &BTreeMap<Signature, Variation>,
) -> Result<BTreeMap<Signature, PathBuf>, Trouble> {
    let stem = match input::is_standard(scenario) {
        true => "standard-input".into(),
        false => scenario.file_stem().unwrap_or_default().to_string_lossy(),
    };
    let mut written = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        let variation = &firsts[&group.signature];
        let whole = guided::written_out(text, plan, variation).map_err(|error| Trouble::Input(error.to_string()))?;
        let path = folder.join(format!("{stem}-{}.toml", index + 1));
        let head =
            format!("# {}\n#\n# Found from {}: seed {}.\n", group.signature, scenario.display(), variation.told());
        let cannot = |error| Trouble::Input(format!("cannot write {}: {error}", path.display()));
        fs::create_dir_all(folder).map_err(cannot)?;
        fs::write(&path, head + &whole).map_err(cannot)?;
        written.insert(group.signature.clone(), path);
    }
    Ok(written)
}
