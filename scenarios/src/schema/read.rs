//! A file's text to a [`Scenario`].

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use wavetank_sim::world::Order;

use super::ailments::Told;
use super::battery::Battery;
use super::config::ConfigText;
use super::faults::SPECIAL;
use super::impair::Impair;
use super::language::{EXPECT, FAULTS, Lasting, NODE, SCENARIO, VERSION};
use super::reader::{File, Reader};
use super::scenario::{
    Address, Demand, Direction, Expectation, Fault, FaultKind, FlowDemand, LinkProfile, Network, NetworkKind, Node,
    Override, Profile, Scenario, Verdict,
};
use crate::diagnose::{Code, Problem, Span};

/// Reads all of a file that can be read, and notes everything else.
///
/// If the text is not TOML, or of another version, only that is told: what follows from it would
/// be guesses.
#[must_use]
pub fn parse(source: &str) -> (Scenario<'_>, Vec<Problem>) {
    let file = File { source, sink: crate::diagnose::Sink::default() };
    let (document, errors) = DeTable::parse_recoverable(source);
    if !errors.is_empty() {
        let told = errors.iter().map(|error| {
            let span = error.span().unwrap_or(0..0);
            let what = format!("this is not TOML: {}", error.message());
            let help = error.message().starts_with("duplicate key").then(|| "a key or table stands once".to_owned());
            Problem::new(Code::Syntax, span, what, "here").maybe_help(help)
        });
        return (Scenario::default(), told.collect());
    }
    if let Some(problem) = other_version(document.get_ref()) {
        return (Scenario::default(), vec![problem]);
    }
    let scenario = {
        let start = 0..source.lines().next().map_or(0, str::len);
        let root = Reader::open(&file, &SCENARIO, document.get_ref(), &start, "the scenario");
        scenario(&root)
    };
    (scenario, file.sink.into_inner())
}

/// A version that is an integer but not ours.
fn other_version(document: &DeTable<'_>) -> Option<Problem> {
    let (_, value) = document.iter().find(|(key, _)| *key.get_ref() == "version")?;
    let number = value.get_ref().as_integer()?;
    if number.as_str().parse() == Ok(VERSION) {
        return None;
    }
    let what = format!("this wavetank does not read scenarios of version {number}");
    let problem = Problem::new(Code::Version, value.span(), what, "unsupported version");
    Some(problem.help(format!("it reads version {VERSION}: update wavetank, or write `version = {VERSION}`")))
}

fn scenario<'i>(root: &Reader<'_, 'i>) -> Scenario<'i> {
    let duration = root.time("duration").filter(|time| {
        let zero = time.get_ref().as_nanos() == 0;
        root.nonzero("duration", zero, time.span()).is_some()
    });
    // Read for its type alone: the number itself was looked at first.
    root.integer("version");
    Scenario {
        name: root.filled("name"),
        description: root.text("description"),
        duration,
        seed: root.seed("seed").unwrap_or(0),
        calm_after: root.time("calm_after"),
        verdict: match root.word("verdict") {
            Some(1) => Verdict::Fail,
            _ => Verdict::Pass,
        },
        order: match root.table("scheduler").and_then(|scheduler| scheduler.word("order")) {
            Some(1) => Order::Seeded,
            _ => Order::Fifo,
        },
        profiles: profiles(root),
        signals: super::signal::signals(root),
        nodes: nodes(root),
        networks: networks(root),
        faults: faults(root),
        storms: super::storm::storms(root),
        packets: super::packet::packets(root),
        given: super::packet::given(root),
        expectations: expectations(root),
    }
}

fn profiles(root: &Reader<'_, '_>) -> Vec<Profile> {
    let tables = root.map("profile", "profile").into_iter();
    let read = tables.map(|(name, reader)| Profile {
        name,
        link: reader.map_or_else(LinkProfile::default, |reader| link_profile(&reader)),
    });
    read.collect()
}

