//! `interop`: the stack against the Linux kernel and against real programs, in network namespaces of their own.

use std::path::Path;
use std::process::Command;

use crate::shell;
use crate::{Outcome, tests_run, tools};

/// What the cases start, and the package that brings it. A case whose program cannot be had is skipped by name.
const PROGRAMS: [(&str, &str); 14] = [
    ("iperf3", "iperf3"),
    ("ping", "iputils-ping"),
    ("dnsmasq", "dnsmasq-base"),
    ("chronyd", "chrony"),
    ("coap-client-notls", "libcoap3-bin"),
    ("mosquitto", "mosquitto"),
    ("mosquitto_pub", "mosquitto-clients"),
    ("nginx", "nginx-light"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("avahi-daemon", "avahi-daemon"),
    ("avahi-browse", "avahi-utils"),
    ("dbus-daemon", "dbus"),
    ("websocketd", "websocketd"),
];

/// Runs the cases whose names hold one of `words`; all if there are none.
pub(crate) fn run(words: &[&str]) -> Outcome {
    if let Some(reason) = impossible() {
        println!("interop: skipped, {reason}");
        return Ok(());
    }
    tools::install(&PROGRAMS);
    shell::run(Command::new(tests_run::built("wavetank-interop")?).args(words))
}

/// Why no case can run here, if none can.
fn impossible() -> Option<&'static str> {
    if !Path::new("/dev/net/tun").exists() {
        return Some("there is no /dev/net/tun");
    }
    no_namespace()
}

/// Why no network namespace can be made here, if none can.
pub(crate) fn no_namespace() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        return Some("there are network namespaces on Linux only");
    }
    let namespace = Command::new("unshare").args(["--net", "true"]).output();
    if !namespace.is_ok_and(|output| output.status.success()) {
        return Some("no network namespace can be made: it takes root");
    }
    None
}
