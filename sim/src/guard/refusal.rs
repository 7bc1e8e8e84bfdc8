//! The words with which the guard refuses: what node code asked for, and what it can do instead.

/// `thread::spawn`.
pub const THREAD_SPAWN: &str = "a thread: a node has one; run a future on it instead";
/// `Command::spawn`, `fork`, `posix_spawn`.
pub const PROCESS_SPAWN: &str = "a child process: the world cannot see into it";
/// `thread::sleep`.
pub const SLEEP: &str = "a sleep of the thread: it would hold the whole world; await a timer instead";
/// `park_timeout`, `Condvar::wait_timeout`, `recv_timeout`.
pub const TIMED_WAIT: &str =
    "a wait of the thread with a timeout: it would hold the whole world; await a timer instead";
/// `poll` and `epoll_wait`, in which a second runtime inside the node would wait.
pub const IO_WAIT: &str = "a wait of the thread for real I/O: it would hold the whole world";
/// `TcpStream::connect`, `UdpSocket::bind`.
pub const SOCKET: &str = "a socket of the host: use the node's own network";
/// `ToSocketAddrs` of a host's name.
pub const NAME_LOOKUP: &str = "the host's name lookup: use the node's own network";
/// Opening `/dev/random` or `/dev/urandom`.
pub const RANDOM_DEVICE: &str = "the host's random device: use getrandom, which the world answers";
/// `clock_gettime` of a clock that the world does not have.
pub const UNKNOWN_CLOCK: &str = "a clock that the world does not have";
