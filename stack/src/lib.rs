//! The async network stack, from the wire to the application, without std and without alloc.

#![no_std]
