//! The C functions that node code calls without knowing it.
//!
//! Each asks [`answer`] what the world says, and hands the call on to [`real`] when it says nothing. They are
//! `extern "C"`: a panic in here is a broken invariant, ends the process with its message, and unwinds through
//! nobody's frames.
#![allow(unsafe_code, reason = "to define functions of the C library, which take pointers")]
#![cfg_attr(target_env = "musl", allow(deprecated, reason = "libc says that its time_t will be wider one day"))]

#[cfg(not(target_feature = "crt-static"))]
use std::ffi::c_char;
use std::ffi::{c_int, c_long, c_uint, c_void};
use std::slice;

use libc::{
    clockid_t, cpu_set_t, epoll_event, nfds_t, pid_t, pollfd, pthread_attr_t, pthread_t, size_t, ssize_t, time_t,
    timespec, timeval,
};

use super::answer::{self, is_polled, refused};
use super::real::{self, ThreadStart, errno, fail};
use crate::guard::refusal;

// Clocks.

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn clock_gettime(id: clockid_t, at: *mut timespec) -> c_int {
    match answer::clock_ns(id) {
        // SAFETY: the arguments are the caller's.
        None => unsafe { real::clock_gettime(id, at) },
        Some(Err(errno)) => fail(errno),
        Some(Ok(ns)) => {
            let (tv_sec, tv_nsec) = answer::split(ns);
            // SAFETY: the caller gives a place for the time.
            unsafe { at.write(timespec { tv_sec, tv_nsec }) };
            0
        }
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn gettimeofday(at: *mut timeval, zone: *mut c_void) -> c_int {
    if let Some(ns) = answer::realtime_ns() {
        let (tv_sec, ns) = answer::split(ns);
        // SAFETY: the caller gives a place for the time.
        unsafe {
            at.write(timeval { tv_sec, tv_usec: ns / 1_000 });
        };
        return 0;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real::gettimeofday(at, zone) }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn time(at: *mut time_t) -> time_t {
    let Some(ns) = answer::realtime_ns() else {
        // SAFETY: the argument is the caller's.
        return unsafe { real::time(at) };
    };
    let (seconds, _) = answer::split(ns);
    if !at.is_null() {
        // SAFETY: the caller gives a place for the time, or null.
        unsafe { at.write(seconds) };
    }
    seconds
}

// Sleep. A refused sleep returns at once, as if it were over: the standard library takes every error but an
// interruption for a bug of its own, and its panic would hide the refusal.

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn clock_nanosleep(
    id: clockid_t,
    flags: c_int,
    time: *const timespec,
    left: *mut timespec,
) -> c_int {
    if refused(refusal::SLEEP) {
        return 0;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real::clock_nanosleep(id, flags, time, left) }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn nanosleep(time: *const timespec, left: *mut timespec) -> c_int {
    if refused(refusal::SLEEP) {
        return 0;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real::nanosleep(time, left) }
}

// A static musl's `sleep` and `usleep` call the `nanosleep` above.

#[cfg(not(target_feature = "crt-static"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    if refused(refusal::SLEEP) {
        return 0;
    }
    // SAFETY: nothing is asked of the argument.
    unsafe { real::sleep(seconds) }
}

#[cfg(not(target_feature = "crt-static"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn usleep(microseconds: libc::useconds_t) -> c_int {
    if refused(refusal::SLEEP) {
        return 0;
    }
    // SAFETY: nothing is asked of the argument.
    unsafe { real::usleep(microseconds) }
}

// Entropy.

/// Fills `len` bytes from the world and says whether it did.
///
/// # Safety
/// `len` bytes can be written at `bytes`.
unsafe fn world_entropy(bytes: *mut c_void, len: size_t) -> bool {
    if !is_polled() {
        return false;
    }
    if len > 0 {
        // SAFETY: the bytes can be written. Zeros first, because a slice's bytes are initialized.
        let bytes = unsafe {
            bytes.cast::<u8>().write_bytes(0, len);
            slice::from_raw_parts_mut(bytes.cast::<u8>(), len)
        };
        answer::entropy(bytes);
    }
    true
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn getrandom(bytes: *mut c_void, len: size_t, flags: c_uint) -> ssize_t {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if world_entropy(bytes, len) {
            return len.cast_signed();
        }
        real::getrandom(bytes, len, flags)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(bytes: *mut c_void, len: size_t) -> c_int {
    const MAX: size_t = 256;
    if len > MAX {
        return fail(libc::EIO);
    }
    let mut filled = 0;
    while filled < len {
        // SAFETY: what is left of the caller's bytes.
        let got = unsafe { getrandom(bytes.byte_add(filled), len - filled, 0) };
        match usize::try_from(got) {
            Ok(got) => filled += got,
            Err(_) if errno() == libc::EINTR => {}
            Err(_) => return -1,
        }
    }
    0
}

#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
unsafe extern "C" fn arc4random_buf(bytes: *mut c_void, len: size_t) {
    const STEP: size_t = 256;
    for start in (0..len).step_by(STEP) {
        // SAFETY: a part of the caller's bytes.
        if unsafe { getentropy(bytes.byte_add(start), STEP.min(len - start)) } != 0 {
            // The function cannot fail, and no key is better than a known one.
            std::process::abort();
        }
    }
}

#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
extern "C" fn arc4random() -> u32 {
    let mut bytes = [0; 4];
    // SAFETY: the bytes are ours.
    unsafe { arc4random_buf(bytes.as_mut_ptr().cast(), bytes.len()) };
    u32::from_ne_bytes(bytes)
}

#[cfg(target_env = "gnu")]
#[unsafe(no_mangle)]
extern "C" fn arc4random_uniform(bound: u32) -> u32 {
    if bound < 2 {
        return 0;
    }
    // The numbers below this would make the small remainders likelier.
    let reject_below = bound.wrapping_neg() % bound;
    loop {
        let drawn = arc4random();
        if drawn >= reject_below {
            return drawn % bound;
        }
    }
}

// Threads, processes, processors.

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    start: ThreadStart,
    argument: *mut c_void,
) -> c_int {
    if refused(refusal::THREAD_SPAWN) {
        return libc::EAGAIN;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real::pthread_create(thread, attributes, start, argument) }
}

#[cfg(not(target_feature = "crt-static"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn fork() -> pid_t {
    if refused(refusal::PROCESS_SPAWN) {
        return fail(libc::EPERM);
    }
    // SAFETY: the caller knows what a fork does.
    unsafe { real::fork() }
}

#[cfg(not(target_feature = "crt-static"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_spawn(
    process: *mut pid_t,
    path: *const c_char,
    actions: *const libc::posix_spawn_file_actions_t,
    attributes: *const libc::posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    if refused(refusal::PROCESS_SPAWN) {
        return libc::EPERM;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real::posix_spawn(process, path, actions, attributes, arguments, environment) }
}

