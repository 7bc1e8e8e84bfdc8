//! The command line's shape.

mod seeds;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use wavetank_scenarios::units::Time;
use wavetank_sim::session::Pace;

pub(crate) use self::seeds::{Diff, Explain, Explore, Format, Replay, Shown, Shrink, Trace};
#[cfg(feature = "tui")]
use crate::values::Sight;
use crate::values::{self, Forward, Seed};

/// A wave tank for networks: devices, links and servers in virtual time, from one seed.
#[derive(Debug, Parser)]
#[command(
    name = "wavetank",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 all expectations held, 1 one broke, 2 bad input or usage, 3 a run did not repeat itself, \
        130 ended by Ctrl-C."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Runs a scenario and says what held and what broke.
    Run(Run),
    /// Runs a scenario with many seeds, and says what broke with which of them.
    Explore(Explore),
    /// Runs a seed again, and shows its events as text.
    Replay(Replay),
    /// Writes the events of a run in a format that other programs read.
    Trace(Trace),
    /// Says where two runs part, and what led to it.
    Diff(Diff),
    /// Makes a failing scenario as small as it can be, every fault that is left explicit.
    Shrink(Shrink),
    /// Says which faults caused a failure, and what happened in between.
    Explain(Explain),
    /// Runs seeds for `explore`, which starts it.
    #[command(name = "__worker", hide = true)]
    Worker,
    /// Says everything that is wrong with scenario files.
    Check(Check),
    /// Watches a scenario run, in the terminal.
    #[cfg(feature = "tui")]
    Watch(Watch),
    /// Lists what a node can be.
    Kinds(Kinds),
    /// Lists what can go wrong: faults, impairments of links, storms.
    Faults(Faults),
    /// Prints the scenario language as a JSON Schema, for editors.
    Schema,
    /// Serves an application of the tank on a real socket.
    #[cfg(feature = "serve")]
    Serve(Serve),
    /// Prints the completions of a shell.
    Completions(Completions),
}

/// `wavetank run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The scenario; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// What every random choice is drawn from: a number, 0x and hex digits, or `random` [default: the scenario's].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<Seed>,
    /// Ends the run at this virtual time, such as 250ms or 30s [default: the scenario's duration].
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = values::time)]
    pub(crate) until: Option<Time>,
    /// Prints one JSON object instead of the summary.
    #[arg(long)]
    pub(crate) json: bool,
    /// Writes a pcapng file for every link and node into this folder.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) pcap: Option<PathBuf>,
    /// Writes every event of the run into this file, a JSON object a line.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) trace: Option<PathBuf>,
    /// Runs twice, and names the first event that differs.
    #[arg(long, conflicts_with = "pace")]
    pub(crate) verify: bool,
    /// Lets virtual time pass no faster than so many times the wall clock's, such as 1x [default: as fast as it goes].
    #[arg(long, value_name = "RATE", value_parser = values::pace)]
    pub(crate) pace: Option<Pace>,
    /// Lets connections to this address of the host through to a node's port: 127.0.0.1:8080=hub:80. In real time unless
    /// --pace says otherwise; may be given several times.
    #[arg(long, value_name = "ADDR=NODE:PORT", value_parser = values::forward, conflicts_with_all = ["verify", "inputs"])]
    pub(crate) forward: Vec<Forward>,
    /// Writes down all that enters by --forward, and when, so that --inputs can have the run again.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "forward")]
    pub(crate) record_inputs: Option<PathBuf>,
    /// Has the same enter the run again that --record-inputs wrote down, at the same times; with its seed, to its end.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["verify", "seed", "until"])]
    pub(crate) inputs: Option<PathBuf>,
}

/// `wavetank check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Scenario files, or folders of them; `-` is standard input.
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::AnyPath)]
    pub(crate) files: Vec<PathBuf>,
}

/// `wavetank watch`.
#[cfg(feature = "tui")]
#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// The scenario; `-` is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
    /// As in `wavetank run`.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) seed: Option<Seed>,
    /// Stands still at this virtual time, such as 31.25s, or `failure`: where the run first goes wrong [default: runs].
    #[arg(long, value_name = "TIME", value_parser = values::sight)]
    pub(crate) at: Option<Sight>,
    /// Prints what is seen there as text, of 100x30 if no size is given, and needs no terminal.
    #[arg(long, value_name = "COLUMNSxROWS", requires = "at", conflicts_with = "pace", num_args = 0..=1,
        default_missing_value = "100x30", value_parser = values::size)]
    pub(crate) picture: Option<(u16, u16)>,
    /// How fast virtual time passes at first, such as 1x or 0.5x [default: 1x].
    #[arg(long, value_name = "PACE", value_parser = values::pace)]
    pub(crate) pace: Option<Pace>,
}

/// `wavetank kinds`.
#[derive(Debug, Args)]
pub(crate) struct Kinds {
    /// Shows these kinds alone, such as `thermostat` [default: all].
    pub(crate) names: Vec<String>,
    /// Prints them as a JSON array, with the schemas of their configurations.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wavetank faults`.
#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// Shows these alone, such as `clog` [default: all].
    pub(crate) names: Vec<String>,
    /// Prints them as a JSON array, each with its parameters and an example.
    #[arg(long)]
    pub(crate) json: bool,
}

/// `wavetank serve`.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(subcommand)]
    pub(crate) application: Application,
}

