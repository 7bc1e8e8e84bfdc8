//! The parts that this is made of, each for itself: how to use it directly, and what was found wanting in it.
//!
//! Nothing is in these modules but their pages, whose examples are run as tests.

#[doc = include_str!("../docs/http.md")]
pub mod http {}

#[doc = include_str!("../docs/url.md")]
pub mod url {}

#[doc = include_str!("../docs/http-body.md")]
pub mod http_body {}

#[doc = include_str!("../docs/hyper.md")]
pub mod hyper {}

#[doc = include_str!("../docs/mime.md")]
pub mod mime {}

#[cfg(feature = "cookies")]
#[doc = include_str!("../docs/cookies.md")]
pub mod cookies {}

#[doc = include_str!("../docs/multipart.md")]
pub mod multipart {}
