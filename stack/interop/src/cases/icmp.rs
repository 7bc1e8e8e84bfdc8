//! Echoes and errors, against the kernel's.

use std::net::IpAddr;

use tokio::net::UdpSocket;
use tokio::time::{Duration, timeout};
use wavetank_stack::{
    Reason,
    icmp::{Pinger, Unreachable},
    udp,
};

use crate::shore::{KERNEL, KERNEL_V6, OURS, OURS_V6, Shore, at, read};
use crate::table::{Outcome, demand};

pub(crate) async fn answered() -> Outcome {
    let _shore = Shore::new().await?;
    let mut seen = String::new();
    for (address, size) in [(IpAddr::from(OURS), "56"), (IpAddr::from(OURS), "1400"), (IpAddr::from(OURS_V6), "56")] {
        let told = read("ping", &["-c", "5", "-i", "0.02", "-s", size, "-W", "2", &address.to_string()]).await?;
        demand!(told.contains("5 received"), "not every ping was answered: {told}");
        demand!(!told.contains("DUP!") && !told.contains("wrong"), "strange answers: {told}");
        if let Some((_, times)) = told.split_once("mdev = ") {
            seen = format!("last round trips {}", times.lines().next().unwrap_or_default());
        }
    }
    Ok(seen)
}

pub(crate) async fn ours() -> Outcome {
    let shore = Shore::new().await?;
    let mut pinger = Pinger::new(&shore.stack)?;
    let mut seen = Vec::new();
    for address in [IpAddr::from(KERNEL), IpAddr::from(KERNEL_V6)] {
        let mut last = None;
        for _ in 0..3 {
            let reply = pinger.ping(&shore.clock, address, 56, Duration::from_secs(2)).await?;
            demand!(reply.from == address, "somebody else answered: {}", reply.from);
            last = Some(reply.round_trip);
        }
        seen.push(format!("{} µs", last.unwrap_or_default().as_micros()));
    }
    Ok(format!("v4 {}", seen.join(", v6 ")))
}

/// The kernel sends what is longer than the cable carries in fragments: we have it whole. Our answers to what is as long are
/// none: we send no fragments.
pub(crate) async fn fragments() -> Outcome {
    const LONG: usize = 4_000;
    let shore = Shore::new().await?;
    let mut options = udp::Options::default();
    options.receive_bytes = 2 * LONG;
    let socket = udp::Socket::bind(&shore.stack, 7, options)?;
    let mut seen = Vec::new();
    for (kernel, ours) in [(IpAddr::from(KERNEL), IpAddr::from(OURS)), (IpAddr::from(KERNEL_V6), IpAddr::from(OURS_V6))]
    {
        let theirs = UdpSocket::bind((kernel, 0)).await?;
        let sent: Vec<u8> = (0..LONG).map(|at| (at / 7) as u8).collect();
        theirs.send_to(&sent, at(ours, 7)).await?;
        let mut heard = vec![0; LONG + 1];
        let (len, from) = timeout(Duration::from_secs(2), socket.recv_from(&mut heard)).await??;
        demand!(
            from == theirs.local_addr()? && heard[..len] == sent,
            "{len} bytes came from {from}, others than were sent"
        );
        let long = LONG.to_string();
        let _no_answer = read("ping", &["-c", "1", "-W", "0.2", "-s", &long, &ours.to_string()]).await;
        seen.push(if kernel.is_ipv4() { "v4" } else { "v6" });
    }
    let dropped = shore.stack.stats().dropped(Reason::Fragment);
    demand!(dropped == 0, "{dropped} packets made no whole");
    let told = read("ping", &["-c", "2", "-i", "0.02", "-W", "2", &OURS.to_string()]).await?;
    demand!(told.contains("2 received"), "it no longer answers: {told}");
    Ok(format!("{LONG} bytes in one datagram, {}", seen.join(" and ")))
}

pub(crate) async fn unreachable() -> Outcome {
    let shore = Shore::new().await?;
    let mut options = udp::Options::default();
    options.errors = true;
    let socket = udp::Socket::bind(&shore.stack, 0, options)?;
    for remote in [at(KERNEL, 9), at(KERNEL_V6, 9)] {
        socket.send_to(b"anybody?", remote).await?;
        let heard = socket.recv_from(&mut [0; 8]).await;
        let expected = Err(udp::Error::Undelivered { remote, why: Unreachable::Port });
        demand!(heard == expected, "the kernel's word did not reach the socket: {heard:?}");
    }
    Ok("told to the socket, v4 and v6".into())
}
