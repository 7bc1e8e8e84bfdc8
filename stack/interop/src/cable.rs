//! A cable of the tank's between the kernel and the stack: what the simulator's links do to frames, they do here in real time.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use tokio::time::{Duration, Instant, sleep};
use wavetank_sim::net::impair::{Corrupt, Duplicate, How, Impairments, Loss, Odds, Reorder};
use wavetank_sim::net::{LinkConfig, Mac, Nic, Plug};
use wavetank_sim::node::{Exit, Node, NodeSpec};
use wavetank_sim::random::Probability;
use wavetank_sim::world::{World, WorldConfig};
use wavetank_tap::Tap;

/// How often frames are looked for that are on their way; those of less than this latency come a little late.
const TICK: Duration = Duration::from_millis(1);

type Frames = VecDeque<Vec<u8>>;

/// One end of the cable, a node of the tank.
#[derive(Default)]
struct End {
    /// Frames for the cable.
    offered: Frames,
    /// Frames that came out of it.
    arrived: Frames,
    /// Of the node's program.
    program: Option<Waker>,
    /// Of the stack's runner, at its end; of [`Cable::carry`] for what the runner offers.
    outside: [Option<Waker>; 2],
}

const RUNNER: usize = 0;
const CARRIER: usize = 1;

type Shared = Rc<RefCell<End>>;

/// What one in so many frames, each way, comes to on a [stormy](Cable::stormy) cable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    pub(crate) lost: u64,
    pub(crate) twice: u64,
    pub(crate) damaged: u64,
    pub(crate) overtakes: u64,
}

/// The cable, as the world that it is in.
pub(crate) struct Cable {
    world: World,
    start: Instant,
    tap: Tap,
    kernel: Shared,
    stack: Shared,
}

impl Cable {
    /// Between a TAP device and the driver that this answers, with a millisecond's latency.
    pub(crate) fn stormy(tap: Tap, weather: Weather, seed: u64) -> (Self, Berth) {
        let HardwareAddress::Ethernet(address) = tap.hardware_address() else {
            unreachable!("a TAP device is Ethernet")
        };
        let mut world = World::new(&WorldConfig { seed, ..WorldConfig::default() });
        let [kernel, stack] = [Shared::default(), Shared::default()];
        let mut end = |name: &str, last, shared: &Shared| {
            let shared = Rc::clone(shared);
            let node = world.add_node(NodeSpec::named(name), move |node| ferry(node, Rc::clone(&shared)));
            world.add_nic(node, Mac([2, 0, 0, 0, 0, last]))
        };
        let nics = [end("kernel", 1, &kernel), end("stack", 2, &stack)];
        let link = link(weather);
        world.connect("cable", Plug::Nic(nics[0]), Plug::Nic(nics[1]), &link, &link);
        let berth = Berth { end: Rc::clone(&stack), address };
        (Self { world, start: Instant::now(), tap, kernel, stack }, berth)
    }

    /// Carries frames both ways for as long as it is polled.
    pub(crate) async fn carry(mut self) {
        loop {
            let mut tick = pin!(sleep(TICK));
            poll_fn(|cx| {
                let came = self.collect(cx);
                if !came && tick.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.advance();
                self.deliver(cx);
                Poll::Ready(())
            })
            .await;
        }
    }

    /// Takes what is to be carried, and says whether there is any.
    fn collect(&mut self, cx: &mut Context<'_>) -> bool {
        let mut kernel = self.kernel.borrow_mut();
        while let Some((frame, _)) = self.tap.receive(cx) {
            kernel.offered.push_back(frame.consume(|bytes| bytes.to_vec()));
        }
        let mut stack = self.stack.borrow_mut();
        stack.outside[CARRIER] = Some(cx.waker().clone());
        !(kernel.offered.is_empty() && stack.offered.is_empty())
    }

