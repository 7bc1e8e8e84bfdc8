use super::segment::ACK;
use super::*;
use crate::net::impair::{complement, is_sound, sum};

const PSH: u8 = 8;
/// The place of the data in frames that are made here.
const DATA_V4: usize = 54;

/// A frame with a segment of the first end (10.0.0.1:40000) for the second (10.0.0.2:80), or of that for the first.
fn frame(course: Course, sequence: u32, acknowledgment: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut ends = [([2, 0, 0, 0, 0, 1], [10, 0, 0, 1], 40_000_u16), ([2, 0, 0, 0, 0, 2], [10, 0, 0, 2], 80)];
    if course == 1 {
        ends.reverse();
    }
    let [from, to] = ends;
    let mut frame = [&to.0[..], &from.0, &[8, 0, 0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0]].concat();
    frame.extend([from.1, to.1].concat());
    frame.extend([from.2.to_be_bytes(), to.2.to_be_bytes()].concat());
    frame.extend([sequence.to_be_bytes(), acknowledgment.to_be_bytes()].concat());
    frame.extend([5 << 4, flags, 0x10, 0, 0, 0, 0, 0]);
    frame.extend_from_slice(data);
    let total = (frame.len() - 14) as u16;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    let header = complement(sum(&frame[14..34]));
    frame[24..26].copy_from_slice(&header);
    let whole = complement(sum(&frame[26..34]) + 6 + u64::from(total - 20) + sum(&frame[34..]));
    frame[50..52].copy_from_slice(&whole);
    frame
}

fn tamperer(how: Tamper) -> Tamperer {
    with(Tampering { port: Some(80), odds: Odds::Always, only: None, how })
}

fn with(what: Tampering) -> Tamperer {
    Tamperer::new(CableId(0), what, Stream::new(3, "test/tamper"))
}

/// What a middlebox has made: courses, sequence numbers, acknowledgments, flags and data. All of it is sound.
fn made(tamperer: &mut Tamperer) -> Vec<(Course, u32, u32, u8, Vec<u8>)> {
    let all = std::mem::take(&mut tamperer.made).into_iter();
    all.map(|made| {
        assert!(is_sound(&made.bytes), "{:?}", made.bytes);
        let segment = Segment::of(&made.bytes).expect("a segment");
        let acknowledgment = segment.acknowledgment().unwrap_or(0);
        let data = made.bytes[made.bytes.len() - segment.data_len()..].to_vec();
        (made.course, segment.sequence(), acknowledgment, segment.flags(), data)
    })
    .collect()
}

/// A connection is opened: what either end sends next has these numbers.
fn opened(tamperer: &mut Tamperer) -> [u32; 2] {
    assert!(tamperer.lets_pass(0, 0, &frame(0, 1_000, 0, SYN, &[]), 0));
    assert!(tamperer.lets_pass(0, 1, &frame(1, u32::MAX - 9, 1_001, SYN | ACK, &[]), 1));
    assert!(tamperer.lets_pass(0, 0, &frame(0, 1_001, u32::MAX - 8, ACK, &[]), 0));
    assert!(made(tamperer).is_empty() && tamperer.hits == 0);
    [1_001, u32::MAX - 8]
}

#[test]
fn who_asks_is_refused() {
    let mut resets = tamperer(Tamper::Reset { after_ns: 0 });
    assert!(!resets.lets_pass(0, 0, &frame(0, 1_000, 0, SYN, &[]), 0));
    assert_eq!(made(&mut resets), [(1, 0, 1_001, RST | ACK, vec![])], "the other end has heard of nothing");
    assert!(!resets.lets_pass(9, 0, &frame(0, 5_000, 0, SYN, &[]), 0));
    assert_eq!(made(&mut resets), [(1, 0, 5_001, RST | ACK, vec![])], "nor is a second one let through");
    assert_eq!(resets.hits, 2);
}

