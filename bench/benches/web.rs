//! The web framework beside axum, on real sockets: `cargo bench -p wavetank-bench --bench web [-- ROUNDS]`.
//!
//! Both servers run on one thread each, built in the same way, and are asked in turn by `wrk`, round by round. What counts is
//! requests a second of the server's own processor time, and the ratio within a round: a busy machine is as busy for both.
//! Linux only, where the system tells what a process has used.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

type Outcome<T> = Result<T, Box<dyn Error>>;

const NAMES: [&str; 2] = ["wavetank", "axum"];
const WORKS: [(&str, &str); 5] = [
    ("plaintext", "/plaintext"),
    ("JSON", "/json"),
    ("two parameters", "/users/tom/posts/7"),
    ("ten middlewares", "/layers"),
    ("1 MiB streamed", "/stream"),
];
const CONNECTIONS: &str = "32";
const IDLE: usize = 10_000;
/// What Linux counts processor time in.
const TICKS_A_SECOND: f64 = 100.0;

fn main() -> Outcome<()> {
    // `cargo bench` says `--bench`.
    let rounds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(7);
    let programs = NAMES.map(build);
    let mut servers = Vec::new();
    for program in programs {
        servers.push(Server::start(&program?)?);
    }
    println!("| work | wavetank, requests a CPU second | axum | ratio, median of {rounds} rounds | from – to |");
    println!("|---|---|---|---|---|");
    for (name, path) in WORKS {
        let mut rates = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            // Each comes first in turn.
            for turn in 0..servers.len() {
                let who = (round + turn) % servers.len();
                rates[who].push(servers[who].rate(path)?);
            }
        }
        let mut ratios: Vec<f64> = rates[0].iter().zip(&rates[1]).map(|(ours, theirs)| ours / theirs).collect();
        let ratio = median(&mut ratios);
        let [ours, theirs] = rates.map(|mut rates| median(&mut rates));
        let (low, high) = (ratios[0], ratios[ratios.len() - 1]);
        println!("| {name} | {ours:.0} | {theirs:.0} | {ratio:.2} | {low:.2} – {high:.2} |");
    }
    let mut held = Vec::new();
    for server in &servers {
        held.push(server.bytes_an_idle_connection()?);
    }
    println!("\nmemory an idle connection, of {IDLE}: wavetank {} bytes, axum {} bytes", held[0], held[1]);
    Ok(())
}

/// On one processor where that can be asked for: the servers on one, who asks them on another.
fn pinned(program: &Path, processor: &str) -> Command {
    let many = std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
    if many && Command::new("taskset").arg("--version").stdout(Stdio::null()).status().is_ok() {
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", processor]).arg(program);
        return command;
    }
    Command::new(program)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Builds a peer in its own folder, with its own lock file.
fn build(name: &str) -> Outcome<PathBuf> {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = bench.join("peers").join(format!("web-{name}"));
    let artifacts = bench.with_file_name("target/peers").join(format!("web-{name}"));
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let built = cargo
        .current_dir(&home)
        .args(["build", "--release", "--locked", "--quiet"])
        .env("CARGO_TARGET_DIR", &artifacts)
        .status()?;
    if !built.success() {
        return Err(format!("{} does not build", home.display()).into());
    }
    Ok(artifacts.join("release").join(format!("peer-web-{name}")))
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(program: &Path) -> Outcome<Self> {
        let mut child = pinned(program, "0").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout was asked for as a pipe")).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().to_owned() })
    }

    /// Requests a second of the server's processor time, by two seconds of `wrk`.
    fn rate(&self, path: &str) -> Outcome<f64> {
        let before = self.cpu_s()?;
        let url = format!("http://{}{path}", self.address);
        let output = pinned(Path::new("wrk"), "1").args(["-t1", "-c", CONNECTIONS, "-d2s", &url]).output();
        let output = output.map_err(|error| format!("wrk, Debian's package of that name: {error}"))?;
        let said = String::from_utf8(output.stdout)?;
        if said.contains("Non-2xx") {
            return Err(format!("{url}: {said}").into());
        }
        let line = said.lines().find(|line| line.contains(" requests in ")).ok_or("wrk counts nothing")?;
        let requests: f64 = line.split_whitespace().next().ok_or("wrk counts nothing")?.parse()?;
        Ok(requests / (self.cpu_s()? - before))
    }

    fn cpu_s(&self) -> Outcome<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // After the name, which may hold anything, come 11 others before the user's and the system's time.
        let (_, rest) = stat.rsplit_once(')').ok_or("no such process")?;
        let mut ticks = 0.0;
        for field in rest.split_whitespace().skip(11).take(2) {
            ticks += field.parse::<f64>()?;
        }
        Ok(ticks / TICKS_A_SECOND)
    }

    fn resident_bytes(&self) -> Outcome<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no such process")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<usize>()? * 1_024)
    }

    /// Each has asked once.
    fn bytes_an_idle_connection(&self) -> Outcome<usize> {
        let before = self.resident_bytes()?;
        let mut idle = Vec::new();
        for _ in 0..IDLE {
            let mut connection = TcpStream::connect(&self.address)?;
            connection.write_all(b"GET /plaintext HTTP/1.1\r\nhost: hub\r\n\r\n")?;
            let read = connection.read(&mut [0; 1_024])?;
            assert!(read > 0, "the server answers");
            idle.push(connection);
        }
        Ok((self.resident_bytes()? - before) / IDLE)
    }
}

impl Drop for Server {
    /// It ends with its standard input.
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.wait() {
            eprintln!("a server cannot be waited for: {error}");
        }
    }
}
