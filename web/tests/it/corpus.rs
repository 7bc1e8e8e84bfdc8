//! What the fuzzer begins with and what it has found, sent as it is and with small changes. See `fuzz/`.

use std::cell::Cell;
use std::fs;
use std::panic;
use std::path::Path;
use std::sync::Once;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::fuzzed;

thread_local! {
    static PANICS: Cell<u32> = const { Cell::new(0) };
}

/// As [`fuzzed::send`]. A server answers for what panics in it and goes on; here nothing may, as under the fuzzer, whose hook
/// ends the process.
fn send(bytes: &[u8]) -> Vec<u8> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            PANICS.set(PANICS.get() + 1);
            before(panic);
        }));
    });
    let before = PANICS.get();
    let answer = fuzzed::send(bytes);
    assert_eq!(PANICS.get(), before, "the server panicked, and went on");
    answer
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/requests");
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn every_file_of_the_corpus_is_answered_and_let_go() {
    let files = corpus();
    assert!(files.len() > 20, "{}", files.len());
    let mut wrong = Vec::new();
    for (name, bytes) in files {
        let answer = String::from_utf8_lossy(&send(&bytes)).into_owned();
        // A file is named for the status of its last answer, where it has one.
        let status = |rest: &str| rest.get(2..5).map(str::to_owned);
        let statuses: Vec<String> = answer.split("HTTP/1.").skip(1).filter_map(status).collect();
        let expected = name.split('-').next().filter(|status| status.parse::<u16>().is_ok());
        if expected.is_some() && statuses.last().map(String::as_str) != expected {
            wrong.push(format!("{name}: {}", &answer[..answer.floor_char_boundary(300)]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A change of one of the files.
#[derive(Debug, Clone)]
enum Change {
    Put(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Cut(prop::sample::Index, usize),
    Repeat(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    let words = prop::sample::select(vec![
        &b"\r\n"[..],
        b"\r\n\r\n",
        b"content-length: 5\r\n",
        b"transfer-encoding: chunked\r\n",
        b"0\r\n\r\n",
        b"%",
        b"\0",
        b"\xff",
        b"HTTP/1.0",
        b"connection: upgrade\r\n",
        b"expect: 100-continue\r\n",
        b"18446744073709551616",
        b"..",
        b"//",
        b";",
        b"\t",
    ]);
    prop_oneof![
        (place(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        (place(), words).prop_map(|(at, word)| Change::Insert(at, word.to_vec())),
        (place(), 1..40_usize).prop_map(|(at, count)| Change::Cut(at, count)),
        (place(), 1..200_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        if bytes.is_empty() {
            break;
        }
        match change {
            Change::Put(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Insert(at, word) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, word.iter().copied());
            }
            Change::Cut(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Change::Repeat(at, count) => {
                let at = at.index(bytes.len());
                let again = bytes[at..(at + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

#[test]
fn whatever_is_made_of_the_corpus_is_answered_and_let_go() {
    let files = corpus();
    let config = Config {
        cases: 400,
        rng_seed: proptest::test_runner::RngSeed::Fixed(6),
        failure_persistence: None,
        ..Config::default()
    };
    let strategy = (prop::sample::select(files), prop::collection::vec(change(), 1..6));
    TestRunner::new(config)
        .run(&strategy, |((_, bytes), changes)| {
            send(&changed(bytes, &changes));
            Ok(())
        })
        .unwrap();
}
