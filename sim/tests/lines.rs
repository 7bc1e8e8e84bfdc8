//! SPI and serial lines: a flash under a published driver that nobody here wrote, and bytes that get lost.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

mod support;

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use embedded_hal::digital::OutputPin as _;
use embedded_hal::spi::{SpiBus as _, SpiDevice as _};
use embedded_io_async::{Read as _, Write as _};
use support::Desk;
use w25::{Q, W25};
use wavetank_sim::hw::nmea::WaterProbe;
use wavetank_sim::hw::signal::Signal;
use wavetank_sim::hw::spi::{Bus, Chip, Controller, Device, Select};
use wavetank_sim::hw::uart::{Error, Peer, Port, Serial};
use wavetank_sim::hw::w25q::{Cells, TIMING, W25q};
use wavetank_sim::hw::{Ailment, Case, Cost, Faulty, Odds, Onset, Sense};
use wavetank_sim::random::Stream;

const MS_NS: u64 = 1_000_000;

/// A W25Q16 on a bus of 8 MHz.
fn board() -> (Desk, Bus, Chip, Cells) {
    let cells = Cells::new(512, TIMING);
    let bus = Bus::new(8_000_000);
    let chip = bus.attach(W25q::new(cells.clone(), 0x0123_4567_89ab_cdef));
    (Desk::default(), bus, chip, cells)
}

fn begin(part: &impl Faulty, number: u32, ailment: Ailment) {
    part.begin(ailment, Onset { now_ns: 0, case: Case::detached(number), stream: Stream::new(3, "test") });
}

type Driver = W25<Q, Device<Desk>, (), ()>;

async fn driver(chip: &Chip, desk: &Desk) -> Driver {
    W25::new_no_pins(Device::new(chip.clone(), desk.clone()), 2 << 20).await.unwrap()
}

#[test]
fn a_published_driver_reads_writes_and_erases() {
    let (desk, _, chip, cells) = board();
    desk.run(async {
        let mut flash = driver(&chip, &desk).await;
        assert_eq!(flash.device_id().await.unwrap(), 0x0123_4567_89ab_cdef_u64.to_be_bytes());
        let before_ns = desk.now_ns();
        let text: Vec<u8> = (0..600_u32).map(|number| number as u8).collect();
        flash.write(1_000, &text).await.unwrap();
        // Four pages are touched; the driver asks for the status all the while, two bytes of 1 µs each.
        let took_ns = desk.now_ns() - before_ns;
        assert!((938_000..1_600_000).contains(&took_ns), "{took_ns}");
        let mut read = vec![0; 600];
        flash.read(1_000, &mut read).await.unwrap();
        assert_eq!(read, text);
        let before_ns = desk.now_ns();
        flash.erase_sector(0).await.unwrap();
        assert!((45 * MS_NS..56 * MS_NS).contains(&(desk.now_ns() - before_ns)), "{}", desk.now_ns() - before_ns);
        flash.read(1_000, &mut read).await.unwrap();
        assert_eq!(read, [0xff; 600]);
        let before_ns = desk.now_ns();
        flash.erase_block_64k(1).await.unwrap();
        assert!(desk.now_ns() - before_ns >= 150 * MS_NS);
    });
    assert_eq!(cells.wear()[..3], [1, 0, 0]);
    assert_eq!((cells.wear()[15], cells.wear()[16], cells.wear()[31]), (0, 1, 1));
}

#[test]
fn the_registers_are_those_of_the_data_sheet() {
    let (desk, bus, chip, cells) = board();
    let mut device = Device::new(chip.clone(), desk.clone());
    let mut ask = |bytes: &[u8], answers: usize| {
        let mut all = [bytes, &vec![0; answers]].concat();
        device.transfer_in_place(&mut all).unwrap();
        all.split_off(bytes.len())
    };
    assert_eq!(ask(&[0x9f], 3), [0xef, 0x40, 0x15]);
    assert_eq!(ask(&[0x05], 1), [0x00]);
    ask(&[0x02, 0, 0, 0, 0x55], 0);
    assert_eq!(ask(&[0x05], 1), [0x00], "nothing is written unless it is enabled");
    ask(&[0x06], 0);
    assert_eq!(ask(&[0x05], 1), [0x02]);
    // A page goes round: what comes beyond its end stands at its beginning.
    let mut page = vec![0x02, 0, 0, 0xfe];
    page.extend([0x11, 0x22, 0x33]);
    ask(&page, 0);
    assert_eq!(ask(&[0x05], 1), [0x03]);
    assert_eq!(ask(&[0x03, 0, 0, 0], 1), [0x00], "while it writes it answers nothing else");
    desk.pass(Duration::from_millis(1));
    assert_eq!(ask(&[0x05], 1), [0x00]);
    assert_eq!(ask(&[0x03, 0, 0, 0xfe], 2), [0x11, 0x22]);
    assert_eq!(ask(&[0x0b, 0, 0, 0, 0], 2), [0x33, 0xff]);
    ask(&[0xb9], 0);
    assert_eq!(ask(&[0x9f], 3), [0, 0, 0], "it sleeps");
    assert_eq!(ask(&[0xab, 0, 0, 0], 1), [0x14]);
    ask(&[0x06], 0);
    ask(&[0x20, 0, 0], 0);
    assert_eq!(ask(&[0x05], 1), [0x02], "half a command is none");
    // The supply goes in the midst of an erase.
    ask(&[0x20, 0, 0, 0], 0);
    desk.pass(Duration::from_millis(20));
    cells.cut(desk.now_ns(), &mut Stream::new(1, "cut"));
    bus.power_cycle(desk.now_ns());
    assert_eq!(ask(&[0x05], 1), [0x00]);
    let left = ask(&[0x03, 0, 0, 0xfe], 2);
    assert!(left[0] & 0x11 == 0x11 && left[1] & 0x22 == 0x22, "an erase only sets bits: {left:?}");
}

