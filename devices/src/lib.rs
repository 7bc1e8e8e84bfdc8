//! Device applications over owned parts, for boards and for the tank alike.

#![no_std]
