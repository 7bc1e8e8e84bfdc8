//! The whole gateway, between a hub on the Ethernet and a sensor on the air; its light and its button.

extern crate std;

use core::cell::Cell;
use core::net::SocketAddr;
use core::task::Context;
use std::rc::Rc;
use std::vec;
use std::vec::Vec;

use embassy_futures::join::join;
use embassy_futures::select::{Either, select};
use embassy_net_driver::{Capabilities, HardwareAddress, LinkState};
use embedded_hal_mock::eh1::MockError;
use embedded_hal_mock::eh1::digital::{Mock, State, Transaction};
use wavetank_stack::forward::Count;
use wavetank_stack::time::sleep_until;
use wavetank_stack::{Config as StackConfig, Instant, Stats, slaac, udp};

use super::*;
use crate::testing::{ManualClock, Noise, Notebook, Port, Received, Room, cable, run_until};
use crate::updates::Vitals;

const PREFIX: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 1, 0, 0, 0, 0);
const HUB: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 2, 0, 0, 0, 2);
const GATEWAY: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 2, 0, 0, 0, 1);
const EUIS: [[u8; 8]; 2] = [[2, 0, 0, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 0, 0, 2]];
const PAN: u16 = 0xbeef;

/// A port as a radio that hears one other.
struct Radio(Port, [u8; 8]);

impl Driver for Radio {
    type RxToken<'a> = Received;
    type TxToken<'a> = Room<'a>;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room<'_>)> {
        self.0.receive(cx)
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room<'_>> {
        self.0.transmit(cx)
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.0.link_state(cx)
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = lowpan::FRAME_MAX;
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ieee802154(self.1)
    }
}

fn config() -> Config {
    let id = DeviceId::new("gateway").expect("a name");
    let mut config = Config::new(id, Cidr::v6(GATEWAY, 64), PAN, PREFIX, HUB.into());
    config.beat = Duration::from_secs(1);
    config.patience = Duration::from_millis(500);
    config
}

/// A button that is pressed once, or never.
struct Button {
    clock: ManualClock,
    from: Instant,
    until: Instant,
}

impl Button {
    fn pressed(clock: &ManualClock, from_ms: u64, until_ms: u64) -> Self {
        Self { clock: clock.clone(), from: Instant::from_millis(from_ms), until: Instant::from_millis(until_ms) }
    }

    fn untouched(clock: &ManualClock) -> Self {
        Self { clock: clock.clone(), from: Instant::MAX, until: Instant::MAX }
    }
}

impl embedded_hal::digital::ErrorType for Button {
    type Error = Infallible;
}

impl InputPin for Button {
    fn is_high(&mut self) -> Result<bool, Infallible> {
        Ok((self.from..self.until).contains(&self.clock.now()))
    }

    fn is_low(&mut self) -> Result<bool, Infallible> {
        self.is_high().map(|high| !high)
    }
}

impl Wait for Button {
    async fn wait_for_high(&mut self) -> Result<(), Infallible> {
        let at = if self.clock.now() < self.until { self.from } else { Instant::MAX };
        sleep_until(&self.clock, at).await;
        Ok(())
    }

    async fn wait_for_low(&mut self) -> Result<(), Infallible> {
        let at = if self.clock.now() < self.from { Instant::ZERO } else { self.until };
        sleep_until(&self.clock, at).await;
        Ok(())
    }

    async fn wait_for_rising_edge(&mut self) -> Result<(), Infallible> {
        unreachable!("it is levels that are waited for")
    }

    async fn wait_for_falling_edge(&mut self) -> Result<(), Infallible> {
        unreachable!("it is levels that are waited for")
    }

    async fn wait_for_any_edge(&mut self) -> Result<(), Infallible> {
        unreachable!("it is levels that are waited for")
    }
}

/// A light that counts how often it was switched on.
#[derive(Clone, Default)]
struct Light {
    on: Rc<Cell<bool>>,
    switched: Rc<Cell<u32>>,
}

impl embedded_hal::digital::ErrorType for Light {
    type Error = core::convert::Infallible;
}

impl OutputPin for Light {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        self.on.set(false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        self.switched.set(self.switched.get() + u32::from(!self.on.replace(true)));
        Ok(())
    }
}

/// A gateway between two cables, and what is at their far ends.
struct Place {
    clock: ManualClock,
    notebook: Notebook,
    light: Light,
    lan: Port,
    lan_is_cut: Rc<Cell<bool>>,
    air: Radio,
}

