//! The instruments that run inside a host: `probe echo`, `probe ask`.

use clap::{Parser, Subcommand};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer every datagram with a name, for ever.
    Echo {
        #[arg(long)]
        name: String,
        #[arg(long, default_value_t = 7)]
        port: u16,
    },
    /// Ask every so often and print what was seen as JSON.
    Ask {
        #[arg(long)]
        to: SocketAddr,
        /// Milliseconds.
        #[arg(long, default_value_t = 5)]
        every: u64,
        /// Milliseconds.
        #[arg(long)]
        duration: u64,
        /// End as soon as there is a file of this name.
        #[arg(long)]
        until: Option<PathBuf>,
    },
    /// Send packets that must not be believed.
    Junk {
        #[arg(long)]
        vrid: u8,
        /// Milliseconds.
        #[arg(long, default_value_t = 10)]
        every: u64,
        /// Milliseconds.
        #[arg(long)]
        duration: u64,
    },
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Cli::parse().command {
        Command::Echo { name, port } => vipd_tests::probe::echo(&name, port)?,
        Command::Junk { vrid, every, duration } => {
            let (every, duration) = (Duration::from_millis(every), Duration::from_millis(duration));
            println!("sent {}", vipd_tests::junk::storm(vrid, every, duration)?);
        }
        Command::Ask { to, every, duration, until } => {
            let (every, duration) = (Duration::from_millis(every), Duration::from_millis(duration));
            let enough = || until.as_ref().is_some_and(|file| file.exists());
            let seen = vipd_tests::probe::ask_until(to, every, duration, enough)?;
            println!("{}", serde_json::to_string(&seen)?);
        }
    }
    Ok(())
}
