//! A disk for server nodes: what survives a power cut.
