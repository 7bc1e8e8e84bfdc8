//! What a broker says to a client.

use wavetank_stack::mqtt::{Client, Connection, Event, Message, Options, QoS, Version, packet::Subscription};

use super::hand::Hand;
use super::script::{Script, Still, run};

const IN_FLIGHT: usize = 3;

/// The first byte says how many come at a read and with which version; the rest is what the broker says, over two
/// connections.
pub fn send(bytes: &[u8]) {
    let mut hand = Hand(bytes);
    let Some(first) = hand.byte() else { return };
    let (mut received, mut to_send) = ([0; 256], [0; 256]);
    let mut client = Client::<_, _, IN_FLIGHT>::new(Still, (), &mut received, &mut to_send);
    let mut options = Options::new("lamp");
    options.version = if first & 1 == 0 { Version::V5 } else { Version::V311 };
    for said in [hand.piece().unwrap_or_default(), hand.0] {
        let stream = Script::new(said, first >> 1);
        let Ok(mut connection) = run(client.connect(stream, &options)) else { continue };
        run(converse(&mut connection, said.len()));
    }
}

async fn converse(connection: &mut Connection<'_, '_, Script<'_>, Still, (), IN_FLIGHT>, said: usize) {
    let _ = connection.subscribe(&[Subscription::new("lamps/7/set", QoS::ExactlyOnce)]);
    for (token, qos) in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce].into_iter().enumerate() {
        let message = Message { topic: "lamps/7/state", payload: b"on", qos, retain: false };
        let _ = connection.publish(token as u64, &message);
    }
    let mut events = 0;
    loop {
        let receipt = match connection.next().await {
            Ok(Event::Message(message)) => {
                assert!(!message.topic.is_empty() && message.payload.len() <= 256);
                assert_eq!(message.receipt.is_some(), message.qos > QoS::AtMostOnce);
                message.receipt
            }
            Ok(Event::Delivered(token) | Event::Refused(token, _)) => {
                assert!((1..=2).contains(&token), "nobody delivers what was not published");
                None
            }
            Ok(_) => None,
            Err(_) => return,
        };
        events += 1;
        assert!(events <= said, "an event takes some bytes");
        if let Some(receipt) = receipt {
            connection.acknowledge(receipt);
        }
    }
}
