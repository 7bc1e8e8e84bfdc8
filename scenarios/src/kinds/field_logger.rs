//! `kind = "field-logger"`: a logger at a tank in a field. It measures the tank's level with its converter, hears a probe in
//! the water over a serial line, counts how often its door is opened, and keeps records on a flash behind SPI.
//!
//! It is written against the ecosystem's traits, with a published driver for its flash. What it measured last it tells
//! whoever asks over CoAP.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use embedded_hal::digital::InputPin;
use embedded_hal_async::digital::Wait;
use embedded_hal_async::spi::SpiDevice;
use embedded_io_async::Read;
use embedded_storage_async::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use futures::future::{Either, select};
use rand_core::Rng;
use schemars::JsonSchema;
use serde::Deserialize;
use w25::{Q, W25};
use wavetank_sim::hw::Sense;
use wavetank_sim::hw::adc::{AdcSpec, Channel, Input as Converter};
use wavetank_sim::hw::gpio::{Bouncing, Input, Line, Pulses};
use wavetank_sim::hw::nmea::WaterProbe;
use wavetank_sim::hw::signal::{Micro, Seconds, Shape, Signal};
use wavetank_sim::hw::spi::{Bus, Chip, Device};
use wavetank_sim::hw::uart::{Port, Serial};
use wavetank_sim::hw::w25q::{Cells, SECTOR, TIMING, W25q};
use wavetank_sim::node::{Exit, Node, Powered};
use wavetank_sim::random::Stream;
use wavetank_sim::time::Instant;
use wavetank_stack::Stack;
use wavetank_stack::coap::{Answer, Asked, Code, Resource, Server, serve};
use wavetank_stack::storage::{Error, Spool};

use crate::registry::{Flow, Metric, Part, PartSort, Place, TypedKind};
use crate::runtime::{Network, TankClock, TankProbe};
use crate::schema::ConfigProblem;
use crate::site::Site;
use crate::units::Time;

/// Where the level is, over CoAP.
pub const PATH: &str = "level";

/// What a scenario tells a logger.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// From one measurement to the next; at least 100 ms.
    pub period: Time,
    /// The signal at its converter, in volts; a tank that empties and fills if left out.
    pub level: Option<String>,
    /// The signal that its probe feels, in degrees Celsius; a pond through the days if left out.
    pub water: Option<String>,
    /// From one opening of its door to the next.
    pub door_period: Time,
    /// How long the door is open each time.
    pub door_open: Time,
    /// Sectors of 4 KiB of its flash that hold records; 3 to 512.
    pub log_sectors: u16,
    /// How fast its serial line is, in bits a second.
    pub baud: u32,
    /// How fast the probe speaks.
    pub probe_baud: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            period: Time::from_secs(1),
            level: None,
            water: None,
            door_period: Time::from_secs(7),
            door_open: Time::from_secs(2),
            log_sectors: 4,
            baud: 4_800,
            probe_baud: 4_800,
        }
    }
}

/// What a logger counts and measures.
pub static METRICS: &[Metric] = &[
    Metric { name: "level.mv", doc: "the level that was measured last, in millivolts" },
    Metric { name: "level.saturated", doc: "measurements at the end of what the converter can tell" },
    Metric { name: "water.millicelsius", doc: "what the probe said last, in thousandths of a degree Celsius" },
    Metric { name: "sentences.good", doc: "sentences of the probe whose checksum was right" },
    Metric { name: "sentences.bad", doc: "sentences of the probe that were none" },
    Metric { name: "serial.errors", doc: "times that the serial line told of lost bytes" },
    Metric { name: "door.openings", doc: "times that the door was opened" },
    Metric { name: "door", doc: "1 while the door is open, else 0" },
    Metric { name: "records.kept", doc: "records that are on its flash" },
    Metric { name: "flash.errors", doc: "records that its flash did not take" },
    Metric { name: "flash.timeouts", doc: "records that its flash took too long for" },
    Metric { name: "requests", doc: "requests over CoAP that came" },
];

/// The events with ids that it reports.
pub static FLOWS: &[Flow] = &[Flow { name: "record.kept", doc: "a record is on its flash" }];

