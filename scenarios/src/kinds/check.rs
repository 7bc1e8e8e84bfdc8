//! What is wrong with a configuration: the sentences that several kinds need.

use crate::schema::ConfigProblem;
use crate::units::Time;

/// All that is wrong with one.
#[derive(Default)]
pub(super) struct Findings(Vec<ConfigProblem>);

impl Findings {
    /// The value of `key` will not do, and how to mend it.
    pub(super) fn refuse(&mut self, key: &'static str, what: impl Into<String>, help: impl Into<String>) {
        self.0.push(ConfigProblem::at(key, what).help(help));
    }

    /// Nobody listens at port 0; `help` says what to write.
    pub(super) fn port(&mut self, key: &'static str, port: u16, help: &str) {
        if port == 0 {
            self.refuse(key, "port 0 is no port", help);
        }
    }

    /// A time that must not be shorter than that.
    pub(super) fn at_least(&mut self, key: &'static str, time: Time, least: Time, help: &str) {
        if time < least {
            self.refuse(key, format!("`{key}` is at least {least}"), help);
        }
    }

    /// A time that must not be nothing; `help` says what to write.
    pub(super) fn not_zero(&mut self, key: &'static str, time: Time, help: &str) {
        if time.as_nanos() == 0 {
            self.refuse(key, format!("`{key}` cannot be 0"), help);
        }
    }

    /// The keys `backoff_base` and `backoff_cap`.
    pub(super) fn backoff(&mut self, base: Time, cap: Time) {
        if cap < base {
            self.refuse(
                "backoff_cap",
                "`backoff_cap` is shorter than `backoff_base`",
                format!("make it at least {base}"),
            );
        }
    }

    /// The pages of a flash that a store takes, each for what `help` says.
    pub(super) fn pages(&mut self, key: &'static str, pages: u16, least: u16, help: &str) {
        if pages < least {
            self.refuse(key, format!("`{key}` is at least {least}"), help);
        }
    }

    pub(super) fn all(self) -> Vec<ConfigProblem> {
        self.0
    }
}
