//! The registry of node kinds: what a scenario's `kind = "…"` can be.
//!
//! A kind has a name, a configuration with a schema, the metrics and flows that it reports, and
//! (beside this, where the runner is) the code that a node of this kind runs. A user's own crate
//! adds its kinds to the same registry.

use std::any::Any;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde_json::Value;
use wavetank_sim::node::{Exit, Node};
use wavetank_stack::COUNTERS;

use crate::diagnose::{did_you_mean, list};
use crate::plan::{Interface, Vlan};
pub use crate::schema::PartSort;
use crate::schema::{ConfigProblem, ConfigText};
use crate::site::Site;

/// A node's configuration, read once and shared by all worlds of a plan.
pub type Config = Arc<dyn Any + Send + Sync>;

/// A metric that nodes of a kind report, for checks and for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its dotted name, such as `readings.stored`.
    pub name: &'static str,
    /// What it counts or measures, with its unit.
    pub doc: &'static str,
}

/// What nodes count of their network stack, if they have [`Stack::telling`](wavetank_stack::Stack::telling) tell it. A counter
/// that nothing was counted by is not there.
pub static STACK_METRICS: [Metric; COUNTERS.len()] = {
    let mut metrics = [Metric { name: "", doc: "" }; COUNTERS.len()];
    let mut at = 0;
    while at < metrics.len() {
        let (name, doc) = COUNTERS[at];
        metrics[at] = Metric { name, doc };
        at += 1;
    }
    metrics
};

/// A flow that nodes of a kind report: events that carry an id (source, sequence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its dotted name, such as `reading.stored`.
    pub name: &'static str,
    /// When it is reported.
    pub doc: &'static str,
}

/// A history of operations on a shared object that nodes of a kind report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// Its dotted name, such as `store`.
    pub name: &'static str,
    /// Of which object it is.
    pub doc: &'static str,
}

/// What a scenario tells an access point, as far as it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToldAccessPoint {
    /// Its channel.
    pub channel: Option<u8>,
    /// How many stations it takes in.
    pub stations: usize,
}

/// A part of a node's board that faults can ail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name on the board, such as `disk`.
    pub name: &'static str,
    /// What sort of part it is, which says what can ail it.
    pub sort: PartSort,
    /// What it is there for.
    pub doc: &'static str,
}

/// One kind of node.
pub trait Kind: Send + Sync + 'static {
    /// As in `kind = "…"`.
    fn name(&self) -> &str;
    /// One line for `wavetank kinds`.
    fn summary(&self) -> &str;
    /// The JSON Schema of its configuration, without references to elsewhere.
    fn schema(&self) -> Schema;
    /// Reads a node's configuration, which may be left out altogether.
    ///
    /// # Errors
    /// With all that is wrong with it.
    fn parse(&self, config: &ConfigText<'_>) -> Result<Config, Vec<ConfigProblem>>;
    /// The metrics that its nodes report.
    fn metrics(&self) -> &[Metric];
    /// The flows that its nodes report.
    fn flows(&self) -> &[Flow];
    /// The parts of its nodes' boards that faults can ail, as its nodes register them at their [`Site`].
    fn parts(&self) -> &[Part] {
        &[]
    }
    /// Puts a node together: makes its hardware, and returns the program that each boot runs on it.
    ///
    /// It is called once a world, on the world's thread.
    fn install(&self, config: &Config, site: &mut Site<'_>) -> Program;

    /// The histories of shared objects that its nodes report.
    fn histories(&self) -> &[History] {
        &[]
    }

    /// Whether its nodes can get their address from the network: `address = "dhcp"`.
    fn asks_for_address(&self) -> bool {
        false
    }

    /// Whether its nodes can be in networks of radios: their programs take what
    /// [`Network::port`](crate::runtime::Network::port) gives for their interface.
    fn has_radio(&self) -> bool {
        false
    }

    /// Whether its nodes' stacks heed `limits`: their programs take what
    /// [`Network::config_for`](crate::runtime::Network::config_for) gives, or hand on [`limits`](crate::runtime::limits).
    fn is_pooled(&self) -> bool {
        false
    }

    /// Whether its nodes are access points of networks whose kind is `wifi`: they have no interface and no address.
    fn is_access_point(&self) -> bool {
        false
    }

    /// What a configuration says of an access point, if it is of one.
    fn access_point(&self, _config: &Config) -> Option<ToldAccessPoint> {
        None
    }

    /// Whether its nodes count what their network stack comes across ([`STACK_METRICS`]) beside their own metrics.
    fn counts_its_stack(&self) -> bool {
        false
    }

    /// Whether its nodes choose between several networks, so that each can have a gateway of its own: their programs take
    /// what [`Network::each`](crate::runtime::Network::each) gives for their interfaces.
    fn is_multihomed(&self) -> bool {
        false
    }

    /// Whether its nodes pass packets on between their networks, which then have no address in common.
    fn passes_on(&self) -> bool {
        false
    }

    /// The faults, by name, that its nodes are told of: those that only some kinds can have.
    fn hears(&self) -> &[&str] {
        &[]
    }

    /// What is wrong with a configuration where its node stands.
    fn fit(&self, _config: &Config, _place: &Place<'_>) -> Vec<ConfigProblem> {
        Vec::new()
    }
}

/// Where a node stands, once all networks are known.
#[derive(Clone, Copy, Debug)]
pub struct Place<'p> {
    /// Its interfaces, in the order of the networks.
    pub interfaces: &'p [Interface],
    /// How the port that each leads to takes part in the switch's virtual networks; `None` where there is no switch.
    pub ports: &'p [Option<Vlan>],
    /// Its gateways: one of each address family, or of a kind that is [multihomed](Kind::is_multihomed) one in each network.
    pub gateways: &'p [IpAddr],
    /// The names of the scenario's signals.
    pub signals: &'p [&'p str],
    /// The kinds of the scenario's nodes, by name, each once.
    pub kinds: &'p [&'p str],
    /// Which node has an address that the scenario says, by network and address, in that order.
    pub addresses: &'p [(usize, IpAddr, &'p str)],
}