#[test]
fn both_ends_are_told_what_they_expect_to_be_told() {
    let mut resets = tamperer(Tamper::Reset { after_ns: 50 });
    let [a, b] = opened(&mut resets);
    assert!(resets.lets_pass(10, 1, &frame(1, b, a, ACK | PSH, b"welcome to the tank"), 1));
    assert!(resets.lets_pass(20, 0, &frame(0, a, b, ACK, b"hello"), 0), "it has not heard that yet");
    assert_eq!(resets.wants_call(), Some(50));
    resets.call(50);
    // The first end will have had all 19 bytes, across the end of the numbers; the second one the five.
    assert_eq!(made(&mut resets), [(1, b.wrapping_add(19), 0, RST, vec![]), (0, a + 5, 0, RST, vec![])]);
    assert!(!resets.lets_pass(60, 0, &frame(0, a, b, ACK, b"hello"), 0));
    assert_eq!(made(&mut resets), [(1, b, 0, RST, vec![])], "that it has not had them it says itself");
    assert_eq!((resets.hits, resets.felt.as_slice()), (1, [1].as_slice()));
}

#[test]
fn a_connection_from_before_is_reset_by_what_comes_next() {
    let mut resets = tamperer(Tamper::Reset { after_ns: 0 });
    assert!(!resets.lets_pass(0, 0, &frame(0, 700, 900, ACK, b"more"), 0));
    assert_eq!(made(&mut resets), [(1, 900, 0, RST, vec![]), (0, 700, 900, RST | ACK, vec![])]);
}

const fn limit(bytes: u64, end: LimitEnd) -> Tamper {
    Tamper::Limit { bytes, end }
}

#[test]
fn so_many_bytes_pass_and_no_more() {
    let mut limits =
        with(Tampering { port: None, odds: Odds::Always, only: Some(Direction::Rx), how: limit(10, LimitEnd::Reset) });
    let [a, b] = opened(&mut limits);
    assert!(limits.lets_pass(0, 0, &frame(0, a, b, ACK, &[7; 100]), 0), "the other way there is no limit");
    assert!(limits.lets_pass(0, 1, &frame(1, b, a + 100, ACK, b"abcdef"), 1));
    assert!(limits.lets_pass(1, 1, &frame(1, b, a + 100, ACK, b"abcdef"), 1), "once more is not more");
    assert!(!limits.lets_pass(2, 1, &frame(1, b.wrapping_add(6), a + 100, ACK | PSH | FIN, b"ghijklm"), 1));
    let last = (1, b.wrapping_add(6), a + 100, ACK, b"ghij".to_vec());
    let resets = [(1, b.wrapping_add(10), 0, RST, vec![]), (0, a + 100, 0, RST, vec![])];
    let all = made(&mut limits);
    assert_eq!((&all[0], &all[1..]), (&last, &resets[..]));
}