/// What of a logger's board can be ailing.
pub static PARTS: &[Part] = &[
    Part { name: "spi", sort: PartSort::Spi, doc: "the bus that its flash is on" },
    Part { name: "w25q", sort: PartSort::SpiChip, doc: "its flash, as a chip on the bus" },
    Part { name: "cells", sort: PartSort::Flash, doc: "the cells of its flash" },
    Part { name: "serial", sort: PartSort::Uart, doc: "the line to its probe" },
    Part { name: "adc", sort: PartSort::Adc, doc: "its converter" },
    Part { name: "door", sort: PartSort::Pin, doc: "the contact at its door; high while it is open" },
    Part { name: "level", sort: PartSort::Sense, doc: "the voltage at its converter, in V" },
    Part { name: "water", sort: PartSort::Sense, doc: "what its probe feels, in °C" },
];

/// The kind.
#[must_use]
pub fn kind() -> TypedKind<Config> {
    TypedKind::new("field-logger", "Logs a tank's level, a probe's words and a door's openings on flash behind SPI.")
        .pooled()
        .counting_its_stack()
        .metrics(METRICS)
        .flows(FLOWS)
        .parts(PARTS)
        .check(check)
        .fit(fit)
        .program(install)
}

fn check(config: &Config) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    if config.period < Time::from_millis(100) {
        let problem = ConfigProblem::at("period", "`period` is at least 100ms");
        problems.push(problem.help("its flash takes some of that; write \"1s\", for example"));
    }
    if config.door_open.as_nanos() == 0 || config.door_open >= config.door_period {
        let problem = ConfigProblem::at("door_open", "`door_open` is above 0, and less than `door_period`");
        problems.push(problem.help(format!("make it less than {}", config.door_period)));
    }
    if !(3..=512).contains(&config.log_sectors) {
        let problem = ConfigProblem::at("log_sectors", "`log_sectors` is from 3 to 512");
        problems.push(problem.help("one is erased, one takes acknowledgements, and one holds records"));
    }
    for (key, baud) in [("baud", config.baud), ("probe_baud", config.probe_baud)] {
        if !(300..=4_000_000).contains(&baud) {
            let problem = ConfigProblem::at(key, format!("`{key}` is from 300 to 4000000 bits a second"));
            problems.push(problem.help("write 4800, for example"));
        }
    }
    problems
}

fn fit(config: &Config, place: &Place<'_>) -> Vec<ConfigProblem> {
    let named = [("level", &config.level), ("water", &config.water)].into_iter();
    named.filter_map(|(key, name)| place.lacks_signal(key, name.as_deref())).collect()
}

/// The converter: twelve bits of 3.3 V.
const ADC: AdcSpec = AdcSpec { bits: 12, reference_uv: 3_300_000, conversion: Duration::from_micros(20) };
const REFERENCE_MV: u32 = 3_300;
const SPI_HZ: u32 = 1_000_000;
/// A W25Q16.
const FLASH_SECTORS: usize = 512;
/// What the serial line's receiver has room for.
const FIFO: usize = 16;
/// A contact that jumps no longer than this has settled.
const SETTLED: Duration = Duration::from_millis(30);
/// How long a record may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many records are kept before the oldest may go.
const RECORDS: u64 = 200;

/// What is soldered to the board.
#[derive(Clone)]
struct Board {
    bus: Bus,
    chip: Chip,
    cells: Cells,
    port: Port,
    level: Converter,
    door: Line,
    was_cut: Rc<Cell<bool>>,
}

type LoggerFuture = Pin<Box<dyn Future<Output = Exit>>>;

