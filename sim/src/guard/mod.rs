//! The guard: while node code is polled, the process's sources of disorder answer from the world, or are
//! refused by name.
//!
//! Law 1 says that nothing inside a world reads the wall clock, the operating system's entropy or a thread's
//! luck. Node code is ordinary code and calls the standard library and other people's crates, so the law
//! cannot be kept by review. On Linux this module therefore defines the C functions through which those reach
//! the system. Each asks first whether node code is polled on this thread: outside a poll, and on every
//! other thread, the real function answers as it always did, the vDSO's clock included.
//!
//! | asked for while node code is polled | answer |
//! |---|---|
//! | monotonic clocks, the processor time of process and thread (`Instant`) | the node's clock |
//! | wall clocks (`SystemTime`, `time`, `gettimeofday`) | the node's wall clock |
//! | `getrandom`, `getentropy`, `arc4random*`, `syscall(SYS_getrandom)` | the node's entropy |
//! | `HashMap`'s keys | the world's: a world's thread is born with them |
//! | `available_parallelism`, `sched_getaffinity`, `sysconf(_SC_NPROCESSORS_*)` | one processor |
//! | `process::id` | a constant that no process has |
//! | sleeping; waiting for a lock, a condition or a channel with a timeout | refused; returns at once, as if time were up |
//! | `poll` and `epoll_wait` that would wait | refused: `EPERM` |
//! | `thread::spawn` | refused: `EAGAIN` (`spawn` panics, `Builder::spawn` is an error) |
//! | `Command`, `fork`, `posix_spawn` | refused: `EPERM` (passes in a static musl binary) |
//! | sockets | refused: `EPERM` |
//! | host names (`getaddrinfo`) | refused: `EAI_FAIL` (in a static musl binary by the sockets that it opens) |
//! | opening `/dev/random`, `/dev/urandom` | refused: `EPERM` |
//!
//! A refusal is told to the world, which fails the node after the poll; the errors above only let the node
//! code get there. No hook unwinds. [`refusal`] has the words.
//!
//! What symbols cannot reach is not guarded: system calls and clock reads in inline assembly (`rustix` without
//! its `use-libc`, `getrandom` told to use its raw or `rdrand` backends, `quanta`), a hash seed taken from an
//! address (`hashbrown`'s own default, `ahash` without `runtime-rng`), `ThreadId`s, `vfork`, and a wait
//! without a timeout for something that never comes: a real lock held by another thread must be waited for,
//! so that call passes. The machine's own properties (files, environment, host name) pass as well. Running a
//! world in two processes with different address layouts finds what the guard cannot.

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_env = "musl", all(target_env = "gnu", not(target_feature = "crt-static"))),
    not(miri),
))]
#[path = "linux/mod.rs"]
mod platform;
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64",
    any(target_env = "musl", all(target_env = "gnu", not(target_feature = "crt-static"))),
    not(miri),
)))]
#[path = "elsewhere.rs"]
mod platform;
mod probe;
pub mod refusal;
mod stand_in;

pub(crate) use probe::prepare_thread;
pub use probe::{Off, is_active, probe};

/// Whether this platform can be guarded; [`probe`](probe()) says whether this process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// The guard's hooks are part of this build.
    Hooked,
    /// There are no hooks for this platform, for this reason.
    Unsupported(&'static str),
}

/// What this build of the guard can do.
pub const SUPPORT: Support = platform::SUPPORT;