/// The second end tells, the first one may hear ten bytes.
#[test]
fn what_has_come_to_its_limit_ends_in_order() {
    let mut limits = tamperer(limit(10, LimitEnd::Fin));
    let [a, b] = opened(&mut limits);
    let end = b.wrapping_add(11);
    assert!(limits.lets_pass(0, 1, &frame(1, b, a, ACK, b"abcdef"), 1));
    assert!(!limits.lets_pass(1, 1, &frame(1, b.wrapping_add(6), a, ACK | PSH, b"ghijklm"), 1));
    assert_eq!(made(&mut limits), [(1, b.wrapping_add(6), a, ACK | FIN, b"ghij".to_vec())]);
    assert_eq!((limits.hits, limits.felt.as_slice()), (1, [1].as_slice()));
    // What is beyond never comes; an acknowledgment that is sent from there seems to be sent from the limit.
    assert!(!limits.lets_pass(2, 1, &frame(1, b.wrapping_add(13), a, ACK, b"nop"), 1));
    assert!(made(&mut limits).is_empty());
    assert!(!limits.lets_pass(2, 1, &frame(1, b.wrapping_add(16), a + 2, ACK, &[]), 1));
    assert_eq!(made(&mut limits), [(1, b.wrapping_add(10), a + 2, ACK, vec![])]);
    // What was lost is sent again by its sender, which has been told nothing: the data, and the end alone.
    assert!(limits.lets_pass(3, 0, &frame(0, a, b.wrapping_add(6), ACK, b"go on"), 0));
    assert!(!limits.lets_pass(4, 1, &frame(1, b.wrapping_add(6), a, ACK, b"ghijklmnop"), 1));
    assert_eq!(made(&mut limits), [(1, b.wrapping_add(6), a, ACK | FIN, b"ghij".to_vec())]);
    assert!(limits.lets_pass(5, 0, &frame(0, a + 5, b.wrapping_add(10), ACK, &[]), 0));
    assert!(!limits.lets_pass(6, 1, &frame(1, b.wrapping_add(10), a + 5, ACK | FIN, b"klmnop"), 1));
    assert_eq!(made(&mut limits), [(1, b.wrapping_add(10), a + 5, ACK | FIN, vec![])]);
    // The end is acknowledged: that the sender does not learn, but that the other one has closed it.
    assert!(!limits.lets_pass(7, 0, &frame(0, a + 5, end, ACK, &[]), 0));
    assert_eq!(made(&mut limits), [(0, a + 5, b.wrapping_add(10), ACK | FIN, vec![])]);
    assert!(!limits.lets_pass(8, 1, &frame(1, b.wrapping_add(17), a + 6, ACK, &[]), 1));
    assert!(made(&mut limits).is_empty(), "it says that it has heard that");
    assert!(!limits.lets_pass(9, 1, &frame(1, b.wrapping_add(10), a + 6, ACK, b"klmnop"), 1));
    assert_eq!(made(&mut limits), [(0, a + 6, 0, RST, vec![])], "nobody is there to take this");
    // The one who heard the end closes it, too, as often as it likes, and is acknowledged.
    for _ in 0..2 {
        assert!(!limits.lets_pass(10, 0, &frame(0, a + 5, end, ACK | FIN, &[]), 0));
        assert_eq!(made(&mut limits), [(1, end, a + 6, ACK, vec![])]);
    }
    assert!(!limits.lets_pass(11, 0, &frame(0, a + 5, end, ACK, b"but"), 0));
    assert_eq!(made(&mut limits), [(1, end, 0, RST, vec![])]);
    assert_eq!(limits.hits, 1);
}

#[test]
fn a_limit_of_nothing_ends_what_says_anything() {
    let mut limits = tamperer(limit(0, LimitEnd::Fin));
    let [a, b] = opened(&mut limits);
    assert!(!limits.lets_pass(0, 1, &frame(1, b, a, ACK | PSH, b"welcome"), 1));
    assert_eq!(made(&mut limits), [(1, b, a, ACK | FIN, vec![])]);
    // Taken away, it leaves nobody with an end that the other knows nothing of.
    let left = limits.leave();
    let numbers: Vec<_> =
        left.iter().map(|made| Segment::of(&made.bytes).map(|it| (made.course, it.sequence()))).collect();
    assert_eq!(numbers, [Some((1, b.wrapping_add(1))), Some((0, a))]);
    assert!(left.iter().all(|made| Segment::of(&made.bytes).is_some_and(|segment| segment.has(RST))));
}

/// Two virtual networks with the same addresses have connections of the same ends.
#[test]
fn connections_of_other_virtual_networks_are_others() {
    let tagged = |mut frame: Vec<u8>, vlan: u8| {
        frame.splice(12..12, [0x81, 0, 0, vlan]);
        frame
    };
    let mut limits = tamperer(limit(10, LimitEnd::Reset));
    let [a, b] = opened(&mut limits);
    for vlan in [0, 5, 6] {
        let data = tagged(frame(1, b.wrapping_add(u32::from(vlan) * 100), a, ACK, b"abcdefgh"), vlan);
        assert!(limits.lets_pass(0, 1, &data, 1), "eight bytes of each");
    }
    assert_eq!((limits.seen, limits.flows.len()), (3, 3), "a tag that names none is as no tag");
    assert!(!limits.lets_pass(1, 1, &tagged(frame(1, b.wrapping_add(608), a, ACK, b"ijk"), 6), 1));
    let first = &limits.made[0].bytes;
    assert_eq!(Segment::of(first).map(|segment| segment.vlan()), Some(6), "and it is cut off in its own");
}