fn install(config: &Arc<Config>, site: &mut Site<'_>) -> impl Fn(Node) -> LoggerFuture + use<> {
    let level = Sense::new(site.signal(config.level.as_deref()).unwrap_or_else(|| swing(1_600_000, 1_200_000, 600)));
    let water =
        Sense::new(site.signal(config.water.as_deref()).unwrap_or_else(|| swing(12_000_000, 6_000_000, 86_400)));
    let bus = Bus::new(SPI_HZ);
    let cells = Cells::new(FLASH_SECTORS, TIMING);
    let chip = bus.attach(W25q::new(cells.clone(), site.stream("w25q/id").next_u64()));
    let probe = WaterProbe::new(water.clone(), Time::from_secs(1).as_nanos(), config.probe_baud);
    let port = Port::new(config.baud, config.probe_baud, FIFO, probe);
    let (period_ns, width_ns) = (config.door_period.as_nanos(), config.door_open.as_nanos());
    let opened = Pulses { first_ns: period_ns, period_ns, width_ns };
    let door = Line::new(Bouncing::new(opened, 4, 5_000_000, &mut site.stream("door")));
    let adc = Converter::new(ADC, level.clone());
    site.part("spi", Rc::new(bus.clone()));
    site.part("w25q", Rc::new(chip.clone()));
    site.part("cells", Rc::new(cells.clone()));
    site.part("serial", Rc::new(port.clone()));
    site.part("adc", Rc::new(adc.clone()));
    site.part("door", Rc::new(door.clone()));
    site.part("level", Rc::new(level));
    site.part("water", Rc::new(water));
    let board = Board { bus, chip, cells, port, level: adc, door, was_cut: Rc::default() };
    site.powered(Rc::new(board.clone()));
    let (config, network) = (Arc::clone(config), Network::of(site));
    move |node| Box::pin(run(node, Arc::clone(&config), network.clone(), board.clone()))
}

/// A swing around a mean, both in millionths of the quantity's unit.
fn swing(mean: i64, amplitude: i64, period_s: u64) -> Signal {
    let (mean, amplitude) = (Micro(mean), Micro(amplitude));
    let shape =
        Shape::Sine { mean, amplitude, period_s: Seconds::from_secs(period_s), offset_s: Seconds::from_secs(0) };
    Signal::new(&shape, &mut Stream::new(0, "no chance")).expect("a period above zero")
}

impl Powered for Board {
    /// A chip on a bus does not notice that the node's program ends: only its power matters.
    fn power_cut(&self, now: Instant, stream: &mut Stream) {
        self.was_cut.set(true);
        self.cells.cut(now.as_nanos(), stream);
    }

    fn boot(&self, now: Instant) {
        if self.was_cut.take() {
            self.bus.power_cycle(now.as_nanos());
        }
        self.port.switch_on(now.as_nanos());
    }
}

async fn run(node: Node, config: Arc<Config>, network: Network, board: Board) -> Exit {
    let measured = Rc::new(Measured::default());
    node.spawn(watch(node.clone(), Input::new(board.door.clone(), node.part("door"))));
    node.spawn(listen(node.clone(), Serial::new(board.port.clone(), node.part("serial"))));
    node.spawn(measure(node.clone(), config, board, Rc::clone(&measured)));
    let clock = TankClock(node.clock());
    let nic = node.nic(0).expect("a plan's nodes are plugged in");
    let (stack, mut runner) = Stack::shared(nic, clock, &network.config_for(&node), network.seed(&node));
    let seed = node.stream("coap").next_u32() as u16;
    let mut server = Server::<_, 64>::new(Level { node: node.clone(), measured }, seed);
    let serving = pin!(serve(&stack, &clock, &mut server, || node.clock().sleep(Duration::from_secs(1))));
    match runner.run_with(stack.telling(TankProbe(node.clone()), serving)).await {
        Ok(never) => match never {},
        Err(error) => panic!("{} cannot serve: {error}", node.name()),
    }
}

/// What was measured last, and how many times there was something.
#[derive(Default)]
struct Measured {
    level_mv: Cell<u32>,
    edition: Cell<u32>,
}

struct Level {
    node: Node,
    measured: Rc<Measured>,
}

