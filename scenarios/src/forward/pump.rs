//! The host's side: sockets that are listened at, and what passes between them and the door, a little after a little.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use wavetank_sim::session::{Ended, Session};

use super::door::{Door, Leaving};
use super::input::{Entry, Input, What};

/// An address of the host whose connections lead to the target of the same place in the list.
#[derive(Debug)]
pub struct Gate(TcpListener);

impl Gate {
    /// Listens at this address.
    ///
    /// # Errors
    /// If it cannot be had.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(Self(listener))
    }

    /// Where it is.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// Carries bytes between the host's sockets and a running session, and notes all that enters.
#[derive(Debug)]
pub struct Pump {
    gates: Vec<Gate>,
    door: Door,
    connections: BTreeMap<u64, Connection>,
    accepted: u64,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// What the peer has yet to take.
    outgoing: Vec<u8>,
    /// Nothing more comes from the peer.
    ended: bool,
    /// Nothing more comes from the tank.
    over: bool,
    /// How many bytes the tank has yet to take.
    waiting: usize,
}

/// How long nothing is looked at, when there was nothing: an answer is late by as much.
const PAUSE: Duration = Duration::from_millis(1);
/// How much may wait to be taken by the tank until no more is read.
const WAITING_BYTES_MAX: usize = 256 * 1_024;
/// How much may wait to be taken by a peer until it is given up: the tank waits for nobody.
const OUTGOING_BYTES_MAX: usize = 64 * 1_024 * 1_024;
const PIECE_BYTES: usize = 16 * 1_024;

impl Pump {
    /// Carries between these gates and this door.
    #[must_use]
    pub fn new(gates: Vec<Gate>, door: Door) -> Self {
        Self { gates, door, connections: BTreeMap::new(), accepted: 0, entries: Vec::new() }
    }

    /// Carries until `done`, and returns all that entered, in order.
    ///
    /// # Errors
    /// If the world's thread ends.
    #[expect(
        clippy::disallowed_methods,
        reason = "sockets of the host are waited for by the wall clock, outside of the world"
    )]
    pub fn run(mut self, session: &Session, done: impl Fn() -> bool) -> Result<Vec<Entry>, Ended> {
        while !done() {
            let arrived = self.arrivals();
            let quiet = arrived.is_empty();
            let (door, sent) = (self.door.clone(), arrived);
            let (entered, left, waiting) = session.call(move |world| {
                let enter = |input: Input| {
                    let at = world.input(&input.to_string(), || door.enter(&input));
                    Entry { at_ns: at.as_nanos(), input }
                };
                let entered: Vec<Entry> = sent.into_iter().map(enter).collect();
                (entered, door.leave(), door.waiting_bytes())
            })?;
            let quiet = quiet && left.is_empty();
            self.entries.extend(entered);
            self.depart(left, &waiting);
            if quiet {
                thread::sleep(PAUSE);
            }
        }
        Ok(self.entries)
    }

    /// What has come from the host since the last look.
    fn arrivals(&mut self) -> Vec<Input> {
        let mut arrived = Vec::new();
        for (forward, gate) in self.gates.iter().enumerate() {
            // An error is about one connection, or passes.
            while let Ok((stream, _)) = gate.0.accept() {
                if stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true)).is_err() {
                    continue;
                }
                self.accepted += 1;
                let connection = Connection { stream, outgoing: Vec::new(), ended: false, over: false, waiting: 0 };
                self.connections.insert(self.accepted, connection);
                arrived.push(Input { connection: self.accepted, what: What::Opens(forward) });
            }
        }
        for (id, connection) in &mut self.connections {
            arrived.extend(connection.read().map(|what| Input { connection: *id, what }));
        }
        arrived
    }

    fn depart(&mut self, left: Vec<(u64, Leaving)>, waiting: &BTreeMap<u64, usize>) {
        for (id, leaving) in left {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            match leaving {
                Leaving::Bytes(bytes) => connection.outgoing.extend(bytes),
                Leaving::End => connection.over = true,
            }
        }
        self.connections.retain(|id, connection| {
            connection.waiting = waiting.get(id).copied().unwrap_or(0);
            connection.write()
        });
    }
}

impl Connection {
    fn read(&mut self) -> Option<What> {
        if self.ended || self.waiting > WAITING_BYTES_MAX {
            return None;
        }
        let mut piece = vec![0; PIECE_BYTES];
        match self.stream.read(&mut piece) {
            Ok(count) if count > 0 => {
                piece.truncate(count);
                Some(What::Bytes(piece))
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => None,
            Ok(_) | Err(_) => {
                self.ended = true;
                Some(What::Ends)
            }
        }
    }

    /// Whether there is anything left to be done with it.
    fn write(&mut self) -> bool {
        while !self.outgoing.is_empty() {
            match self.stream.write(&self.outgoing) {
                Ok(count) if count > 0 => drop(self.outgoing.drain(..count)),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => break,
                Ok(_) | Err(_) => self.outgoing.clear(),
            }
        }
        if self.outgoing.len() > OUTGOING_BYTES_MAX {
            self.outgoing.clear();
            self.over = true;
        }
        if !self.over || !self.outgoing.is_empty() {
            return true;
        }
        // The peer may have closed it already.
        let _ = self.stream.shutdown(Shutdown::Write);
        !self.ended
    }
}
