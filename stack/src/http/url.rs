//! Where something is: URLs of http and https (RFC 9110, section 4.2), and what leads from one to another.

use heapless::String;

/// The longest URL that is followed.
pub const URL_MAX: usize = 256;

/// A URL, in its parts. What stands behind a `#` is not one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Url<'a> {
    /// Whether it is `https`.
    pub secure: bool,
    /// Host and port as they were written, which is what a `Host` header says.
    pub authority: &'a str,
    /// The host, without the brackets of an IPv6 address.
    pub host: &'a str,
    /// The port: 80 or 443 if none was written.
    pub port: u16,
    /// Path and query, a `/` at least.
    pub target: &'a str,
}

/// It is no URL that can be asked for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Neither `http://` nor `https://`.
    #[error("neither http:// nor https://")]
    Scheme,
    /// No host, a user's name before it, or a port that is none.
    #[error("no host, or one that cannot be called")]
    Authority,
    /// A character that has to be written with a percent sign; or a query without a path.
    #[error("a character that may not stand in a URL")]
    Character,
    /// Longer than [`URL_MAX`].
    #[error("longer than {URL_MAX} bytes")]
    TooLong,
}

impl<'a> Url<'a> {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: &'a str) -> Result<Self, UrlError> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(UrlError::Character);
        }
        let (text, _fragment) = text.split_once('#').unwrap_or((text, ""));
        let (secure, rest) = match (strip(text, "http://"), strip(text, "https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(UrlError::Scheme),
        };
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let target = match target.bytes().next() {
            None => "/",
            Some(b'/') => target,
            Some(_) => return Err(UrlError::Character),
        };
        let (host, port) = host_and_port(authority).ok_or(UrlError::Authority)?;
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        Ok(Self { secure, authority, host, port, target })
    }

    /// Whether both are of one server.
    pub(super) fn has_origin(&self, secure: bool, authority: &str) -> bool {
        self.secure == secure && self.authority.eq_ignore_ascii_case(authority)
    }

    /// Where a reference leads that was found here (RFC 3986, section 5.2), as text.
    pub(super) fn resolve(&self, reference: &str) -> Result<String<URL_MAX>, UrlError> {
        let mut out = String::new();
        let (reference, _fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let scheme = if self.secure { "https:" } else { "http:" };
        let mut put = |text: &str| out.push_str(text).map_err(|_| UrlError::TooLong);
        if strip(reference, "http://").or(strip(reference, "https://")).is_some() {
            put(reference)?;
            return Ok(out);
        }
        // What has a colon in its first segment has a scheme, and none that can be followed.
        if reference.split(['/', '?']).next().is_some_and(|first| first.contains(':')) {
            return Err(UrlError::Scheme);
        }
        put(scheme)?;
        if reference.starts_with("//") {
            put(reference)?;
            return Ok(out);
        }
        put("//")?;
        put(self.authority)?;
        let path = self.target.split('?').next().unwrap_or("/");
        if reference.is_empty() {
            put(self.target)?;
        } else if reference.starts_with('/') {
            put(reference)?;
        } else if reference.starts_with('?') {
            put(path)?;
            put(reference)?;
        } else {
            let root = out.len();
            let folder = &path[..=path.rfind('/').unwrap_or(0)];
            out.push_str(folder).map_err(|_| UrlError::TooLong)?;
            descend(&mut out, root, reference)?;
        }
        Ok(out)
    }
}

/// Goes on from the folder that `out` ends with, segment by segment; `root` is where its path begins.
fn descend(out: &mut String<URL_MAX>, root: usize, reference: &str) -> Result<(), UrlError> {
    let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." => {}
            ".." => {
                let folder = &out[root..out.len() - 1];
                let above = folder.rfind('/').map_or(root, |slash| root + slash);
                out.truncate(above + 1);
            }
            name => {
                out.push_str(name).map_err(|_| UrlError::TooLong)?;
                if segments.peek().is_some() {
                    out.push('/').map_err(|_| UrlError::TooLong)?;
                }
            }
        }
    }
    out.push_str(query).map_err(|_| UrlError::TooLong)
}

