//! What the fuzzer begins with and what it has found, sent as it is and with small changes. See `fuzz/`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

/// Changes of each file: the fuzzer makes more of them, but needs a nightly compiler.
const CHANGED: usize = 6;

fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// A byte is another, some are missing, or some come twice.
fn change(bytes: &mut Vec<u8>, draws: &mut ChaCha8Rng) {
    if bytes.is_empty() {
        return;
    }
    let at = draws.next_u32() as usize % bytes.len();
    let end = (at + 1 + draws.next_u32() as usize % 16).min(bytes.len());
    match draws.next_u32() % 4 {
        0 => bytes[at] = draws.next_u32() as u8,
        1 => bytes[at] ^= 1 << (draws.next_u32() % 8),
        2 => drop(bytes.drain(at..end)),
        _ => {
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
    }
}

#[test]
fn whatever_comes_is_borne() {
    let mut wrong = Vec::new();
    for (target, send) in targets::ALL {
        let files = corpus(target);
        assert!(files.len() >= 3, "{target} has {} files to begin with", files.len());
        let mut draws = ChaCha8Rng::seed_from_u64(6);
        for (name, bytes) in files {
            let mut changed = bytes.clone();
            for turn in 0..=CHANGED {
                if catch_unwind(AssertUnwindSafe(|| send(&changed))).is_err() {
                    let shown = &changed[..if turn == 0 { 0 } else { changed.len().min(200) }];
                    wrong.push(format!("{target}/{name}, changed {turn} times: {shown:02x?}"));
                    break;
                }
                change(&mut changed, &mut draws);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
