//! What a browser asks a device.

use embedded_io_async::Write as _;
use wavetank_stack::http::server::{Answer, Session};

use super::hand::Hand;
use super::script::{Script, run};

/// The first byte says how many come at a read, the second how requests are answered; the rest is what the client says.
pub fn send(bytes: &[u8]) {
    let mut hand = Hand(bytes);
    let (Some(portion), Some(answers)) = (hand.byte(), hand.byte()) else { return };
    let mut buffer = [0; 512];
    let mut session = Session::new(Script::new(hand.0, portion), &mut buffer);
    let served = run(serve(&mut session, answers));
    let sent = session.into_stream().sent;
    assert!(served <= hand.0.len(), "a request takes some bytes");
    assert!(sent.is_empty() || sent.starts_with(b"HTTP/1.1 "));
    // A refusal is the last word.
    let answers = sent.windows(9).filter(|window| window == b"HTTP/1.1 ").count();
    assert!(answers <= 2 * served + 1, "{answers} answers to {served} requests");
}

/// How many requests there were.
async fn serve(session: &mut Session<'_, Script<'_>>, answers: u8) -> usize {
    let mut served = 0;
    while let Ok(Some(mut asked)) = session.next().await {
        served += 1;
        assert!(asked.path().len() <= asked.target().len());
        assert!(asked.headers().all(|(name, _)| !name.is_empty()));
        let mut body = [0; 64];
        if answers & 1 != 0 && asked.read_to_end(&mut body).await.is_err() {
            break;
        }
        let answer = Answer::new(200, "text/plain", b"tide");
        let told = match answers & 2 {
            0 => asked.answer(&answer).await,
            _ => match asked.begin(&Answer::new(200, "text/plain", b"")).await {
                Ok(mut reply) => {
                    let _ = reply.write(b"tide").await;
                    reply.finish().await
                }
                Err(error) => Err(error),
            },
        };
        if told.is_err() {
            break;
        }
    }
    served
}
