//! Telling the processor what will be read soon.
//!
//! With thousands of frames in flight none of them is in a near cache when it lands, and the event loop knows an event
//! ahead which one that will be.

use crate::current;

/// What a program reads when a frame comes, told before it does: among many nodes that is fetched while others have their
/// turns. It is asked for nothing but hints, and only where the world is large enough.
pub trait Foresight {
    /// Has fetched what is read for `frame`, which will come by the port that was named to
    /// [`Nic::foresee`](crate::net::Nic::foresee). With each step what was fetched before is near, and may be followed a pointer
    /// further; before the first, all of `self` is, where nodes are many. `memo` is 0 at first, and keeps what it is given from
    /// step to step; a frame that has landed meanwhile may have made place for another one, though, so it is no more than a hint
    /// either. Whether there is another step.
    fn fetch(&self, port: usize, frame: &[u8], step: u8, memo: &mut u64) -> bool;
}

/// How far apart the lines of a cache lie, in bytes.
const LINE: usize = 64;
/// How many lines of a value are fetched as a whole: what is larger is not read as a whole.
const WHOLE_LINES_MAX: usize = 40;

/// Asks for the cache line at `address`, where the processor can be asked: into the nearest cache, or into the second.
#[inline(always)]
fn ask<const NEAREST: bool>(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1, _mm_prefetch};
        // SAFETY: prefetching reads nothing that can be seen and never faults; every x86-64 processor has SSE.
        #[expect(unsafe_code, reason = "there is no safe way to ask")]
        unsafe {
            if NEAREST {
                _mm_prefetch::<_MM_HINT_T0>(address.cast());
            } else {
                _mm_prefetch::<_MM_HINT_T1>(address.cast());
            }
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

/// Has the cache line at `address` fetched for what comes some events later: into the second cache, which can wait for more
/// lines at a time, and where it is still then. A hint: nothing depends on it, and the address may be any.
#[inline(always)]
pub fn line(address: *const u8) {
    ask::<false>(address);
}

/// Has the cache line at `address` fetched for what comes next: into the nearest cache.
#[inline(always)]
pub(crate) fn line_now(address: *const u8) {
    ask::<true>(address);
}

/// Has all cache lines fetched in which so many bytes from `first` on lie, but no more than forty of them: as [`line()`] does.
#[inline]
pub fn span(first: *const u8, bytes: usize) {
    // It may begin in the midst of a line.
    let lead = first.addr() % LINE;
    for index in 0..(lead + bytes).div_ceil(LINE).min(WHOLE_LINES_MAX) {
        line(first.wrapping_add(index * LINE));
    }
}

/// Has all cache lines of `value` fetched, but no more than forty of them: as [`line()`] does.
#[inline]
pub fn whole<T: ?Sized>(value: &T) {
    span(std::ptr::from_ref(value).cast(), size_of_val(value));
}

/// Has the line fetched in which `value` begins.
#[inline(always)]
pub(crate) fn first<T: ?Sized>(value: &T) {
    line(std::ptr::from_ref(value).cast());
}

/// Says where the program of the node that is polled keeps what it looks at whenever it is polled, so many bytes from an
/// address on: among many nodes that is fetched before its turn comes, but no more than forty lines of it. A hint, which is good
/// as long as the program runs.
pub fn keep_near(first: *const u8, bytes: usize) {
    current::polling(|kernel| kernel.keep_near(first, bytes));
}

/// Has the first `LINES` cache lines of `value` fetched.
#[inline(always)]
pub(crate) fn lines<const LINES: usize, T>(value: &T) {
    firsts::<LINES, T>(value).for_each(line);
}

/// The same for what is read next.
#[inline(always)]
pub(crate) fn lines_now<const LINES: usize, T>(value: &T) {
    firsts::<LINES, T>(value).for_each(line_now);
}

#[inline(always)]
fn firsts<const LINES: usize, T>(value: &T) -> impl Iterator<Item = *const u8> {
    let first = std::ptr::from_ref(value).cast::<u8>();
    (0..LINES.min(size_of::<T>().div_ceil(LINE))).map(move |index| first.wrapping_add(index * LINE))
}