impl Place<'_> {
    /// The node to which the scenario gives an address in the network that an interface leads to.
    #[must_use]
    pub fn holder(&self, interface: &Interface, address: IpAddr) -> Option<&str> {
        let wanted = (interface.network, address);
        let at = self.addresses.binary_search_by_key(&wanted, |&(network, address, _)| (network, address)).ok()?;
        Some(self.addresses[at].2)
    }

    /// That the scenario has no signal of the name which a configuration has at `key`, if it names one.
    #[must_use]
    pub fn lacks_signal(&self, key: &'static str, name: Option<&str>) -> Option<ConfigProblem> {
        let name = name.filter(|name| !self.signals.contains(name))?;
        let known = || self.signals.iter().copied();
        let help = match (did_you_mean(name, known()), self.signals) {
            (Some(meant), _) => format!("did you mean \"{meant}\"? Signals are {}", list(known())),
            (None, []) => format!("there is none at all: add [signal.{name}]"),
            (None, _) => format!("signals are {}; or add [signal.{name}]", list(known())),
        };
        Some(ConfigProblem::at(key, format!("there is no signal called \"{name}\"")).help(help))
    }
}

/// What a node runs: called anew at each boot. What it holds outlives the node's resets, as hardware does.
pub type Program = Box<dyn Fn(Node) -> Pin<Box<dyn Future<Output = Exit>>>>;

