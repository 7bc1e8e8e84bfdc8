//! The whole UI: pictures, keys, and sessions watched from beginning to end.

mod keys;
mod pictures;
mod sessions;
