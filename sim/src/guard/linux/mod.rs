//! The hooks on Linux: functions of libc's names and shapes that the linker finds before libc's own.

mod answer;
mod hooks;
mod real;
#[cfg(test)]
mod tests;
mod variadic;

use super::Support;

pub(super) use hooks::entropy_by_every_way;

pub(super) const SUPPORT: Support = Support::Hooked;
