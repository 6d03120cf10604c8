//! `vipd switchover` and `vipd maintenance`: the operator moves the master away.

use crate::cli::{Maintenance, OnOff, Switchover};
use crate::control::ask;
use crate::output::print;
use crate::status::shown;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use vipd_api::{Order, Reply, Request};

/// How long to wait for the answer.
const PATIENCE: Duration = Duration::from_secs(12);

/// 0: done; 1: not, and why.
pub(crate) fn switchover(arguments: &Switchover) -> ExitCode {
    let name = arguments.name.clone();
    let order = if arguments.undo { Order::TakeBack { name } } else { Order::HandOver { name } };
    steer("switchover", &arguments.socket, order)
}

/// 0: done; 1: not, and why.
pub(crate) fn maintenance(arguments: &Maintenance) -> ExitCode {
    let order = match arguments.switch {
        OnOff::On => Order::Maintenance,
        OnOff::Off => Order::Serve,
    };
    steer("maintenance", &arguments.socket, order)
}

fn steer(command: &str, socket: &Path, order: Order) -> ExitCode {
    match ask(socket, &Request::Steer(order), PATIENCE) {
        Ok(Reply::Steered { done }) => {
            let text: String = done.iter().map(|line| shown(line) + "\n").collect();
            print(command, &text, ExitCode::SUCCESS)
        }
        Ok(_) => {
            eprintln!("vipd {command}: the daemon answered something else");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("vipd {command}: {e}");
            ExitCode::FAILURE
        }
    }
}
