//! Captures of a run: a pcapng file for every node, with all its interfaces, and one for every link.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;
use std::rc::Rc;

use wavetank_sim::capture::{self, Interface, LinkType, Writer};
use wavetank_sim::net::{Direction, DropReason, Tap};
use wavetank_sim::time::Instant;
use wavetank_sim::world::World;

use super::{RunError, named};
use crate::build::Built;
use crate::plan::{Link, Plan};

/// Taps every node and every link of a world.
pub(super) fn add(plan: &Plan, built: &Built, world: &mut World, folder: &Path, epoch_ns: u64) -> Result<(), RunError> {
    for (node, nics) in plan.nodes.iter().zip(&built.nics) {
        let mut file = CaptureFile::create(folder, &node.name, epoch_ns)?;
        for (interface, nic) in node.interfaces.iter().zip(nics) {
            let network = &plan.networks[interface.network].name;
            world.tap_nic(
                *nic,
                Box::new(file.tap(network, &node.name, Wire::Ends, link_type(interface.radio.is_some()))?),
            );
        }
    }
    for (link, cable) in plan.links.iter().zip(&built.cables) {
        let mut file = CaptureFile::create(folder, &format!("link {}", link.name), epoch_ns)?;
        world.tap_cable(
            *cable,
            Box::new(file.tap(&link.name, "frames as they are offered", Wire::Passes, type_of(plan, link))?),
        );
    }
    Ok(())
}

/// Taps every link of a world, into one file.
pub(super) fn add_file(
    plan: &Plan,
    built: &Built,
    world: &mut World,
    path: &Path,
    epoch_ns: u64,
) -> Result<(), RunError> {
    let mut file = CaptureFile::create_at(path.to_owned(), epoch_ns)?;
    for (link, cable) in plan.links.iter().zip(&built.cables) {
        world.tap_cable(
            *cable,
            Box::new(file.tap(&link.name, "frames as they are offered", Wire::Passes, type_of(plan, link))?),
        );
    }
    Ok(())
}

fn link_type(is_radio: bool) -> LinkType {
    if is_radio { LinkType::Ieee802154 } else { LinkType::Ethernet }
}

fn type_of(plan: &Plan, link: &Link) -> LinkType {
    link_type(plan.networks[link.network].radio.is_some())
}

struct CaptureFile {
    path: std::path::PathBuf,
    writer: Rc<RefCell<Writer<File>>>,
}

impl CaptureFile {
    fn create(folder: &Path, name: &str, epoch_ns: u64) -> Result<Self, RunError> {
        Self::create_at(folder.join(format!("{}.pcapng", name.replace(['/', ' '], "-"))), epoch_ns)
    }

    fn create_at(path: std::path::PathBuf, epoch_ns: u64) -> Result<Self, RunError> {
        let file = File::create(&path).map_err(RunError::output(&path))?;
        let writer = Writer::new(file, epoch_ns).map_err(RunError::output(&path))?;
        Ok(Self { path, writer: Rc::new(RefCell::new(writer)) })
    }

    fn tap(&mut self, name: &str, description: &str, wire: Wire, kind: LinkType) -> Result<CaptureTap, RunError> {
        let interface = self.writer.borrow_mut().interface_of(kind, name, description);
        let interface = interface.map_err(RunError::output(&self.path))?;
        Ok(CaptureTap { path: self.path.clone(), writer: Rc::clone(&self.writer), interface, wire, error: None })
    }
}

/// Whether a tap's frames begin or end at its interface, or only pass.
#[derive(Clone, Copy)]
enum Wire {
    Ends,
    Passes,
}

struct CaptureTap {
    path: std::path::PathBuf,
    writer: Rc<RefCell<Writer<File>>>,
    interface: Interface,
    wire: Wire,
    error: Option<io::Error>,
}

impl Tap for CaptureTap {
    fn frame(&mut self, at: Instant, direction: Direction, bytes: &[u8], dropped: Option<DropReason>) {
        let direction = match (self.wire, direction) {
            (Wire::Passes, _) => capture::Direction::Passing,
            (Wire::Ends, Direction::Tx) => capture::Direction::Outbound,
            (Wire::Ends, Direction::Rx) => capture::Direction::Inbound,
        };
        let comment = dropped.map(|reason| format!("dropped: {}", reason.name()));
        if self.error.is_none() {
            let mut writer = self.writer.borrow_mut();
            self.error = writer.frame(self.interface, at.as_nanos(), direction, bytes, comment.as_deref()).err();
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        let done = self.error.take().map_or_else(|| self.writer.borrow_mut().flush(), Err);
        done.map_err(named(&self.path))
    }
}
