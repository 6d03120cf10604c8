//! The console role.

use crate::channel;
use std::process::ExitCode;
use tokio::net::UnixStream;

/// Runs the role until the supervisor says `Stop` or is gone.
pub(crate) async fn run(stream: UnixStream) -> ExitCode {
    let (_receiver, _sender) = channel::split(stream);
    ExitCode::SUCCESS
}
