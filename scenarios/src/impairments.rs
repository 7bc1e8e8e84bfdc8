//! A plan's impairments as the simulator's.

use wavetank_sim::net::impair::{self as sim, Impairments};
use wavetank_sim::random::Probability;
use wavetank_sim::time::Duration;

use crate::plan::impair::{DelayShape, How, Impair, Loss, Odds, Queue};

fn share(ppb: u32) -> Probability {
    Probability::from_parts_per_billion(ppb.into())
}

fn odds(odds: Odds) -> sim::Odds {
    sim::Odds { probability: share(odds.probability_ppb), correlation: share(odds.correlation_ppb) }
}

pub(crate) fn impairments(plan: &Impair) -> Impairments {
    Impairments {
        delay: plan
            .delay
            .as_ref()
            .map(|delay| sim::Delay { shape: shape(&delay.shape), correlation: share(delay.correlation_ppb) }),
        unordered: plan.delay.as_ref().is_some_and(|delay| delay.unordered),
        loss: plan.loss.as_ref().map(loss),
        duplicate: plan.duplicate.map(|duplicate| sim::Duplicate {
            odds: odds(duplicate.odds),
            later: Duration::from_nanos(duplicate.later_ns),
        }),
        corrupt: plan.corrupt.map(|corrupt| sim::Corrupt {
            odds: odds(corrupt.odds),
            how: match corrupt.how {
                How::Flip(bits) => sim::How::Flip(bits),
                How::Truncate => sim::How::Truncate,
                How::Garble(bytes) => sim::How::Garble(bytes),
            },
        }),
        reorder: plan.reorder.map(|reorder| sim::Reorder { odds: odds(reorder.odds), gap: reorder.gap }),
        marks_losses: plan.marks_losses.unwrap_or(false),
        slots: plan.slots.as_ref().map(|slots| sim::Slots {
            shortest: Duration::from_nanos(slots.shortest_ns),
            longest: Duration::from_nanos(slots.longest_ns),
            shape: slots.shape.as_ref().map(shape),
            frames_max: slots.frames,
            bytes_max: slots.bytes,
        }),
        mtu: plan.mtu,
        overhead_bytes: plan.overhead_bytes,
        cells: plan.cells.map(|cells| sim::Cells { bytes: cells.bytes, overhead_bytes: cells.overhead_bytes }),
        line: plan.queue.map(line),
    }
}

fn shape(shape: &DelayShape) -> sim::Shape {
    let time = |ns: &u64| Duration::from_nanos(*ns);
    match shape {
        DelayShape::Uniform(most) => sim::Shape::Uniform(time(most)),
        DelayShape::Normal(deviation) => sim::Shape::Normal(time(deviation)),
        DelayShape::Pareto(deviation) => sim::Shape::Pareto(time(deviation)),
        DelayShape::ParetoNormal(deviation) => sim::Shape::ParetoNormal(time(deviation)),
        DelayShape::Exponential(mean) => sim::Shape::Exponential(time(mean)),
        DelayShape::Table(times) => sim::Shape::Table(times.clone()),
    }
}

fn loss(loss: &Loss) -> sim::Loss {
    match *loss {
        Loss::Random(random) => sim::Loss::Random(odds(random)),
        Loss::GilbertElliott { to_bad_ppb, to_good_ppb, bad_ppb, good_ppb } => sim::Loss::GilbertElliott {
            to_bad: share(to_bad_ppb),
            to_good: share(to_good_ppb),
            loss_bad: share(bad_ppb),
            loss_good: share(good_ppb),
        },
        Loss::FourStates(shares) => {
            let [p13, p31, p32, p23, p14] = shares.map(share);
            sim::Loss::FourStates { p13, p31, p32, p23, p14 }
        }
        Loss::Frames(ref frames) => sim::Loss::List(frames.clone()),
        Loss::Every(every) => sim::Loss::Every(every),
    }
}

fn line(queue: Queue) -> sim::LineConfig {
    match queue {
        Queue::Tail { frames, bytes } => {
            sim::LineConfig::Tail(sim::TailConfig { frames_max: frames, bytes_max: bytes })
        }
        Queue::Red { min, max, probability_ppb, weight, ecn, bytes } => sim::LineConfig::Red(sim::RedConfig {
            min_bytes: min,
            max_bytes: max,
            probability: share(probability_ppb),
            weight_log2: weight,
            ecn,
            limit_bytes: bytes,
        }),
        Queue::CoDel { target_ns, interval_ns, ecn, frames, fair } => {
            let codel = sim::CoDelConfig {
                target: Duration::from_nanos(target_ns),
                interval: Duration::from_nanos(interval_ns),
                ecn,
                frames_max: frames,
            };
            match fair {
                None => sim::LineConfig::CoDel(codel),
                Some((flows, quantum_bytes)) => {
                    sim::LineConfig::FqCoDel(sim::FqCoDelConfig { codel, flows, quantum_bytes })
                }
            }
        }
    }
}