fn place() -> (Place, Port, Radio) {
    let (lan, hub, lan_is_cut) = cable();
    let (air, sensor, _) = cable();
    let place = Place {
        clock: ManualClock::default(),
        notebook: Notebook::default(),
        light: Light::default(),
        lan,
        lan_is_cut,
        air: Radio(air, EUIS[0]),
    };
    (place, hub, Radio(sensor, EUIS[1]))
}

impl Place {
    fn gateway<'a>(self: &'a mut Place) -> impl Future<Output = Exit> + use<'a> {
        self.gateway_with(config())
    }

    fn gateway_with<'a>(self: &'a mut Place, config: Config) -> impl Future<Output = Exit> + use<'a> {
        let parts = Parts {
            lan: &mut self.lan,
            radio: Still(&mut self.air),
            light: self.light.clone(),
            button: Button::untouched(&self.clock),
            clock: self.clock.clone(),
            rng: Noise(3),
            probe: &self.notebook,
        };
        run(parts, config, ResetCause::PowerOn)
    }
}

/// A radio that is lent.
struct Still<'a>(&'a mut Radio);

impl Driver for Still<'_> {
    type RxToken<'t>
        = Received
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t>
    where
        Self: 't;

    fn receive(&mut self, cx: &mut Context<'_>) -> Option<(Received, Room<'_>)> {
        self.0.receive(cx)
    }

    fn transmit(&mut self, cx: &mut Context<'_>) -> Option<Room<'_>> {
        self.0.transmit(cx)
    }

    fn link_state(&mut self, cx: &mut Context<'_>) -> LinkState {
        self.0.link_state(cx)
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn hardware_address(&self) -> HardwareAddress {
        self.0.hardware_address()
    }
}

/// A hub that sends back what comes to its port 7.
async fn hub(port: Port, clock: &ManualClock) -> Infallible {
    let addresses = [Cidr::v6(HUB, 64)];
    let routes = [Route::default_via(GATEWAY.into())];
    let (stack, mut runner) = Stack::shared(port, clock.clone(), &StackConfig::new(&addresses, &routes), 1);
    let echo = async {
        let socket = udp::Socket::bind(&stack, 7, udp::Options::default()).expect("a free socket");
        let mut buffer = [0; 1_500];
        loop {
            let (len, from) = socket.recv_from(&mut buffer).await.expect("there is room");
            socket.send_to(&buffer[..len], from).await.expect("a way back");
        }
    };
    runner.run_with(pin!(echo)).await
}

/// What a sensor on the air hears of so many bytes that it sends to the hub, and how its stack got its address.
async fn sensor(radio: Radio, clock: &ManualClock, lens: &[usize]) -> Vec<Option<usize>> {
    let (mut packets, counts) = (lowpan::Memory::<2>::new(), Counts::new());
    let mut options = lowpan::Options::new(PAN).with_prefix(PREFIX);
    options.router = Some(lowpan::Address::Extended(EUIS[0]));
    let link = Lowpan::new(radio, clock.clone(), &mut packets, &counts, options);
    let own = [link.address().link_local(), link.address().within(PREFIX)];
    let (stack, mut runner) = Stack::shared(link, clock.clone(), &StackConfig::new(&own, &[]), 2);
    let talking = async {
        let socket = udp::Socket::bind(&stack, 0, udp::Options::default()).expect("a free socket");
        let (mut heard, mut buffer) = (Vec::new(), [0; 1_500]);
        for len in lens {
            socket.send_to(&vec![7; *len], SocketAddr::new(HUB.into(), 7)).await.expect("a way");
            let answer = pin!(socket.recv_from(&mut buffer));
            let came = wavetank_stack::time::timeout(clock, Duration::from_secs(5), answer).await;
            heard.push(came.ok().map(|came| came.expect("it fits").0));
        }
        heard
    };
    runner.run_with(pin!(talking)).await
}

#[test]
fn what_a_sensor_sends_reaches_the_hub_and_the_answer_the_sensor() {
    let (mut place, port, radio) = place();
    let clock = place.clock.clone();
    let all = async {
        let world = pin!(join(hub(port, &clock), place.gateway()));
        match select(world, pin!(sensor(radio, &clock, &[12, 700, 1_232]))).await {
            Either::First((never, _)) => match never {},
            Either::Second(heard) => heard,
        }
    };
    let heard = run_until(&clock, Instant::from_secs(60), pin!(all)).expect("in time");
    assert_eq!(heard, [Some(12), Some(700), Some(1_232)], "whole, by one frame or by many");
    assert_eq!(place.notebook.counted(Count::Forwarded.name()), 6);
    assert_eq!(place.notebook.gauged(metrics::UPLINK), Some(1));
    assert!(place.light.on.get());
}

/// A sensor that learns by what addresses are shortened from what the gateway says, and asks the hub then. Answers with what it has
/// learnt, and whether it was answered.
async fn learner(radio: Radio, clock: &ManualClock) -> ([Option<(Ipv6Addr, u8)>; 3], bool) {
    let (mut packets, counts, learnt) = (lowpan::Memory::<2>::new(), Counts::new(), Contexts::new());
    let own = lowpan::Address::Extended(EUIS[1]);
    let mut options = lowpan::Options::new(PAN);
    options.router = Some(lowpan::Address::Extended(EUIS[0]));
    let link = Lowpan::new(radio, clock.clone(), &mut packets, &counts, options).learning(&learnt);
    let (stack, mut runner) = Stack::shared(link, clock.clone(), &StackConfig::new(&[], &[]), 2);
    let configuring = async {
        let mut client = slaac::Client::by_radio(&stack, clock, Noise(4), own).learning(&learnt);
        match client.run(|_| ()).await {
            Ok(never) => match never {},
            Err(error) => panic!("{error}"),
        }
    };
    let asking = async {
        while stack.addresses().count() < 2 {
            sleep(clock, Duration::from_millis(100)).await;
        }
        let socket = udp::Socket::bind(&stack, 0, udp::Options::default()).expect("a free socket");
        socket.send_to(&[7; 12], SocketAddr::new(HUB.into(), 7)).await.expect("a way");
        let mut buffer = [0; 100];
        let answer = pin!(socket.recv_from(&mut buffer));
        let came = wavetank_stack::time::timeout(clock, Duration::from_secs(5), answer).await;
        let said = [0, 1, 2].map(|number| learnt.of(number).map(|context| (context.prefix(), context.bits())));
        (said, matches!(came, Ok(Ok((12, _)))))
    };
    let seen = match runner.run_with(pin!(select(pin!(configuring), pin!(asking)))).await {
        Either::First(never) => match never {},
        Either::Second(seen) => seen,
    };
    assert_eq!(counts.malformed.get(), 0);
    seen
}

/// The radios' own prefix is told, and the hub's where that was asked for; what is shortened by them is understood both ways.
#[test]
fn it_says_by_what_addresses_are_shortened_and_shortens_by_that() {
    let lan = Cidr::v6(HUB, 64);
    for (shortens, beyond) in [([None; SHORTENS_MAX], None), ([Some(lan), None, None], Some((HUB, 64)))] {
        let (mut place, port, radio) = place();
        let (clock, mut config) = (place.clock.clone(), config());
        config.shortens = shortens;
        let all = async {
            let world = pin!(join(hub(port, &clock), place.gateway_with(config)));
            match select(world, pin!(learner(radio, &clock))).await {
                Either::First((never, _)) => match never {},
                Either::Second(seen) => seen,
            }
        };
        let seen = run_until(&clock, Instant::from_secs(60), pin!(all)).expect("in time");
        let beyond = beyond.map(|(address, bits)| (lowpan::Context::new(address, bits).prefix(), bits));
        assert_eq!(seen, ([Some((PREFIX, 64)), beyond, None], true));
    }
}

#[test]
fn the_light_says_how_the_uplink_is() {
    let (mut place, port, _radio) = place();
    let (clock, light, is_cut) = (place.clock.clone(), place.light.clone(), place.lan_is_cut.clone());
    let mut seen = Vec::new();
    {
        let mut world = pin!(async { join(hub(port, &clock), place.gateway()).await.0 });
        for (until, cut) in [(10, false), (25, true), (40, false)] {
            is_cut.set(cut);
            assert!(run_until(&clock, Instant::from_secs(until), world.as_mut()).is_none(), "it goes on for ever");
            seen.push((light.on.get(), light.switched.replace(0)));
        }
    }
    let [(first, once), (_, blinks), (last, again)] = seen[..] else { panic!("three times") };
    assert!(first && last && once <= 2 && again <= 2, "it burns while the uplink answers: {seen:?}");
    assert!((4..=8).contains(&blinks), "and blinks while it does not: {seen:?}");
    assert_eq!(place.notebook.gauged(metrics::UPLINK), Some(1));
    assert!(place.notebook.counted(metrics::UPLINK_MISSES) >= 3);
}

fn well() -> Vitals {
    Vitals::new(1, UPLINK_WELL, ResetCause::PowerOn, Instant::ZERO)
}

/// Whether a button was held for 3 s by 10 s, and what its panel told.
fn pressing(clock: &ManualClock, mut button: impl InputPin + Wait) -> (bool, Notebook) {
    let notebook = Notebook::default();
    let is_held = {
        let (notebook, vitals) = (&notebook, well());
        let panel = Panel::new(Light::default(), notebook, &vitals);
        let pressing = press(&mut button, clock, Duration::from_secs(3), &panel);
        run_until(clock, Instant::from_secs(10), pin!(pressing)).is_some()
    };
    (is_held, notebook)
}

#[test]
fn a_button_counts_that_is_held() {
    for (until_ms, is_held) in [(1_010, false), (3_900, false), (4_100, true)] {
        let clock = ManualClock::default();
        let button = Button::pressed(&clock, 1_000, until_ms);
        assert_eq!(pressing(&clock, button).0, is_held, "until {until_ms} ms");
    }
}

#[test]
fn pins_that_fail_are_counted_and_left_alone_for_a_while() {
    let failed = MockError::Io(std::io::ErrorKind::Other);
    let mut button = Mock::new(&[
        Transaction::wait_for_state(State::High),
        Transaction::get(State::High),
        Transaction::wait_for_state(State::Low),
        Transaction::wait_for_state(State::High).with_error(failed.clone()),
        Transaction::wait_for_state(State::High),
        Transaction::get(State::Low).with_error(failed.clone()),
    ]);
    let (clock, notebook) = (ManualClock::default(), Notebook::default());
    let (notebook, vitals) = (&notebook, well());
    let panel = Panel::new(Light::default(), notebook, &vitals);
    let pressing = press(&mut button, &clock, Duration::from_secs(3), &panel);
    assert!(run_until(&clock, Instant::from_millis(1_900), pin!(pressing)).is_none());
    assert_eq!(notebook.counted(metrics::PANEL_ERRORS), 2);
    button.done();

    let mut light = Mock::new(&[Transaction::set(State::High).with_error(failed), Transaction::set(State::Low)]);
    let (clock, notebook) = (ManualClock::default(), Notebook::default());
    let vitals = well();
    let panel = Panel::new(light.clone(), &notebook, &vitals);
    assert!(run_until(&clock, Instant::from_millis(1_500), pin!(panel.run(&clock))).is_none());
    assert_eq!((notebook.counted(metrics::PANEL_ERRORS), notebook.gauged(metrics::LIGHT)), (1, Some(0)));
    light.done();
}

#[test]
fn its_health_is_that_of_both_its_stacks() {
    let vitals = well();
    let counted = |timeouts| {
        let mut stats = Stats::default();
        stats.timeouts = timeouts;
        stats
    };
    // What was counted so far takes the place of what was before.
    [2, 3].iter().for_each(|timeouts| vitals.beside(&counted(*timeouts)));
    assert_eq!(vitals.report(Instant::ZERO, &counted(4)).network.timeouts, 7);
}

#[test]
fn held_for_three_seconds_it_starts_anew() {
    let (mut place, _hub, _sensor) = place();
    let clock = place.clock.clone();
    let parts = Parts {
        lan: &mut place.lan,
        radio: Still(&mut place.air),
        light: place.light.clone(),
        button: Button::pressed(&clock, 5_000, 9_000),
        clock: clock.clone(),
        rng: Noise(3),
        probe: &place.notebook,
    };
    let exit = run_until(&clock, Instant::from_secs(20), pin!(run(parts, config(), ResetCause::Software)));
    assert_eq!((exit, clock.now()), (Some(Exit::Reboot), Instant::from_secs(8)));
    assert_eq!((place.notebook.counted("boots.software"), place.notebook.counted(metrics::BUTTON_HELD)), (1, 1));
    assert!(place.light.switched.get() > 7, "it blinks fast meanwhile");
}
