//! MQTT against mosquitto and its clients.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use tokio::process::Child;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep, timeout};
use wavetank_stack::mqtt::packet::Subscription;
use wavetank_stack::mqtt::{Client, Connection, Event, Memory, Message, Options, PORT, QoS, Version, Will};
use wavetank_stack::tcp;
use wavetank_tap::HostClock;

use crate::shore::{DEVICE, KERNEL, Shore, at, bound, read, start};
use crate::table::{Failure, Outcome, demand};

const QUALITIES: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// What a client remembers between its lives.
#[derive(Clone, Default)]
struct Notes(Rc<RefCell<Option<Vec<u8>>>>);

impl Memory for Notes {
    type Error = Infallible;

    async fn load(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Infallible> {
        let state = self.0.borrow();
        Ok(state.as_ref().map(|state| {
            buffer[..state.len()].copy_from_slice(state);
            state.len()
        }))
    }

    async fn save(&mut self, state: &[u8]) -> Result<(), Infallible> {
        *self.0.borrow_mut() = Some(state.to_vec());
        Ok(())
    }
}

type Talk<'c, 'b> = Connection<'c, 'b, tcp::Stream<'static>, HostClock, Notes, 4>;

async fn mosquitto(shore: &Shore) -> Result<Child, Failure> {
    let settings = format!("listener {PORT} {KERNEL}\nbind_interface {DEVICE}\nallow_anonymous true\nuser root\n");
    let settings = shore.file("mosquitto.conf", &settings)?;
    let broker = start("mosquitto", &["-c", &settings])?;
    bound("tcp", PORT).await?;
    Ok(broker)
}

async fn dial(shore: &Shore) -> Result<tcp::Stream<'static>, Failure> {
    Ok(tcp::Stream::connect(&shore.stack, at(KERNEL, PORT), tcp::Options::default()).await?)
}

/// What mosquitto_sub hears, a message a line.
async fn hearing(arguments: &[&str]) -> JoinHandle<Result<String, Failure>> {
    let kernel = KERNEL.to_string();
    let host = ["-h", &kernel, "-W", "10"];
    let all: Vec<String> = host.iter().chain(arguments).map(|&argument| argument.to_owned()).collect();
    let hearing = tokio::task::spawn_local(async move {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        read("mosquitto_sub", &all).await
    });
    sleep(Duration::from_millis(500)).await;
    hearing
}

async fn say(topic: &str, quality: QoS, text: &str) -> Result<(), Failure> {
    let (kernel, quality) = (KERNEL.to_string(), quality.bits().to_string());
    read("mosquitto_pub", &["-h", &kernel, "-t", topic, "-q", &quality, "-m", text]).await.map(drop)
}

/// Waits until the broker has that message.
async fn delivered(talk: &mut Talk<'_, '_>, token: u64) -> Result<(), Failure> {
    loop {
        match timeout(Duration::from_secs(10), talk.next()).await?? {
            Event::Delivered(known) if known == token => return Ok(()),
            other => demand!(matches!(other, Event::Delivered(_)), "waiting for {token} came {other:?}"),
        }
    }
}

/// Waits for a message, and says that it is here.
async fn heard(talk: &mut Talk<'_, '_>) -> Result<(String, bool), Failure> {
    let (text, retained, receipt) = match timeout(Duration::from_secs(10), talk.next()).await?? {
        Event::Message(message) => {
            (String::from_utf8_lossy(message.payload).into_owned(), message.retain, message.receipt)
        }
        other => return Err(Failure::Told(format!("instead of a message came {other:?}"))),
    };
    if let Some(receipt) = receipt {
        demand!(talk.acknowledge(receipt), "no room to acknowledge {text:?}");
        talk.flush().await?;
    }
    Ok((text, retained))
}