fn strip<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority.contains('@') {
        return None;
    }
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port = match port.strip_prefix(':') {
        // A colon and nothing is the default, too (RFC 3986, section 3.2.3).
        Some("") => None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        None if port.is_empty() => None,
        _ => return None,
    };
    (!host.is_empty() && port != Some(0)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use std::string::String as StdString;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = |text| Url::parse(text);
        let hub = Url { secure: false, authority: "hub", host: "hub", port: 80, target: "/" };
        assert_eq!(url("http://hub"), Ok(hub));
        assert_eq!(url("HTTP://hub/#top"), Ok(hub));
        assert_eq!(
            url("https://[2001:db8::1]:8443/a/b?c=d#e"),
            Ok(Url {
                secure: true,
                authority: "[2001:db8::1]:8443",
                host: "2001:db8::1",
                port: 8443,
                target: "/a/b?c=d"
            })
        );
        assert_eq!(url("https://hub:"), Ok(Url { secure: true, authority: "hub:", port: 443, ..hub }));
        for (text, error) in [
            ("ftp://hub/", UrlError::Scheme),
            ("hub", UrlError::Scheme),
            ("", UrlError::Scheme),
            ("http:///x", UrlError::Authority),
            ("http://me@hub/", UrlError::Authority),
            ("http://hub:0/", UrlError::Authority),
            ("http://hub:65536/", UrlError::Authority),
            ("http://hub:+1/", UrlError::Authority),
            ("http://[::1/", UrlError::Authority),
            ("http://[::1]x/", UrlError::Authority),
            ("http://hub/a b", UrlError::Character),
            ("http://hub?x", UrlError::Character),
            ("http://hub/\r\nX: y", UrlError::Character),
        ] {
            assert_eq!(url(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn references_lead_where_the_rfc_says() {
        let base = Url::parse("http://a:81/b/c/d?q").expect("a URL");
        for (reference, to) in [
            ("https://x/y", "https://x/y"),
            ("//x/y", "http://x/y"),
            ("/y?z", "http://a:81/y?z"),
            ("?z", "http://a:81/b/c/d?z"),
            ("", "http://a:81/b/c/d?q"),
            ("g", "http://a:81/b/c/g"),
            ("./g", "http://a:81/b/c/g"),
            ("g/", "http://a:81/b/c/g/"),
            ("..", "http://a:81/b/"),
            ("../g?x=../y", "http://a:81/b/g?x=../y"),
            ("../../../g", "http://a:81/g"),
            ("#e", "http://a:81/b/c/d?q"),
        ] {
            assert_eq!(base.resolve(reference).as_deref(), Ok(to), "{reference:?}");
        }
        for reference in ["ftp://hub/", "mailto:me", "a:b/c"] {
            assert_eq!(base.resolve(reference), Err(UrlError::Scheme), "{reference:?}");
        }
        let long: StdString = "x".repeat(URL_MAX);
        assert_eq!(base.resolve(&long), Err(UrlError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_or_refused(text in "(https?://)?\\PC{0,60}", reference in "\\PC{0,60}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert!(url.target.starts_with('/') && !url.host.is_empty() && url.port > 0);
                let _ = url.resolve(&reference);
            }
        }

        #[test]
        fn what_a_path_leads_to_is_on_the_same_server(reference in "[a-z./?]{0,40}") {
            prop_assume!(!reference.starts_with("//"));
            let base = Url::parse("http://a:81/b/c/d?q").expect("a URL");
            let to = base.resolve(&reference).expect("it is short");
            let to = Url::parse(&to).expect("a URL");
            prop_assert!(to.has_origin(false, "a:81"));
        }
    }
}