type Install<C> = Arc<dyn Fn(&Arc<C>, &mut Site<'_>) -> Program + Send + Sync>;

/// A [`Kind`] whose configuration is the type `C`.
///
/// ```
/// # use std::sync::Arc;
/// # use wavetank_scenarios::registry::{Registry, TypedKind};
/// # use wavetank_scenarios::site::Site;
/// # use wavetank_sim::node::{Exit, Node};
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct Lamp {
///     brightness: u8,
/// }
/// let lamp = TypedKind::new("lamp", "A lamp that can be dimmed.").program(|lamp: &Arc<Lamp>, _: &mut Site<'_>| {
///     let lamp = Arc::clone(lamp);
///     move |node: Node| {
///         let lamp = Arc::clone(&lamp);
///         async move {
///             node.gauge("brightness", lamp.brightness.into());
///             Exit::Halt
///         }
///     }
/// });
/// let mut registry = Registry::new();
/// registry.add(lamp);
/// assert!(registry.kind("lamp").is_some());
/// ```
pub struct TypedKind<C> {
    name: &'static str,
    summary: &'static str,
    metrics: Vec<Metric>,
    flows: &'static [Flow],
    histories: &'static [History],
    parts: &'static [Part],
    check: fn(&C) -> Vec<ConfigProblem>,
    fit: fn(&C, &Place<'_>) -> Vec<ConfigProblem>,
    asks_for_address: bool,
    has_radio: bool,
    access_point: Option<fn(&C) -> ToldAccessPoint>,
    is_pooled: bool,
    counts_its_stack: bool,
    is_multihomed: bool,
    passes_on: bool,
    hears: &'static [&'static str],
    install: Install<C>,
}

impl<C: DeserializeOwned + JsonSchema + Send + Sync + 'static> TypedKind<C> {
    /// A kind that reports nothing and, until it is given a [`program`](Self::program), does nothing.
    #[must_use]
    pub fn new(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            summary,
            metrics: Vec::new(),
            flows: &[],
            histories: &[],
            parts: &[],
            check: |_| Vec::new(),
            fit: |_, _| Vec::new(),
            asks_for_address: false,
            has_radio: false,
            access_point: None,
            is_pooled: false,
            counts_its_stack: false,
            is_multihomed: false,
            passes_on: false,
            hears: &[],
            install: Arc::new(|_, _| Box::new(|_| Box::pin(std::future::pending()))),
        }
    }

    /// The metrics that its nodes report, beside those that were named before.
    #[must_use]
    pub fn metrics(mut self, metrics: &'static [Metric]) -> Self {
        self.metrics.extend_from_slice(metrics);
        self
    }

    /// Its nodes count what their network stack comes across, too.
    #[must_use]
    pub fn counting_its_stack(mut self) -> Self {
        self.counts_its_stack = true;
        self
    }

    /// The flows that its nodes report.
    #[must_use]
    pub fn flows(mut self, flows: &'static [Flow]) -> Self {
        self.flows = flows;
        self
    }

    /// The histories of shared objects that its nodes report.
    #[must_use]
    pub fn histories(mut self, histories: &'static [History]) -> Self {
        self.histories = histories;
        self
    }

    /// The parts of its nodes' boards that faults can ail. Each is registered with [`Site::part`] by its name.
    #[must_use]
    pub fn parts(mut self, parts: &'static [Part]) -> Self {
        self.parts = parts;
        self
    }

    /// What its nodes do. `install` makes a node's hardware, once a world, and returns what each boot runs.
    #[must_use]
    pub fn program<P, F>(mut self, install: impl Fn(&Arc<C>, &mut Site<'_>) -> P + Send + Sync + 'static) -> Self
    where
        P: Fn(Node) -> F + 'static,
        F: Future<Output = Exit> + 'static,
    {
        self.install = Arc::new(move |config, site| {
            let program = install(config, site);
            Box::new(move |node| Box::pin(program(node)))
        });
        self
    }

    /// Its nodes can get their address from the network: a program of theirs that finds no address at its
    /// [`Site`] asks for one.
    #[must_use]
    pub fn asking_for_address(mut self) -> Self {
        self.asks_for_address = true;
        self
    }

    /// Its nodes can be in networks of radios.
    #[must_use]
    pub fn by_radio(mut self) -> Self {
        self.has_radio = true;
        self
    }

    /// Its nodes' stacks heed `limits`.
    #[must_use]
    pub fn pooled(mut self) -> Self {
        self.is_pooled = true;
        self
    }

    /// Its nodes are access points; `told` says what a configuration tells them.
    #[must_use]
    pub fn access_point(mut self, told: fn(&C) -> ToldAccessPoint) -> Self {
        self.access_point = Some(told);
        self
    }

    /// Its nodes choose between several networks, and can have a gateway in each.
    #[must_use]
    pub fn multihomed(mut self) -> Self {
        self.is_multihomed = true;
        self
    }

    /// Its nodes pass packets on between their networks.
    #[must_use]
    pub fn passing_on(mut self) -> Self {
        self.passes_on = true;
        self
    }

    /// Its nodes' hardware is [told](wavetank_sim::node::Powered::told) of faults of these names.
    #[must_use]
    pub fn hearing(mut self, faults: &'static [&'static str]) -> Self {
        self.hears = faults;
        self
    }

    /// What a configuration must satisfy beyond its types.
    #[must_use]
    pub fn check(mut self, check: fn(&C) -> Vec<ConfigProblem>) -> Self {
        self.check = check;
        self
    }

    /// What a configuration must satisfy where its node stands.
    #[must_use]
    pub fn fit(mut self, fit: fn(&C, &Place<'_>) -> Vec<ConfigProblem>) -> Self {
        self.fit = fit;
        self
    }
}

impl<C: DeserializeOwned + JsonSchema + Send + Sync + 'static> Kind for TypedKind<C> {
    fn name(&self) -> &str {
        self.name
    }

    fn summary(&self) -> &str {
        self.summary
    }

    fn schema(&self) -> Schema {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
            settings.transforms.push(Box::new(RecursiveTransform(without_null)));
        });
        settings.into_generator().into_root_schema_for::<C>()
    }

    fn parse(&self, config: &ConfigText<'_>) -> Result<Config, Vec<ConfigProblem>> {
        let config: C = config.read(&self.schema())?;
        let problems = (self.check)(&config);
        if problems.is_empty() { Ok(Arc::new(config)) } else { Err(problems) }
    }

    fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    fn counts_its_stack(&self) -> bool {
        self.counts_its_stack
    }

    fn flows(&self) -> &[Flow] {
        self.flows
    }

    fn histories(&self) -> &[History] {
        self.histories
    }

    fn parts(&self) -> &[Part] {
        self.parts
    }

    fn asks_for_address(&self) -> bool {
        self.asks_for_address
    }

    fn has_radio(&self) -> bool {
        self.has_radio
    }

    fn is_pooled(&self) -> bool {
        self.is_pooled
    }

    fn is_access_point(&self) -> bool {
        self.access_point.is_some()
    }

    fn access_point(&self, config: &Config) -> Option<ToldAccessPoint> {
        Some(self.access_point?(config.downcast_ref::<C>()?))
    }

    fn is_multihomed(&self) -> bool {
        self.is_multihomed
    }

    fn passes_on(&self) -> bool {
        self.passes_on
    }

    fn hears(&self) -> &[&str] {
        self.hears
    }

    fn fit(&self, config: &Config, place: &Place<'_>) -> Vec<ConfigProblem> {
        config.downcast_ref::<C>().map_or_else(Vec::new, |config| (self.fit)(config, place))
    }

    fn install(&self, config: &Config, site: &mut Site<'_>) -> Program {
        let config = Arc::clone(config).downcast::<C>().expect("a plan keeps what `parse` returned");
        (self.install)(&config, site)
    }
}