#[test]
fn a_bus_and_a_pin_do_what_a_device_does() {
    let (desk, bus, chip, _) = board();
    let (mut lines, mut select) = (Controller::new(bus, desk.clone()), Select::new(chip, desk));
    let mut id = [0x9f, 0, 0, 0];
    lines.transfer_in_place(&mut id).unwrap();
    assert_eq!(id, [0; 4], "nobody is selected");
    id[0] = 0x9f;
    select.set_low().unwrap();
    lines.transfer_in_place(&mut id).unwrap();
    select.set_high().unwrap();
    assert_eq!(id[1..], [0xef, 0x40, 0x15]);
}

#[test]
fn wires_and_chips_fail_in_silence() {
    let (desk, bus, chip, cells) = board();
    desk.run(async {
        let mut flash = driver(&chip, &desk).await;
        begin(&chip, 1, Ailment::SensorGone);
        assert!(flash.write(0, &[0; 4]).await.is_err(), "a chip that is not there takes no writes");
        chip.end(Case::detached(1));
        begin(&bus, 2, Ailment::SpiStuck { high: true });
        let mut read = [0; 2];
        flash.read(0, &mut read).await.unwrap();
        bus.end(Case::detached(2));
        begin(&chip, 3, Ailment::SpiBitError { odds: Odds::Next(8) });
        let mut wrong = [0; 8];
        flash.read(0, &mut wrong).await.unwrap();
        assert_eq!(read, [0xff; 2]);
        // The four bytes of the command are read, too.
        assert_eq!(wrong.iter().filter(|byte| byte.count_zeros() == 1).count(), 4, "{wrong:02x?}");
        chip.end(Case::detached(3));
    });
    assert_eq!(cells.contents()[..4], [0xff; 4]);
}

fn water(micro: i64, baud: u32) -> WaterProbe {
    WaterProbe::new(Sense::new(Signal::constant(micro)), 1_000_000_000, baud)
}

/// What comes of the next sentence, byte by byte.
fn sentence(desk: &Desk, serial: &mut Serial<Desk>) -> Vec<Result<u8, Error>> {
    let mut all = Vec::new();
    while all.len() < 18 {
        let mut byte = [0];
        all.push(desk.run(serial.read(&mut byte)).map(|_| byte[0]));
    }
    all
}

fn text(came: &[Result<u8, Error>]) -> String {
    came.iter().map(|came| came.map_or('?', char::from)).collect()
}

#[test]
fn a_probe_is_heard_while_somebody_listens() {
    let desk = Desk::default();
    let port = Port::new(4_800, 4_800, 8, water(18_260_000, 4_800));
    let mut serial = Serial::new(port.clone(), desk.clone());
    assert_eq!(text(&sentence(&desk, &mut serial)), "$WIMTW,18.2,C*06\r\n");
    assert_eq!(desk.now_ns() / MS_NS, 1_037, "18 bytes of ten bits");
    // Who is late finds what the FIFO has room for, and that there was more.
    desk.pass(Duration::from_millis(1_000));
    let mut bytes = [0; 18];
    assert_eq!(desk.run(serial.read(&mut bytes)), Ok(7));
    assert_eq!(bytes[..7], *b"$WIMTW,");
    assert_eq!(desk.run(serial.read(&mut bytes)), Err(Error::Overrun));
    port.switch_on(2_990 * MS_NS);
    assert_eq!(text(&sentence(&desk, &mut serial)), "$WIMTW,18.2,C*06\r\n");
}

