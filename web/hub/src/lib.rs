//! The telemetry hub: a web application that stores what devices report.
