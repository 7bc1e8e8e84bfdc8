//! A platform without hooks: every function is the system's own.

use super::Support;

pub(super) const SUPPORT: Support = Support::Unsupported(if cfg!(miri) {
    "Miri interprets the system's functions itself"
} else if cfg!(not(target_os = "linux")) {
    "the hooks exist for Linux only"
} else if cfg!(target_feature = "crt-static") {
    "the hooks cannot stand beside a statically linked glibc"
} else {
    "the hooks exist for x86_64 and aarch64 with glibc or musl only"
});

pub(super) fn entropy_by_every_way() -> impl Iterator<Item = (&'static str, [u8; 16])> {
    std::iter::empty()
}