fn link_profile(reader: &Reader<'_, '_>) -> LinkProfile {
    let way = |key| reader.table(key).map(|way| Box::new(one_way(&way)));
    LinkProfile { up: way("up"), down: way("down"), ..one_way(reader) }
}

fn one_way(reader: &Reader<'_, '_>) -> LinkProfile {
    let is_plain = |key: &str| !reader.raw(key).is_some_and(|value| value.get_ref().is_table());
    LinkProfile {
        latency: reader.time("latency"),
        jitter: reader.time("jitter"),
        loss: is_plain("loss").then(|| reader.probability("loss")).flatten(),
        rate: reader.rate("rate"),
        queue: is_plain("queue").then(|| reader.size("queue")).flatten(),
        queue_key: reader.key_span("queue"),
        costs_key: reader.key_span("overhead").or_else(|| reader.key_span("cells")),
        impair: Impair::read(reader),
        up: None,
        down: None,
    }
}

fn nodes<'i>(root: &Reader<'_, 'i>) -> Vec<Node<'i>> {
    let tables = root.map("node", "node").into_iter();
    tables
        .map(|(key, reader)| {
            let span = key.span();
            let Some(reader) = reader else {
                return Node {
                    key,
                    kind: None,
                    count: Err(()),
                    name: None,
                    addresses: Vec::new(),
                    address_key: Ok(span.clone()),
                    dhcp: None,
                    position: Err(()),
                    moves: Vec::new(),
                    gateways: Vec::new(),
                    ring: None,
                    clock_offset: None,
                    clock_drift: None,
                    battery: None,
                    limits: None,
                    config: ConfigText::nothing(span),
                };
            };
            let clock = reader.table("clock");
            let dhcp = asks_for_address(&reader);
            Node {
                key,
                kind: reader.text("kind"),
                count: count(&reader),
                name: reader.filled("name"),
                addresses: if dhcp.is_some() { Vec::new() } else { addresses(&reader) },
                address_key: if reader.has("address") {
                    Ok(reader.key_span("address").unwrap_or(reader.span()))
                } else {
                    Err(reader.span())
                },
                dhcp,
                position: super::radio::position(&reader),
                moves: super::radio::moves(&reader),
                gateways: reader.hosts("gateway").unwrap_or_default(),
                ring: reader.integer("ring").and_then(|ring| u32::try_from(ring.into_inner()).ok()),
                clock_offset: clock.as_ref().and_then(|clock| clock.signed_time("offset")),
                clock_drift: clock.as_ref().and_then(|clock| clock.drift("drift_ppm")),
                battery: Battery::read(&reader),
                limits: super::limits::limits(&reader),
                config: match reader.raw("config") {
                    Some(value) => ConfigText::new(value.clone()),
                    None => ConfigText::nothing(span),
                },
            }
        })
        .collect()
}

/// That a node says nothing of its address, where it has to.
pub(crate) fn missing_address(node: &str, span: Span) -> Problem {
    let field = NODE.field("address").expect("the table has it");
    let what = format!("[node.{node}] lacks `address`");
    let problem = Problem::new(Code::MissingKey, span, what, "`address` is missing here");
    problem.help(format!("{} For example: {}", field.doc, field.example))
}

fn count(reader: &Reader<'_, '_>) -> Result<Option<Spanned<u32>>, ()> {
    if !reader.has("count") {
        return Ok(None);
    }
    let count = reader.integer("count").ok_or(())?;
    let number = u32::try_from(*count.get_ref()).map_err(|_| ())?;
    Ok(Some(Spanned::new(count.span(), number)))
}

/// Where the file says `address = "dhcp"`.
fn asks_for_address(reader: &Reader<'_, '_>) -> Option<Span> {
    let value = reader.raw("address")?;
    matches!(value.get_ref(), DeValue::String(word) if word == "dhcp").then(|| value.span())
}