#[cfg(feature = "serve")]
#[derive(Debug, Subcommand)]
pub(crate) enum Application {
    /// The hub that thermostats report to, until Ctrl-C.
    TelemetryHub {
        #[command(flatten)]
        sockets: Sockets,
        /// The file that readings are kept in [default: memory].
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        data: Option<PathBuf>,
        #[command(flatten)]
        security: Security,
    },
}

/// Where an application listens.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct Sockets {
    /// Where to listen: an address and a port, or unix:PATH; may be given several times [default: 127.0.0.1:8080, or the sockets that systemd hands over].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<wavetank_scenarios::hub::Place>,
    /// Who may connect to the sockets at unix:PATH, as chmod(1) says it in digits: 660 is for the group, too [default: 600].
    #[arg(long, value_name = "MODE", value_parser = values::mode)]
    pub(crate) unix_mode: Option<u32>,
    #[cfg(feature = "tls")]
    #[command(flatten)]
    pub(crate) tls: Tls,
}

/// What an application proves its name by.
#[cfg(feature = "tls")]
#[derive(Debug, Args)]
pub(crate) struct Tls {
    /// The certificate, and those that vouch for it, in PEM: TCP is then served over TLS alone.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

/// Who may do what at a hub.
#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct Security {
    /// The file with the token that makes somebody the admin [default: there is no admin].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// The file with the secret that devices' keys are made from [default: devices need no keys].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) device_secret_file: Option<PathBuf>,
    /// The Ed25519 key that firmware must be signed with, 64 hex digits [default: it need not be signed].
    #[arg(long, value_name = "HEX", value_parser = values::public_key)]
    pub(crate) firmware_key: Option<wavetank_scenarios::hub::firmware::PublicKey>,
}

/// `wavetank completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// Whose.
    pub(crate) shell: Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// A verb's arguments without the verb before them.
    #[derive(Debug, Parser)]
    struct Alone<A: Args> {
        #[command(flatten)]
        arguments: A,
    }

    fn parse<A: Args>(line: &str) -> Result<A, clap::Error> {
        let words = std::iter::once("verb").chain(line.split_whitespace());
        Alone::try_parse_from(words).map(|alone| alone.arguments)
    }

    fn verb(line: &str) -> Result<Verb, clap::Error> {
        let words = std::iter::once("wavetank").chain(line.split_whitespace());
        Arguments::try_parse_from(words).map(|arguments| arguments.verb)
    }

    #[test]
    fn the_shape_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_run_needs_only_its_file() {
        let run: Run = parse("a.toml").unwrap();
        assert_eq!(run.file, PathBuf::from("a.toml"));
        assert!(run.seed.is_none() && run.until.is_none() && run.pace.is_none());
        assert!(!run.json && !run.verify);
    }

    #[test]
    fn a_run_takes_all_that_it_is_told() {
        let line = "a.toml --seed 0x2a --until 250ms --json --pcap out --trace t.jsonl --pace 1x";
        let run: Run = parse(line).unwrap();
        assert_eq!(run.seed, Some(Seed::Fixed(42)));
        assert_eq!(run.until, Some(Time::from_millis(250)));
        assert!(run.json);
        assert_eq!(run.pcap, Some(PathBuf::from("out")));
        assert_eq!(run.trace, Some(PathBuf::from("t.jsonl")));
        assert_eq!(run.pace, Some(Pace::PerMille(1000)));
    }

    #[test]
    fn connections_are_let_through_to_a_port() {
        let run: Run = parse("a.toml --forward 127.0.0.1:8080=hub:80 --forward [::1]:0=hub:81").unwrap();
        assert_eq!(run.forward[0].address, "127.0.0.1:8080".parse().unwrap());
        assert_eq!(run.forward[1].target.to_string(), "hub:81");
        for line in [
            "a.toml --forward 8080=hub:80",
            "a.toml --forward 127.0.0.1:8080",
            "a.toml --forward 127.0.0.1:8080=hub",
            "a.toml --record-inputs x",
            "a.toml --inputs x --seed 1",
            "a.toml --forward 127.0.0.1:8080=hub:80 --verify",
        ] {
            assert_eq!(parse::<Run>(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn bad_usage_exits_with_2() {
        for line in ["", "a.toml --seed x", "a.toml --until 5", "a.toml --pace 0x", "a.toml --verify --pace 1x"] {
            assert_eq!(parse::<Run>(line).unwrap_err().exit_code(), 2, "{line}");
        }
        for line in ["check", "fly", "completions tea-shell"] {
            assert_eq!(verb(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }

    #[test]
    fn help_and_version_exit_with_0() {
        for line in ["--help", "--version", "check --help"] {
            assert_eq!(verb(line).unwrap_err().exit_code(), 0, "{line}");
        }
    }

    #[cfg(feature = "serve")]
    #[test]
    fn a_server_is_told_where_to_listen() {
        assert!(parse::<Serve>("telemetry-hub --listen 127.0.0.1:0 --data hub.redb").is_ok());
        assert!(parse::<Serve>("telemetry-hub --listen here").is_err());
    }

    #[test]
    fn the_other_verbs_take_what_they_need() {
        for line in ["check a.toml scenarios", "kinds --json", "schema", "completions bash", "run a.toml"] {
            assert!(verb(line).is_ok(), "{line}");
        }
    }
}
