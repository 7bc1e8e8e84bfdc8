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
        keep_majority: reader.word("keep").is_some(),
    }
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
