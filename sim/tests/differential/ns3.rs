//! Beside ns-3 3.37, by way of the program that `ns3.cc` becomes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use wavetank_sim::net::LinkConfig;
use wavetank_sim::net::impair::{CoDelConfig, Impairments, LineConfig, Loss, Odds, RedConfig};
use wavetank_sim::random::Probability;

use super::traffic::{Offer, Passed, carried, waves};

const RATE_BPS: u64 = 6_000_000;
const PACKETS: usize = 200_000;

/// What the program says to that.
#[expect(clippy::disallowed_methods, reason = "a pipe that is full waits for somebody to read the other one")]
fn ns3(arguments: &[&str], input: &str) -> String {
    let program = std::env::var_os("WAVETANK_NS3").expect("run by `cargo xtask differential`, which builds it");
    let mut command = Command::new(program);
    let mut child =
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
    let (mut stdin, input) = (child.stdin.take().expect("asked for"), input.to_owned());
    let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("it ends");
    // Whoever has read enough may hang up.
    let _ = writing.join().expect("writing does not panic");
    assert!(output.status.success(), "{arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn fates(text: &str) -> Vec<bool> {
    text.trim().bytes().map(|byte| byte == b'1').collect()
}

/// Which of `PACKETS` frames a link of ours loses.
fn losses(loss: Loss) -> Vec<bool> {
    let config = LinkConfig {
        impairments: Some(Box::new(Impairments { loss: Some(loss), ..Impairments::default() })),
        ..LinkConfig::default()
    };
    let offered: Vec<Offer> = (0..PACKETS as u64).map(|at| Offer { at_ns: at * 1_000, bytes: 100 }).collect();
    let mut lost = vec![true; PACKETS];
    carried(&config, &offered).iter().for_each(|passed| lost[passed.number] = false);
    lost
}

fn share(of_a_million: u64) -> Probability {
    Probability::from_parts_per_billion(of_a_million * 1_000)
}

/// How many runs of losses, or of frames between them, are 1, 2, … `LENGTHS - 1` and more long.
fn runs(lost: &[bool], of: bool) -> [f64; LENGTHS] {
    let mut counts = [0.0; LENGTHS];
    for run in lost.chunk_by(|one, next| one == next).filter(|run| run[0] == of) {
        counts[run.len().min(LENGTHS) - 1] += 1.0;
    }
    counts
}

const LENGTHS: usize = 12;
/// χ² of 11 degrees of freedom at 0.1 %: seeds are fixed, so it holds or it does not.
const CHI2_MAX: f64 = 31.3;

/// Whether two samples are of one distribution: χ² over two rows. Runs of a renewal process are independent, as are those of
/// a chain of two states.
fn two_samples(one: [f64; LENGTHS], other: [f64; LENGTHS]) -> f64 {
    let (one_sum, other_sum): (f64, f64) = (one.iter().sum(), other.iter().sum());
    let (weight, back) = ((other_sum / one_sum).sqrt(), (one_sum / other_sum).sqrt());
    let terms = one.iter().zip(&other).filter(|(one, other)| **one + **other > 0.0);
    terms.map(|(one, other)| (one * weight - other * back).powi(2) / (one + other)).sum()
}

fn same_runs(ours: &[bool], theirs: &[bool]) {
    for of in [true, false] {
        let chi2 = two_samples(runs(ours, of), runs(theirs, of));
        println!("runs of {}: χ² {chi2:.1}", if of { "losses" } else { "frames" });
        assert!(chi2 < CHI2_MAX, "{chi2}: {:?} {:?}", runs(ours, of), runs(theirs, of));
    }
}

#[test]
#[ignore = "needs ns-3: cargo xtask differential"]
fn ns3_rate_error_model_loses_alike() {
    let ours = losses(Loss::Random(Odds::independent(share(200_000))));
    let theirs = fates(&ns3(&["rate", "3", "0.2", "200000"], ""));
    same_runs(&ours, &theirs);
}

/// A burst goes on with probability q, and at any packet a new one may begin with probability p: so whether a packet is lost is
/// a chain of two states, to bad with p and to good with (1 - p)(1 - q). That is Gilbert's.
#[test]
#[ignore = "needs ns-3: cargo xtask differential"]
fn ns3_burst_error_model_is_gilberts() {
    let ours = losses(Loss::GilbertElliott {
        to_bad: share(40_000),
        to_good: share(240_000),
        loss_bad: Probability::ALWAYS,
        loss_good: Probability::NEVER,
    });
    let theirs = fates(&ns3(&["burst", "5", "0.04", "0.75", "200000"], ""));
    same_runs(&ours, &theirs);
}

#[test]
#[ignore = "needs ns-3: cargo xtask differential"]
fn ns3_list_error_model_loses_the_same() {
    let list: [u64; 7] = [0, 3, 4, 5, 99, 131_071, 199_999];
    let words: Vec<String> =
        ["list".to_owned(), PACKETS.to_string()].into_iter().chain(list.map(|at| at.to_string())).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let theirs = fates(&ns3(&words, ""));
    assert_eq!(losses(Loss::List(list.into())), theirs);
}

fn line(rate_bps: u64, line: LineConfig) -> LinkConfig {
    let impairments = Impairments { line: Some(line), overhead_bytes: Some(0), ..Impairments::default() };
    LinkConfig { rate_bps: Some(rate_bps), impairments: Some(Box::new(impairments)), ..LinkConfig::default() }
}

/// The same frames through ns-3's queue.
fn queued(law: &str, rate_bps: u64, ecn: bool, attributes: &[&str], offered: &[Offer]) -> Vec<Passed> {
    let mut input = String::new();
    for offer in offered {
        writeln!(input, "{} {}", offer.at_ns, offer.bytes).expect("a string takes all");
    }
    let rate = rate_bps.to_string();
    let arguments = [&[law, "1", &rate, if ecn { "1" } else { "0" }], attributes].concat();
    let told = ns3(&arguments, &input);
    let read = |line: &str| {
        let numbers: Vec<u64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
        Passed { number: numbers[0] as usize, at_ns: numbers[1], marked: numbers[2] == 1 }
    };
    told.lines().map(read).collect()
}

/// What a queue did, in sum.
#[derive(Debug)]
struct Sum {
    dropped: f64,
    marked: f64,
    /// How long a frame took that got through, on average.
    mean_ns: f64,
    /// The first frame that was dropped or marked.
    first: usize,
}

fn sum(offered: &[Offer], passed: &[Passed]) -> Sum {
    let mut fared = vec![None; offered.len()];
    passed.iter().for_each(|passed| fared[passed.number] = Some(*passed));
    let waited = passed.iter().map(|passed| passed.at_ns - offered[passed.number].at_ns);
    Sum {
        dropped: (offered.len() - passed.len()) as f64,
        marked: passed.iter().filter(|passed| passed.marked).count() as f64,
        mean_ns: waited.sum::<u64>() as f64 / passed.len() as f64,
        first: fared.iter().position(|fared| fared.is_none_or(|passed| passed.marked)).unwrap_or(usize::MAX),
    }
}

fn near(what: &str, ours: f64, theirs: f64, bound: f64) {
    println!("{what}: ours {ours:.0}, theirs {theirs:.0}");
    assert!((ours - theirs).abs() <= bound * theirs, "{what}: {ours} {theirs}");
}

/// Both follow the one law (RFC 8289). Theirs goes by steps of 1,024 ns and by one step of Newton's method for the root, which
/// for the second drop in a row comes to a half in place of 0.707: so a row of theirs begins faster and ends sooner, and what
/// waits waits up to a tenth less. After a mark theirs counts from now, and not from when it was due as after a drop: half a
/// frame's time later each, so marks are looked at on a fast line. They free none, so the sea calms down every other second.
#[test]
#[ignore = "needs ns-3: cargo xtask differential"]
fn ns3_codel_drops_and_marks_alike() {
    let seas = [
        ("7 % too much", RATE_BPS, false, [1_007_000; 2]),
        ("20 % too much", RATE_BPS, false, [897_000; 2]),
        ("waves", RATE_BPS, false, [900_000, 1_600_000]),
        ("waves", 10 * RATE_BPS, true, [90_000, 160_000]),
    ];
    for (sea, rate_bps, ecn, gaps_ns) in seas {
        let offered = waves(9, 100_000, gaps_ns, 100, 1_514);
        let (target, interval) = (Duration::from_millis(5), Duration::from_millis(100));
        let config = LineConfig::CoDel(CoDelConfig { target, interval, ecn, frames_max: 10_000 });
        let attributes = ["MaxSize=10000p", "MinBytes=1515", "Interval=100ms", "Target=5ms"];
        let (ours, theirs) = (
            sum(&offered, &carried(&line(rate_bps, config), &offered)),
            queued("codel", rate_bps, ecn, &attributes, &offered),
        );
        let theirs = sum(&offered, &theirs);
        println!("CoDel, {sea}, ecn {ecn}: {ours:?} {theirs:?}");
        assert_eq!(ours.first, theirs.first, "the first in a row is of the law alone");
        near("dropped", ours.dropped, theirs.dropped, 0.05);
        near("marked", ours.marked, theirs.marked, 0.05);
        near("took", ours.mean_ns, theirs.mean_ns, 0.12);
    }
}

/// Both draw, each for itself, so only sums can agree. Ours spreads drops as section 8 of Floyd and Jacobson says, theirs as
/// their figure 2 does, which counts a frame that is hit among those that were spared: with probability p it hits by the share p
/// more often. Theirs without `Wait`, which is not in the paper, and with frames of one size, as it weighs a frame by its length.
#[test]
#[ignore = "needs ns-3: cargo xtask differential"]
fn ns3_red_drops_and_marks_alike() {
    for (sea, ecn, gaps_ns) in [("5 % too much", false, [1_270_000; 2]), ("waves", true, [1_290_000, 1_480_000])] {
        let offered = waves(11, PACKETS, gaps_ns, 1_000, 1_000);
        let config = LineConfig::Red(RedConfig {
            min_bytes: 10_000,
            max_bytes: 30_000,
            probability: share(50_000),
            weight_log2: 9,
            ecn,
            limit_bytes: 100_000,
        });
        let ours = sum(&offered, &carried(&line(RATE_BPS, config), &offered));
        let attributes = [
            "MaxSize=100000B",
            "MinTh=10000",
            "MaxTh=30000",
            "LInterm=20",
            "QW=0.001953125",
            "Wait=false",
            "Gentle=true",
            "MeanPktSize=1000",
            "LinkBandwidth=6Mbps",
        ];
        let theirs = sum(&offered, &queued("red", RATE_BPS, ecn, &attributes, &offered));
        println!("RED, {sea}, ecn {ecn}: {ours:?} {theirs:?}");
        near("dropped", ours.dropped, theirs.dropped, 0.05);
        near("marked", ours.marked, theirs.marked, 0.05);
        near("took", ours.mean_ns, theirs.mean_ns, 0.05);
    }
}
