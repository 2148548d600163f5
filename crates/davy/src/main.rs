//! The binary: what was typed becomes one of davy's commands, or one of the roles the keeper starts.
//!
//! ```text
//! davy up ──▶ keeper ──▶ davy role edge │ db │ site     (wire.rs: one function per role)
//! davy status, davy ps, davy down ──▶ the keeper's davy.sock
//! davy trace ──▶ the edge, by way of the keeper
//! davy check, davy config ──▶ config
//! davy logs ──▶ the files in .davy/log
//! davy help, completions, man ──▶ cli.rs and the names of davy.toml
//! ```
//! Only this crate reads davy's own environment and ends the process.

mod check;
mod cli;
mod configuration;
mod console;
mod control;
mod help;
mod keeper;
mod logs;
mod place;
mod ps;
mod roles;
mod run;
mod settings;
mod trace;
mod up;
mod wire;

use std::process::ExitCode;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let outcome = match Cli::read().command {
        Command::Up(options) => up::up(&options),
        Command::Check(options) => check::check(&options),
        Command::Status(options) => control::status(&options),
        Command::Ps(options) => ps::ps(&options),
        Command::Logs(options) => logs::read::logs(&options),
        Command::Trace(options) => trace::trace(&options),
        Command::Run(options) => run::run(&options),
        Command::Shell(options) => run::shell(&options),
        Command::Down(options) => control::down(&options),
        Command::Config(cli::Config::Show(options)) => configuration::show(&options),
        Command::Config(cli::Config::Schema) => Ok(configuration::schema()),
        Command::Help(options) => help::help(&options),
        Command::Completions(options) => Ok(help::completions(&options)),
        Command::Man => Ok(help::man()),
        Command::Role(role) => wire::run(&role),
        Command::Spawn { orders, argv } => {
            let error = proc::run_spawn_role(&orders, &argv);
            Err(anyhow::Error::from(error)
                .context(format!("{} can't be started", argv[0].display())))
        }
    };
    let code = outcome.unwrap_or_else(|error| {
        console::complain(&format!("{error:#}"));
        ExitCode::FAILURE
    });
    logs::flush();
    code
}
