//! One work, once: for profilers.

fn main() {
    let started = std::time::Instant::now();
    let work = std::env::args().nth(1).unwrap_or_default();
    let done = match work.as_str() {
        "timers" => wavetank_bench::timers::sleepers(1_000, 600),
        "frames" => wavetank_bench::frames::star(100, 106, 1_000).frames.delivered / 2,
        "ping" => wavetank_bench::tcp::ping_pong(200_000).metrics[0].value as u64,
        "bulk" => {
            wavetank_bench::tcp::bulk(1, 10_000).metrics.iter().map(|metric| metric.value as u64).sum::<u64>() / 1_448
        }
        "udp" => wavetank_bench::udp::star(100, 2_000).metrics.iter().map(|metric| metric.value as u64).sum(),
        _ => panic!("timers, frames, ping, bulk or udp"),
    };
    let seconds = started.elapsed().as_secs_f64();
    println!("{work}: {done} in {seconds:.3} s, {:.3} M/s", done as f64 / seconds / 1e6);
}