/// TOML has no null: what may be null may be left out.
fn without_null(schema: &mut Schema) {
    let is_null = |value: &Value| value.get("type").is_some_and(|kind| kind == "null");
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = &kinds[..] {
            let only = only.clone();
            schema.insert("type".into(), only);
        }
    }
    let Some(Value::Array(any)) = schema.get_mut("anyOf") else { return };
    any.retain(|value| !is_null(value));
    if let [Value::Object(only)] = &any[..] {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            if schema.get(&key).is_none() {
                schema.insert(key, value);
            }
        }
    }
}

/// All kinds that scenarios may use, in the order in which they were added.
#[derive(Clone, Default)]
pub struct Registry {
    kinds: Vec<Arc<dyn Kind>>,
}

impl Registry {
    /// No kinds at all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The kinds that wavetank brings along.
    #[must_use]
    pub fn builtin() -> Self {
        let mut registry = Self::new();
        registry.add(crate::kinds::hub::kind()).add(crate::kinds::thermostat::kind());
        registry.add(crate::kinds::dhcp_server::kind()).add(crate::kinds::dns_server::kind());
        registry.add(crate::kinds::router::kind()).add(crate::kinds::pinger::kind());
        registry.add(crate::kinds::bulk::sender()).add(crate::kinds::bulk::receiver());
        registry.add(crate::kinds::ntp_server::kind()).add(crate::kinds::sntp_client::kind());
        registry.add(crate::kinds::coap_sensor::kind()).add(crate::kinds::coap_watcher::kind());
        registry.add(crate::kinds::mqtt_broker::kind()).add(crate::kinds::head_end::kind());
        registry.add(crate::kinds::token::server()).add(crate::kinds::token::device());
        registry.add(crate::kinds::smart_meter::kind()).add(crate::kinds::field_logger::kind());
        registry.add(crate::kinds::door_sensor::kind()).add(crate::kinds::coap_collector::kind());
        registry.add(crate::kinds::lamp::kind()).add(crate::kinds::lamp_switch::kind());
        registry.add(crate::kinds::weather_station::kind()).add(crate::kinds::camera::kind());
        registry.add(crate::kinds::image_store::kind()).add(crate::kinds::rogue::kind());
        registry.add(crate::kinds::access_point::kind()).add(crate::kinds::gateway::kind());
        registry
    }

    /// Adds a kind; one of the same name is replaced, so that a user can put their own in its place.
    pub fn add(&mut self, kind: impl Kind) -> &mut Self {
        let kind: Arc<dyn Kind> = Arc::new(kind);
        match self.kinds.iter_mut().find(|known| known.name() == kind.name()) {
            Some(known) => *known = kind,
            None => self.kinds.push(kind),
        }
        self
    }

    /// The kind of that name.
    #[must_use]
    pub fn kind(&self, name: &str) -> Option<&Arc<dyn Kind>> {
        self.kinds.iter().find(|kind| kind.name() == name)
    }

    /// All kinds.
    pub fn iter(&self) -> std::slice::Iter<'_, Arc<dyn Kind>> {
        self.kinds.iter()
    }
}

impl<'a> IntoIterator for &'a Registry {
    type Item = &'a Arc<dyn Kind>;
    type IntoIter = std::slice::Iter<'a, Arc<dyn Kind>>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.kinds.iter().map(|kind| kind.name());
        f.debug_list().entries(names).finish()
    }
}
