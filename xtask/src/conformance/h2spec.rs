//! h2spec, which talks HTTP/2 (RFC 9113) and HPACK (RFC 7541) in every way that it should not.
//!
//! It sends a head and what is wrong with the rest in several pieces. Where a server has answered before the second (RFC 9113,
//! 8.1) the case fails, by chance: this server, built without optimisation, is slow enough for that to be seldom.

use std::process::Command;

use super::{Case, Ground};
use crate::Outcome;

pub(super) fn run(ground: &Ground) -> Outcome<Vec<Case>> {
    let (host, port) = ground.address.rsplit_once(':').ok_or("the server listens at no port")?;
    let report = ground.folder.join("h2spec.xml");
    // It goes by how many cases fail; the report says which.
    let mut command = Command::new("h2spec");
    command.args(["--strict", "--path", "/text", "--host", host, "--port", port]).arg("--junit-report").arg(&report);
    command.output().map_err(|error| format!("h2spec: {error}"))?;
    let cases = cases(&std::fs::read_to_string(&report)?);
    if cases.is_empty() { Err(format!("{} has no cases", report.display()).into()) } else { Ok(cases) }
}

/// The cases of a report, each by its section and its words.
fn cases(report: &str) -> Vec<Case> {
    let case = |element: &str| {
        let (head, rest) = element.split_once('>').unwrap_or((element, ""));
        let name = format!("{} {}", attribute(head, "package"), attribute(head, "classname"));
        let body = if head.ends_with('/') { "" } else { rest.split("</testcase>").next().unwrap_or_default() };
        let wrong = ["<failure>", "<error>"].iter().find_map(|mark| body.split_once(mark)).map(|(_, said)| {
            let said = said.split('<').next().unwrap_or_default();
            said.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        Case::new(name, wrong)
    };
    report.split("<testcase ").skip(1).map(case).collect()
}

/// An attribute's value, its quotation marks and the like as they are meant.
fn attribute(head: &str, name: &str) -> String {
    let value = head.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    value.replace("&#34;", "\"").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::cases;

    #[test]
    fn a_report_is_read() {
        let report = "<testsuites><testsuite>\
            <testcase package=\"http2/4.2\" classname=\"Sends a &#34;large&#34; frame\" time=\"0.1\"></testcase>\
            <testcase package=\"http2/3.5\" classname=\"Sends none\" time=\"0.1\"><failure>must\n close</failure></testcase>\
            <testcase package=\"http2/3.6\" classname=\"Other\" time=\"0.1\"/>\
            </testsuite></testsuites>";
        let read: Vec<(String, Option<String>)> =
            cases(report).into_iter().map(|case| (case.name, case.wrong)).collect();
        assert_eq!(
            read,
            [
                ("http2/4.2 Sends a \"large\" frame".to_owned(), None),
                ("http2/3.5 Sends none".to_owned(), Some("must close".to_owned())),
                ("http2/3.6 Other".to_owned(), None),
            ]
        );
    }
}
