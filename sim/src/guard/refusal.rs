//! The words with which the guard refuses: what node code asked for, and what it can do instead.

/// `thread::spawn`.
pub const THREAD_SPAWN: &str = "a thread";
/// `Command::spawn`, `fork`, `posix_spawn`.
pub const PROCESS_SPAWN: &str = "a process";
/// `thread::sleep`.
pub const SLEEP: &str = "a sleep of the thread";
/// `park_timeout`, `Condvar::wait_timeout`, `recv_timeout`.
pub const TIMED_WAIT: &str = "a wait of the thread with a timeout";
/// `poll` and `epoll_wait`, in which a second runtime inside the node would wait.
pub const IO_WAIT: &str = "a wait of the thread for the host's I/O";
/// `TcpStream::connect`, `UdpSocket::bind`.
pub const SOCKET: &str = "a socket of the host";
/// `ToSocketAddrs` of a host's name.
pub const NAME_LOOKUP: &str = "a name lookup by the host";
/// Opening `/dev/random` or `/dev/urandom`.
pub const RANDOM_DEVICE: &str = "the host's random device";
/// `clock_gettime` of a clock that is not listed in [`guard`](super).
pub const UNKNOWN_CLOCK: &str = "a clock of the host";

/// What node code can do instead of what was refused.
#[must_use]
pub fn instead(refused: &str) -> Option<&'static str> {
    Some(match refused {
        THREAD_SPAWN => "a node has one thread: run a future on it",
        PROCESS_SPAWN => "give the other program a node of its own",
        SLEEP | TIMED_WAIT | IO_WAIT => "the thread carries the whole world: await a timer or a wake-up",
        SOCKET | NAME_LOOKUP => "use the node's own network",
        RANDOM_DEVICE => "call getrandom, which the world answers",
        UNKNOWN_CLOCK => "read the monotonic clock or the wall clock",
        _ => return None,
    })
}
