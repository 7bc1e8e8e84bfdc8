//! The functions that the hooks stand before, and the bare system call.
//!
//! A hook's name hides the real function from the linker, so its address is asked of the dynamic linker: once,
//! before `main`, while the process has one thread, and never in a hook, because a hook may be called by a
//! signal handler, or by an allocator that the dynamic linker would call in turn. Until then, and in a static
//! musl binary, which has no dynamic linker, the system call stands in.
#![allow(unsafe_code, reason = "to call the kernel, and C functions by their address")]
#![cfg_attr(target_env = "musl", allow(deprecated, reason = "libc says that its time_t will be wider one day"))]

use std::arch::asm;
#[cfg(not(target_feature = "crt-static"))]
use std::ffi::CStr;
use std::ffi::{c_char, c_int, c_long, c_uint, c_void};
use std::marker::PhantomData;
use std::mem::transmute_copy;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

#[cfg(not(target_feature = "crt-static"))]
use libc::{addrinfo, posix_spawn_file_actions_t, posix_spawnattr_t, useconds_t};
use libc::{
    clockid_t, cpu_set_t, epoll_event, mode_t, nfds_t, pid_t, pollfd, pthread_attr_t, pthread_t, size_t, ssize_t,
    time_t, timespec, timeval,
};

/// The address of a real function, of type `F`.
struct Next<F> {
    address: AtomicPtr<c_void>,
    function: PhantomData<F>,
}

impl<F: Copy> Next<F> {
    const fn unknown() -> Self {
        Next { address: AtomicPtr::new(null_mut()), function: PhantomData }
    }

    #[inline]
    fn get(&self) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
        let address = self.address.load(Ordering::Relaxed);
        // SAFETY: whoever stored an address promised that it is that of an `F`.
        (!address.is_null()).then(|| unsafe { transmute_copy::<*mut c_void, F>(&address) })
    }

    /// # Safety
    /// `address` is null or that of an `F`, and stays so.
    unsafe fn set(&self, address: *mut c_void) {
        self.address.store(address, Ordering::Relaxed);
    }
}

