//! The command line, as a binary and as a library that takes a registry of your own kinds.