#[cfg(not(target_feature = "crt-static"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_spawnp(
    process: *mut pid_t,
    file: *const c_char,
    actions: *const libc::posix_spawn_file_actions_t,
    attributes: *const libc::posix_spawnattr_t,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    if refused(refusal::PROCESS_SPAWN) {
        return libc::EPERM;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real::posix_spawnp(process, file, actions, attributes, arguments, environment) }
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn getpid() -> pid_t {
    if is_polled() {
        return answer::PROCESS_ID;
    }
    // SAFETY: the function asks for nothing.
    unsafe { real::getpid() }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn sched_getaffinity(pid: pid_t, size: size_t, set: *mut cpu_set_t) -> c_int {
    if !is_polled() {
        // SAFETY: the arguments are the caller's.
        return unsafe { real::sched_getaffinity(pid, size, set) };
    }
    if size < size_of::<c_long>() {
        return fail(libc::EINVAL);
    }
    // SAFETY: the set has `size` bytes, at least one.
    unsafe {
        set.cast::<u8>().write_bytes(0, size);
        set.cast::<u8>().write(1);
    }
    0
}

#[cfg(not(target_feature = "crt-static"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn sysconf(name: c_int) -> c_long {
    if matches!(name, libc::_SC_NPROCESSORS_ONLN | libc::_SC_NPROCESSORS_CONF) && is_polled() {
        return 1;
    }
    // SAFETY: nothing is asked of the argument.
    unsafe { real::sysconf(name) }
}

// The host's network, and waiting for it.

#[unsafe(no_mangle)]
pub(super) extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    if refused(refusal::SOCKET) {
        return fail(libc::EPERM);
    }
    // SAFETY: nothing is asked of the arguments.
    unsafe { real::socket(domain, kind, protocol) }
}

#[cfg(not(target_feature = "crt-static"))]
#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const libc::addrinfo,
    found: *mut *mut libc::addrinfo,
) -> c_int {
    if refused(refusal::NAME_LOOKUP) {
        return libc::EAI_FAIL;
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real::getaddrinfo(node, service, hints, found) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn poll(files: *mut pollfd, len: nfds_t, timeout_ms: c_int) -> c_int {
    if timeout_ms != 0 && refused(refusal::IO_WAIT) {
        return fail(libc::EPERM);
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real::poll(files, len, timeout_ms) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn epoll_wait(epoll: c_int, events: *mut epoll_event, len: c_int, timeout_ms: c_int) -> c_int {
    if timeout_ms != 0 && refused(refusal::IO_WAIT) {
        return fail(libc::EPERM);
    }
    // SAFETY: the arguments are the caller's.
    unsafe { real::epoll_wait(epoll, events, len, timeout_ms) }
}

/// Sixteen bytes of entropy, had in each of the ways that code has it, with the way's name.
pub(in crate::guard) fn entropy_by_every_way() -> impl Iterator<Item = (&'static str, [u8; 16])> {
    type GetRandom = unsafe extern "C" fn(*mut c_void, size_t, c_uint) -> ssize_t;
    type Ask = fn(*mut c_void, size_t);

    /// The standard library.
    fn by_name(bytes: *mut c_void, len: size_t) {
        // SAFETY: the bytes are those of an array.
        unsafe { libc::getrandom(bytes, len, 0) };
    }
    /// The `getrandom` crate since 0.3, unless libc is musl.
    fn by_look_up(bytes: *mut c_void, len: size_t) {
        #[cfg(target_feature = "crt-static")]
        let found: *mut c_void = getrandom as *mut c_void;
        #[cfg(not(target_feature = "crt-static"))]
        // SAFETY: the name is a C string.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"getrandom".as_ptr()) };
        if !found.is_null() {
            // SAFETY: the function of this name has this type; the bytes are those of an array.
            unsafe { std::mem::transmute::<*mut c_void, GetRandom>(found)(bytes, len, 0) };
        }
    }
    /// The `getrandom` crate before 0.3.
    fn by_system_call(bytes: *mut c_void, len: size_t) {
        // SAFETY: the bytes are those of an array.
        unsafe { libc::syscall(libc::SYS_getrandom, bytes, len, 0) };
    }

    let ways: [(&'static str, Ask); 3] = [
        ("getrandom", by_name),
        ("getrandom as the dynamic linker finds it", by_look_up),
        ("the system call getrandom", by_system_call),
    ];
    ways.into_iter().map(|(name, ask)| {
        let mut bytes = [0; 16];
        ask(bytes.as_mut_ptr().cast(), bytes.len());
        (name, bytes)
    })
}
