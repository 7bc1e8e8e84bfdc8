//! What is lost is sent again long before smoltcp's timeout of a second.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
};

use super::*;

/// Where a segment over IPv4 begins and how many bytes it carries, if it carries any.
fn data(frame: &[u8]) -> Option<(u32, usize)> {
    let (ethernet, packet) = frame.split_at_checked(14)?;
    let is_tcp = ethernet[12..] == [0x08, 0x00] && packet[9] == 6;
    let len = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let segment = is_tcp.then(|| &packet[20..len])?;
    let carried = segment.len() - usize::from(segment[12] >> 4) * 4;
    let number = u32::from_be_bytes(segment[4..8].try_into().unwrap());
    (carried > 0).then_some((number, carried))
}

/// Has `lose` say which of the data segments of one card are lost: it is told the how-manieth part of the stream it is, from 0, and
/// the how-manieth time it comes. Answers with how many data segments came a second time, questions apart.
fn losing(sea: &Sea, card: usize, mut lose: impl FnMut(usize, u32) -> bool + 'static) -> Rc<Cell<u32>> {
    let again = Rc::new(Cell::new(0));
    let (count, seen) = (again.clone(), RefCell::new(BTreeMap::<u32, (usize, u32)>::new()));
    sea.filter(move |from, frame| match data(frame) {
        Some((number, len)) if from == card && len > 1 => {
            let mut seen = seen.borrow_mut();
            let order = seen.len();
            let (order, times) = seen.entry(number).and_modify(|(_, times)| *times += 1).or_insert((order, 1));
            count.set(count.get() + u32::from(*times > 1));
            if lose(*order, *times) { Verdict::Lose } else { Verdict::Pass }
        }
        _ => Verdict::Pass,
    });
    again
}

const SEGMENT: usize = 1_460;

fn with_large_buffers() -> Options {
    let mut options = Options::default();
    (options.send_bytes, options.receive_bytes) = (65_535, 65_535);
    options
}

/// How long so many bytes take, a segment each so many microseconds, over a round trip of a millisecond; and how many segments were
/// sent twice.
fn transfer(bytes: usize, pace_us: u64, lose: impl FnMut(usize, u32) -> bool + 'static) -> (Duration, u32) {
    let (sea, server, client) = pair();
    let again = losing(&sea, client.card, lose);
    let clock = sea.clone();
    let took = sea.run(async move {
        let listener = Listener::bind(&server.stack, 80, 1, with_large_buffers()).unwrap();
        let (mut served, calling) =
            join(listener.accept(), Stream::connect(&client.stack, at(80), with_large_buffers())).await;
        let mut calling = calling.unwrap();
        let start = clock.now();
        let send = async {
            for segment in pattern(bytes).chunks(SEGMENT) {
                calling.write_all(segment).await.unwrap();
                clock.sleep(Duration::from_micros(pace_us)).await;
            }
            calling.acknowledged().await.unwrap();
        };
        let receive = async {
            let mut all = vec![0; bytes];
            served.read_exact(&mut all).await.unwrap();
            assert_eq!(all, pattern(bytes));
            clock.now() - start
        };
        join(receive, send).await.0
    });
    (took, again.get())
}

#[test]
fn the_last_segment_is_lost() {
    // Its acknowledgement may take 200 ms of itself.
    for bytes in [20 * SEGMENT, 100] {
        let last = bytes.div_ceil(SEGMENT) - 1;
        let (took, again) = transfer(bytes, 0, move |order, times| order == last && times == 1);
        assert!(took < Duration::from_millis(250), "{bytes} bytes: {took:?}");
        assert_eq!(again, 1, "{bytes} bytes");
    }
}

#[test]
fn the_last_segments_are_lost() {
    let (took, again) = transfer(20 * SEGMENT, 0, |order, times| order >= 15 && times == 1);
    assert!(took < Duration::from_millis(100), "{took:?}");
    assert_eq!(again, 5);
}

#[test]
fn what_was_sent_again_is_lost_again() {
    // In the midst of more, by which it is noticed.
    let (took, again) = transfer(30 * SEGMENT, 200, |order, times| order == 5 && times <= 2);
    assert!(took < Duration::from_millis(30), "{took:?}");
    assert_eq!(again, 2);
    // Behind which nothing is sent any more.
    let (took, again) = transfer(20 * SEGMENT, 0, |order, times| order == 15 && times <= 2);
    assert!(took < Duration::from_millis(60), "{took:?}");
    assert_eq!(again, 2);
}

#[test]
fn who_answers_late_is_sent_nothing_twice() {
    let (sea, server, client) = pair();
    let (sender, receiver) = (client.card, server.card);
    let again = losing(&sea, sender, |_, _| false);
    let clock = sea.clone();
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        calling.write_all(b"ahoy").await.unwrap();
        served.read_exact(&mut [0; 4]).await.unwrap();
        clock.sleep(Duration::from_secs(5)).await;
        // What was asked for is long in coming: a question goes out, and its answer comes as late.
        clock.record();
        clock.filter(move |from, _| if from == receiver { Verdict::Delay(300_000) } else { Verdict::Pass });
        calling.write_all(b"who goes there").await.unwrap();
        calling.acknowledged().await.unwrap();
        clock.sleep(Duration::from_secs(5)).await;
        let sent: Vec<_> = clock.recorded().iter().filter_map(|frame| data(frame)).collect();
        let [(first, 14), (question, 1)] = sent[..] else { panic!("{sent:?}") };
        assert_eq!(question, first.wrapping_sub(1), "a byte that is there already");
        assert_eq!(client.stack.stats().retransmissions, 1);
    });
    assert_eq!(again.get(), 0);
}

