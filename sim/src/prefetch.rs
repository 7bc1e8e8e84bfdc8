//! Telling the processor what will be read soon.
//!
//! With thousands of frames in flight none of them is in a near cache when it lands, and the event loop knows an event
//! ahead which one that will be.

/// How far apart the lines of a cache lie, in bytes.
const LINE: usize = 64;

/// Has the first `LINES` cache lines of `value` fetched, where the processor can be asked for that. A hint: nothing
/// depends on it.
#[inline(always)]
pub(crate) fn prefetch<const LINES: usize, T>(value: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    for line in 0..LINES.min(size_of::<T>().div_ceil(LINE)) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = std::ptr::from_ref(value).cast::<i8>().wrapping_add(line * LINE);
        // SAFETY: prefetching reads nothing that can be seen and never faults; every x86-64 processor has SSE.
        #[expect(unsafe_code, reason = "there is no safe way to ask")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T0>(address);
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = (value, LINE, LINES);
}
