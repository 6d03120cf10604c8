//! `vipd config`: a configuration file, expanded: as it is written, or as it is in force. And who is
//! found beside what it says.

use crate::{CONFIG, cli, color, found, output, status};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use vipd_config::model::Config;
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
        output::print("config", &(setting::text(&settings) + &remarks(config)), ExitCode::SUCCESS)
    }
}

/// Who is known where real servers are found while the daemon runs, which the file can't say: comments behind it. What can't
/// be read, as root alone may read it, is not known.
fn remarks(config: &Config) -> String {
    let found = found::inherited(Path::new(vipd_api::SOCKET), config).unwrap_or_default();
    let remarks = found::remarks(config, &found).into_iter();
    remarks
        .map(|remark| {
            format!(
                "# {}
",
                status::shown(&remark)
            )
        })
        .collect()
}
