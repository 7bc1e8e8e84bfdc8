//! MQTT 5 by the crate `rust-mqtt` over our TCP, against mosquitto and its clients.

use std::num::NonZero;

use rust_mqtt::Bytes;
use rust_mqtt::buffer::AllocBuffer;
use rust_mqtt::client::Client;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
};
use rust_mqtt::config::KeepAlive;
use rust_mqtt::types::{MqttString, TopicFilter, TopicName};
use tokio::time::{Duration, sleep};
use wavetank_stack::tcp;

use crate::shore::{DEVICE, KERNEL, Shore, at, read, start};
use crate::table::{Failure, Outcome, demand};

const PORT: u16 = 1883;

fn told<E: std::fmt::Debug>(what: &'static str) -> impl Fn(E) -> Failure {
    move |error| Failure::Told(format!("{what}: {error:?}"))
}

pub(crate) async fn qualities() -> Outcome {
    let shore = Shore::new().await?;
    let settings = format!("listener {PORT} {KERNEL}\nbind_interface {DEVICE}\nallow_anonymous true\nuser root\n");
    let settings = shore.file("mosquitto.conf", &settings)?;
    let _broker = start("mosquitto", &["-c", &settings])?;
    sleep(Duration::from_millis(500)).await;
    let stream = tcp::Stream::connect(&shore.stack, at(KERNEL, PORT), tcp::Options::default()).await?;
    let mut buffer = AllocBuffer;
    let mut client = Client::<'_, '_, _, _, 1, 4, 4, 1, 0, 0, 1>::new(&mut buffer);
    let options = ConnectOptions::new()
        .clean_start()
        .keep_alive(KeepAlive::Seconds(NonZero::new(30).ok_or(Failure::Told("30 is not zero".into()))?));
    let name = MqttString::try_from("tank").map_err(told("a name"))?;
    client.connect(stream, &options, Some(name)).await.map_err(told("connecting"))?;

    // What we say, mosquitto_sub hears.
    let kernel = KERNEL.to_string();
    let arguments = ["-h", &kernel, "-t", "tank/out", "-q", "2", "-C", "3", "-W", "10"];
    let hearing = tokio::task::spawn_local({
        let arguments = arguments.map(str::to_owned);
        async move { read("mosquitto_sub", &arguments.each_ref().map(String::as_str)).await }
    });
    sleep(Duration::from_millis(500)).await;
    let out = MqttString::from_str("tank/out").map_err(told("a topic"))?;
    let out = TopicName::new(out).ok_or_else(|| Failure::Told("tank/out is a topic".into()))?;
    let options = || PublicationOptions::new(TopicReference::Name(out.as_borrowed()));
    for (options, text) in [
        (options(), "at most once"),
        (options().at_least_once(), "at least once"),
        (options().exactly_once(), "exactly once"),
    ] {
        let sent = client.publish(&options, Bytes::from(text.as_bytes())).await.map_err(told("publishing"))?;
        while sent.is_some() {
            match client.poll().await.map_err(told("waiting for the broker's word"))? {
                Event::PublishAcknowledged(_) | Event::PublishComplete(_) => break,
                _ => {}
            }
        }
    }
    let heard = hearing.await??;
    let lines: Vec<&str> = heard.lines().collect();
    demand!(lines == ["at most once", "at least once", "exactly once"], "mosquitto_sub heard {lines:?}");

    // What mosquitto_pub says, we hear.
    let into = MqttString::from_str("tank/in").map_err(told("a topic"))?;
    let filter = TopicFilter::new(into).ok_or_else(|| Failure::Told("tank/in is a filter".into()))?;
    let options = SubscriptionOptions::new().exactly_once();
    client.subscribe(filter, &options).await.map_err(told("subscribing"))?;
    loop {
        if let Event::Suback(_) = client.poll().await.map_err(told("waiting for the subscription"))? {
            break;
        }
    }
    for quality in ["0", "1", "2"] {
        read("mosquitto_pub", &["-h", &kernel, "-t", "tank/in", "-q", quality, "-m", quality]).await?;
        loop {
            if let Event::Publish(news) = client.poll().await.map_err(told("waiting for news"))? {
                let text = String::from_utf8_lossy(&news.message).into_owned();
                demand!(text == quality, "of quality {quality} came {text:?}");
                break;
            }
        }
    }
    client.disconnect(&DisconnectOptions::new()).await.map_err(told("taking leave"))?;
    Ok("QoS 0, 1 and 2, both ways".into())
}
