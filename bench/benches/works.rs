//! All works by criterion. Only the measured part of a work counts, and that in processor time.

use std::time::Duration;

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use wavetank_bench::WORKS;

fn works(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("works");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    for work in WORKS {
        let done = work.run(1).done;
        group.throughput(Throughput::Elements(done.items));
        group.bench_function(work.name, |bencher| {
            bencher.iter_custom(|rounds| {
                let measure = |_| {
                    let measured = work.run(1);
                    assert_eq!(measured.done, done, "not the same work");
                    measured.cpu
                };
                (0..rounds).map(measure).sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, works);
criterion_main!(benches);