#[test]
fn the_end_is_kept_back_and_what_is_before_it_is_not() {
    let mut closes = tamperer(Tamper::SlowClose { extra_ns: 1_000 });
    let [a, b] = opened(&mut closes);
    assert!(!closes.lets_pass(5, 0, &frame(0, a, b, ACK | FIN, b"bye"), 0));
    assert_eq!(made(&mut closes), [(0, a, b, ACK, b"bye".to_vec())]);
    assert!(!closes.lets_pass(700, 0, &frame(0, a + 3, b, ACK | FIN, &[]), 0));
    assert!(made(&mut closes).is_empty(), "nor does it pass when it is sent again");
    assert_eq!(closes.wants_call(), Some(1_005));
    closes.call(1_005);
    assert_eq!(made(&mut closes), [(0, a + 3, b, ACK | FIN, vec![])]);
    assert!(closes.lets_pass(1_700, 0, &frame(0, a + 3, b, ACK | FIN, &[]), 0), "from then on it may");
    assert_eq!(closes.hits, 1);
}

#[test]
fn who_is_taken_away_lets_go_of_what_it_kept() {
    let mut closes = tamperer(Tamper::SlowClose { extra_ns: 1_000 });
    let [a, b] = opened(&mut closes);
    assert!(!closes.lets_pass(5, 0, &frame(0, a, b, ACK | FIN, &[]), 0));
    let kept = closes.leave();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].bytes, frame(0, a, b, ACK | FIN, &[]));
}

#[test]
fn pieces_come_one_by_one_and_make_the_whole() {
    let data: Vec<u8> = (0..=255).collect();
    let mut slices = tamperer(Tamper::Slice { bytes: 40, variation: 30, gap_ns: 100 });
    let [a, b] = opened(&mut slices);
    assert!(!slices.lets_pass(0, 0, &frame(0, a, b, ACK | PSH, &data), 0));
    // What comes meanwhile waits for its turn.
    assert!(!slices.lets_pass(1, 0, &frame(0, a + 256, b, ACK | FIN, &[]), 0));
    let (mut now, mut whole, mut pieces) = (0, Vec::<u8>::new(), 0);
    loop {
        for (course, sequence, _, flags, piece) in made(&mut slices) {
            assert_eq!((course, sequence), (0, a + whole.len() as u32), "in order");
            assert!(piece.len() <= 70);
            whole.extend(&piece);
            pieces += usize::from(!piece.is_empty());
            let is_last = whole.len() == data.len();
            let expected = ACK | if piece.is_empty() { FIN } else { PSH * u8::from(is_last) };
            assert_eq!(flags, expected, "what stands at the end stands there only");
        }
        let Some(at) = slices.wants_call() else { break };
        assert_eq!(at, now + 100);
        now = at;
        slices.call(now);
    }
    assert_eq!(whole, data);
    assert!((4..=26).contains(&pieces), "{pieces}");
    assert!(slices.lets_pass(now + 1, 0, &frame(0, a + 257, b, ACK, &[]), 0), "then the way is free");
}

/// Pieces are as long as drawn, all lengths alike: χ² over 61 lengths, 60 degrees of freedom, 99.6 at 0.1 %.
#[test]
fn lengths_of_pieces_are_even() {
    let mut slices = tamperer(Tamper::Slice { bytes: 40, variation: 30, gap_ns: 0 });
    let mut seen = [0.0; 61];
    (0..1_000_000).for_each(|_| seen[slices.piece(40, 30) - 10] += 1.0);
    let expected = 1_000_000.0 / 61.0;
    let chi2: f64 = seen.iter().map(|seen| (seen - expected) * (seen - expected) / expected).sum();
    assert!(chi2 < 99.6, "{chi2}");
}

#[test]
fn data_does_not_get_through_and_the_rest_does() {
    let mut stalls = tamperer(Tamper::Stall { after_ns: Some(500) });
    let [a, b] = opened(&mut stalls);
    assert!(!stalls.lets_pass(10, 0, &frame(0, a, b, ACK, b"hello?"), 0));
    assert!(!stalls.lets_pass(300, 0, &frame(0, a, b, ACK, b"hello?"), 0));
    assert!(stalls.lets_pass(310, 1, &frame(1, b, a, ACK, &[]), 1));
    assert!(made(&mut stalls).is_empty());
    assert_eq!(stalls.wants_call(), Some(510), "counted from the first");
    stalls.call(510);
    assert_eq!(made(&mut stalls), [(1, b, 0, RST, vec![]), (0, a, 0, RST, vec![])], "nothing has passed");
}

