//! The systems, one a file.

mod acknowledged_too_early;
mod address_twice;
mod both_slots;
mod bounded_queues;
mod cached_address;
mod cancelled_read;
mod clock_backwards;
mod drops_the_newest;
mod half_close;
mod image_without_end;
mod map_order;
mod nat_rebinding;
mod packet_id;
mod recovery_cut_short;
mod retry_counts_twice;
mod retry_storm;
mod sequence_wrap;
mod stale_reads;
mod token_reused;
mod torn_flash;
mod two_leaders;
mod watchdog;
mod wrong_clock;

use crate::System;

/// All systems.
#[must_use]
pub fn all() -> Vec<System> {
    vec![
        retry_counts_twice::SYSTEM,
        torn_flash::SYSTEM,
        wrong_clock::SYSTEM,
        half_close::SYSTEM,
        retry_storm::SYSTEM,
        address_twice::SYSTEM,
        cached_address::SYSTEM,
        image_without_end::SYSTEM,
        drops_the_newest::SYSTEM,
        cancelled_read::SYSTEM,
        packet_id::SYSTEM,
        token_reused::SYSTEM,
        clock_backwards::SYSTEM,
        nat_rebinding::SYSTEM,
        acknowledged_too_early::SYSTEM,
        map_order::SYSTEM,
        sequence_wrap::SYSTEM,
        bounded_queues::SYSTEM,
        watchdog::SYSTEM,
        two_leaders::SYSTEM,
        stale_reads::SYSTEM,
        recovery_cut_short::SYSTEM,
        both_slots::SYSTEM,
    ]
}
