//! Nodes that live on a battery: when their loads change, when they brown out, and when they come back.
//!
//! A battery asks for one event at a time. It stands half-way to the instant at which the battery will sag, as far as can
//! be known, so that a load that changes often does not ask for another event each time; the last millisecond is exact.

use std::cell::RefCell;
use std::rc::Rc;

use crate::hw::battery::{Battery, BatterySpec, METRICS, Outlook};
use crate::kernel::{Action, Kernel};
use crate::metric::{Change, MetricId};
use crate::node::{NodeCore, ResetCause};
use crate::queue::Queue;
use crate::time::nanos;
use crate::trace::Event;

/// A node's battery, as the kernel keeps it.
pub(crate) struct Supply {
    state: RefCell<State>,
}

struct State {
    battery: Battery,
    /// When the one event that counts comes up.
    looks_at_ns: Option<u64>,
    /// It has no power, and boots once the battery recovers.
    is_down: bool,
    brown_outs: i64,
    /// Under which numbers the node tells of it, once it has.
    told: Option<Told>,
}

#[derive(Clone, Copy)]
struct Told {
    /// What counts delivered messages, if anything does.
    messages: Option<MetricId>,
    values: [MetricId; METRICS.len()],
}

/// The event stands at the instant itself when it is so near.
const EXACT_NS: u64 = 1_000_000;
/// How many changes of the load are looked at ahead; what lies beyond them is looked at when they are over.
const STRETCHES: usize = 64;

impl Supply {
    pub(crate) fn new(spec: BatterySpec) -> Self {
        let battery = Battery::new(spec);
        Self { state: RefCell::new(State { battery, looks_at_ns: None, is_down: false, brown_outs: 0, told: None }) }
    }
}

impl State {
    fn look_out(&mut self, node: &NodeCore, now_ns: u64, queue: &mut Queue) {
        let at_ns = match self.battery.outlook(STRETCHES) {
            Outlook::Lasts => return,
            Outlook::Unknown(at_ns) => at_ns,
            Outlook::Sags(at_ns) => {
                let ahead_ns = at_ns.saturating_sub(now_ns);
                if ahead_ns > EXACT_NS { now_ns + ahead_ns / 2 } else { at_ns.max(now_ns) }
            }
        };
        if self.looks_at_ns.is_none_or(|looks_at_ns| at_ns < looks_at_ns) {
            self.looks_at_ns = Some(at_ns);
            queue.push(at_ns, Action::Sag(node.id.bits()).payload());
        }
    }
}

impl NodeCore {
    /// Something changes about what the node draws from its battery, if it has one.
    #[inline]
    pub(crate) fn draws(&self, now_ns: u64, queue: &mut Queue, change: impl FnOnce(&mut Battery)) {
        if let Some(supply) = &self.supply {
            self.draws_differently(supply, now_ns, queue, change);
        }
    }

    #[cold]
    fn draws_differently(&self, supply: &Supply, now_ns: u64, queue: &mut Queue, change: impl FnOnce(&mut Battery)) {
        let state = &mut *supply.state.borrow_mut();
        state.battery.settle(now_ns);
        change(&mut state.battery);
        state.look_out(self, now_ns, queue);
    }

    /// What a part of the node's board draws while it works, in nanoamperes.
    pub(crate) fn part_na(&self, name: &str) -> u64 {
        self.supply.as_ref().map_or(0, |supply| supply.state.borrow().battery.part_na(name))
    }
}

impl Kernel {
    /// What the node draws changes now.
    #[inline]
    pub(crate) fn draws(&self, node: &NodeCore, change: impl FnOnce(&mut Battery)) {
        if node.supply.is_some() {
            node.draws(self.now.get(), &mut self.queue.borrow_mut(), change);
        }
    }

    /// Whether there is power for a node to boot. One that has none boots when its battery has recovered.
    pub(crate) fn has_power(&self, node: &NodeCore) -> bool {
        let Some(supply) = &node.supply else { return true };
        let state = &mut *supply.state.borrow_mut();
        state.battery.settle(self.now.get());
        // Where the power was there all along, the threshold is the lower one, which is looked at all the time.
        state.is_down = state.battery.is_off() && !state.battery.recovers();
        !state.is_down
    }

    /// A battery may sag now.
    pub(crate) fn sag(&self, node: &Rc<NodeCore>) {
        let Some(supply) = &node.supply else { return };
        let now_ns = self.now.get();
        let sags = {
            let state = &mut *supply.state.borrow_mut();
            if state.looks_at_ns != Some(now_ns) {
                return;
            }
            state.looks_at_ns = None;
            state.battery.settle(now_ns);
            let sags = matches!(state.battery.outlook(STRETCHES), Outlook::Sags(at_ns) if at_ns <= now_ns);
            if sags {
                state.brown_outs += 1;
                state.is_down = true;
            } else {
                state.look_out(node, now_ns, &mut self.queue.borrow_mut());
            }
            sags
        };
        if sags {
            self.record(Event::BrownOut { node: node.id });
            self.lose_power(node);
            self.come_back(node);
        }
        self.tell_supply(node);
    }

    /// A fault draws from a node's battery, or ceases to.
    pub(crate) fn drain(&self, node: &Rc<NodeCore>, fault: u32, na: u64, begins: bool) {
        self.draws(node, |battery| if begins { battery.drain(fault, na) } else { battery.undrain(fault) });
        self.come_back(node);
        self.tell_supply(node);
    }

    /// Boots a node that is without power because of its battery, if that has recovered.
    fn come_back(&self, node: &NodeCore) {
        let Some(supply) = &node.supply else { return };
        let restart = {
            let state = &mut *supply.state.borrow_mut();
            if !state.is_down || node.cuts.get() > 0 || !state.battery.recovers() {
                return;
            }
            state.is_down = false;
            state.battery.spec().restart
        };
        self.schedule_boot(node, ResetCause::BrownOut, self.now.get().saturating_add(nanos(restart)));
    }

    /// What a node says of its battery is so now.
    pub(crate) fn tell_supply(&self, node: &NodeCore) {
        let Some(supply) = &node.supply else { return };
        let state = &mut *supply.state.borrow_mut();
        state.battery.settle(self.now.get());
        let battery = &state.battery;
        let narrow = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let drawn_uj = narrow(battery.drawn_uj());
        let told = *state.told.get_or_insert_with(|| Told {
            messages: battery.spec().messages.as_deref().map(|name| self.metric(node, name)),
            values: std::array::from_fn(|at| self.metric(node, METRICS[at].0)),
        });
        let messages = told.messages.map_or(0, |id| self.metric_value(id));
        let per_message = if messages > 0 { drawn_uj / messages } else { 0 };
        let voltage_mv = narrow(battery.voltage_uv() / 1_000);
        let values = [drawn_uj, per_message, narrow(battery.left_permille()), voltage_mv, state.brown_outs];
        for (id, value) in told.values.into_iter().zip(values) {
            self.apply_metric(id, Change::Set(value));
        }
    }

    fn metric_value(&self, metric: MetricId) -> i64 {
        self.metrics.borrow().value(metric)
    }

    /// What all nodes say of their batteries is so as the run ends.
    pub(crate) fn tell_supplies(&self) {
        let nodes = self.nodes.borrow().clone();
        nodes.iter().for_each(|node| self.tell_supply(node));
        if self.unsettled.get() {
            self.settle();
        }
    }
}
