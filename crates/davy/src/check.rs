//! `davy check`: all that is wrong with a project's files, at once.

use std::io::IsTerminal;
use std::process::ExitCode;

use crate::{cli, console, place};

/// Checks and reports; exit code 1 when there are problems.
pub(crate) fn check(options: &cli::Check) -> anyhow::Result<ExitCode> {
    place::project(&options.folder)?;
    match config::load(&options.folder) {
        Ok(_) if options.json => console::put("[]\n"),
        Ok(config) => {
            let names: Vec<&str> =
                config.domain.iter().chain(&config.aliases).map(String::as_str).collect();
            let names = if names.is_empty() { "no domain".into() } else { names.join(", ") };
            console::put(&format!("ok       davy.toml and .env ({names})\n"));
        }
        Err(report) => {
            if options.json {
                console::put(&format!("{:#}\n", report.to_json()));
            } else {
                console::put(&render(&report, &std::io::stdout()));
            }
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A report as a person reads it on `shown_on`, in colour on a terminal.
pub(crate) fn render(report: &config::Report, shown_on: &impl IsTerminal) -> String {
    let color = if shown_on.is_terminal() { config::Color::Always } else { config::Color::Never };
    format!("{}\n", report.render(color).trim_end())
}