#[test]
fn who_has_gone_is_asked_ever_more_seldom() {
    let (sea, server, client) = pair();
    let sender = client.card;
    let clock = sea.clone();
    sea.run(async move {
        let (_served, mut calling) = connected(&server, &client).await;
        calling.write_all(b"ahoy").await.unwrap();
        clock.sleep(Duration::from_secs(5)).await;
        let sent = Rc::new(RefCell::new(Vec::new()));
        let (seen, time) = (sent.clone(), clock.clone());
        clock.filter(move |from, frame| {
            if let (true, Some((_, len))) = (from == sender, data(frame)) {
                seen.borrow_mut().push((time.now().as_millis(), len));
            }
            Verdict::Lose
        });
        let start = clock.now().as_millis();
        calling.write_all(b"who goes there").await.unwrap();
        clock.sleep(Duration::from_secs(8)).await;
        let sent: Vec<_> = sent.borrow().iter().map(|(at, len)| (at - start, *len)).collect();
        let [(0, 14), (first, 1), (second, 1), (third, 1), (1_000, 14), (3_000, 14), (7_000, 14)] = sent[..] else {
            panic!("{sent:?}")
        };
        assert!((200..210).contains(&first) && second / 2 == first - 1 && third / 4 == first - 1, "{sent:?}");
    });
}

/// Old acknowledgements would have smoltcp give up its timer, and send the end no more.
#[test]
fn a_lost_end_comes_though_old_acknowledgements_do() {
    let (sea, server, client) = pair();
    let sender = client.card;
    let stranger = sea.card();
    let clock = sea.clone();
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        clock.record();
        calling.write_all(b"ahoy").await.unwrap();
        served.read_exact(&mut [0; 4]).await.unwrap();
        calling.acknowledged().await.unwrap();
        let to = clock.mac(sender);
        let bare = clock.recorded().into_iter().rfind(|frame| frame[..6] == to && data(frame).is_none()).unwrap();
        clock.filter(move |from, _| if from == sender { Verdict::Lose } else { Verdict::Pass });
        calling.shutdown();
        clock.sleep(Duration::from_millis(700)).await;
        for _ in 0..3 {
            stranger.send(bare.clone());
        }
        clock.sleep(Duration::from_millis(100)).await;
        clock.calm();
        let mut none = [0];
        let end = timeout(&clock.clock(), Duration::from_secs(3), served.read(&mut none)).await;
        assert!(matches!(end, Ok(Ok(0))), "{end:?}");
    });
}

#[test]
fn a_lost_end_is_missed_as_soon_as_data() {
    for ended in [false, true] {
        let (sea, server, client) = pair();
        let sender = client.card;
        let clock = sea.clone();
        sea.run(async move {
            let (mut served, mut calling) = connected(&server, &client).await;
            if ended {
                served.shutdown();
                assert_eq!(calling.read(&mut [0; 1]).await, Ok(0));
            }
            let lost = Cell::new(false);
            clock.filter(move |from, frame| match from == sender && data(frame).is_some() && !lost.replace(true) {
                true => Verdict::Lose,
                false => Verdict::Pass,
            });
            calling.write_all(b"ahoy").await.unwrap();
            calling.shutdown();
            let start = clock.now();
            assert_eq!(read_to_end(&mut served).await.unwrap(), b"ahoy");
            let took = clock.now() - start;
            assert!(took < Duration::from_millis(250), "{took:?}, ended: {ended}");
        });
    }
}

/// After how long what was lost is sent again by smoltcp's timer, over so long a way that nobody is asked before; `is_between`:
/// the other side says something meanwhile, which is acknowledged.
fn sent_again_after(is_between: bool) -> Duration {
    const LATE_US: u64 = 300_000;
    let (sea, server, client) = pair();
    let (clock, card) = (sea.clone(), client.card);
    let lost = Rc::new(RefCell::new(None::<Vec<Duration>>));
    let losing = lost.clone();
    sea.filter(move |from, frame| match (data(frame), &mut *losing.borrow_mut()) {
        (Some(_), Some(times)) if from == card => {
            times.push(clock.now());
            Verdict::Lose
        }
        _ => Verdict::Delay(LATE_US),
    });
    let (clock, begins) = (sea.clone(), lost.clone());
    sea.run(async move {
        let (mut served, mut calling) = connected(&server, &client).await;
        let mut said = [0; 4];
        for _ in 0..16 {
            calling.write_all(b"ahoy").await.unwrap();
            served.read_exact(&mut said).await.unwrap();
            calling.acknowledged().await.unwrap();
        }
        *begins.borrow_mut() = Some(Vec::new());
        calling.write_all(b"gone").await.unwrap();
        if is_between {
            served.write_all(b"news").await.unwrap();
            calling.read_exact(&mut said).await.unwrap();
        }
        clock.sleep(Duration::from_secs(2)).await;
    });
    let times = lost.take().unwrap();
    times[1] - times[0]
}

#[test]
fn what_comes_between_puts_no_retransmission_off() {
    let after = sent_again_after(false);
    assert!(Duration::from_secs(1) <= after && after < Duration::from_millis(1_100), "{after:?}");
    assert_eq!(sent_again_after(true), after);
}