/// What is sent again while it is kept back is kept once, however long that takes.
#[test]
fn what_lies_there_already_is_not_kept_again() {
    let mut slices = tamperer(Tamper::Slice { bytes: 10, variation: 0, gap_ns: 1_000 });
    let [a, b] = opened(&mut slices);
    for now in 0..50 {
        assert!(!slices.lets_pass(now, 0, &frame(0, a, b, ACK, &[7; 100]), 0));
    }
    assert_eq!((made(&mut slices).len(), slices.due.len(), slices.hits), (1, 9, 1));
    assert!(!slices.lets_pass(50, 0, &frame(0, a + 100, b, ACK | FIN, &[]), 0));
    assert!(!slices.lets_pass(51, 0, &frame(0, a + 100, b, ACK | FIN, &[]), 0));
    assert!(!slices.lets_pass(52, 0, &frame(0, a + 101, b + 5, ACK, &[]), 0), "this says something new");
    assert_eq!(slices.due.len(), 11);
    slices.call(9_000);
    assert_eq!(made(&mut slices).len(), 11);
    // Some of it may have been lost behind here.
    assert!(!slices.lets_pass(9_001, 0, &frame(0, a, b, ACK, &[7; 100]), 0));
    assert_eq!((made(&mut slices).len(), slices.hits), (1, 2));
}

/// Sequence numbers have gone around before it comes to that.
#[test]
fn a_limit_may_be_more_than_there_are_sequence_numbers() {
    const GIB: u64 = 1 << 30;
    let mut limits = tamperer(limit(9 * GIB, LimitEnd::Reset));
    let [a, b] = opened(&mut limits);
    for turn in 0..9 {
        let sequence = a.wrapping_add((turn * GIB) as u32);
        assert!(limits.lets_pass(turn, 0, &frame(0, sequence, b, ACK, b"more"), 0), "{turn} GiB");
    }
    assert!(!limits.lets_pass(9, 0, &frame(0, a.wrapping_add((9 * GIB) as u32), b, ACK, b"more"), 0));
    assert_eq!(limits.hits, 1);
}

/// A frame of [`frame`] from or to another port of the first end.
fn of_port(mut frame: Vec<u8>, course: Course, port: u16) -> Vec<u8> {
    let at = if course == 0 { 34 } else { 36 };
    frame[at..at + 2].copy_from_slice(&port.to_be_bytes());
    frame
}

/// Connections come and go, one a second, some of them without a word: those that are over are soon forgotten, one that is
/// open is not.
#[test]
fn no_more_is_known_than_there_may_be() {
    const SECOND: u64 = 1_000_000_000;
    let mut resets = tamperer(Tamper::Reset { after_ns: 2 * 3_600 * SECOND });
    let mut others = tamperer(Tamper::Slice { bytes: 10, variation: 0, gap_ns: 0 });
    for all in [&mut resets, &mut others] {
        let [a, b] = opened(all);
        for second in 1..7_000 {
            let (now, port) = (second * SECOND, 1_024 + second as u16);
            assert!(all.lets_pass(now, 0, &of_port(frame(0, 7, 0, SYN, &[]), 0, port), 0));
            if second % 3 == 0 {
                assert!(all.lets_pass(now, 1, &of_port(frame(1, 8, 8, SYN | ACK, &[]), 1, port), 1));
                assert!(all.lets_pass(now, 0, &of_port(frame(0, 8, 9, ACK | FIN, &[]), 0, port), 0));
            }
        }
        assert_eq!((all.seen, all.flows.len()), (7_000, all.quiet.len()));
        assert!(all.lets_pass(7_000 * SECOND, 0, &frame(0, a, b, ACK, &[]), 0));
        assert_eq!(all.seen, 7_000, "the first one is still known");
    }
    assert_eq!(others.flows.len(), 241);
    // What is to be reset two hours after it began is known until then.
    assert_eq!(resets.flows.len(), 7_000);
    resets.call(7_200 * SECOND);
    assert_eq!(resets.hits, 1);
    let later = of_port(frame(0, 7, 0, SYN, &[]), 0, 999);
    assert!(others.lets_pass(20_000 * SECOND, 0, &later, 0));
    assert_eq!((others.flows.len(), others.quiet.len()), (1, 1), "an open one is not known for ever either");
}

