//! Traffic that both sides get, and what a link of ours makes of it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::{Driver, RxToken, TxToken};
use wavetank_sim::net::{LinkConfig, Mac, Nic, Plug};
use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::random::Stream;
use wavetank_sim::time::Instant;
use wavetank_sim::world::{World, WorldConfig};

/// A frame that is offered to a queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) at_ns: u64,
    /// Its Ethernet header included.
    pub(crate) bytes: usize,
}

/// A frame that got through: its number, when its last bit left, and whether it bears a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) number: usize,
    pub(crate) at_ns: u64,
    pub(crate) marked: bool,
}

/// Frames with gaps evenly drawn from 1 to twice the mean, and sizes evenly from `least` to `most` bytes.
pub(crate) fn offers(seed: u64, count: usize, mean_gap_ns: u64, least: usize, most: usize) -> Vec<Offer> {
    waves(seed, count, [mean_gap_ns; 2], least, most)
}

/// As [`offers`], with one mean gap in every odd second and another one in every even second.
pub(crate) fn waves(seed: u64, count: usize, mean_gaps_ns: [u64; 2], least: usize, most: usize) -> Vec<Offer> {
    let mut stream = Stream::new(seed, "traffic");
    let mut at_ns = 0;
    let mut offer = || {
        let mean_gap_ns = mean_gaps_ns[(at_ns / 1_000_000_000 % 2) as usize];
        at_ns += 1 + stream.below(2 * mean_gap_ns);
        Offer { at_ns, bytes: least + stream.below((most - least + 1) as u64) as usize }
    };
    (0..count).map(|_| offer()).collect()
}

/// What a link of that configuration makes of these frames, whose ends understand marks.
pub(crate) fn carried(config: &LinkConfig, offers: &[Offer]) -> Vec<Passed> {
    let mut world = World::new(&WorldConfig { seed: 7, ..WorldConfig::default() });
    let (offered, passed) = (offers.to_vec(), Rc::new(RefCell::new(Vec::new())));
    let sender = world.add_node(NodeSpec::named("sender"), move |node: Node| {
        let offered = offered.clone();
        async move {
            let mut nic = node.nic(0).expect("plugged in");
            for (number, offer) in offered.iter().enumerate() {
                node.world_timer(Instant::from_nanos(offer.at_ns)).await;
                send(&mut nic, number, offer.bytes);
            }
            Exit::Halt
        }
    });
    let heard = Rc::clone(&passed);
    let receiver = world.add_node(NodeSpec::named("receiver"), move |node: Node| {
        let heard = Rc::clone(&heard);
        async move {
            let mut nic = node.nic(0).expect("plugged in");
            loop {
                let (number, marked) = poll_fn(|context| match nic.receive(context) {
                    Some((token, _)) => Poll::Ready(token.consume(|frame| read(frame))),
                    None => Poll::Pending,
                })
                .await;
                heard.borrow_mut().push(Passed { number, at_ns: node.world_now().as_nanos(), marked });
            }
        }
    });
    let [a, b] =
        [(sender, 1), (receiver, 2)].map(|(node, last)| Plug::Nic(world.add_nic(node, Mac([2, 0, 0, 0, 0, last]))));
    world.connect("line", a, b, config, &LinkConfig::default());
    let last_ns = offers.last().map_or(0, |offer| offer.at_ns);
    world.run_until(Instant::from_nanos(last_ns + 60_000_000_000));
    drop(world);
    Rc::try_unwrap(passed).expect("the world is gone").into_inner()
}

/// IPv4 of a protocol that nobody knows, with a number in it, and the mark that its ends understand marks (ECT(0)).
fn send(nic: &mut Nic, number: usize, bytes: usize) {
    let mut context = Context::from_waker(Waker::noop());
    nic.transmit(&mut context).expect("always room").consume(bytes, |frame| {
        frame.fill(0);
        frame[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        frame[14..34].copy_from_slice(&[0x45, 2, 0, 0, 0, 0, 0, 0, 64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame[34..42].copy_from_slice(&(number as u64).to_be_bytes());
    });
}

fn read(frame: &[u8]) -> (usize, bool) {
    let number = frame[34..42].iter().fold(0, |number, byte| number << 8 | usize::from(*byte));
    (number, frame[15] & 3 == 3)
}
