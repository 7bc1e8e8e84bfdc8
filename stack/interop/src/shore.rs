//! Where the stack meets the kernel: a TAP device with the stack at one end and an interface at the other.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;

use futures_util::future::join;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tokio::process::{Child, Command};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Duration, sleep};
use wavetank_stack::{Cidr, Config, Route, Stack};
use wavetank_tap::{HostClock, Tap};

use crate::cable::{Cable, Weather};
use crate::table::Failure;

/// The kernel's end of the cable.
pub(crate) const KERNEL: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
/// Our end.
pub(crate) const OURS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
pub(crate) const KERNEL_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
pub(crate) const OURS_V6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);

/// The kernel's name of the cable.
pub(crate) const DEVICE: &str = "tank0";
const MAC: [u8; 6] = [0x02, 0x77, 0, 0, 0, 0x02];

/// A TAP device, a stack at our end of it, and the task that runs it.
pub(crate) struct Shore {
    pub(crate) stack: Stack<'static>,
    pub(crate) clock: HostClock,
    /// A folder for the configuration of programs, gone with this.
    folder: PathBuf,
    runner: JoinHandle<()>,
}

impl Shore {
    /// A stack with our two addresses, and the kernel as its router.
    pub(crate) async fn new() -> Result<Self, Failure> {
        let addresses = [Cidr::v4(OURS, 24), Cidr::v6(OURS_V6, 64)];
        let routes = [Route::default_via(KERNEL.into()), Route::default_via(KERNEL_V6.into())];
        Self::with(&Config::new(&addresses, &routes), None).await
    }

    /// The same without the router, over a cable of the tank's.
    pub(crate) async fn stormy(weather: Weather) -> Result<Self, Failure> {
        Self::with(&Config::new(&[Cidr::v4(OURS, 24)], &[]), Some(weather)).await
    }

    /// A stack that nobody has told an address.
    pub(crate) async fn bare() -> Result<Self, Failure> {
        Self::with(&Config::default(), None).await
    }

    async fn with(config: &Config<'_>, weather: Option<Weather>) -> Result<Self, Failure> {
        let clock = HostClock::new();
        let tap = Tap::open(DEVICE, MAC)?;
        ip(&["link", "set", "lo", "up"]).await?;
        ip(&["address", "add", &format!("{KERNEL}/24"), "dev", DEVICE]).await?;
        ip(&["address", "add", &format!("{KERNEL_V6}/64"), "dev", DEVICE, "nodad"]).await?;
        ip(&["link", "set", DEVICE, "up"]).await?;
        let folder = std::env::temp_dir().join(format!("wavetank-interop-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        let seed = entropy().next_u64();
        let (stack, runner) = match weather {
            None => {
                let (stack, mut runner) = Stack::shared(tap, clock, config, seed);
                (stack, spawn_local(async move { runner.run().await }))
            }
            Some(weather) => {
                let (cable, berth) = Cable::stormy(tap, weather, seed);
                let (stack, mut runner) = Stack::shared(berth, clock, config, seed);
                let runs = async move {
                    join(runner.run(), cable.carry()).await;
                };
                (stack, spawn_local(runs))
            }
        };
        Ok(Self { stack, clock, folder, runner })
    }

    /// Writes a file that a program reads, and answers with its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> Result<String, Failure> {
        let path = self.folder.join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Shore {
    fn drop(&mut self) {
        self.runner.abort();
        // The next case makes its own; what is left behind lies in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Numbers that no earlier run drew. Nobody attacks this network: the time is entropy enough.
pub(crate) fn entropy() -> ChaCha8Rng {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    ChaCha8Rng::seed_from_u64(now.as_nanos() as u64)
}

/// An address and a port.
pub(crate) fn at(address: impl Into<std::net::IpAddr>, port: u16) -> SocketAddr {
    SocketAddr::new(address.into(), port)
}

/// Has the kernel change something of its network.
pub(crate) async fn ip(arguments: &[&str]) -> Result<(), Failure> {
    read("ip", arguments).await.map(drop)
}

/// Runs a program to its end, and answers with what it wrote.
pub(crate) async fn read(program: &str, arguments: &[&str]) -> Result<String, Failure> {
    let output = command(program).args(arguments).output().await.map_err(|error| cannot_start(program, &error))?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.success() {
        true => Ok(text),
        false => Err(Failure::Told(format!("{program} {}: {}: {text}", arguments.join(" "), output.status))),
    }
}

/// dnsmasq with that file of settings. It writes no file with its number: two that begin at once would be in each other's way.
pub(crate) fn dnsmasq(settings: &str) -> Result<Child, Failure> {
    start("dnsmasq", &["--keep-in-foreground", "--pid-file", &format!("--conf-file={settings}")])
}

/// Waits until somebody takes what comes to a port of the kernel's: a program takes its time to begin.
pub(crate) async fn bound(transport: &str, port: u16) -> Result<(), Failure> {
    // proc(5), /proc/net/tcp and udp: the local address is the second column, as it lies in memory, the state the fourth; 0A is
    // LISTEN.
    let kernel = format!("{:08X}", u32::from_ne_bytes(KERNEL.octets()));
    let is_it = |line: &str| {
        let mut columns = line.split_whitespace().skip(1).step_by(2);
        let local = columns.next().and_then(|local| local.split_once(':')).is_some_and(|(address, number)| {
            number == format!("{port:04X}") && (address == kernel || address.bytes().all(|digit| digit == b'0'))
        });
        local && (transport == "udp" || columns.next() == Some("0A"))
    };
    for _ in 0..500 {
        let tables = ["", "6"].map(|family| std::fs::read_to_string(format!("/proc/self/net/{transport}{family}")));
        if tables.into_iter().flatten().any(|table| table.lines().any(is_it)) {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    Err(Failure::Told(format!("nobody is at {transport} port {port} after 10 s")))
}

/// Starts a program that goes on until what this answers is dropped.
pub(crate) fn start(program: &str, arguments: &[&str]) -> Result<Child, Failure> {
    command(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| cannot_start(program, &error))
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    // Where Debian keeps its servers, for whoever is root without a login.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin")).kill_on_drop(true);
    command
}

fn cannot_start(program: &str, error: &std::io::Error) -> Failure {
    match error.kind() {
        std::io::ErrorKind::NotFound => Failure::Absent(program.to_owned()),
        _ => Failure::Told(format!("{program} cannot be started: {error}")),
    }
}
