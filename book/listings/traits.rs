//! Async functions in traits, behind pointers, and as arguments.

use std::pin::Pin;

use crate::clock::Clock;
use crate::executor::block_on;

/// A sensor, for generic code: each implementation has a future of its own type, and nothing is
/// allocated.
pub trait Sensor {
    async fn measure(&mut self) -> Option<i32>;
}

/// The same behind a pointer, where the type is only known at run time: the future goes to the
/// heap.
pub trait DynSensor {
    fn measure(&mut self) -> Pin<Box<dyn Future<Output = Option<i32>> + '_>>;
}

/// Every sensor can be put behind a pointer.
impl<S: Sensor> DynSensor for S {
    fn measure(&mut self) -> Pin<Box<dyn Future<Output = Option<i32>> + '_>> {
        Box::pin(Sensor::measure(self))
    }
}

/// Gives readings after a while, as long as there are any.
struct Slow {
    clock: Clock,
    readings: Vec<i32>,
}

impl Sensor for Slow {
    async fn measure(&mut self) -> Option<i32> {
        self.clock.sleep(10).await;
        self.readings.pop()
    }
}

/// Always the same.
struct Stuck(i32);

impl Sensor for Stuck {
    async fn measure(&mut self) -> Option<i32> {
        Some(self.0)
    }
}

/// Known at compile time.
async fn highest(sensor: &mut impl Sensor, times: usize) -> Option<i32> {
    let mut highest = None;
    for _ in 0..times {
        highest = highest.max(sensor.measure().await);
    }
    highest
}

/// Known at run time: sensors of several types in one list.
async fn sum(sensors: &mut [Box<dyn DynSensor>]) -> i32 {
    let mut sum = 0;
    for sensor in sensors {
        sum += sensor.measure().await.unwrap_or(0);
    }
    sum
}

/// An async closure may borrow from what it captures, also in the future that it gives.
async fn until_some<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    loop {
        if let Some(output) = attempt().await {
            return output;
        }
    }
}

#[test]
fn generic_code_has_no_need_of_a_heap() {
    let clock = Clock::default();
    let mut slow = Slow { clock: clock.clone(), readings: vec![20, 23, 21] };
    assert_eq!(block_on(&clock, highest(&mut slow, 3)), Some(Some(23)));
    assert_eq!(block_on(&clock, highest(&mut Stuck(19), 3)), Some(Some(19)));
}

#[test]
fn sensors_of_several_types_are_in_one_list() {
    let clock = Clock::default();
    let slow = Slow { clock: clock.clone(), readings: vec![20] };
    let mut sensors: [Box<dyn DynSensor>; 2] = [Box::new(slow), Box::new(Stuck(19))];
    assert_eq!(block_on(&clock, sum(&mut sensors)), Some(39));
}

#[test]
fn an_async_closure_borrows_what_it_captures() {
    let clock = Clock::default();
    let mut tries = 0;
    let fifth = until_some(async || {
        tries += 1;
        clock.sleep(1).await;
        (tries == 5).then_some(tries)
    });
    assert_eq!(block_on(&clock, fifth), Some(5));
}
