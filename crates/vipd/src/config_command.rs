//! `vipd config`: a configuration file, expanded: as it is written, or as it is in force.

use crate::{CONFIG, cli, color, output};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use vipd_config::{Options, Strictness, Written, setting};

pub(crate) fn run(arguments: &cli::Config) -> ExitCode {
    let options = Options {
        config_id: arguments.config_id.clone(),
        include_checks_all: arguments.all_config,
        strictness: Strictness::Check,
        written: Written::Keep,
        ..Options::default()
    };
    let file = arguments.file.as_deref().unwrap_or(Path::new(CONFIG));
    let loaded = vipd_config::load(file, &options);
    let Some(config) = &loaded.config else {
        eprint!("{}", vipd_config::render_text(&loaded, color(io::stderr().is_terminal())));
        return ExitCode::from(2);
    };
    let settings = if arguments.effective { vipd_config::effective::effective(config) } else { config.written.clone() };
    if arguments.json {
        output::print_json("config", &setting::json(&settings), ExitCode::SUCCESS)
    } else {
        output::print("config", &setting::text(&settings), ExitCode::SUCCESS)
    }
}
