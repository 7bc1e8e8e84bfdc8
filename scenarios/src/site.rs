//! The place where a node is put together: what a kind is told of it, and where it registers hardware.

mod hardware;

use std::net::IpAddr;
use std::rc::Rc;

use wavetank_sim::hw::Faulty;
use wavetank_sim::hw::signal::{Signal, Surroundings};
use wavetank_sim::node::Powered;
use wavetank_sim::random::Stream;

use crate::plan::{self, Interface};
use crate::schema::Cidr;

pub use hardware::Cells;

/// A node that is being put together.
pub struct Site<'p> {
    node: &'p plan::Node,
    surroundings: &'p Surroundings,
    seed: u64,
    pub(crate) powered: Vec<Rc<dyn Powered>>,
    pub(crate) parts: Vec<(&'static str, Rc<dyn Faulty>)>,
}

impl<'p> Site<'p> {
    pub(crate) fn new(node: &'p plan::Node, surroundings: &'p Surroundings, seed: u64) -> Self {
        Self { node, surroundings, seed, powered: Vec::new(), parts: Vec::new() }
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &'p str {
        &self.node.name
    }

    /// The node's interfaces; the `n`th is [`Node::nic(n)`](wavetank_sim::node::Node::nic).
    #[must_use]
    pub fn interfaces(&self) -> &'p [Interface] {
        &self.node.interfaces
    }

    /// The addresses of the node's first interface; none if it has no interface.
    #[must_use]
    pub fn addresses(&self) -> &'p [Cidr] {
        self.interfaces().first().map_or(&[], |interface| &interface.addresses)
    }

    /// The routers that the node hands packets for other networks to.
    #[must_use]
    pub fn gateways(&self) -> &'p [IpAddr] {
        &self.node.gateways
    }

    /// The random stream of this name, for the node's hardware and surroundings.
    #[must_use]
    pub fn stream(&self, label: &str) -> Stream {
        Stream::new(self.seed, &format!("hardware/{}/{label}", self.name()))
    }

    /// The named quantity of the physical world, which others may feel too; `None` if none is named.
    ///
    /// # Panics
    /// If there is none of that name, which the kind's [`fit`](crate::Kind::fit) refuses:
    /// [`Place::lacks_signal`](crate::registry::Place::lacks_signal).
    #[must_use]
    pub fn signal(&self, name: Option<&str>) -> Option<Signal> {
        name.map(|name| self.surroundings.signal(name).expect("a kind's `fit` sees to its signals").clone())
    }

    /// Lets a piece of hardware know when the node's power goes and comes, and when its program ends.
    pub fn powered(&mut self, hardware: Rc<dyn Powered>) {
        self.powered.push(hardware);
    }

    /// Lets faults reach a part of the board, by the name that its kind's [`parts`](crate::Kind::parts) give it.
    pub fn part(&mut self, name: &'static str, part: Rc<dyn Faulty>) {
        self.parts.push((name, part));
    }
}
