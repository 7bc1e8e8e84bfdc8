//! The handle to a stack, and the making of one.

#[cfg(feature = "alloc")]
use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::{RefCell, RefMut},
    fmt,
    task::Poll,
};

use embassy_net_driver::Driver;

#[cfg(feature = "alloc")]
use crate::engine::{Connections, Listeners, Neighbours, Tables, UdpSockets, Waiting};
#[cfg(feature = "alloc")]
use crate::pools::Pool;
#[cfg(feature = "alloc")]
use crate::table::{Deadlines, Index, Storage};
use crate::{
    address::{Cidr, Route},
    config::{ADDRESSES_MAX, Config},
    engine::{Core, Waiter},
    resources::Resources,
    runner::{Runner, wake},
    stats::Stats,
    time::Clock,
};

/// A handle to a stack, to open sockets with. Cloning it is cheap. It does nothing by itself: the
/// [`Runner`] that was made with it moves the frames.
#[derive(Clone)]
pub struct Stack<'r> {
    shared: Shared<'r>,
}

/// The core, which nobody has for longer than a call.
// On boards it is worth its bytes once.
#[cfg_attr(feature = "alloc", inline)]
#[cfg_attr(not(feature = "alloc"), inline(never))]
pub(crate) fn core_of<'c, 'r>(core: &'c RefCell<Core<'r>>) -> RefMut<'c, Core<'r>> {
    core.borrow_mut()
}

#[derive(Clone)]
enum Shared<'r> {
    Lent(&'r RefCell<Core<'r>>),
    #[cfg(feature = "alloc")]
    Owned(Rc<RefCell<Core<'r>>>),
}

impl<'r> Stack<'r> {
    /// A stack in fixed memory.
    ///
    /// `seed` decides everything that the stack draws: initial sequence numbers, ports, hash keys. It should
    /// be unpredictable to the network, and differ from boot to boot.
    ///
    /// # Panics
    /// If `config` has too many addresses or routes, or an address that no station can have; if the driver's
    /// medium is neither Ethernet nor bare IP, or carries packets of less than 576 bytes.
    pub fn new<
        D: Driver,
        C: Clock,
        const TCP: usize,
        const UDP: usize,
        const STREAM_BYTES: usize,
        const DATAGRAM_BYTES: usize,
        const LISTENERS: usize,
        const NEIGHBOURS: usize,
        const FRAGMENTED: usize,
        const SEND_BYTES: usize,
        const WAITING: usize,
    >(
        resources: &'r mut Resources<
            'r,
            TCP,
            UDP,
            STREAM_BYTES,
            DATAGRAM_BYTES,
            LISTENERS,
            NEIGHBOURS,
            FRAGMENTED,
            SEND_BYTES,
            WAITING,
        >,
        driver: D,
        clock: C,
        config: &Config<'_>,
        seed: u64,
    ) -> (Self, Runner<'r, D, C>) {
        let (capabilities, hardware) = (driver.capabilities(), driver.hardware_address());
        let core = resources.lend(config, seed, |tables| Core::new(tables, &capabilities, hardware, config, seed));
        let stack = Self { shared: Shared::Lent(core) };
        (stack.clone(), Runner::new(stack, driver, clock))
    }