    /// Has the tank's time follow the host's.
    fn advance(&mut self) {
        let now = wavetank_sim::time::Instant::START + self.start.elapsed();
        self.world.run_until(now);
        let ends = [&self.kernel, &self.stack];
        self.world.input("frames", || {
            let programs = ends.map(|end| end.borrow().program.clone());
            programs.into_iter().flatten().for_each(Waker::wake);
        });
        self.world.run_until(now);
    }

    /// Gives away what was carried.
    fn deliver(&mut self, cx: &mut Context<'_>) {
        for frame in self.kernel.borrow_mut().arrived.drain(..) {
            if let Some(room) = self.tap.transmit(cx) {
                room.consume(frame.len(), |bytes| bytes.copy_from_slice(&frame));
            }
        }
        let mut stack = self.stack.borrow_mut();
        if !stack.arrived.is_empty()
            && let Some(runner) = stack.outside[RUNNER].take()
        {
            runner.wake();
        }
    }
}

/// What the cable does to frames, each way.
fn link(Weather { lost, twice, damaged, overtakes }: Weather) -> LinkConfig {
    let one_in = |many| Odds::independent(Probability::from_parts_per_billion(1_000_000_000 / many));
    let impairments = Impairments {
        loss: Some(Loss::Random(one_in(lost))),
        duplicate: Some(Duplicate { odds: one_in(twice), later: Duration::ZERO }),
        corrupt: Some(Corrupt { odds: one_in(damaged), how: How::Flip(1) }),
        reorder: Some(Reorder { odds: one_in(overtakes), gap: 1 }),
        ..Impairments::default()
    };
    LinkConfig { latency: TICK, impairments: Some(Box::new(impairments)), ..LinkConfig::default() }
}

/// The program of an end: it passes frames between its interface and whoever is outside.
async fn ferry(node: Node, end: Shared) -> Exit {
    let mut nic = node.nic(0).expect("it has one");
    poll_fn(|cx| {
        pass(&mut nic, &mut end.borrow_mut(), cx);
        Poll::<()>::Pending
    })
    .await;
    pending().await
}

fn pass(nic: &mut Nic, end: &mut End, cx: &mut Context<'_>) {
    end.program = Some(cx.waker().clone());
    while let Some((frame, _)) = nic.receive(cx) {
        end.arrived.push_back(frame.consume(|bytes| bytes.to_vec()));
    }
    for frame in end.offered.drain(..) {
        if let Some(room) = nic.transmit(cx) {
            room.consume(frame.len(), |bytes| bytes.copy_from_slice(&frame));
        }
    }
}

/// The stack's end of the cable, as its driver.
pub(crate) struct Berth {
    end: Shared,
    address: [u8; 6],
}

impl Driver for Berth {
    type RxToken<'a> = Arrived;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Arrived, Room<'_>)> {
        let mut end = self.end.borrow_mut();
        let Some(frame) = end.arrived.pop_front() else {
            end.outside[RUNNER] = Some(cx.waker().clone());
            return None;
        };
        Some((Arrived(frame), Room(&self.end)))
    }

    fn transmit(&mut self, _: &mut Context<'_>) -> Option<Room<'_>> {
        Some(Room(&self.end))
    }

    fn link_state(&mut self, _: &mut Context<'_>) -> LinkState {
        LinkState::Up
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = 1_514;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}

/// A frame that came out of the cable.
pub(crate) struct Arrived(Vec<u8>);

impl RxToken for Arrived {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, read: F) -> R {
        read(&mut self.0)
    }
}

/// Room for a frame for the cable.
pub(crate) struct Room<'a>(&'a Shared);

impl TxToken for Room<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, write: F) -> R {
        let mut frame = vec![0; len];
        let result = write(&mut frame);
        let mut end = self.0.borrow_mut();
        end.offered.push_back(frame);
        if let Some(carrier) = end.outside[CARRIER].take() {
            carrier.wake();
        }
        result
    }
}
