//! Telling the processor what will be read soon.
//!
//! With thousands of frames in flight none of them is in a near cache when it lands, and the event loop knows an event
//! ahead which one that will be.

/// How far apart the lines of a cache lie, in bytes.
const LINE: usize = 64;

/// Has the cache line at `address` fetched, where the processor can be asked for that. A hint: nothing depends on it, and
/// the address may be any.
#[inline(always)]
pub fn line(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: prefetching reads nothing that can be seen and never faults; every x86-64 processor has SSE.
        #[expect(unsafe_code, reason = "there is no safe way to ask")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(address.cast());
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

/// Has the first `LINES` cache lines of `value` fetched.
#[inline(always)]
pub(crate) fn lines<const LINES: usize, T>(value: &T) {
    for index in 0..LINES.min(size_of::<T>().div_ceil(LINE)) {
        line(std::ptr::from_ref(value).cast::<u8>().wrapping_add(index * LINE));
    }
}