impl Resource for Level {
    fn answer(&mut self, asked: &Asked<'_>, buffer: &mut [u8]) -> Answer {
        self.node.count("requests", 1);
        if !asked.message.is_at(PATH) {
            return Answer::just(Code::NOT_FOUND);
        }
        if asked.method != Code::GET {
            return Answer::just(Code::METHOD_NOT_ALLOWED);
        }
        let text = self.measured.level_mv.get().to_string();
        buffer[..text.len()].copy_from_slice(text.as_bytes());
        // Plain text (RFC 7252, section 12.3).
        Answer { code: Code::CONTENT, format: Some(0), len: text.len(), observable: true }
    }

    fn edition(&self) -> u32 {
        self.measured.edition.get()
    }
}

/// Counts openings of the door, and nothing that only jumps.
async fn watch(node: Node, mut door: impl InputPin<Error = Infallible> + Wait) {
    let mut is_open = false;
    loop {
        let Ok(high) = door.is_high();
        if high != is_open {
            is_open = high;
            node.gauge("door", is_open.into());
            node.count("door.openings", is_open.into());
        }
        // An edge that comes while nobody waits is missed: look again before long.
        let (edge, again) = (pin!(door.wait_for_any_edge()), pin!(node.clock().sleep(Duration::from_secs(1))));
        select(edge, again).await;
        node.clock().sleep(SETTLED).await;
    }
}

/// The longest sentence of NMEA 0183, with its end.
const SENTENCE_MAX: usize = 82;

/// Hears the probe's sentences.
async fn listen(node: Node, mut serial: impl Read) {
    let (mut sentence, mut bytes) = (Vec::with_capacity(SENTENCE_MAX), [0; FIFO]);
    loop {
        let Ok(count) = serial.read(&mut bytes).await else {
            node.count("serial.errors", 1);
            sentence.clear();
            continue;
        };
        for byte in &bytes[..count] {
            match byte {
                b'$' => sentence.clear(),
                b'\n' => {
                    match temperature(&sentence) {
                        Some(millicelsius) => {
                            node.count("sentences.good", 1);
                            node.gauge("water.millicelsius", millicelsius);
                        }
                        None => node.count("sentences.bad", 1),
                    }
                    sentence.clear();
                }
                _ if sentence.len() < SENTENCE_MAX => sentence.push(*byte),
                _ => {}
            }
        }
    }
}

/// What a sentence says, in thousandths of a degree, if its checksum is right.
fn temperature(sentence: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(sentence).ok()?.strip_suffix('\r')?;
    let (said, sum) = text.split_once('*')?;
    let told = u8::from_str_radix(sum, 16).ok().filter(|_| sum.len() == 2)?;
    if said.bytes().fold(0, |sum, byte| sum ^ byte) != told {
        return None;
    }
    let tenths = said.strip_prefix("WIMTW,")?.strip_suffix(",C")?;
    let (whole, tenth) = tenths.split_once('.')?;
    let tenth: i64 = tenth.parse().ok().filter(|_| tenth.len() == 1)?;
    let size = whole.trim_start_matches('-').parse::<i64>().ok()? * 1_000 + tenth * 100;
    Some(if whole.starts_with('-') { -size } else { size })
}

/// Measures the level at each period, and keeps it.
async fn measure(node: Node, config: Arc<Config>, board: Board, measured: Rc<Measured>) {
    let mut channel = Channel::new(board.level, node.part("adc"));
    let capacity = u32::from(config.log_sectors) * SECTOR as u32;
    let mut log = None;
    let mut next = node.clock().now();
    loop {
        next = next + config.period.as_duration();
        node.clock().timer(next).await;
        let code = channel.read().await;
        let level_mv = (code * REFERENCE_MV) >> ADC.bits;
        node.gauge("level.mv", level_mv.into());
        node.count("level.saturated", u64::from(code == 0 || code == (1 << ADC.bits) - 1));
        measured.level_mv.set(level_mv);
        measured.edition.set(measured.edition.get().wrapping_add(1));
        let device = || Device::new(board.chip.clone(), node.part("spi"));
        let record = [&node.clock().now().as_nanos().to_le_bytes()[..], &level_mv.to_le_bytes()].concat();
        let kept = {
            let keeping = pin!(keep(&node, &mut log, device, capacity, &record));
            match select(keeping, node.clock().sleep(PATIENCE)).await {
                Either::Left((kept, _)) => Some(kept),
                Either::Right(_) => None,
            }
        };
        match kept {
            Some(Ok(id)) => {
                node.count("records.kept", 1);
                node.flow("record.kept", node.name(), id);
            }
            Some(Err(())) => node.count("flash.errors", 1),
            None => node.count("flash.timeouts", 1),
        }
        if !matches!(kept, Some(Ok(_))) {
            // What it thinks of the flash may be wrong.
            log = None;
        }
    }
}

