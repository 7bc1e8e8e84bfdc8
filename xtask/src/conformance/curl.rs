//! curl, which everybody has.

use std::process::Command;

use super::{Case, Ground};
use crate::Outcome;

/// A case: what curl is told besides the address, and what it says at the end.
struct Ask {
    name: &'static str,
    path: &'static str,
    arguments: &'static [&'static str],
    ends: &'static str,
}

const STATUS: &str = " %{http_code} %{http_version}";

const ASKS: [Ask; 16] = [
    Ask { name: "a page", path: "/", arguments: &[], ends: "</html> 200 1.1" },
    Ask { name: "a page by HTTP/1.0", path: "/", arguments: &["--http1.0"], ends: "</html> 200 1" },
    Ask { name: "a page by HTTP/2", path: "/", arguments: &["--http2-prior-knowledge"], ends: "</html> 200 2" },
    Ask { name: "an offer of HTTP/2", path: "/", arguments: &["--http2"], ends: "</html> 200 1.1" },
    Ask { name: "a head", path: "/", arguments: &["--head"], ends: " 200 1.1" },
    Ask { name: "what there is not", path: "/files/nothing", arguments: &[], ends: "\"title\":\"Not Found\"} 404 1.1" },
    Ask {
        name: "dots",
        path: "/files/../../../etc/passwd",
        arguments: &["--path-as-is"],
        ends: "\"title\":\"Not Found\"} 404 1.1",
    },
    Ask {
        name: "coded dots",
        path: "/files/%2e%2e/%2e%2e/etc/passwd",
        arguments: &["--path-as-is"],
        ends: "\"title\":\"Not Found\"} 404 1.1",
    },
    Ask { name: "a stream", path: "/stream", arguments: &[], ends: "line 999\n 200 1.1" },
    Ask {
        name: "a stream by HTTP/2",
        path: "/stream",
        arguments: &["--http2-prior-knowledge"],
        ends: "line 999\n 200 2",
    },
    Ask { name: "a coded page", path: "/text", arguments: &["--compressed"], ends: "some text  200 1.1" },
    Ask { name: "a part", path: "/", arguments: &["--range", "0-8"], ends: "<!doctype 206 1.1" },
    Ask { name: "a body", path: "/echo", arguments: &["--data-binary", "told"], ends: "told 200 1.1" },
    Ask {
        name: "a body in chunks",
        path: "/echo",
        arguments: &["--data-binary", "told", "--header", "transfer-encoding: chunked"],
        ends: "told 200 1.1",
    },
    Ask {
        name: "a body that waits",
        path: "/echo",
        arguments: &["--data-binary", "told", "--header", "expect: 100-continue", "--expect100-timeout", "9"],
        ends: "told 200 1.1",
    },
    Ask { name: "events", path: "/events", arguments: &["--no-buffer"], ends: "data: 2\n\n 200 1.1" },
];

pub(super) fn run(ground: &Ground) -> Outcome<Vec<Case>> {
    let mut cases: Vec<Case> = ASKS.iter().map(|ask| ask.put(&ground.url(ask.path))).collect();
    cases.extend(large(ground, &ground.url(""))?);
    Ok(cases)
}

impl Ask {
    fn put(&self, url: &str) -> Case {
        let said = curl(&[self.arguments, &["--write-out", STATUS, url]].concat());
        let wrong = match said {
            Ok(said) if said.ends_with(self.ends.as_bytes()) => None,
            Ok(said) => Some(format!("ended {:?}", String::from_utf8_lossy(&said[said.len().saturating_sub(60)..]))),
            Err(error) => Some(error.to_string()),
        };
        Case::new(self.name, wrong)
    }
}

/// A file up and down again, by the server at this address.
pub(super) fn large(ground: &Ground, url: &str) -> Outcome<Vec<Case>> {
    let file = ground.folder.join("files/bytes.bin");
    let bytes = std::fs::read(&file)?;
    let upload = format!("@{}", file.display());
    let (up, down) = (format!("{url}/echo"), format!("{url}/files/bytes.bin"));
    let same = |name, said: Outcome<Vec<u8>>| match said {
        Ok(said) if said == bytes => Case::new(name, None),
        Ok(said) => Case::new(name, Some(format!("{} bytes came back, of {}", said.len(), bytes.len()))),
        Err(error) => Case::new(name, Some(error.to_string())),
    };
    Ok(vec![
        same("a file up and back", curl(&["--data-binary", &upload, &up])),
        same("a file down", curl(&[&down])),
        same("a file up in chunks", curl(&["--header", "transfer-encoding: chunked", "--data-binary", &upload, &up])),
    ])
}

pub(super) fn curl(arguments: &[&str]) -> Outcome<Vec<u8>> {
    let common = ["--silent", "--show-error", "--max-time", "30", "--noproxy", "*"];
    let output = Command::new("curl").args(common).args(arguments).output()?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into())
    }
}
