//! Names that a person may have meant.

/// The candidate that is nearest to `written`, if any is near enough to be what was meant.
#[must_use]
pub fn did_you_mean<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = written.to_lowercase().replace('_', "-");
    candidates
        .into_iter()
        .map(|candidate| {
            let likeness = strsim::jaro_winkler(&folded, &candidate.replace('_', "-"));
            (likeness, candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// `a, b and c`, at most a dozen, so that a message stays readable.
#[must_use]
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const SHOWN_MAX: usize = 12;
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => "none".to_owned(),
        [only] => only.clone(),
        many if many.len() > SHOWN_MAX => {
            let more = many.len() - SHOWN_MAX;
            format!("{} and {more} more", many[..SHOWN_MAX].join(", "))
        }
        [front @ .., last] => format!("{} and {last}", front.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_offered_and_a_far_one_is_not() {
        let keys = ["latency", "jitter", "loss", "rate", "queue"];
        assert_eq!(did_you_mean("latancy", keys), Some("latency"));
        assert_eq!(did_you_mean("los", keys), Some("loss"));
        assert_eq!(did_you_mean("colour", keys), None);
        assert_eq!(did_you_mean("cut_link", ["cut-link"]), Some("cut-link"));
    }

    #[test]
    fn lists_read_like_prose() {
        assert_eq!(list([]), "none");
        assert_eq!(list(["a"]), "`a`");
        assert_eq!(list(["a", "b", "c"]), "`a`, `b` and `c`");
    }
}
