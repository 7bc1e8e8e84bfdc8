//! The web framework beside axum and actix-web, on real sockets:
//! `cargo bench -p wavetank-bench --bench web [-- ROUNDS [SECONDS]]`.
//!
//! The servers run on one thread each, built in the same way, and are asked in turn by `wrk`, round by round, and then by `oha`,
//! if it is installed. What counts is requests a second of the server's own processor time, and the ratio within a round: a busy
//! machine is as busy for all. Then come the memory of idle connections, and what is allocated for a request. Linux only, where
//! the system tells what a process has used.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

type Outcome<T> = Result<T, Box<dyn Error>>;

const NAMES: [&str; 3] = ["wavetank", "axum", "actix"];
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
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<usize>().ok());
    let (rounds, seconds) = (numbers.next().unwrap_or(7), numbers.next().unwrap_or(2));
    let counter = build("allocations")?;
    let mut servers = Vec::new();
    for name in NAMES {
        servers.push(Server::start(&build(name)?)?);
    }
    compare(&servers, Load::Wrk, rounds, seconds)?;
    if Command::new("oha").arg("--version").stdout(Stdio::null()).status().is_ok() {
        compare(&servers, Load::Oha, rounds, seconds)?;
    } else {
        println!("\nthere is no oha here, which would ask the same");
    }
    for (name, server) in NAMES.iter().zip(&servers) {
        let bytes = server.bytes_an_idle_connection()?;
        println!("\nmemory an idle connection of {name}, of {IDLE}: {bytes} bytes");
    }
    drop(servers);
    println!("\n{}", String::from_utf8(Command::new(counter).output()?.stdout)?);
    Ok(())
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum Load {
    Wrk,
    Oha,
}

/// A row a work: what each server does, and how much of it the others do in the same round.
fn compare(servers: &[Server], load: Load, rounds: usize, seconds: usize) -> Outcome<()> {
    println!(
        "\n{load:?}: | work | wavetank, requests a CPU second | axum | ratio, median of {rounds} rounds | from – to | actix | ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (name, path) in WORKS {
        let mut rates = [Vec::new(), Vec::new(), Vec::new()];
        for round in 0..rounds {
            // Each comes first in turn.
            for turn in 0..servers.len() {
                let who = (round + turn) % servers.len();
                rates[who].push(servers[who].rate(load, path, seconds)?);
            }
        }
        let ratios = |theirs: &[f64]| {
            let mut ratios: Vec<f64> = rates[0].iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
            (median(&mut ratios), ratios[0], ratios[ratios.len() - 1])
        };
        let ((axum, low, high), (actix, ..)) = (ratios(&rates[1]), ratios(&rates[2]));
        let [ours, of_axum, of_actix] = rates.map(|mut rates| median(&mut rates));
        println!(
            "| {name} | {ours:.0} | {of_axum:.0} | {axum:.2} | {low:.2} – {high:.2} | {of_actix:.0} | {actix:.2} |"
        );
    }
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

/// How many requests were answered by 200.
fn wrk(url: &str, seconds: usize) -> Outcome<f64> {
    let output = pinned(Path::new("wrk"), "1").args(["-t1", "-c", CONNECTIONS, &format!("-d{seconds}s"), url]).output();
    let output = output.map_err(|error| format!("wrk, Debian's package of that name: {error}"))?;
    let said = String::from_utf8(output.stdout)?;
    if said.contains("Non-2xx") {
        return Err(format!("{url}: {said}").into());
    }
    let line = said.lines().find(|line| line.contains(" requests in ")).ok_or("wrk counts nothing")?;
    Ok(line.split_whitespace().next().ok_or("wrk counts nothing")?.parse()?)
}

/// The same. `oha` writes the counts of statuses: `"statusCodeDistribution": { "200": 12345 }`.
fn oha(url: &str, seconds: usize) -> Outcome<f64> {
    // Older ones, such as 1.8, have it by another name.
    let help = String::from_utf8(Command::new("oha").arg("--help").output()?.stdout)?;
    let json: &[&str] = if help.contains("--output-format") { &["--output-format", "json"] } else { &["--json"] };
    let common = [&["--no-tui", "-c", CONNECTIONS], json].concat();
    let output = pinned(Path::new("oha"), "1").args(common).arg("-z").arg(format!("{seconds}s")).arg(url).output()?;
    let said = String::from_utf8(output.stdout)?;
    let statuses = said.split("\"statusCodeDistribution\"").nth(1).and_then(|rest| rest.split(['{', '}']).nth(1));
    let statuses = statuses.ok_or_else(|| format!("oha says something else than it did: {said}"))?;
    match statuses.split_once(':') {
        Some((status, count)) if status.trim() == "\"200\"" => Ok(count.trim().parse()?),
        _ => Err(format!("{url}: {statuses}").into()),
    }
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

    /// Requests a second of the server's processor time.
    fn rate(&self, load: Load, path: &str, seconds: usize) -> Outcome<f64> {
        let before = self.cpu_s()?;
        let url = format!("http://{}{path}", self.address);
        let requests = match load {
            Load::Wrk => wrk(&url, seconds)?,
            Load::Oha => oha(&url, seconds)?,
        };
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
