//! The hub on a real socket, asked by curl.
