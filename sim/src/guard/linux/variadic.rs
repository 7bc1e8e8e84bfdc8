//! The hooks of `syscall` and of the `open` family, which take a varying number of arguments.
//!
//! Rust cannot define such functions, and an ordinary one of the same name would be a lie to a compiler that
//! sees caller and definition together (LTO). So each is one jump that no compiler looks into, to a function
//! that takes all the arguments there can be: an integer or a pointer is passed alike either way. An argument
//! that the caller left out is whatever its register or stack slot holds, and is handed on unread.
#![allow(unsafe_code, reason = "to define functions of the C library by a jump")]

use std::arch::naked_asm;
use std::ffi::{CStr, c_char, c_int, c_long};

use libc::{mode_t, timespec};

use super::answer::{self, is_polled, refused};
use super::hooks;
use super::real::{self, errno, fail, system_call};
use crate::guard::refusal;

macro_rules! variadic {
    ($($(#[$attribute:meta])* $name:ident => $to:path;)*) => {
        $(
            $(#[$attribute])*
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            unsafe extern "C" fn $name() {
                #[cfg(target_arch = "x86_64")]
                naked_asm!("jmp {}", sym $to);
                #[cfg(target_arch = "aarch64")]
                naked_asm!("b {}", sym $to);
            }
        )*
    };
}

variadic! {
    syscall => any_system_call;
    open => open_file;
    openat => open_file_at;
    #[cfg(target_env = "gnu")]
    open64 => open_file;
    #[cfg(target_env = "gnu")]
    openat64 => open_file_at;
}

unsafe extern "C" fn open_file(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if is_polled() && is_random_device(path) && refused(refusal::RANDOM_DEVICE) {
            return fail(libc::EPERM);
        }
        real::open(path, flags, mode)
    }
}

unsafe extern "C" fn open_file_at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if is_polled() && is_random_device(path) && refused(refusal::RANDOM_DEVICE) {
            return fail(libc::EPERM);
        }
        real::openat(folder, path, flags, mode)
    }
}

/// # Safety
/// `path` is a C string or null.
unsafe fn is_random_device(path: *const c_char) -> bool {
    // SAFETY: the caller's promise.
    !path.is_null() && answer::is_random_device(unsafe { CStr::from_ptr(path) }.to_bytes())
}

unsafe extern "C" fn any_system_call(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    // SAFETY: the arguments are the caller's.
    unsafe {
        if is_polled()
            && let Some(result) = answered(number, [a, b, c, d, e, f])
        {
            return result;
        }
        // A `vfork` returns twice, the second time over what is left of this function's frame.
        #[cfg(target_arch = "x86_64")]
        let number = if number == libc::SYS_vfork { libc::SYS_fork } else { number };
        system_call(number, [a, b, c, d, e, f])
    }
}

/// The result of a system call that has a hook of its own or is refused, while node code is polled.
///
/// # Safety
/// As the call's manual page says of its arguments.
unsafe fn answered(number: c_long, arguments: [c_long; 6]) -> Option<c_long> {
    let [a, b, c, d, ..] = arguments;
    // SAFETY: a hook takes what its system call takes.
    unsafe {
        Some(match number {
            libc::SYS_futex => return wait(arguments),
            libc::SYS_getrandom => hooks::getrandom(a as _, b as _, c as _) as c_long,
            libc::SYS_clock_gettime => hooks::clock_gettime(a as _, b as _).into(),
            libc::SYS_gettimeofday => hooks::gettimeofday(a as _, b as _).into(),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_time => hooks::time(a as _),
            libc::SYS_nanosleep => hooks::nanosleep(a as _, b as _).into(),
            // Its refusal is a result of zero, as the system call's.
            libc::SYS_clock_nanosleep => hooks::clock_nanosleep(a as _, b as _, c as _, d as _).into(),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => open_file(a as _, b as _, c as _).into(),
            libc::SYS_openat => open_file_at(a as _, b as _, c as _, d as _).into(),
            libc::SYS_socket => hooks::socket(a as _, b as _, c as _).into(),
            libc::SYS_getpid => hooks::getpid().into(),
            libc::SYS_sched_getaffinity => match hooks::sched_getaffinity(a as _, b as _, c as _) {
                0 => b,
                failure => failure.into(),
            },
            #[cfg(target_arch = "x86_64")]
            libc::SYS_fork | libc::SYS_vfork if refused(refusal::PROCESS_SPAWN) => fail(libc::EPERM).into(),
            libc::SYS_clone | libc::SYS_clone3 if refused(refusal::PROCESS_SPAWN) => fail(libc::EPERM).into(),
            _ => return None,
        })
    }
}

/// Waits on a futex with a timeout of nothing, where one with a timeout is asked for, and refuses if it was needed.
///
/// A wait without a timeout passes: another thread may hold a lock that the whole process shares.
///
/// # Safety
/// As the call's manual page says of its arguments.
unsafe fn wait([word, operation, value, timeout, e, f]: [c_long; 6]) -> Option<c_long> {
    const FLAGS: c_int = libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME;
    let waits = matches!(operation as c_int & !FLAGS, libc::FUTEX_WAIT | libc::FUTEX_WAIT_BITSET);
    if !waits || timeout == 0 {
        return None;
    }
    // Over at once, whether it counts from now or from the clock's start.
    let over = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the caller's promise; the timeout is ours and outlives the call.
    let result = unsafe { system_call(libc::SYS_futex, [word, operation, value, &raw const over as c_long, e, f]) };
    if result == -1 && errno() == libc::ETIMEDOUT {
        refused(refusal::TIMED_WAIT);
        real::set_errno(libc::ETIMEDOUT);
    }
    Some(result)
}
