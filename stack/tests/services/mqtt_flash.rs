//! An MQTT session that is kept on flash, whose power is cut again and again: the server accepts each message once, whenever
//! that was.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;

use embedded_io_async::{Read, Write};
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, NorFlashErrorKind, ReadNorFlash};
use futures_util::future::{Either, select};
use wavetank_stack::mqtt::broker::{Broker, ConnectionId, Limits};
use wavetank_stack::mqtt::{Client, Event, Kept, Message, Options, QoS, Version, packet::Subscription};
use wavetank_stack::storage::{Key, KeyValue};
use wavetank_stack::{
    Clock, Duration, Stack,
    tcp::{Listener, Options as TcpOptions, Stream},
};

use super::to;
use crate::support::Sea;

/// How many messages there are.
const MESSAGES: u64 = 5;
const PAGE: usize = 512;
const PAGES: usize = 3;

/// A flash that takes its time, word by word: what is being written when the power goes is half there.
#[derive(Clone)]
struct Slow(Sea, Rc<RefCell<Vec<u8>>>);

impl ErrorType for Slow {
    type Error = NorFlashErrorKind;
}

impl ReadNorFlash for Slow {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), NorFlashErrorKind> {
        bytes.copy_from_slice(&self.1.borrow()[offset as usize..][..bytes.len()]);
        Ok(())
    }

    fn capacity(&self) -> usize {
        PAGES * PAGE
    }
}

impl NorFlash for Slow {
    const WRITE_SIZE: usize = 8;
    const ERASE_SIZE: usize = PAGE;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), NorFlashErrorKind> {
        self.0.sleep(Duration::from_micros(300)).await;
        self.1.borrow_mut()[from as usize..to as usize].fill(0xff);
        Ok(())
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), NorFlashErrorKind> {
        for (word, at) in bytes.chunks(Self::WRITE_SIZE).zip((offset as usize..).step_by(Self::WRITE_SIZE)) {
            self.1.borrow_mut()[at..at + word.len()].copy_from_slice(word);
            self.0.sleep(Duration::from_micros(50)).await;
        }
        Ok(())
    }
}

/// A broker, and who waits for what it says.
struct House {
    sea: Sea,
    broker: RefCell<Broker>,
}

impl House {
    /// Serves whoever comes, however many they are: nobody has said goodbye when the power went.
    async fn serve(self: Rc<Self>, stack: Stack<'static>) {
        let listener = Listener::bind(&stack, 1_883, 8, TcpOptions::default()).unwrap();
        loop {
            let stream = listener.accept().await;
            let id = self.broker.borrow_mut().connected(self.sea.clock().now());
            let house = self.clone();
            self.sea.spawn(async move {
                house.attend(id, stream).await;
                house.broker.borrow_mut().disconnected(id, house.sea.clock().now());
            });
        }
    }

    async fn attend(&self, id: ConnectionId, mut stream: Stream<'static>) {
        let (mut bytes, sea) = ([0; 64], self.sea.clone());
        loop {
            // What others have said is for this one, too.
            let heard = match select(pin!(stream.read(&mut bytes)), pin!(sea.sleep(Duration::from_micros(700)))).await {
                Either::Left((Ok(len @ 1..), _)) => len,
                Either::Left(_) => return,
                Either::Right(_) => 0,
            };
            self.broker.borrow_mut().received(id, &bytes[..heard], sea.clock().now());
            let answer = self.broker.borrow_mut().to_send(id);
            if stream.write_all(&answer).await.is_err() || self.broker.borrow().is_closing(id) {
                return;
            }
        }
    }
}

