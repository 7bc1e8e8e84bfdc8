//! Which host a request is for.

use super::RouteError;

/// A host name, or any one below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPattern {
    text: String,
    below: bool,
}

impl HostPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, RouteError> {
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !(name.split('.').all(is_label) || name.starts_with('[') && name.ends_with(']')) {
            return Err(RouteError::Host { host: text.to_owned() });
        }
        Ok(Self { text: name.to_ascii_lowercase(), below })
    }

    /// Whether a request for this host (without its port) is meant. An exact name is asked before a domain.
    pub(crate) fn matches(&self, host: &str) -> bool {
        if !self.below {
            return host.eq_ignore_ascii_case(&self.text);
        }
        let Some(dot) = host.len().checked_sub(self.text.len() + 1).filter(|&dot| dot > 0) else {
            return false;
        };
        let (_, tail) = host.as_bytes().split_at(dot);
        tail[0] == b'.' && tail[1..].eq_ignore_ascii_case(self.text.as_bytes())
    }

    /// How precise it is: of several that match, the greatest is meant.
    pub(crate) fn rank(&self) -> (bool, usize) {
        (!self.below, self.text.len())
    }

    pub(crate) fn text(&self) -> String {
        format!("{}{}", if self.below { "*." } else { "" }, self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::HostPattern;

    #[test]
    fn hosts_match_whatever_their_case() {
        let exact = HostPattern::parse("Api.example.net").expect("a name");
        assert!(exact.matches("api.EXAMPLE.net") && !exact.matches("x.api.example.net") && !exact.matches(""));
        let below = HostPattern::parse("*.example.net").expect("a domain");
        assert!(below.matches("a.example.NET") && below.matches("a.b.example.net"));
        for no in ["example.net", ".example.net", "aexample.net", "net", "", "é.net"] {
            assert!(!below.matches(no), "{no}");
        }
        assert!(HostPattern::parse("[::1]").expect("an address").matches("[::1]"));
        for no in ["", "*", "*.", "a..b", "a:80", "a/b", "ü.net", "a.*.net"] {
            assert!(HostPattern::parse(no).is_err(), "{no}");
        }
    }
}
