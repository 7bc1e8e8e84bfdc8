//! The whole camera, from a sensor to a server on another stack.

extern crate std;

use core::convert::Infallible;
use core::future::pending;
use std::format;
use std::println;
use std::string::String;
use std::vec::Vec;

use embedded_io_async::{ErrorType, Write as _};
use wavetank_stack::tcp::{Listener, Options as TcpOptions, Stream};
use wavetank_stack::{Config as StackConfig, Instant};

use super::*;
use crate::testing::{Cells, ManualClock, Noise, Notebook, Port, cable, run_until};

const FRAME: u32 = 1_500;

/// Frames whose bytes all have the number of the frame.
#[derive(Default)]
struct Scene {
    at: u32,
}

impl ErrorType for Scene {
    type Error = Infallible;
}

impl Read for Scene {
    async fn read(&mut self, out: &mut [u8]) -> Result<usize, Infallible> {
        for byte in out.iter_mut() {
            *byte = (self.at / FRAME) as u8;
            self.at += 1;
        }
        Ok(out.len())
    }
}

struct Place {
    clock: ManualClock,
    flash: Cells,
    notebook: Notebook,
    /// Numbers, and the byte that all of the frame is.
    images: RefCell<Vec<(u64, u8)>>,
    /// What the server says.
    status: Cell<u16>,
}

impl Place {
    fn new() -> Self {
        let (clock, notebook) = (ManualClock::default(), Notebook::default());
        // Four slots, whatever a page is here.
        let flash = Cells::new(4 * (FRAME as usize).div_ceil(Cells::ERASE_SIZE) + 4);
        Place { clock, flash, notebook, images: RefCell::default(), status: Cell::new(201) }
    }

    fn camera<'a>(&'a self, port: &'a mut Port, life: u64) -> impl Future<Output = Result<Exit, RoomError>> + use<'a> {
        let parts = Parts {
            sensor: Scene::default(),
            flash: self.flash.clone(),
            net: port,
            clock: self.clock.clone(),
            rng: Noise(life),
            probe: &self.notebook,
        };
        let id = DeviceId::new("camera-1").expect("a name");
        let address = "10.0.0.2/24".parse().expect("an address");
        let mut config = Config::new(id, address, ([10, 0, 0, 1], 8080).into(), self.flash.range());
        config.frame_bytes = FRAME;
        config.period = Duration::from_secs(1);
        config.patience = Duration::from_secs(1);
        config.drain = Duration::from_secs(1);
        config.backoff = Backoff { base: Duration::from_millis(100), cap: Duration::from_millis(500) };
        run(parts, config, ResetCause::PowerOn)
    }

    async fn house(&self, port: Port) -> Infallible {
        let addresses = ["10.0.0.1/24".parse().expect("an address")];
        let (stack, mut runner) = Stack::shared(port, self.clock.clone(), &StackConfig::new(&addresses, &[]), 1);
        runner.run_with(pin!(self.serve(&stack))).await
    }

    /// Takes what is posted. Whoever calls again has forgotten the last connection.
    async fn serve(&self, stack: &Stack<'static>) -> Infallible {
        let listener = Listener::bind(stack, 8080, 4, TcpOptions::default()).expect("a free port");
        let mut next = listener.accept().await;
        loop {
            let talk = async {
                while let Some((number, byte)) = image(&mut next).await {
                    let status = self.status.get();
                    if status == 201 {
                        self.images.borrow_mut().push((number, byte));
                    }
                    let answer = format!("HTTP/1.1 {status} Said\r\ncontent-length: 0\r\n\r\n");
                    if next.write_all(answer.as_bytes()).await.is_err() || next.flush().await.is_err() {
                        break;
                    }
                }
                pending::<Infallible>().await
            };
            next = match select(listener.accept(), talk).await {
                Either::First(called) => called,
                Either::Second(never) => match never {},
            };
        }
    }

    fn numbers(&self) -> Vec<u64> {
        self.images.borrow().iter().map(|(number, _)| *number).collect()
    }
}