/// A log on the flash chip.
type Log<D> = Spool<Patient<D>>;

/// The flash behind its driver. A write or erase whose future was dropped goes on in the chip, which hears nothing else
/// meanwhile, and the driver does not wait for it: so this does, before anything else is begun.
struct Patient<D> {
    flash: W25<Q, D, (), ()>,
    chip: D,
}

impl<D: SpiDevice<Error = Infallible>> Patient<D> {
    async fn idle(&mut self) {
        // The status register, of which the lowest bit says that the chip is busy (data sheet, status register 1).
        loop {
            let mut status = [0x05, 0];
            let Ok(()) = self.chip.transfer_in_place(&mut status).await;
            if status[1] & 1 == 0 {
                return;
            }
        }
    }
}

impl<D: SpiDevice<Error = Infallible>> ErrorType for Patient<D> {
    type Error = w25::Error<Infallible>;
}

impl<D: SpiDevice<Error = Infallible>> ReadNorFlash for Patient<D> {
    const READ_SIZE: usize = 1;

    async fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Self::Error> {
        self.idle().await;
        self.flash.read(offset, bytes).await
    }

    fn capacity(&self) -> usize {
        FLASH_SECTORS * SECTOR
    }
}

impl<D: SpiDevice<Error = Infallible>> NorFlash for Patient<D> {
    const WRITE_SIZE: usize = 1;
    const ERASE_SIZE: usize = SECTOR;

    async fn erase(&mut self, from: u32, to: u32) -> Result<(), Self::Error> {
        self.idle().await;
        self.flash.erase_range(from, to).await
    }

    async fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Self::Error> {
        self.idle().await;
        self.flash.write(offset, bytes).await
    }
}

/// Keeps a record, and lets the oldest go.
async fn keep<D: SpiDevice<Error = Infallible>>(
    node: &Node,
    log: &mut Option<Log<D>>,
    device: impl Fn() -> D,
    capacity: u32,
    record: &[u8],
) -> Result<u64, ()> {
    if log.is_none() {
        let flash = W25::new_no_pins(device(), (FLASH_SECTORS * SECTOR) as u32).await.map_err(|_| ())?;
        let flash = Patient { flash, chip: device() };
        *log = Some(Spool::new(flash, 0..capacity).expect("`check` saw to the sectors"));
    }
    let log = log.as_mut().expect("it was just made");
    // A spool can be dropped at any await: whether the record is there is then seen at the next one.
    let pushed = node.cancellable(async || {
        let acknowledged = log.acknowledged().await?;
        let pushed = log.push(record).await;
        if let Ok(id) = &pushed
            && *id > acknowledged + RECORDS
        {
            log.acknowledge(id - RECORDS).await?;
        }
        if let Err(Error::Full) = &pushed {
            let waiting = log.waiting().await?;
            log.acknowledge(acknowledged + waiting.div_ceil(2)).await?;
            return log.push(record).await;
        }
        pushed
    });
    pushed.await.map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_sentences_say_something() {
        let said = |text: &str| temperature(text.as_bytes());
        let sentence = |micro| wavetank_sim::hw::nmea::sentence(micro).trim_matches(['$', '\n']).to_owned();
        assert_eq!(said(&sentence(18_260_000)), Some(18_200));
        assert_eq!(said(&sentence(-40_000)), Some(-100));
        assert_eq!(said(&sentence(-12_340_000)), Some(-12_400));
        assert_eq!(said(&sentence(18_260_000).replace("18.2", "18.3")), None);
        assert_eq!([said(""), said("WIMTW,18.2,C\r"), said("*00\r")], [None; 3]);
    }
}
