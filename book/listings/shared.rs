//! State that several futures of one thread share.

use std::cell::RefCell;
use std::rc::Rc;

use futures::channel::{mpsc, oneshot};
use futures::future::join;
use futures::{SinkExt, StreamExt};

use crate::clock::Clock;
use crate::executor::block_on;

/// Takes `amount` off the account. WRONG: another task may run at the await, with the balance that
/// this one has read.
async fn withdraw_carelessly(clock: &Clock, balance: &RefCell<i64>, amount: i64) -> bool {
    let has = *balance.borrow();
    clock.sleep(5).await;
    let enough = has >= amount;
    if enough {
        *balance.borrow_mut() = has - amount;
    }
    enough
}

/// Between two awaits nobody else runs: what must not be torn apart stands between them.
async fn withdraw(clock: &Clock, balance: &RefCell<i64>, amount: i64) -> bool {
    clock.sleep(5).await;
    let mut has = balance.borrow_mut();
    let enough = *has >= amount;
    if enough {
        *has -= amount;
    }
    enough
}

#[test]
fn one_thread_can_race_with_itself() {
    let clock = Clock::default();
    let balance = RefCell::new(100);
    let twice =
        join(withdraw_carelessly(&clock, &balance, 80), withdraw_carelessly(&clock, &balance, 80));
    assert_eq!(
        (block_on(&clock, twice), *balance.borrow()),
        (Some((true, true)), 20),
        "160 of 100"
    );
    let balance = RefCell::new(100);
    let twice = join(withdraw(&clock, &balance, 80), withdraw(&clock, &balance, 80));
    assert_eq!((block_on(&clock, twice), *balance.borrow()), (Some((true, false)), 20));
}

/// Asks an owner, and waits for its answer.
#[derive(Clone)]
struct Account(mpsc::Sender<Ask>);

struct Ask {
    amount: i64,
    answer: oneshot::Sender<bool>,
}

impl Account {
    /// The account, and the future that keeps it: it ends when nobody can ask any more.
    fn open(mut balance: i64) -> (Self, impl Future<Output = i64>) {
        let (sender, mut asked) = mpsc::channel::<Ask>(8);
        let owner = async move {
            while let Some(Ask { amount, answer }) = asked.next().await {
                let enough = balance >= amount;
                balance -= if enough { amount } else { 0 };
                // Whoever asked may have gone.
                let _ = answer.send(enough);
            }
            balance
        };
        (Self(sender), owner)
    }

    async fn withdraw(mut self, amount: i64) -> bool {
        let (answer, answered) = oneshot::channel();
        let sent = self.0.send(Ask { amount, answer }).await;
        sent.is_ok() && answered.await.unwrap_or(false)
    }
}

#[test]
fn an_owner_answers_one_after_the_other() {
    let (account, owner) = Account::open(100);
    let customers = join(account.clone().withdraw(80), account.withdraw(80));
    assert_eq!(block_on(&Clock::default(), join(owner, customers)), Some((20, (true, false))));
}

#[test]
fn a_lock_that_is_held_across_an_await_wants_to_be_async() {
    let clock = Clock::default();
    let line = Rc::new(futures::lock::Mutex::new(Vec::new()));
    let say = async |word: &'static str| {
        let mut line = line.lock().await;
        line.push(word);
        clock.sleep(10).await; // the line is ours meanwhile
        line.push(word);
    };
    block_on(&clock, join(say("ping"), say("pong")));
    assert_eq!(*line.try_lock().expect("both are done"), ["ping", "ping", "pong", "pong"]);
}