async fn subscribe(talk: &mut Talk<'_, '_>, filter: &str, qos: QoS) -> Result<(), Failure> {
    let id = talk.subscribe(&[Subscription::new(filter, qos)])?;
    match talk.next().await? {
        Event::Subscribed(codes) => demand!(codes.id == id && codes.codes == [qos.bits()], "subscribed: {codes:?}"),
        other => demand!(false, "instead of a subscription came {other:?}"),
    }
    Ok(())
}

pub(crate) async fn qualities_v5() -> Outcome {
    qualities(Version::V5).await
}

pub(crate) async fn qualities_v311() -> Outcome {
    qualities(Version::V311).await
}

async fn qualities(version: Version) -> Outcome {
    let shore = Shore::new().await?;
    let _broker = mosquitto(&shore).await?;
    let (mut received, mut to_send) = ([0; 1_024], [0; 1_024]);
    let mut client = Client::<_, _, 4>::new(shore.clock, Notes::default(), &mut received, &mut to_send);
    let mut options = Options::new("tank");
    options.version = version;
    options.clean_start = true;
    options.keep_alive = Duration::from_secs(2);
    let mut talk = client.connect(dial(&shore).await?, &options).await?;

    // What we say, mosquitto_sub hears.
    let hearing = hearing(&["-t", "tank/out", "-q", "2", "-C", "3"]).await;
    for (token, qos) in (0..).zip(QUALITIES) {
        let text = format!("{qos:?}");
        talk.publish(token, &Message { topic: "tank/out", payload: text.as_bytes(), qos, retain: false })?;
        match qos {
            QoS::AtMostOnce => talk.flush().await?,
            _ => delivered(&mut talk, token).await?,
        }
    }
    let heard_there = hearing.await??;
    let lines: Vec<&str> = heard_there.lines().collect();
    demand!(lines == ["AtMostOnce", "AtLeastOnce", "ExactlyOnce"], "mosquitto_sub heard {lines:?}");

    // What mosquitto_pub says, we hear: and once only.
    subscribe(&mut talk, "tank/+/in", QoS::ExactlyOnce).await?;
    for qos in QUALITIES {
        say("tank/a/in", qos, &format!("{qos:?}")).await?;
        let (text, _) = heard(&mut talk).await?;
        demand!(text == format!("{qos:?}"), "of quality {qos:?} came {text:?}");
    }
    // The connection is silent for longer than the broker bears without a sign of life.
    let silence = timeout(Duration::from_millis(3_500), talk.next()).await;
    demand!(silence.is_err(), "in the silence came {silence:?}");
    talk.unsubscribe(&[Subscription::new("tank/+/in", QoS::AtMostOnce)])?;
    let last = talk.next().await?;
    demand!(matches!(last, Event::Unsubscribed(_)), "instead of the end came {last:?}");
    talk.disconnect().await?;
    Ok("QoS 0, 1 and 2, both ways, and a sign of life".into())
}

pub(crate) async fn resumed_v5() -> Outcome {
    resumed(Version::V5).await
}

pub(crate) async fn resumed_v311() -> Outcome {
    resumed(Version::V311).await
}

