//! The SNTP client against chrony.

use std::time::{SystemTime, UNIX_EPOCH};

use tokio::process::Child;
use tokio::time::{Duration, timeout};
use wavetank_stack::sntp::{Client, Error, Event, Options, PORT};
use wavetank_stack::time::{SetClock, WallClock};

use crate::shore::{KERNEL, Shore, at, bound, entropy, start};
use crate::table::{Failure, Outcome, demand};

async fn chrony(shore: &Shore, more: &str) -> Result<Child, Failure> {
    let pid = shore.file("chrony.pid", "")?;
    std::fs::remove_file(&pid)?;
    let settings = format!("user root\nallow all\ncmdport 0\nbindcmdaddress /\npidfile {pid}\n{more}\n");
    let settings = shore.file("chrony.conf", &settings)?;
    // Without touching the system's clock.
    let server = start("chronyd", &["-x", "-d", "-f", &settings])?;
    bound("udp", 123).await?;
    Ok(server)
}

pub(crate) async fn sets() -> Outcome {
    let shore = Shore::new().await?;
    let _server = chrony(&shore, "local stratum 3").await?;
    let wall = SetClock::new(shore.clock);
    let mut client = Client::new(&shore.stack, &shore.clock, &wall, entropy(), Options::default());
    let mut events = Vec::new();
    let servers = [KERNEL.into()];
    let running = client.run(&servers, |event| events.push(event));
    let _never = timeout(Duration::from_secs(3), running).await;
    demand!(matches!(events[..], [Event::Set { .. }]), "{events:?}");
    let ours = wall.now_unix_micros().unwrap_or_default();
    let theirs = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros() as u64;
    let off = ours.abs_diff(theirs);
    demand!(off < 5_000, "{off} µs off");
    Ok(format!("{off} µs off"))
}

pub(crate) async fn unsynchronised() -> Outcome {
    let shore = Shore::new().await?;
    // Without a source, and not told to go by its own clock.
    let _server = chrony(&shore, "").await?;
    let wall = SetClock::new(shore.clock);
    let mut client = Client::new(&shore.stack, &shore.clock, &wall, entropy(), Options::default());
    let refused = client.ask(at(KERNEL, PORT)).await;
    let known = matches!(refused, Err(Error::Unsynchronised | Error::Kissed(_)));
    demand!(known, "a server without a time: {refused:?}");
    Ok(format!("{refused:?}"))
}