/// Defines a function for each: the real one if its address is known, else what stands in.
macro_rules! real {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $of:ty),*) -> $result:ty = $stand_in:expr;
    )*) => {
        mod next {
            use super::*;
            $(
                $(#[$attribute])*
                #[allow(non_upper_case_globals, reason = "named as the function is")]
                pub(super) static $name: Next<unsafe extern "C" fn($($of),*) -> $result> = Next::unknown();
            )*
        }

        $(
            $(#[$attribute])*
            /// # Safety
            /// As the function's manual page says.
            #[inline]
            pub(super) unsafe fn $name($($argument: $of),*) -> $result {
                match next::$name.get() {
                    // SAFETY: the caller's promise.
                    Some(next) => unsafe { next($($argument),*) },
                    // SAFETY: the caller's promise; the call does what the function does.
                    #[allow(unused_unsafe, reason = "not every stand-in is a call")]
                    None => unsafe { $stand_in },
                }
            }
        )*

        #[cfg(not(target_feature = "crt-static"))]
        extern "C" fn find_all() {
            const fn name(of: &'static str) -> &'static CStr {
                match CStr::from_bytes_with_nul(of.as_bytes()) {
                    Ok(name) => name,
                    Err(_) => panic!("a name ends with a zero byte"),
                }
            }
            $(
                // SAFETY: the name is a C string, and the function that has it in libc has that type.
                unsafe {
                    let name = const { name(concat!(stringify!($name), "\0")) };
                    next::$name.set(libc::dlsym(libc::RTLD_NEXT, name.as_ptr()));
                }
            )*
        }
    };
}

real! {
    fn clock_gettime(id: clockid_t, at: *mut timespec) -> c_int =
        call(libc::SYS_clock_gettime, [id.into(), at as c_long]) as c_int;
    fn gettimeofday(at: *mut timeval, zone: *mut c_void) -> c_int =
        call(libc::SYS_gettimeofday, [at as c_long, zone as c_long]) as c_int;
    fn time(at: *mut time_t) -> time_t = {
        let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
        clock_gettime(libc::CLOCK_REALTIME_COARSE, &raw mut now);
        if !at.is_null() {
            at.write(now.tv_sec);
        }
        now.tv_sec
    };

    fn clock_nanosleep(id: clockid_t, flags: c_int, time: *const timespec, left: *mut timespec) -> c_int = {
        let arguments = [id.into(), flags.into(), time as c_long, left as c_long];
        // This function's result is its error.
        if call(libc::SYS_clock_nanosleep, arguments) == 0 { 0 } else { errno() }
    };
    fn nanosleep(time: *const timespec, left: *mut timespec) -> c_int =
        call(libc::SYS_nanosleep, [time as c_long, left as c_long]) as c_int;
    #[cfg(not(target_feature = "crt-static"))]
    fn sleep(seconds: c_uint) -> c_uint = seconds;
    #[cfg(not(target_feature = "crt-static"))]
    fn usleep(microseconds: useconds_t) -> c_int = { let _ = microseconds; fail(libc::ENOSYS) };

    fn getrandom(bytes: *mut c_void, len: size_t, flags: c_uint) -> ssize_t =
        call(libc::SYS_getrandom, [bytes as c_long, len as c_long, flags.into()]) as ssize_t;

    fn pthread_create(
        thread: *mut pthread_t,
        attributes: *const pthread_attr_t,
        start: ThreadStart,
        argument: *mut c_void
    ) -> c_int = { let _ = (thread, attributes, start, argument); libc::EAGAIN };
    #[cfg(not(target_feature = "crt-static"))]
    fn fork() -> pid_t = fail(libc::ENOSYS);
    #[cfg(not(target_feature = "crt-static"))]
    fn posix_spawn(
        process: *mut pid_t,
        path: *const c_char,
        actions: *const posix_spawn_file_actions_t,
        attributes: *const posix_spawnattr_t,
        arguments: *const *mut c_char,
        environment: *const *mut c_char
    ) -> c_int = { let _ = (process, path, actions, attributes, arguments, environment); libc::ENOSYS };
    #[cfg(not(target_feature = "crt-static"))]
    fn posix_spawnp(
        process: *mut pid_t,
        file: *const c_char,
        actions: *const posix_spawn_file_actions_t,
        attributes: *const posix_spawnattr_t,
        arguments: *const *mut c_char,
        environment: *const *mut c_char
    ) -> c_int = { let _ = (process, file, actions, attributes, arguments, environment); libc::ENOSYS };
    fn getpid() -> pid_t = call(libc::SYS_getpid, []) as pid_t;
    fn sched_getaffinity(pid: pid_t, size: size_t, set: *mut cpu_set_t) -> c_int = {
        match usize::try_from(call(libc::SYS_sched_getaffinity, [pid.into(), size as c_long, set as c_long])) {
            // The kernel writes as many bytes as it has processors for; the function writes all.
            Ok(written) => {
                set.cast::<u8>().add(written).write_bytes(0, size - written);
                0
            }
            Err(_) => -1,
        }
    };
    #[cfg(not(target_feature = "crt-static"))]
    fn sysconf(name: c_int) -> c_long = { let _ = name; fail(libc::ENOSYS).into() };

    fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int =
        openat(libc::AT_FDCWD, path, flags, mode);
    fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int =
        call(libc::SYS_openat, [folder.into(), path as c_long, flags.into(), mode.into()]) as c_int;
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int =
        call(libc::SYS_socket, [domain.into(), kind.into(), protocol.into()]) as c_int;
    #[cfg(not(target_feature = "crt-static"))]
    fn getaddrinfo(
        node: *const c_char,
        service: *const c_char,
        hints: *const addrinfo,
        found: *mut *mut addrinfo
    ) -> c_int = { let _ = (node, service, hints, found); libc::EAI_FAIL };
    fn poll(files: *mut pollfd, len: nfds_t, timeout_ms: c_int) -> c_int = {
        let mut timeout = timespec {
            tv_sec: i64::from(timeout_ms / 1_000),
            tv_nsec: c_long::from(timeout_ms % 1_000) * 1_000_000,
        };
        let timeout = if timeout_ms < 0 { null_mut() } else { &raw mut timeout };
        call(libc::SYS_ppoll, [files as c_long, len.cast_signed(), timeout as c_long, 0]) as c_int
    };
    fn epoll_wait(epoll: c_int, events: *mut epoll_event, len: c_int, timeout_ms: c_int) -> c_int =
        call(libc::SYS_epoll_pwait, [epoll.into(), events as c_long, len.into(), timeout_ms.into(), 0]) as c_int;
}

/// What a new thread runs.
pub(super) type ThreadStart = extern "C" fn(*mut c_void) -> *mut c_void;

/// Static musl keeps the two whose real function matters, the vDSO's clock and threads, under names of its own.
#[cfg(target_feature = "crt-static")]
extern "C" fn find_all() {
    unsafe extern "C" {
        fn __clock_gettime(id: clockid_t, at: *mut timespec) -> c_int;
        fn __pthread_create(
            thread: *mut pthread_t,
            attributes: *const pthread_attr_t,
            start: ThreadStart,
            argument: *mut c_void,
        ) -> c_int;
    }
    // SAFETY: musl's public names are aliases of these.
    unsafe {
        next::clock_gettime.set(__clock_gettime as *mut c_void);
        next::pthread_create.set(__pthread_create as *mut c_void);
    }
}

/// Runs before `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static FIND_ALL: extern "C" fn() = find_all;

/// This thread's `errno`.
pub(super) fn errno() -> c_int {
    // SAFETY: the location is this thread's own and lives as long as it.
    unsafe { *libc::__errno_location() }
}

/// Sets this thread's `errno`.
pub(super) fn set_errno(errno: c_int) {
    // SAFETY: the location is this thread's own and lives as long as it.
    unsafe { *libc::__errno_location() = errno };
}

/// Sets `errno` and returns C's word for failure.
pub(super) fn fail(errno: c_int) -> c_int {
    set_errno(errno);
    -1
}

/// A system call with `N` arguments; -1 and `errno` on failure.
///
/// # Safety
/// As the call's manual page says of its arguments.
unsafe fn call<const N: usize>(number: c_long, arguments: [c_long; N]) -> c_long {
    let mut words = [0; 6];
    words[..N].copy_from_slice(&arguments);
    // SAFETY: the caller's promise.
    unsafe { system_call(number, words) }
}

/// The system call `number` as libc's `syscall` makes it: -1 and `errno` on failure.
///
/// # Safety
/// As the call's manual page says of its arguments. The call does not return twice on one stack (`vfork`).
#[inline]
pub(super) unsafe fn system_call(number: c_long, arguments: [c_long; 6]) -> c_long {
    // SAFETY: the caller's promise.
    let result = unsafe { trap(number, arguments) };
    if (-4095..0).contains(&result) {
        set_errno(-result as c_int);
        return -1;
    }
    result
}

/// Enters the kernel.
#[cfg(target_arch = "x86_64")]
#[inline]
unsafe fn trap(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
    let result;
    // SAFETY: the kernel's calling convention: it may write memory, and clobbers rcx and r11 only.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// Enters the kernel.
#[cfg(target_arch = "aarch64")]
#[inline]
unsafe fn trap(number: c_long, [a, b, c, d, e, f]: [c_long; 6]) -> c_long {
    let result;
    // SAFETY: the kernel's calling convention: it may write memory, and clobbers no other register.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}