/// A client dies with messages under way, both ways, and goes on where it was.
async fn resumed(version: Version) -> Outcome {
    let shore = Shore::new().await?;
    let _broker = mosquitto(&shore).await?;
    let notes = Notes::default();
    let mut options = Options::new("tank");
    options.version = version;
    let exactly = |text: &'static str| Message {
        topic: "tank/out",
        payload: text.as_bytes(),
        qos: QoS::ExactlyOnce,
        retain: false,
    };
    let hearing = hearing(&["-t", "tank/out", "-q", "2", "-C", "3"]).await;

    let (mut received, mut to_send) = ([0; 1_024], [0; 1_024]);
    let mut client = Client::<_, _, 4>::new(shore.clock, notes.clone(), &mut received, &mut to_send);
    let mut talk = client.connect(dial(&shore).await?, &options).await?;
    demand!(!talk.session_present(), "a session before there was one");
    subscribe(&mut talk, "tank/in", QoS::ExactlyOnce).await?;
    talk.publish(1, &exactly("one"))?;
    talk.publish(2, &exactly("two"))?;
    talk.flush().await?;
    // Long enough for the broker's answer, which nobody looks at: it dies.
    sleep(Duration::from_millis(200)).await;
    talk.into_stream().abort();
    for text in ["first", "second"] {
        say("tank/in", QoS::ExactlyOnce, text).await?;
    }

    // Its next life has nothing but its notes, and a message that is received and not acknowledged.
    let (mut received, mut to_send) = ([0; 1_024], [0; 1_024]);
    let mut client = Client::<_, _, 4>::new(shore.clock, notes.clone(), &mut received, &mut to_send);
    let mut talk = client.connect(dial(&shore).await?, &options).await?;
    demand!(talk.session_present(), "the session is gone");
    talk.publish(1, &exactly("one"))?;
    talk.publish(2, &exactly("two"))?;
    let (mut ends, mut texts) = (Vec::new(), Vec::new());
    while ends.len() < 2 || texts.is_empty() {
        match timeout(Duration::from_secs(10), talk.next()).await?? {
            Event::Delivered(token) => ends.push(token),
            Event::Message(message) => texts.push(String::from_utf8_lossy(message.payload).into_owned()),
            other => demand!(false, "after the first death came {other:?}"),
        }
    }
    demand!(ends == [1, 2] && texts[0] == "first", "{ends:?}, {texts:?}");
    talk.into_stream().abort();

    let (mut received, mut to_send) = ([0; 1_024], [0; 1_024]);
    let mut client = Client::<_, _, 4>::new(shore.clock, notes, &mut received, &mut to_send);
    let mut talk = client.connect(dial(&shore).await?, &options).await?;
    for text in ["first", "second"] {
        let (again, _) = heard(&mut talk).await?;
        demand!(again == text, "after the second death came {again:?}, not {text:?}");
    }
    talk.publish(3, &exactly("three"))?;
    delivered(&mut talk, 3).await?;
    let silence = timeout(Duration::from_millis(300), talk.next()).await;
    demand!(silence.is_err(), "there was more: {silence:?}");
    let heard_there = hearing.await??;
    let lines: Vec<&str> = heard_there.lines().collect();
    demand!(lines == ["one", "two", "three"], "mosquitto_sub heard {lines:?}");
    Ok("two deaths, QoS 2 both ways, each message once".into())
}

/// A message that is kept, and one that the broker says for who has vanished.
pub(crate) async fn retained_and_will() -> Outcome {
    let shore = Shore::new().await?;
    let _broker = mosquitto(&shore).await?;
    let mut seen = Vec::new();
    for version in [Version::V311, Version::V5] {
        let (mut received, mut to_send) = ([0; 1_024], [0; 1_024]);
        let mut client = Client::<_, _, 4>::new(shore.clock, Notes::default(), &mut received, &mut to_send);
        let mut options = Options::new("tank");
        options.version = version;
        options.clean_start = true;
        let message = |topic, payload| Message { topic, payload, qos: QoS::AtLeastOnce, retain: true };
        options.will = Some(Will { message: message("tank/state", b"gone"), delay_s: 0 });
        let mut talk = client.connect(dial(&shore).await?, &options).await?;
        talk.publish(1, &message("tank/state", b"here"))?;
        delivered(&mut talk, 1).await?;
        subscribe(&mut talk, "tank/#", QoS::AtLeastOnce).await?;
        let (text, retained) = heard(&mut talk).await?;
        demand!(text == "here" && retained, "kept was {text:?}, {retained}");
        let hearing = hearing(&["-t", "tank/state", "-q", "1", "-C", "2"]).await;
        talk.into_stream().abort();
        let there = hearing.await??;
        demand!(there.lines().eq(["here", "gone"]), "mosquitto_sub heard {there:?}");
        seen.push(format!("{version:?}"));
    }
    Ok(format!("kept, and the will said: {}", seen.join(", ")))
}