fn addresses(reader: &Reader<'_, '_>) -> Vec<Address> {
    let is_table = reader.raw("address").is_some_and(|value| value.get_ref().is_table());
    if is_table {
        let by_network = reader.addresses_by_network("address").unwrap_or_default();
        let each = by_network.into_iter().flat_map(|(network, cidrs)| {
            cidrs.into_iter().map(move |cidr| Address { network: Some(network.clone()), cidr })
        });
        return each.collect();
    }
    let plain = reader.addresses("address").unwrap_or_default().into_iter();
    plain.map(|cidr| Address { network: None, cidr }).collect()
}

fn networks(root: &Reader<'_, '_>) -> Vec<Network> {
    let tables = root.map("network", "network").into_iter();
    tables
        .map(|(name, reader)| {
            let network = name.as_str().to_owned();
            let place = format!("network.{network}.link");
            let Some(reader) = reader else {
                return Network {
                    name,
                    kind: None,
                    members: None,
                    profile: None,
                    subnets: Vec::new(),
                    overrides: Vec::new(),
                    radio: None,
                    radio_key: None,
                    wifi: None,
                    wifi_key: None,
                    table: None,
                    ageing: None,
                    region_keys: Vec::new(),
                    regions: Vec::new(),
                    paths: Vec::new(),
                };
            };
            Network {
                name,
                kind: reader.word("kind").map(|word| match word {
                    0 => NetworkKind::Switch,
                    1 => NetworkKind::PointToPoint,
                    2 => NetworkKind::Regions,
                    3 => NetworkKind::Radio,
                    _ => NetworkKind::Wifi,
                }),
                members: reader.names("members"),
                profile: reader.text("profile"),
                subnets: reader.addresses("subnet").unwrap_or_default(),
                overrides: overrides(&reader, "link", &place),
                radio: super::radio::radio(&reader),
                radio_key: reader.key_span("radio"),
                wifi: super::wifi::wifi(&reader),
                wifi_key: reader.key_span("wifi"),
                table: reader.integer("table").and_then(|many| usize::try_from(*many.get_ref()).ok()),
                ageing: reader.time("ageing"),
                region_keys: ["region", "path"].into_iter().filter_map(|key| reader.key_span(key)).collect(),
                regions: reader.names_by_key("region"),
                paths: overrides(&reader, "path", &format!("network.{network}.path")),
            }
        })
        .collect()
}

fn overrides(network: &Reader<'_, '_>, key: &str, place: &str) -> Vec<Override> {
    let tables = network.map(key, place).into_iter();
    let read = tables.filter_map(|(members, reader)| {
        let reader = reader?;
        let id = |number: i64| u16::try_from(number).ok();
        Some(Override {
            members,
            profile: reader.text("profile"),
            vlan: reader.integer("vlan").and_then(|vlan| id(*vlan.get_ref())),
            trunk: reader.integers("trunk").map(|vlans| vlans.into_iter().filter_map(id).collect()),
            vlan_key: reader.key_span("vlan").or_else(|| reader.key_span("trunk")),
            link: link_profile(&reader),
        })
    });
    read.collect()
}

fn faults(root: &Reader<'_, '_>) -> Vec<Fault> {
    let entries = root.list("fault").into_iter();
    entries.map(|(span, reader)| fault(span, &reader)).collect()
}

