//! Chips that are a file of eight-bit registers: a write names one and goes on from there, a read goes on where the
//! pointer stands.

use super::bus::{Ack, Direction, Target};

/// The registers of a chip.
pub trait RegisterFile {
    /// What register `number` holds, as it is read at `now_ns`.
    fn read(&mut self, now_ns: u64, number: u8) -> u8;

    /// Register `number` is written at `now_ns`.
    fn write(&mut self, now_ns: u64, number: u8, value: u8);

    /// Where the pointer goes after a byte of register `number`, in a read or in a write.
    fn next(&self, number: u8, direction: Direction) -> u8;

    /// The supply was gone and is back.
    fn power_cycle(&mut self, now_ns: u64);
}

/// A register file on a bus.
#[derive(Debug)]
pub struct Registers<F> {
    file: F,
    pointer: u8,
    /// The next byte that is written names a register, or its value.
    is_named: bool,
}

impl<F: RegisterFile> Registers<F> {
    /// The chip whose registers these are.
    pub fn new(file: F) -> Self {
        Self { file, pointer: 0, is_named: false }
    }
}

impl<F: RegisterFile> Target for Registers<F> {
    fn start(&mut self, _now_ns: u64, _direction: Direction) -> Ack {
        self.is_named = false;
        Ack::Ack
    }

    fn write(&mut self, now_ns: u64, byte: u8) -> Ack {
        if self.is_named {
            self.file.write(now_ns, self.pointer, byte);
            self.pointer = self.file.next(self.pointer, Direction::Write);
        } else {
            (self.pointer, self.is_named) = (byte, true);
        }
        Ack::Ack
    }

    fn read(&mut self, now_ns: u64) -> u8 {
        let byte = self.file.read(now_ns, self.pointer);
        self.pointer = self.file.next(self.pointer, Direction::Read);
        byte
    }

    fn stop(&mut self, _now_ns: u64) {}

    fn power_cycle(&mut self, now_ns: u64) {
        self.pointer = 0;
        self.file.power_cycle(now_ns);
    }
}