#[test]
fn clocks_that_differ_by_half_a_bit_do_not_understand_each_other() {
    for (peer_baud, understood) in [(4_800, true), (4_600, true), (5_040, true), (5_100, false), (9_600, false)] {
        let desk = Desk::default();
        let mut serial = Serial::new(Port::new(4_800, peer_baud, 64, water(0, peer_baud)), desk.clone());
        let came = sentence(&desk, &mut serial);
        assert_eq!(came.iter().all(Result::is_ok), understood, "{peer_baud}: {came:?}");
        assert!(understood || came.iter().all(|came| *came == Err(Error::Framing)));
    }
}

#[test]
fn lines_are_noisy() {
    let desk = Desk::default();
    let port = Port::new(4_800, 4_800, 64, water(0, 4_800));
    let mut serial = Serial::new(port.clone(), desk.clone());
    begin(&port, 1, Ailment::UartFraming { odds: Odds::Next(2) });
    assert!(text(&sentence(&desk, &mut serial)).starts_with("??IMTW,0.0,C*"));
    port.end(Case::detached(1));
    let rest = sentence(&desk, &mut serial);
    assert!(rest.iter().all(Result::is_ok));
    begin(&port, 2, Ailment::UartNoise { odds: Odds::Always });
    let noisy = sentence(&desk, &mut serial);
    assert!(noisy.iter().all(Result::is_ok) && !text(&noisy).contains("WIMTW"));
    port.end(Case::detached(2));
    begin(&port, 3, Ailment::UartOverrun { odds: Odds::Next(1) });
    assert_eq!(sentence(&desk, &mut serial)[0], Err(Error::Overrun));
    port.end(Case::detached(3));
    begin(&port, 4, Ailment::UartBaud { drift_ppb: -60_000_000 });
    assert_eq!(sentence(&desk, &mut serial)[5], Err(Error::Framing));
}

/// A peer that hears.
#[derive(Clone, Default)]
struct Ear(Rc<std::cell::RefCell<Vec<(u64, u8)>>>);

impl Peer for Ear {
    fn next(&mut self) -> Option<(u64, u8)> {
        None
    }

    fn hear(&mut self, now_ns: u64, byte: u8) {
        self.0.borrow_mut().push((now_ns, byte));
    }
}

#[test]
fn what_is_sent_is_heard_byte_by_byte() {
    let (desk, ear) = (Desk::default(), Ear::default());
    let mut serial = Serial::new(Port::new(10_000, 10_000, 1, ear.clone()), desk.clone());
    desk.run(serial.write_all(b"ab")).unwrap();
    assert_eq!(*ear.0.borrow(), [(MS_NS, b'a'), (2 * MS_NS, b'b')]);
    assert_eq!(desk.now_ns(), 2 * MS_NS);
}

/// Who waits for the bus does not draw meanwhile.
#[test]
fn a_transfer_is_work_from_when_the_bus_is_free() {
    let (desk, _, chip, _) = board();
    let mut device = Device::new(chip, desk.clone());
    for _ in 0..2 {
        let begun = embedded_hal_async::spi::SpiDevice::write(&mut device, &[0x9f, 0, 0, 0]);
        assert!(pin!(begun).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(desk.worked_ns(), [(0, 4_000), (4_000, 8_000)]);
}

/// A line that ails while nobody reads it has ailed.
#[test]
fn what_came_to_an_ailing_line_stays_lost() {
    use wavetank_sim::fault::{Fault, FaultKind};
    use wavetank_sim::node::{Node, NodeSpec};
    use wavetank_sim::time::Instant;
    use wavetank_sim::world::{World, WorldConfig};

    let at = |ms: u64| Instant::from_nanos(ms * MS_NS);
    let mut world = World::new(&WorldConfig::default());
    let port = Port::new(4_800, 4_800, 64, water(0, 4_800));
    let line = port.clone();
    let node = world.add_node(NodeSpec::named("late"), move |node: Node| {
        let mut serial = Serial::new(line.clone(), node.clone());
        async move {
            node.clock().sleep(Duration::from_millis(1_500)).await;
            let came = serial.read(&mut [0]).await;
            node.count(if came == Err(Error::Framing) { "lost" } else { "read" }, 1);
            std::future::pending().await
        }
    });
    world.add_part(node, "line", Rc::new(port));
    let kind = FaultKind::Part { node, part: "line".into(), ailment: Ailment::UartFraming { odds: Odds::Always } };
    world.add_fault(Fault { at: at(900), duration: Some(Duration::from_millis(200)), kind });
    world.run_until(at(2_000));
    let snapshot = world.finish();
    assert_eq!(snapshot.metrics.iter().map(|metric| &*metric.name).collect::<Vec<_>>(), ["lost"]);
    assert!(snapshot.faults[0].hits > 10, "{}", snapshot.faults[0].hits);
}