fn fault(span: Span, reader: &Reader<'_, '_>) -> Fault {
    let kind = reader.text("kind").and_then(|text| {
        let kind = FaultKind::named(text.as_str());
        if kind.is_none() {
            reader.unknown("kind", &text, FAULTS.iter().map(|row| row.name));
        }
        kind
    });
    let lasts = match reader.time("for") {
        None if reader.has("for") => Err(()),
        lasts => Ok(lasts),
    };
    if let (Some(kind), Some(key)) = (kind, reader.key_span("for"))
        && kind.shape().lasting == Lasting::No
    {
        let what = format!("\"{}\" happens in one moment", kind.shape().name);
        let problem = Problem::new(Code::KeyConflict, key, what, "`for` has no meaning here");
        reader.sink().push(problem.help("leave `for` out; with `every` it happens again and again"));
    }
    if let Some(kind) = kind {
        special_keys(reader, kind);
    }
    let every = reader.time("every");
    let every = every.filter(|every| reader.nonzero("every", every.get_ref().as_nanos() == 0, every.span()).is_some());
    if let (Some(times), None) = (reader.key_span("times"), reader.key_span("every")) {
        let problem = Problem::new(Code::KeyConflict, times, "`times` needs `every`", "how far apart?");
        reader.sink().push(problem.help("add, for example: every = \"10s\""));
    }
    let drift = reader.drift("drift_ppm");
    let told = Told::read(reader, kind);
    let direction = reader.word("direction").map(|word| if word == 0 { Direction::Up } else { Direction::Down });
    Fault {
        span,
        at: reader.time("at"),
        lasts,
        kind,
        targets: reader.names("target"),
        direction,
        others: reader.names("others"),
        profile: reader.filled("profile"),
        mtu: super::impair::mtu(reader),
        poll: reader.time("poll"),
        by: reader.signed_time("by"),
        drift: drift.clone(),
        current: reader
            .current("current")
            .filter(|current| {
                reader.nonzero("current", current.get_ref().as_nanoamperes() == 0, current.span()).is_some()
            })
            .map(Spanned::into_inner),
        address: reader.host("address"),
        interval: reader
            .time("interval")
            .filter(|time| reader.nonzero("interval", time.get_ref().as_nanos() == 0, time.span()).is_some()),
        shrinks: super::limits::shrinks(reader),
        noise_cdb: noise(reader),
        tampering: super::tamper::tampering(reader, kind, direction, &told),
        to: reader.subnet("to"),
        via: reader.host("via"),
        every,
        times: reader.integer("times"),
        jitter: reader.time("jitter"),
        told: told.drifting(drift.map(Spanned::into_inner)),
    }
}

/// `noise_db`, in hundredths of a decibel.
fn noise(reader: &Reader<'_, '_>) -> Option<u32> {
    let cdb = reader.micro("noise_db")? / 10_000;
    super::radio::within(reader, "noise_db", cdb, 1..=20_000, "more than 0 and at most 200 dB").map(|cdb| cdb as u32)
}

/// Notes keys that this kind of fault does not take, and those that it needs.
fn special_keys(reader: &Reader<'_, '_>, kind: FaultKind) {
    let shape = kind.shape();
    for &key in SPECIAL {
        if let (Some(span), false) = (reader.key_span(key), shape.takes.contains(&key)) {
            let what = format!("`{key}` has no meaning for \"{}\"", shape.name);
            let problem = Problem::new(Code::KeyConflict, span, what, "leave this out");
            let help = match shape.takes {
                [] => format!("\"{}\" takes no key of its own", shape.name),
                keys => format!("\"{}\" takes {}", shape.name, crate::diagnose::list(keys.iter().copied())),
            };
            reader.sink().push(problem.help(help));
        }
        if shape.needs.contains(&key) && !reader.has(key) {
            let what = format!("\"{}\" needs `{key}`", shape.name);
            let problem = Problem::new(Code::MissingKey, reader.span(), what, "here");
            reader.sink().push(problem.help(format!("for example: {}", reader.example(key))));
        }
    }
}

fn expectations(root: &Reader<'_, '_>) -> Vec<Expectation> {
    let entries = root.list("expect").into_iter();
    entries.map(|(span, reader)| expectation(span, &reader)).collect()
}

/// The keys that say what is demanded, and the keys that go with each.
const DEMANDS: [(&str, &[&str]); 7] = [
    ("always", &["from", "until"]),
    ("never", &["from", "until"]),
    ("eventually", &["within", "from", "until"]),
    ("stable", &["within", "after"]),
    ("sometimes", &["from", "until"]),
    ("flow", &["from", "until"]),
    ("linearizable", &[]),
];

