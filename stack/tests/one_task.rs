//! Runner and application in one task, in every arrangement: whoever shares the runner's waker is heard too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Wake, Waker},
};

use embedded_io_async::{Read, Write};
use futures_util::future::{Either, join, select};
use support::Sea;
use wavetank_stack::{
    Cidr, Clock, Config, Duration, Runner, Stack,
    tcp::{Listener, Options, Stream},
};

async fn first<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> T {
    match select(pin!(one), pin!(other)).await {
        Either::Left((output, _)) | Either::Right((output, _)) => output,
    }
}

async fn echo(stack: &Stack<'static>) -> u32 {
    let listener = Listener::bind(stack, 80, 1, Options::default()).unwrap();
    let mut stream = listener.accept().await;
    let mut rounds = 0;
    let mut buffer = [0; 8];
    while let Ok(len @ 1..) = stream.read(&mut buffer).await {
        stream.write_all(&buffer[..len]).await.unwrap();
        rounds += 1;
    }
    rounds
}

async fn call(sea: &Sea, stack: &Stack<'static>) -> u32 {
    sea.sleep(Duration::from_millis(1)).await;
    let mut stream = Stream::connect(stack, "192.0.2.1:80".parse().unwrap(), Options::default()).await.unwrap();
    for _ in 0..100 {
        stream.write_all(b"12345678").await.unwrap();
        stream.read_exact(&mut [0; 8]).await.unwrap();
    }
    100
}

/// Runs an echo at a server whose runner and application stand to each other as `arrange` says.
fn arranged<F, Fut>(arrange: F)
where
    F: FnOnce(Stack<'static>, Runner<'static, support::Card, support::SeaClock>) -> Fut,
    Fut: Future<Output = u32> + 'static,
{
    let sea = Sea::new();
    let own: [Cidr; 1] = ["192.0.2.1/24".parse().unwrap()];
    let (stack, runner) = Stack::shared(sea.card(), sea.clock(), &Config::new(&own, &[]), 1);
    let server = arrange(stack, runner);
    let own: [Cidr; 1] = ["192.0.2.2/24".parse().unwrap()];
    let (stack, mut runner) = Stack::shared(sea.card(), sea.clock(), &Config::new(&own, &[]), 2);
    let calling = sea.clone();
    let began = sea.clock().now();
    let client = async move {
        runner.run_with(call(&calling, &stack)).await;
        // So that the end arrives.
        first(runner.run_with(std::future::pending()), calling.sleep(Duration::from_millis(50))).await;
    };
    assert_eq!(sea.run(async move { join(server, client).await.0 }), 100);
    let took = sea.clock().now() - began;
    assert!(took < Duration::from_millis(200), "{took:?}: somebody waited for a timer instead of a frame");
}

#[test]
fn around_the_application() {
    arranged(async |stack, mut runner: Runner<'static, _, _>| runner.run_with(echo(&stack)).await);
}

#[test]
fn before_the_application() {
    arranged(async |stack, mut runner: Runner<'static, _, _>| first(async { runner.run().await }, echo(&stack)).await);
}

#[test]
fn after_the_application() {
    arranged(async |stack, mut runner: Runner<'static, _, _>| first(echo(&stack), async { runner.run().await }).await);
}

#[test]
fn around_another_application() {
    arranged(async |stack, mut runner: Runner<'static, _, _>| {
        first(echo(&stack), runner.run_with(std::future::pending())).await
    });
}

/// Counts how often it is called.
#[derive(Default)]
struct Bell(AtomicU32);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A runner that somebody else polls from now on has its timers call them, though no deadline has changed: here that of a
/// segment that nobody answers.
#[test]
fn a_runner_that_is_polled_by_another_is_called_in_time() {
    let sea = Sea::new();
    let own: [Cidr; 1] = ["192.0.2.2/24".parse().unwrap()];
    let (stack, mut runner) = Stack::shared(sea.card(), sea.clock(), &Config::new(&own, &[]), 2);
    let calling = Stream::connect(&stack, "192.0.2.1:80".parse().unwrap(), Options::default());
    let mut running = pin!(runner.run_with(calling));
    let bells = [(), ()].map(|()| Arc::new(Bell::default()));
    for bell in &bells {
        let waker = Waker::from(bell.clone());
        assert!(running.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    sea.pass(Duration::from_secs(3));
    let [first, second] = bells.map(|bell| bell.0.load(Ordering::Relaxed));
    assert_eq!((first, second > 0), (0, true), "the first one polls no more: {second}");
}