    #[inline]
    pub(crate) fn core(&self) -> &RefCell<Core<'r>> {
        match &self.shared {
            Shared::Lent(core) => core,
            #[cfg(feature = "alloc")]
            Shared::Owned(core) => core,
        }
    }

    /// Has fetched, by what [`Config::fetch`] says, what will be read of the stack's for a frame that the driver has not handed
    /// over yet: among thousands of connections it is memory that a segment waits for. With each step from 0 on it comes a
    /// pointer further than with the one before, if what that asked for has come meanwhile; `memo` is kept for it from step to
    /// step. Whether there is another one. A hint: nothing depends on it.
    #[cfg(feature = "alloc")]
    pub fn foresee(&self, frame: &[u8], step: u8, memo: &mut u64) -> bool {
        self.core().try_borrow().is_ok_and(|core| core.foresee(frame, step, memo))
    }

    /// Does something with the core, then wakes whom it has woken.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&mut Core<'r>) -> R) -> R {
        let mut core = core_of(self.core());
        let result = f(&mut core);
        // On boards it is asked in one place whether somebody is to be woken.
        if cfg!(not(feature = "alloc")) || !core.wakes.is_empty() {
            drop(core);
            wake(self.core());
        }
        result
    }

    /// Like [`Stack::with`], for what may register a waker: drops the one that it replaces outside.
    #[inline]
    pub(crate) fn poll<R>(&self, f: impl FnOnce(&mut Core<'r>) -> (Poll<R>, Option<Waiter>)) -> Poll<R> {
        let (result, _replaced) = self.with(f);
        result
    }

    /// Like [`Stack::poll`], for results that are better not moved.
    #[inline]
    pub(crate) fn poll_in_place<R>(&self, f: impl FnOnce(&mut Core<'r>, &mut Option<Waiter>) -> Poll<R>) -> Poll<R> {
        let mut replaced = None;
        self.with(|core| f(core, &mut replaced))
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.core().borrow().stats
    }

    /// Our addresses, in the configured order, the link-local one that the stack made last.
    pub fn addresses(&self) -> impl Iterator<Item = Cidr> + use<> {
        let addresses: heapless::Vec<Cidr, ADDRESSES_MAX> = self.core().borrow().addresses().iter().copied().collect();
        addresses.into_iter()
    }

    /// Replaces all addresses and routes, as when the network assigned new ones. Connections from an address
    /// that is gone end without a word to the other side, and with [`tcp::Error::AddressLost`](crate::tcp::Error) here.
    ///
    /// # Panics
    /// As [`Stack::new`].
    pub fn set_addresses(&self, addresses: &[Cidr], routes: &[Route]) {
        self.with(|core| core.set_addresses(addresses, routes));
        self.spread_change();
    }

    /// How many connections there are, those included that linger after their stream was dropped.
    /// Looks at every slot: for tests and displays.
    pub fn connections(&self) -> usize {
        self.core().borrow().tables.connections.in_use()
    }

    /// How many UDP sockets there are. Looks at every slot: for tests and displays.
    pub fn udp_sockets(&self) -> usize {
        self.core().borrow().tables.udp.in_use()
    }
}

#[cfg(feature = "alloc")]
impl Stack<'static> {
    /// A stack whose tables grow, and whose handles live as long as they like. It is freed with the last of
    /// its handles.
    ///
    /// # Panics
    /// As [`Stack::new`].
    pub fn shared<D: Driver, C: Clock>(
        driver: D,
        clock: C,
        config: &Config<'_>,
        seed: u64,
    ) -> (Self, Runner<'static, D, C>) {
        let growing = || Deadlines::new(Storage::Grown(Vec::new()));
        let tables = Tables {
            connections: Connections::new(Storage::Grown(Vec::new()), Index::hashing(), growing(), seed),
            listeners: Listeners::new(Storage::Grown(Vec::new()), Index::hashing()),
            udp: UdpSockets::new(Storage::Grown(Vec::new()), Index::hashing()),
            neighbours: Neighbours::new(
                Storage::Grown(Vec::new()),
                Index::hashing(),
                growing(),
                config.limits.within(Pool::Neighbours, config.neighbours_max).max(1),
                seed,
                config.neighbour_reachable,
            ),
            waiting: Waiting::new(Storage::Grown(Vec::new()))
                .of_at_most(config.limits.within(Pool::Waiting, usize::MAX)),
            #[cfg(feature = "reassembly")]
            fragments: crate::engine::Fragments::new(
                Storage::Grown(Vec::new()),
                config.limits.within(Pool::Reassembly, config.reassembly_bytes),
            ),
        };
        let core = Core::new(tables, &driver.capabilities(), driver.hardware_address(), config, seed);
        let stack = Self { shared: Shared::Owned(Rc::new(RefCell::new(core))) };
        if let Some(fetch) = config.fetch {
            (fetch.keep_near)(core::ptr::from_ref(stack.core()).cast(), Core::TURN_BYTES);
        }
        (stack.clone(), Runner::new(stack, driver, clock))
    }
}

impl fmt::Debug for Stack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stack").finish_non_exhaustive()
    }
}