fn expectation(span: Span, reader: &Reader<'_, '_>) -> Expectation {
    let said: Vec<_> = DEMANDS.iter().filter(|(key, _)| reader.has(key)).collect();
    let key =
        match said.as_slice() {
            [] => {
                let what = "this expectation demands nothing";
                let problem = Problem::new(Code::MissingKey, span.clone(), what, "here");
                reader.sink().push(problem.help(
                    "add one of `always`, `never`, `eventually`, `stable`, `sometimes`, `flow` and `linearizable`",
                ));
                None
            }
            [(key, goes_with)] => {
                unfit_keys(reader, key, goes_with);
                Some(*key)
            }
            [(first, _), (second, _), ..] => {
                let at = |key| reader.key_span(key).unwrap_or(span.clone());
                let what = format!("`{first}` and `{second}` exclude each other");
                let problem = Problem::new(Code::KeyConflict, at(second), what, "a second demand");
                let problem = problem.also(at(first), "the first demand");
                reader.sink().push(problem.help("make each an [[expect]] of its own"));
                None
            }
        };
    let demand = key.and_then(|key| {
        Some(match key {
            "always" => Demand::Always(reader.text(key)?),
            "never" => Demand::Never(reader.text(key)?),
            "eventually" => Demand::Eventually(reader.text(key)?),
            "stable" => Demand::Stable(reader.text(key)?),
            "sometimes" => Demand::Sometimes(reader.text(key)?),
            "linearizable" => Demand::Linearizable(reader.text(key)?),
            _ => Demand::Flow(flow(&reader.table(key)?)?),
        })
    });
    Expectation {
        span,
        name: reader.filled("name"),
        demand,
        within: reader.time("within"),
        after: reader.moment("after"),
        from: reader.moment("from"),
        until: reader.moment("until"),
    }
}

fn unfit_keys(reader: &Reader<'_, '_>, demand: &str, goes_with: &[&str]) {
    let fits = |key: &&str| *key == "name" || *key == demand || goes_with.contains(key);
    for key in EXPECT.keys().filter(|key| !fits(key)) {
        let Some(span) = reader.key_span(key) else { continue };
        let what = format!("`{key}` has no meaning for `{demand}`");
        let problem = Problem::new(Code::KeyConflict, span, what, "leave this out");
        let help = match (demand, key) {
            ("flow", "within") => "write it into the flow: flow = { every = …, reaches = …, within = … }".to_owned(),
            ("stable", "from") => "write `after` instead".to_owned(),
            _ if goes_with.is_empty() => format!("`{demand}` is of the whole run"),
            _ => format!("`{demand}` takes {}", crate::diagnose::list(goes_with.iter().copied())),
        };
        reader.sink().push(problem.help(help));
    }
}

fn flow(reader: &Reader<'_, '_>) -> Option<FlowDemand> {
    let conflict = |key: &str, what: String, help: &str| {
        let span = reader.key_span(key).unwrap_or(0..0);
        reader.sink().push(Problem::new(Code::KeyConflict, span, what, "here").help(help));
    };
    let example =
        "write { every = \"reading.acknowledged\", reaches = \"reading.stored\" } or { unique = \"reading.stored\" }";
    if reader.has("unique") {
        for key in ["every", "reaches", "once", "within"].into_iter().filter(|key| reader.has(key)) {
            conflict(key, format!("`{key}` and `unique` exclude each other"), example);
        }
        return Some(FlowDemand::Unique(reader.text("unique")?));
    }
    let once = reader.has("once");
    let goal = if once { "once" } else { "reaches" };
    if once && reader.has("reaches") {
        conflict("reaches", "`reaches` and `once` exclude each other".into(), example);
    }
    match (reader.has("every"), reader.has(goal)) {
        (true, true) => {}
        (true, false) => conflict("every", "`every` needs `reaches` or `once`".into(), example),
        (false, true) => conflict(goal, format!("`{goal}` needs `every`"), example),
        (false, false) => {
            let span = reader.span();
            let problem = Problem::new(Code::MissingKey, span, "`flow` demands nothing", "here");
            reader.sink().push(problem.help(example));
        }
    }
    let within = reader.time("within");
    Some(FlowDemand::Reaches { every: reader.text("every")?, reaches: reader.text(goal)?, within, once })
}