fn named(name: &'static str, version: Version) -> Options<'static> {
    let mut options = Options::new(name);
    options.version = version;
    options
}

/// Notes what is published, all its life.
async fn listen(sea: Sea, stack: Stack<'static>, heard: Rc<RefCell<Vec<u64>>>) {
    let (mut received, mut to_send) = ([0; 256], [0; 256]);
    let mut client = Client::<_, _, 4>::new(sea.clock(), (), &mut received, &mut to_send);
    let stream = Stream::connect(&stack, to("192.0.2.1:1883"), TcpOptions::default()).await.unwrap();
    let mut line = client.connect(stream, &named("listener", Version::V5)).await.unwrap();
    line.subscribe(&[Subscription::new("n", QoS::ExactlyOnce)]).unwrap();
    loop {
        if let Event::Message(message) = line.next().await.unwrap() {
            heard.borrow_mut().push(u64::from_be_bytes(message.payload.try_into().unwrap()));
            let receipt = message.receipt.unwrap();
            assert!(line.acknowledge(receipt));
        }
    }
}

/// Publishes what is not known to be delivered, up to three at a time, until all of it is.
async fn publish(stack: Stack<'static>, flash: Slow, version: Version, done: Rc<RefCell<BTreeSet<u64>>>) {
    let (mut received, mut to_send) = ([0; 256], [0; 256]);
    let clock = flash.0.clock();
    let memory = Kept::new(KeyValue::new(flash, 0..(PAGES * PAGE) as u32).unwrap(), Key(7));
    let mut client = Client::<_, _, 4>::new(clock, memory, &mut received, &mut to_send);
    let stream = Stream::connect(&stack, to("192.0.2.1:1883"), TcpOptions::default()).await.unwrap();
    let mut line = client.connect(stream, &named("meter", version)).await.unwrap();
    while done.borrow().len() < MESSAGES as usize {
        for number in (1..=MESSAGES).filter(|number| !done.borrow().contains(number)).take(3) {
            let message = Message { topic: "n", payload: &number.to_be_bytes(), qos: QoS::ExactlyOnce, retain: false };
            // A number that is under way is known.
            let _ = line.publish(number, &message);
        }
        if let Event::Delivered(number) = line.next().await.unwrap() {
            done.borrow_mut().insert(number);
        }
    }
}

/// What the listener hears of a client whose first life is so long, and each other one a little longer; and how many lives it
/// took.
fn heard_through_cuts(version: Version, first: Duration) -> (Vec<u64>, u32) {
    let sea = Sea::new();
    let (server, ear) = (sea.host(&["192.0.2.1/24"]), sea.host(&["192.0.2.3/24"]));
    let house = Rc::new(House { sea: sea.clone(), broker: RefCell::new(Broker::new(Limits::default())) });
    sea.spawn(house.serve(server.stack.clone()));
    let (heard, done) = (Rc::<RefCell<Vec<u64>>>::default(), Rc::<RefCell<BTreeSet<u64>>>::default());
    sea.spawn(listen(sea.clone(), ear.stack.clone(), heard.clone()));
    sea.pass(Duration::from_millis(50));
    let flash = Slow(sea.clone(), Rc::new(RefCell::new(vec![0xff; PAGES * PAGE])));
    let mut lives = 0;
    while done.borrow().len() < MESSAGES as usize {
        let host = sea.host(&["192.0.2.2/24"]);
        let work = publish(host.stack.clone(), flash.clone(), version, done.clone());
        let (story, card) = (sea.clone(), host.card);
        let life = first + Duration::from_micros(101) * lives;
        sea.run(async move {
            let power = story.sleep(life);
            let (work, power) = (pin!(work), pin!(power));
            let _unfinished = select(work, power).await;
            // What the stack would still send when its streams are dropped goes nowhere.
            story.plug(card, false);
        });
        sea.kill(host.task);
        lives += 1;
        assert!(lives < 200, "it comes to nothing");
    }
    sea.pass(Duration::from_secs(1));
    let all = heard.take();
    sea.dry_up();
    (all, lives)
}

#[test]
fn a_session_on_flash_goes_on_where_the_power_was_cut() {
    let mut cuts = 0;
    for version in [Version::V311, Version::V5] {
        for first in (3_000..15_000).step_by(293) {
            let (heard, lives) = heard_through_cuts(version, Duration::from_micros(first));
            assert_eq!(heard, [1, 2, 3, 4, 5], "{version:?}, the first life of {first} µs");
            cuts += lives - 1;
        }
    }
    assert!(cuts > 150, "{cuts}");
}
