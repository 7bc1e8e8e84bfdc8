//! What node code sees is the same in processes whose addresses, environments and hash keys differ.
#![allow(unsafe_code, reason = "to choose a child's address layout between fork and exec")]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Instant, SystemTime};

use super::poll;

const CHILD: &str = "WAVETANK_GUARD_CHILD";
const MARK: &str = "node code saw ";

/// Uses every guarded source, and an order that hangs on one.
fn what_node_code_sees() -> String {
    let (seen, refused) = poll(|sea| {
        let mut seen = String::new();
        let start = Instant::now();
        for step in 0..4 {
            sea.now_ns.set(step * 1_000);
            let words: HashSet<String> = (0..50).map(|n| format!("word {n}")).collect();
            let lengths: HashMap<&str, usize> = words.iter().map(|word| (&**word, word.len())).collect();
            let mut key = [0; 8];
            getrandom_02::getrandom(&mut key[..2]).expect("there is entropy");
            getrandom_03::fill(&mut key[2..5]).expect("there is entropy");
            getrandom_04::fill(&mut key[5..]).expect("there is entropy");
            let now = (start.elapsed(), SystemTime::now());
            let machine = (std::thread::available_parallelism().ok(), std::process::id());
            let spawned = std::thread::Builder::new().spawn(|| ()).map(drop);
            write!(seen, "{words:?}{lengths:?}{key:?}{now:?}{machine:?}{spawned:?}").expect("a string");
        }
        seen
    });
    format!("{seen}{refused:?}")
}

/// Not a test by itself: what the children below run.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_some() {
        let stack = 0;
        let heap = Box::new(0);
        let addresses = format!("{:p} {:p} {:p}", &raw const stack, &raw const *heap, child as fn());
        println!("{MARK}{}|{addresses}", what_node_code_sees());
    }
}

#[test]
fn two_processes_see_the_same() {
    let run = |randomize: bool, padding: usize| {
        let mut command = Command::new(std::env::current_exe().expect("a test has a file"));
        let (_crate, module) = module_path!().split_once("::").expect("a module in a crate");
        command.args(["--exact", &format!("{module}::child"), "--nocapture"]);
        command.env(CHILD, "x".repeat(padding));
        if !randomize {
            // SAFETY: a system call is all that happens between fork and exec.
            unsafe {
                command.pre_exec(|| {
                    // Where this is not allowed the layout stays random, which serves as well.
                    libc::personality(libc::ADDR_NO_RANDOMIZE as libc::c_ulong);
                    Ok(())
                });
            }
        }
        let output = command.output().expect("the child runs");
        let output = String::from_utf8(output.stdout).expect("utf-8");
        let line = output.lines().find_map(|line| line.split_once(MARK)).expect("the child says what it saw");
        let (seen, addresses) = line.1.split_once('|').expect("and where");
        (seen.to_owned(), addresses.to_owned())
    };
    let runs = [run(true, 1), run(true, 5_000), run(false, 1), run(false, 9_000)];
    let layouts: BTreeSet<_> = runs.iter().map(|(_, addresses)| addresses).collect();
    assert!(layouts.len() > 1, "the children had different addresses: {layouts:?}");
    let here = what_node_code_sees();
    for (seen, _) in &runs {
        assert_eq!(seen, &here);
    }
}
