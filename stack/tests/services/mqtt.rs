//! The MQTT client against the broker, over TCP: whatever is dropped, every message comes as it should.

use std::cell::RefCell;
use std::rc::Rc;

use embedded_io_async::{Read, Write};
use wavetank_stack::mqtt::broker::{Broker, Limits};
use wavetank_stack::mqtt::{Client, Connection, Event, Message, Options, QoS, Version, packet::Subscription};
use wavetank_stack::{
    Clock, Duration,
    tcp::{Listener, Options as TcpOptions, Stream},
};

use super::to;
use crate::drops::survives_drops;
use crate::support::{Host, Sea, SeaClock, goes_on};

/// A memory that takes its time.
struct Slow(Sea, Option<Vec<u8>>);

impl wavetank_stack::mqtt::Memory for Slow {
    type Error = core::convert::Infallible;

    async fn load(&mut self, _: &mut [u8]) -> Result<Option<usize>, Self::Error> {
        self.0.sleep(Duration::from_millis(1)).await;
        Ok(None)
    }

    async fn save(&mut self, state: &[u8]) -> Result<(), Self::Error> {
        self.0.sleep(Duration::from_millis(1)).await;
        self.1 = Some(state.to_vec());
        Ok(())
    }
}

/// Serves whoever comes, one at a time, until they go.
async fn serve(sea: Sea, host: Rc<Host>) {
    let broker = RefCell::new(Broker::new(Limits::default()));
    let mut options = TcpOptions::default();
    options.nagle = false;
    let listener = Listener::bind(&host.stack, 1_883, 2, options).unwrap();
    loop {
        let mut stream = listener.accept().await;
        let id = broker.borrow_mut().connected(sea.clock().now());
        let mut bytes = [0; 64];
        while let Ok(len @ 1..) = stream.read(&mut bytes).await {
            let now = sea.clock().now();
            broker.borrow_mut().received(id, &bytes[..len], now);
            let answer = broker.borrow_mut().to_send(id);
            // In crumbs, so that packets come in parts.
            for crumb in answer.chunks(7) {
                stream.write_all(crumb).await.unwrap();
                sea.sleep(Duration::from_micros(100)).await;
            }
        }
        broker.borrow_mut().disconnected(id, sea.clock().now());
    }
}

type Line = Connection<'static, 'static, Stream<'static>, SeaClock, Slow, 4>;

struct Shore {
    sea: Sea,
    host: Host,
    client: Option<&'static mut Client<'static, SeaClock, Slow, 4>>,
    line: Option<Line>,
    version: Version,
    number: u8,
    subscribed: bool,
    delivered: bool,
    heard: Vec<(u8, QoS)>,
}

impl Shore {
    fn new(version: Version) -> Self {
        let sea = Sea::new();
        let (server, host) = (Rc::new(sea.host(&["192.0.2.1/24"])), sea.host(&["192.0.2.2/24"]));
        sea.spawn(serve(sea.clone(), server));
        let buffer = |len| Box::leak(vec![0; len].into_boxed_slice());
        let client = Client::new(sea.clock(), Slow(sea.clone(), None), buffer(256), buffer(256));
        let client = Some(Box::leak(Box::new(client)));
        Self {
            sea,
            host,
            client,
            line: None,
            version,
            number: 0,
            subscribed: false,
            delivered: false,
            heard: Vec::new(),
        }
    }

    /// Opens the line, once: what is given up there is lost with its stream.
    fn open(&mut self) {
        let (client, stack, version) = (self.client.take().unwrap(), self.host.stack.clone(), self.version);
        let opened: Rc<RefCell<Option<Line>>> = Rc::default();
        let told = opened.clone();
        self.sea.run(async move {
            let stream = Stream::connect(&stack, to("192.0.2.1:1883"), TcpOptions::default()).await.unwrap();
            let mut options = Options::new("meter");
            options.version = version;
            *told.borrow_mut() = Some(client.connect(stream, &options).await.unwrap());
        });
        self.line = opened.take();
    }

    /// Publishes the next number and hears it back; all that came so far.
    async fn say(&mut self) -> Vec<(u8, QoS)> {
        let line = self.line.as_mut().unwrap();
        if !self.subscribed {
            line.subscribe(&[Subscription::new("n", QoS::ExactlyOnce)]).unwrap();
            self.subscribed = true;
        }
        let qos = [QoS::AtLeastOnce, QoS::ExactlyOnce][usize::from(self.number % 2)];
        while !self.delivered || self.heard.len() <= usize::from(self.number) {
            if !self.delivered {
                let message = Message { topic: "n", payload: &[self.number; 30], qos, retain: false };
                // Known by its number: it is one message however often it is asked for.
                let _ = line.publish(self.number.into(), &message);
            }
            match line.next().await.unwrap() {
                Event::Delivered(token) => self.delivered |= token == u64::from(self.number),
                Event::Message(message) => {
                    let (number, qos, receipt) = (message.payload[0], message.qos, message.receipt);
                    self.heard.push((number, qos));
                    if let Some(receipt) = receipt {
                        assert!(line.acknowledge(receipt));
                    }
                }
                Event::Subscribed(codes) => assert!(codes.codes.iter().all(|code| *code < 3)),
                other => panic!("{other:?}"),
            }
        }
        (self.number, self.delivered) = (self.number + 1, false);
        self.heard.clone()
    }
}

#[test]
fn dropping_what_waits_loses_and_doubles_no_message() {
    for version in [Version::V311, Version::V5] {
        let make = || {
            let mut shore = Shore::new(version);
            shore.open();
            let sea = shore.sea.clone();
            (shore, goes_on(&sea, Duration::from_micros(100), Duration::from_secs(60)))
        };
        survives_drops(make, async |shore: &mut Shore| shore.say().await, (2, 80));
    }
}

#[test]
fn an_introduction_that_is_dropped_can_be_made_again() {
    type Subject = (Shore, Client<'static, SeaClock, Slow, 4>);
    let make = || {
        let shore = Shore::new(Version::V5);
        let buffer = |len| Box::leak(vec![0; len].into_boxed_slice());
        let client = Client::new(shore.sea.clock(), Slow(shore.sea.clone(), None), buffer(256), buffer(256));
        let sea = shore.sea.clone();
        ((shore, client), goes_on(&sea, Duration::from_micros(200), Duration::from_secs(60)))
    };
    let come = async |(shore, client): &mut Subject| {
        let stream = Stream::connect(&shore.host.stack, to("192.0.2.1:1883"), TcpOptions::default()).await.unwrap();
        let connection = client.connect(stream, &Options::new("lamp")).await.unwrap();
        connection.disconnect().await.is_ok()
    };
    survives_drops(make, come, (3, 20));
}
