//! A simple, modular web framework on http, hyper and url.
