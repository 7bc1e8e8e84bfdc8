//! `[[storm]]`: what may strike, whom, how often and how long.

use super::language::FAULTS;
use super::reader::Reader;
use super::scenario::{FaultKind, Storm};
use super::text::Text;
use crate::diagnose::{Code, Problem, Span};

pub(super) fn storms(root: &Reader<'_, '_>) -> Vec<Storm> {
    root.list("storm").into_iter().map(|(span, reader)| storm(span, &reader)).collect()
}

fn storm(span: Span, reader: &Reader<'_, '_>) -> Storm {
    let integer = |key| reader.integer(key).and_then(|read| usize::try_from(read.into_inner()).ok());
    let every = reader
        .time("every")
        .filter(|every| reader.nonzero("every", every.get_ref().as_nanos() == 0, every.span()).is_some());
    let keep = reader.word("keep");
    refuse_half(reader, keep);
    Storm {
        span,
        kinds: reader.names("kinds").into_iter().flatten().filter_map(|text| kind(reader, &text)).collect(),
        targets: reader.names("target"),
        from: reader.time("from"),
        until: reader.time("until"),
        every,
        shortest: reader.time("shortest"),
        longest: reader.time("longest"),
        at_once: integer("at_once"),
        spare: integer("spare"),
        keep_majority: keep == Some(0),
        keep_path: keep == Some(1),
        between: reader.names("between"),
    }
}

/// `between` and a path go together.
fn refuse_half(reader: &Reader<'_, '_>, keep: Option<usize>) {
    let problem = match (keep, reader.key_span("between")) {
        (Some(1), None) => {
            let problem = Problem::new(Code::MissingKey, reader.span(), "a `path` needs `between`", "between whom?");
            problem.help("add, for example: between = [\"hub\", \"gateway\"]")
        }
        (None | Some(0), Some(key)) => {
            let problem = Problem::new(Code::KeyConflict, key, "`between` is of a `path`", "no path is kept");
            problem.help("add: keep = \"path\"")
        }
        _ => return,
    };
    reader.sink().push(problem);
}

fn kind(reader: &Reader<'_, '_>, text: &Text) -> Option<FaultKind> {
    let strikes = || FAULTS.iter().filter(|row| row.strikes).map(|row| row.name);
    let kind = FaultKind::named(text.as_str());
    let Some(kind) = kind else {
        reader.unknown("kinds", text, strikes());
        return None;
    };
    if !kind.shape().strikes {
        let what = format!("a storm cannot bring \"{}\"", text.as_str());
        let problem = Problem::new(Code::UnknownValue, text.span(), what, "it needs to be told more");
        let help = format!("write it as a [[fault]]; storms bring {}", crate::diagnose::list(strikes()));
        reader.sink().push(problem.help(help));
        return None;
    }
    Some(kind)
}
