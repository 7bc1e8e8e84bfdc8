//! Beside the kernel's token bucket filter, in a network namespace that `cargo xtask differential` makes.

use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wavetank_sim::net::LinkConfig;
use wavetank_sim::net::impair::{Impairments, LineConfig, TailConfig};

use super::traffic::{Offer, Passed, carried, offers};

const RATE_BPS: u64 = 8_000_000;
/// What the bucket holds: 3 ms, so that a timer of the kernel may be so late without a token being lost.
const BURST_BYTES: u64 = 3_000;
/// 200 ms: whoever sends may be held up for so long without the line going idle.
const LIMIT_BYTES: u64 = 200_000;
/// A socket holds back what it has sent and what has not left yet, beyond some hundred frames: several do not.
const SOCKETS: usize = 16;
/// How late the kernel's timer may let a frame go.
const LATE_NS: u64 = 10_000_000;
/// Ethernet's, IPv4's and UDP's headers.
const HEADERS: usize = 14 + 20 + 8;

fn run(line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let status = Command::new(words[0]).args(&words[1..]).status().unwrap_or_else(|error| panic!("{line}: {error}"));
    assert!(status.success(), "{line}: {status}");
}

/// Sends the frames as they are due, and tells when each was sent, and when which came out of the filter, both after the first
/// was sent.
#[expect(clippy::disallowed_methods, reason = "the kernel's time is the wall clock's")]
fn filtered(planned: &[Offer], folder: &Path) -> (Vec<Offer>, Vec<Passed>) {
    run("sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    run("ip link add wt0 type veth peer name wt1");
    run("ip link set wt0 up");
    run("ip link set wt1 up");
    run("ip address add 10.9.0.1/24 dev wt0");
    run("ip neighbour add 10.9.0.2 lladdr 02:00:00:00:00:99 dev wt0");
    run(&format!("tc qdisc add dev wt0 root tbf rate {RATE_BPS}bit burst {BURST_BYTES} limit {LIMIT_BYTES}"));
    let file = folder.join("tbf.pcapng");
    let mut capturing = Command::new("dumpcap")
        .args(["-i", "wt1", "-f", "udp", "-B", "16", "-w"])
        .arg(&file)
        .stderr(Stdio::piped())
        .spawn()
        .expect("dumpcap starts");
    let mut told = BufReader::new(capturing.stderr.take().expect("asked for")).lines();
    assert!(told.by_ref().any(|line| line.is_ok_and(|line| line.starts_with("File:"))), "dumpcap captures nothing");
    let sockets: Vec<UdpSocket> =
        (0..SOCKETS).map(|_| UdpSocket::bind("10.9.0.1:0").expect("an address of ours")).collect();
    let (began, began_at) = (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970"));
    let mut offered = Vec::new();
    for (number, offer) in planned.iter().enumerate() {
        while began.elapsed() < Duration::from_nanos(offer.at_ns) {
            std::hint::spin_loop();
        }
        let mut payload = vec![0; offer.bytes - HEADERS];
        payload[..4].copy_from_slice(&(number as u32).to_be_bytes());
        offered.push(Offer { at_ns: began.elapsed().as_nanos() as u64, ..*offer });
        // What the filter has no room for is an error here, or none.
        let _ = sockets[number % SOCKETS].send_to(&payload, "10.9.0.2:9");
    }
    // All that waits is gone by then.
    std::thread::sleep(Duration::from_millis(500));
    run(&format!("kill -INT {}", capturing.id()));
    assert!(capturing.wait().expect("it ends").success());
    run("ip link delete wt0");
    let output = Command::new("tshark")
        .args(["-T", "fields", "-e", "frame.time_epoch", "-e", "udp.payload", "-r"])
        .arg(&file)
        .output()
        .expect("tshark starts");
    let read = |line: &str| {
        let (at, payload) = line.split_once('\t').expect("two fields");
        let (seconds, fraction) = at.split_once('.').expect("a fraction");
        let nanos = format!("{fraction:0<9}")[..9].parse().expect("a number");
        let at = Duration::new(seconds.parse().expect("a number"), nanos);
        let number = usize::from_str_radix(&payload[..8], 16).expect("a number");
        Passed { number, at_ns: at.saturating_sub(began_at).as_nanos() as u64, marked: false }
    };
    (offered, String::from_utf8_lossy(&output.stdout).lines().map(read).collect())
}

/// The kernel lets `BURST_BYTES` pass at once where its line has been idle, ours sends bit by bit: that is what they may differ
/// by, once for each time that the line was idle, and by two frames and half a percent for how late a process and a timer can be.
#[test]
#[ignore = "needs a network namespace: cargo xtask differential"]
fn tbf_rate_is_ours() {
    assert!(
        std::env::var_os("WAVETANK_NETNS").is_some(),
        "run by `cargo xtask differential`, which makes the namespace"
    );
    let folder = tempfile::tempdir().expect("a folder");
    // More than there is room for at once, and later more than there is room for in the long run.
    let mut planned = vec![Offer { at_ns: 0, bytes: 1_000 }; 350];
    let later_ns = 400_000_000;
    planned.extend(
        offers(5, 3_500, 580_000, 100, 1_400).iter().map(|offer| Offer { at_ns: offer.at_ns + later_ns, ..*offer }),
    );
    let (offered, theirs) = filtered(&planned, folder.path());
    let impairments = Impairments {
        line: Some(LineConfig::Tail(TailConfig { frames_max: None, bytes_max: Some(LIMIT_BYTES) })),
        overhead_bytes: Some(0),
        ..Impairments::default()
    };
    let config =
        LinkConfig { rate_bps: Some(RATE_BPS), impairments: Some(Box::new(impairments)), ..LinkConfig::default() };
    let ours = carried(&config, &offered);
    let bytes = |passed: &[Passed]| passed.iter().map(|passed| planned[passed.number].bytes as u64).sum::<u64>();
    let took_ns = |number: usize| planned[number].bytes as u64 * 8_000_000_000 / RATE_BPS;
    let at_once = |passed: &&Passed| passed.at_ns - offered[passed.number].at_ns <= took_ns(passed.number) + 1_000;
    let idle = ours.iter().filter(at_once).count() as u64;
    let slack_bytes = idle * BURST_BYTES + 2 * 1_400;
    let (our_bytes, their_bytes) = (bytes(&ours), bytes(&theirs));
    println!(
        "delivered: ours {} frames, {our_bytes} bytes; theirs {} frames, {their_bytes} bytes; idle {idle} times",
        ours.len(),
        theirs.len()
    );
    assert!(ours.len() < planned.len() * 9 / 10, "there has to be something to drop");
    assert!(our_bytes.abs_diff(their_bytes) <= slack_bytes + our_bytes / 200, "{our_bytes} {their_bytes}");

    // Which frame of many finds the queue full hangs on every bit of it, and is not compared: what has come out by any time is.
    let last_ns = ours.iter().chain(&theirs).map(|passed| passed.at_ns).max().expect("some");
    let come = |passed: &[Passed], by_ns: u64| bytes(&passed[..passed.partition_point(|it| it.at_ns <= by_ns)]);
    let apart = |by_ns: u64| come(&ours, by_ns).abs_diff(come(&theirs, by_ns));
    let most_apart = (0..last_ns).step_by(5_000_000).map(apart).max().expect("a time");
    println!("at no time more than {most_apart} bytes apart");
    assert!(most_apart <= slack_bytes + LATE_NS * RATE_BPS / 8_000_000_000, "{most_apart} bytes");

    // The rate, where there is nearly always something to send: the last second. A percent is three times idle.
    let rate = |passed: &[Passed]| {
        let last_ns = passed.last().expect("some").at_ns;
        let busy: Vec<Passed> =
            passed.iter().filter(|passed| passed.at_ns + 1_000_000_000 > last_ns).copied().collect();
        bytes(&busy[1..]) as f64 * 8e9 / (last_ns - busy[0].at_ns) as f64
    };
    println!("rate: ours {:.0} bit/s, theirs {:.0} bit/s", rate(&ours), rate(&theirs));
    assert!((rate(&ours) / rate(&theirs) - 1.0).abs() < 0.02);

    // How far theirs is ahead with a frame that both let pass.
    let mut at_ns = vec![None; planned.len()];
    ours.iter().for_each(|passed| at_ns[passed.number] = Some(passed.at_ns));
    let mut ahead_ns: Vec<i64> =
        theirs.iter().filter_map(|passed| Some(at_ns[passed.number]? as i64 - passed.at_ns as i64)).collect();
    ahead_ns.sort_unstable();
    let (least_ns, most_ns) = (ahead_ns[0], ahead_ns[ahead_ns.len() - 1]);
    println!("{} frames passed both; theirs were {least_ns} to {most_ns} ns ahead", ahead_ns.len());
    assert!(ahead_ns.len() * 2 > theirs.len(), "{} of {}", ahead_ns.len(), theirs.len());
    let (burst_ns, late_ns) = ((slack_bytes * 8_000_000_000 / RATE_BPS) as i64, LATE_NS as i64);
    assert!(least_ns > -late_ns && most_ns < burst_ns + late_ns);
}
