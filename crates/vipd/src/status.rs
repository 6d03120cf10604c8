//! `vipd status`: asks the running daemon and shows what it says. What a status contains is the daemon's affair
//! (`vipd_api::Status`); how it looks is in `text`.

mod table;
#[cfg(test)]
mod tests;
mod text;

use crate::control::ask;
use crate::output::{print, print_json};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use table::Colour;
pub(crate) use table::{in_place, shown};
use text::Depth;
pub(crate) use text::{fine, large};
use vipd_api::{Reply, Request, Status, UnixTime};

/// How long to wait for the daemon. It gives up on its own parts after ten seconds and says so.
const PATIENCE: Duration = Duration::from_secs(12);

/// Asks the daemon behind `socket` and prints its status as tables or as JSON. 0: printed; 1: no status was to be had.
pub(crate) fn run(socket: &Path, json: bool) -> ExitCode {
    let status = match ask(socket, &Request::Status, PATIENCE) {
        Ok(Reply::Status(status)) => *status,
        Ok(_) => {
            eprintln!("vipd status: the daemon answered something else");
            return ExitCode::FAILURE;
        }
        Err(e) => {
            eprintln!("vipd status: {e}");
            return ExitCode::FAILURE;
        }
    };
    if json {
        return print_json("status", &status, ExitCode::SUCCESS);
    }
    print("status", &text::page(&status, now(), Depth::Brief, colour()), ExitCode::SUCCESS)
}

/// Everything there is to say, as plain text: what a dump on request writes.
pub(crate) fn render(status: &Status) -> String {
    text::page(status, now(), Depth::Full, Colour::Never)
}

/// What each instance has counted, in the lines that readers of keepalived's statistics know.
pub(crate) fn statistics(status: &Status) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for instance in &status.instances {
        let counters = &instance.counters;
        let rejected = |names: &[&str]| -> u64 {
            counters.rejected.iter().filter(|(name, _)| names.contains(&name.as_str())).map(|(_, n)| n).sum()
        };
        // Writing to a string can't fail.
        let _ = write!(
            text,
            "VRRP Instance: {}\n  Advertisements:\n    Received: {}\n    Sent: {}\n  Became master: {}\n  \
             Released master: {}\n  Packet Errors:\n    Length: {}\n    TTL: {}\n    Invalid Type: {}\n    \
             Advertisement Interval: {}\n    Address List: {}\n  Authentication Errors:\n    Invalid Type: 0\n    \
             Type Mismatch: {}\n    Failure: {}\n  Priority Zero:\n    Received: {}\n    Sent: {}\n",
            instance.name,
            counters.adverts_received,
            counters.adverts_sent,
            counters.became_master,
            counters.released_master,
            rejected(&["packet_length"]),
            rejected(&["ttl"]),
            rejected(&["type"]),
            rejected(&["advert_interval"]),
            rejected(&["destination"]),
            rejected(&["auth_type"]),
            rejected(&["auth_password", "auth_ah_next_header", "auth_ah_invalid_icv", "auth_ah_spi", "auth_ah_replay"]),
            counters.priority_zero_received,
            counters.priority_zero_sent,
        );
    }
    text
}

fn now() -> UnixTime {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// On a terminal that wants it (<https://no-color.org>).
fn colour() -> Colour {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    if io::stdout().is_terminal() && !refused && !dumb { Colour::Ansi } else { Colour::Never }
}
