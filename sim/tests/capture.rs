//! Captures: byte for byte, and as tshark reads them.

#![allow(clippy::unwrap_used, reason = "a test says what failed by failing")]

use std::fmt::Write as _;
use std::io;
use std::process::Command;

use wavetank_sim::capture::{Direction, Writer};

/// An ARP request, padded to Ethernet's least.
const ARP: [u8; 60] = {
    let mut frame = [0; 60];
    let head = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0, 1, 0x08, 0x06, // Ethernet
        0, 1, 0x08, 0, 6, 4, 0, 1, 0x02, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2,
    ];
    let mut index = 0;
    while index < head.len() {
        frame[index] = head[index];
        index += 1;
    }
    frame
};

/// 2026-01-01T00:00:00Z.
const EPOCH_NS: u64 = 1_767_225_600_000_000_000;

fn capture() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), EPOCH_NS).unwrap();
    let thermostat = writer.interface("thermostat-1", "nic 0 of thermostat-1").unwrap();
    writer.frame(thermostat, 1_000_000_001, Direction::Outbound, &ARP, None).unwrap();
    let cable = writer.interface("cable", "").unwrap();
    writer.frame(cable, 1_000_000_042, Direction::Passing, &ARP[..59], Some("lost: cut")).unwrap();
    writer.frame(thermostat, 2_000_000_000, Direction::Inbound, &ARP, Some("")).unwrap();
    writer.finish().unwrap()
}

#[test]
fn every_byte_is_pinned() {
    let mut dump = String::new();
    for (line, bytes) in capture().chunks(16).enumerate() {
        write!(dump, "{:04x}", line * 16).unwrap();
        for word in bytes.chunks(4) {
            dump.push(' ');
            word.iter().for_each(|byte| write!(dump, "{byte:02x}").unwrap());
        }
        dump.push('\n');
    }
    insta::assert_snapshot!(dump, @r"
    0000 0a0d0d0a 2c000000 4d3c2b1a 01000000
    0010 ffffffff ffffffff 04000800 77617665
    0020 74616e6b 00000000 2c000000 01000000
    0030 4c000000 01000000 00000000 02000c00
    0040 74686572 6d6f7374 61742d31 03001500
    0050 6e696320 30206f66 20746865 726d6f73
    0060 7461742d 31000000 09000100 09000000
    0070 00000000 4c000000 06000000 68000000
    0080 00000000 52728618 01ca9429 3c000000
    0090 3c000000 ffffffff ffff0200 00000001
    00a0 08060001 08000604 00010200 00000001
    00b0 0a000001 00000000 00000a00 00020000
    00c0 00000000 00000000 00000000 00000000
    00d0 02000400 02000000 00000000 68000000
    00e0 01000000 2c000000 01000000 00000000
    00f0 02000500 6361626c 65000000 09000100
    0100 09000000 00000000 2c000000 06000000
    0110 78000000 01000000 52728618 2aca9429
    0120 3b000000 3b000000 ffffffff ffff0200
    0130 00000001 08060001 08000604 00010200
    0140 00000001 0a000001 00000000 00000a00
    0150 00020000 00000000 00000000 00000000
    0160 00000000 01000900 6c6f7374 3a206375
    0170 74000000 02000400 00000000 00000000
    0180 78000000 06000000 68000000 00000000
    0190 52728618 00942f65 3c000000 3c000000
    01a0 ffffffff ffff0200 00000001 08060001
    01b0 08000604 00010200 00000001 0a000001
    01c0 00000000 00000a00 00020000 00000000
    01d0 00000000 00000000 00000000 02000400
    01e0 01000000 00000000 68000000
    ");
}

#[test]
fn tshark_reads_names_nanoseconds_comments_and_directions() {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("tshark is not installed: its reading of captures was not checked");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.pcapng");
    std::fs::write(&path, capture()).unwrap();
    let fields = [
        "frame.interface_name",
        "frame.interface_description",
        "frame.time_epoch",
        "frame.comment",
        "frame.packet_flags_direction",
        "frame.len",
        "arp.dst.proto_ipv4",
        "_ws.malformed",
    ];
    let output = Command::new("tshark")
        .arg("-r")
        .arg(&path)
        .args(["-T", "fields", "-E", "separator=|"])
        .args(fields.iter().flat_map(|field| ["-e", field]))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = String::from_utf8(output.stdout).unwrap();
    let read: Vec<_> = read.lines().collect();
    assert_eq!(
        read,
        [
            "thermostat-1|nic 0 of thermostat-1|1767225601.000000001||0x00000002|60|10.0.0.2|",
            "cable||1767225601.000000042|lost: cut|0x00000000|59|10.0.0.2|",
            "thermostat-1|nic 0 of thermostat-1|1767225602.000000000||0x00000001|60|10.0.0.2|",
        ]
    );
}

#[test]
fn what_a_capture_cannot_hold_is_refused() {
    let mut writer = Writer::new(Vec::new(), u64::MAX).unwrap();
    let wire = writer.interface("wire", "").unwrap();
    let kind = |outcome: io::Result<()>| outcome.unwrap_err().kind();
    assert_eq!(kind(writer.frame(wire, 1, Direction::Passing, &ARP, None)), io::ErrorKind::InvalidInput);
    let endless = "x".repeat(65_536);
    assert_eq!(kind(writer.frame(wire, 0, Direction::Passing, &ARP, Some(&endless))), io::ErrorKind::InvalidInput);
    assert_eq!(kind(writer.interface(&endless, "").map(drop)), io::ErrorKind::InvalidInput);

    let mut other = Writer::new(Vec::new(), 0).unwrap();
    assert_eq!(kind(other.frame(wire, 0, Direction::Passing, &ARP, None)), io::ErrorKind::InvalidInput);
}

#[test]
fn an_output_that_fails_is_not_hidden() {
    struct Full;
    impl io::Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let writer = Writer::new(Full, 0).unwrap();
    assert_eq!(writer.finish().map(drop).unwrap_err().kind(), io::ErrorKind::StorageFull);
}
