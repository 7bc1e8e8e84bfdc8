//! Names of topics, and filters of them (MQTT 5.0, section 4.7).

/// Whether `name` names one topic.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= usize::from(u16::MAX) && !name.contains(['+', '#', '\0'])
}

/// Whether `filter` is one: `+` stands for a whole level, `#` for all further ones, at the end.
pub fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').rev();
    let last = levels.next().unwrap_or_default();
    let is_level = |level: &str| level == "+" || !level.contains(['+', '#']);
    let fits = !filter.is_empty() && filter.len() <= usize::from(u16::MAX) && !filter.contains('\0');
    fits && (last == "#" || is_level(last)) && levels.all(is_level)
}

/// Whether the topic `name` passes `filter`. Topics that begin with `$` pass no filter that begins with a wildcard.
pub fn matches(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut names = name.split('/');
    for level in filter.split('/') {
        if level == "#" {
            return true;
        }
        match names.next() {
            Some(name) if level == "+" || level == name => {}
            _ => return false,
        }
    }
    names.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_let_through_what_the_standard_says() {
        for (filter, name, passes) in [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b/c", "a/b", false),
            ("a/+", "a/b", true),
            ("a/+", "a", false),
            ("a/+", "a/", true),
            ("+", "a", true),
            ("+", "/a", false),
            ("/+", "/a", true),
            ("+/+", "/a", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("#", "a/b", true),
            ("#", "$SYS/a", false),
            ("+/a", "$SYS/a", false),
            ("$SYS/#", "$SYS/a", true),
            ("a/+/c", "a/b/c", true),
            ("a/+/c", "a/b/d", false),
        ] {
            assert_eq!(matches(filter, name), passes, "{filter} {name}");
        }
    }

    #[test]
    fn names_and_filters_are_told_apart() {
        for (text, name, filter) in [
            ("", false, false),
            ("a", true, true),
            ("/", true, true),
            ("a/#", false, true),
            ("#/a", false, false),
            ("a#", false, false),
            ("a/b+", false, false),
            ("+/+/#", false, true),
            ("a\0", false, false),
        ] {
            assert_eq!((is_name(text), is_filter(text)), (name, filter), "{text:?}");
        }
    }
}