/// The number of the next image, and what all its bytes are.
async fn image(stream: &mut Stream<'static>) -> Option<(u64, u8)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let body = &bytes[end + 4..];
            if body.len() == FRAME as usize {
                let head = String::from_utf8(bytes[..end].to_vec()).expect("text");
                let number = head.strip_prefix("POST /images/camera-1/").expect("an image").split(' ').next()?;
                let sum = Sha256::digest(body);
                assert!(head.contains("Content-Digest: sha-256=:") && sum.len() == 32, "{head}");
                assert!(body.iter().all(|byte| *byte == body[0]), "all of one frame");
                return Some((number.parse().expect("a number"), body[0]));
            }
        }
        let mut some = [0; 256];
        match Read::read(stream, &mut some).await {
            Ok(len @ 1..) => bytes.extend_from_slice(&some[..len]),
            _ => return None,
        }
    }
}

#[test]
fn every_frame_arrives_whole_and_numbers_go_on_after_a_power_cut() {
    let place = Place::new();
    let (mut port, there, _) = cable();
    let mut house = pin!(place.house(there));
    for (life, end_s) in [(1, 5), (2, 10)] {
        let both = pin!(select(place.camera(&mut port, life), house.as_mut()));
        assert!(run_until(&place.clock, Instant::from_secs(end_s), both).is_none());
    }
    let mut numbers = place.numbers();
    assert!(numbers.is_sorted());
    numbers.dedup();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    assert!(numbers.len() >= 9, "{numbers:?}");
    assert_eq!(place.notebook.counted(metrics::FRAMES_DROPPED), 0);
}

#[test]
fn a_link_that_bears_nothing_costs_the_oldest_frames() {
    let place = Place::new();
    let (mut port, there, cut) = cable();
    let mut both = pin!(select(place.camera(&mut port, 1), place.house(there)));
    assert!(run_until(&place.clock, Instant::from_millis(2_500), both.as_mut()).is_none());
    let before = place.numbers().len() as u64;
    assert!(before >= 2);
    cut.set(true);
    assert!(run_until(&place.clock, Instant::from_secs(12), both.as_mut()).is_none());
    let dropped = place.notebook.flowed(metrics::FLOW_DROPPED);
    assert!(dropped.len() >= 5 && dropped.is_sorted(), "{dropped:?}");
    cut.set(false);
    assert!(run_until(&place.clock, Instant::from_secs(20), both.as_mut()).is_none());
    let (numbers, taken) = (place.numbers(), place.notebook.flowed(metrics::FLOW_TAKEN));
    assert!(numbers.iter().all(|number| !dropped.contains(number)), "{numbers:?} {dropped:?}");
    let last = *taken.last().expect("some were taken");
    assert!(numbers.last() >= Some(&(last - 1)), "it has caught up: {numbers:?} of {last}");
    assert!(place.images.borrow().iter().all(|(number, byte)| *number == u64::from(*byte) + 1));
}

#[test]
fn what_is_refused_goes_and_what_is_damaged_comes_again() {
    let place = Place::new();
    let (mut port, there, _) = cable();
    let mut both = pin!(select(place.camera(&mut port, 1), place.house(there)));
    place.status.set(422);
    assert!(run_until(&place.clock, Instant::from_millis(1_500), both.as_mut()).is_none());
    assert!(place.notebook.counted(metrics::FRAMES_DAMAGED) >= 1);
    place.status.set(409);
    assert!(run_until(&place.clock, Instant::from_millis(3_500), both.as_mut()).is_none());
    let rejected = place.notebook.counted(metrics::FRAMES_REJECTED);
    assert!(rejected >= 2);
    place.status.set(201);
    assert!(run_until(&place.clock, Instant::from_secs(6), both.as_mut()).is_none());
    assert_eq!(place.numbers().first(), Some(&(rejected + 1)));
}

#[test]
fn a_camera_is_small_whatever_its_frames_are() {
    let place = Place::new();
    let (mut port, ..) = cable();
    let bytes = size_of_val(&place.camera(&mut port, 1));
    println!("the whole device, its stack and buffers: {bytes} bytes");
    assert!(bytes <= 20 * 1_024, "{bytes} bytes");
}