#[test]
fn only_some_connections_and_only_those_of_the_port() {
    let what = Tampering { port: Some(80), odds: Odds::Next(1), only: None, how: Tamper::Reset { after_ns: 0 } };
    let mut first = with(what);
    assert!(!first.lets_pass(0, 0, &frame(0, 1, 0, SYN, &[]), 0));
    assert!(first.lets_pass(0, 0, &frame(0, 900, 0, SYN, &[]), 0), "the second connection is let through");
    let mut other = with(Tampering { port: Some(81), ..what });
    assert!(other.lets_pass(0, 0, &frame(0, 1, 0, SYN, &[]), 0));
    // About a third, as the seed draws; a SYN that is sent again is the same connection.
    let mut some = with(Tampering { odds: Odds::PartsPerBillion(333_333_333), ..what });
    let mut refused = 0.0;
    for connection in 0..10_000 {
        let syn = frame(0, connection * 10, 0, SYN, &[]);
        let passes = some.lets_pass(0, 0, &syn, 0);
        refused += f64::from(u8::from(!passes));
        assert_eq!(some.lets_pass(1, 0, &syn, 0), passes);
    }
    assert!((refused - 3_333.3_f64).abs() < 4.0 * (10_000.0_f64 * 2.0 / 9.0).sqrt(), "{refused}");
}

#[test]
fn what_is_no_segment_passes() {
    let mut resets = with(Tampering { port: None, odds: Odds::Always, only: None, how: Tamper::Reset { after_ns: 0 } });
    let whole = frame(0, 1, 2, ACK, b"data");
    for cut in 0..DATA_V4 {
        assert!(resets.lets_pass(0, 0, &whole[..cut], 0), "{cut} bytes are none");
    }
    let mut fragment = whole.clone();
    fragment[20] = 0x20;
    assert!(resets.lets_pass(0, 0, &fragment, 0));
    let mut datagram = whole.clone();
    datagram[23] = 17;
    assert!(resets.lets_pass(0, 0, &datagram, 0));
    let mut short = whole;
    short[46] = 0xF0;
    assert!(resets.lets_pass(0, 0, &short, 0), "its options would be longer than it is");
}

/// The same over IPv6, behind a tag, with options: addresses, ports and checksums stay right.
#[test]
fn ipv6_behind_a_tag_too() {
    let v4 = frame(0, 10, 20, ACK, b"abcdefgh");
    let mut v6 = [&v4[..12], &[0x81, 0, 0, 5, 0x86, 0xDD, 0x60, 0, 0, 0, 0, 32, 6, 64]].concat();
    v6.extend([0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    v6.extend([0xFD, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    v6.extend(&v4[34..DATA_V4]);
    let tcp = 18 + 40;
    v6[tcp + 12] = 6 << 4;
    v6.extend([1, 1, 1, 1]);
    v6.extend(b"abcdefgh");
    let mut slices = tamperer(Tamper::Slice { bytes: 5, variation: 0, gap_ns: 0 });
    assert!(!slices.lets_pass(0, 0, &v6, 0));
    let all = made(&mut slices);
    assert_eq!(all, [(0, 10, 20, ACK, b"abcde".to_vec()), (0, 15, 20, ACK, b"fgh".to_vec())]);
    let mut resets = tamperer(Tamper::Reset { after_ns: 0 });
    assert!(!resets.lets_pass(0, 0, &v6, 0));
    let first = &resets.made[0].bytes;
    assert_eq!((&first[..6], &first[6..12]), (&v6[6..12], &v6[..6]), "it goes back");
    let answer = Segment::of(first).expect("a segment");
    assert_eq!(answer.destination(), Segment::of(&v6).expect("a segment").source());
    assert_eq!(made(&mut resets), [(1, 20, 0, RST, vec![]), (0, 10, 20, RST | ACK, vec![])]);
}
