//! `davy help`, and what else is made of the same definitions: completions and the man page.
//!
//! ```text
//!   cli.rs ──────────────┐
//!   names of davy.toml ──┴─▶ help, completions, man page
//! ```
//! Nothing here names a command or a name of davy.toml but `help` and `config`, which take the others
//! as arguments.

mod man;

use std::process::ExitCode;

use clap::Command;
use config::Name;

use crate::cli::{self, Cli, Shell};
use crate::console::{complain, put};

/// `davy help …`: exit code 2 when there is no such command or name.
pub(crate) fn help(options: &cli::Help) -> anyhow::Result<ExitCode> {
    let words: Vec<&str> = options.words.iter().map(String::as_str).collect();
    let mut command = Cli::visible();
    for (at, word) in words.iter().enumerate() {
        match command.find_subcommand(word) {
            Some(inner) => command = inner.clone(),
            None if words[0] == CONFIG => return Ok(configuration(&words[1..])),
            None if at == 0 => Cli::refuse(word),
            None => {
                complain(&format!("`davy {}` has no command `{word}`", words[..at].join(" ")));
                return Ok(ExitCode::from(UNKNOWN));
            }
        }
    }
    if words == [CONFIG] {
        put(&format!("{}\n{}", command.render_help(), list()));
    } else {
        command.print_help()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `davy help config NAME…`
fn configuration(words: &[&str]) -> ExitCode {
    for (at, word) in words.iter().enumerate() {
        match config::names_meant(word) {
            Ok(names) => {
                let sections: Vec<String> = names.iter().map(section).collect();
                put(&format!("{}{}", if at > 0 { "\n" } else { "" }, sections.join("\n")));
            }
            Err(why) => {
                complain(&format!("{why}\n      `davy help config` lists all names"));
                return ExitCode::from(UNKNOWN);
            }
        }
    }
    ExitCode::SUCCESS
}

/// All names of davy.toml, each with its first sentence.
fn list() -> String {
    let names = config::names();
    let width = names.iter().map(|name| name.dotted().len()).max().unwrap_or(0);
    let line = |name: &Name| {
        let sentence = name.meaning.split(['.', ':']).next().unwrap_or_default().replace('\n', " ");
        format!("  {:<width$}  {sentence}\n", name.dotted())
    };
    let lines: String = names.iter().map(line).collect();
    format!("Names in davy.toml, each explained by `davy help config NAME`:\n{lines}")
}

/// A name as the manual has it, for a terminal.
fn section(name: &Name) -> String {
    let Name { types, default, meaning, example, .. } = name;
    let example = example.replace('\n', "\n    ");
    let title = name.title();
    format!("{title}\n  type:    {types}\n  default: {default}\n\n{meaning}\n\n    {example}\n")
}

/// `davy completions SHELL`.
pub(crate) fn completions(options: &cli::Completions) -> ExitCode {
    let mut command = with_help_words(Cli::visible());
    let mut text = Vec::new();
    match options.shell {
        Shell::Bash => generate(clap_complete::Shell::Bash, &mut command, &mut text),
        Shell::Zsh => generate(clap_complete::Shell::Zsh, &mut command, &mut text),
        Shell::Fish => generate(clap_complete::Shell::Fish, &mut command, &mut text),
    }
    put(&String::from_utf8_lossy(&text));
    ExitCode::SUCCESS
}

fn generate(shell: clap_complete::Shell, command: &mut Command, text: &mut Vec<u8>) {
    clap_complete::generate(shell, command, "davy", text);
}

/// The commands, with what may stand behind `help` as commands of its own: so that shells offer
/// it. A name that more words can follow has no more commands here.
fn with_help_words(visible: Command) -> Command {
    let mut help = Command::new("help");
    for command in visible.get_subcommands() {
        let mut word = Command::new(command.get_name().to_owned());
        word = word.about(command.get_about().cloned().unwrap_or_default());
        let inner = command.get_subcommands().map(|inner| {
            Command::new(inner.get_name().to_owned())
                .about(inner.get_about().cloned().unwrap_or_default())
        });
        word = word.subcommands(inner);
        if command.get_name() == CONFIG {
            word = word.subcommands(config::names().iter().map(|name| Command::new(name.dotted())));
        }
        help = help.subcommand(bare(word));
    }
    visible.mut_subcommand("help", |old| {
        bare(help).about(old.get_about().cloned().unwrap_or_default())
    })
}

/// Without the options and commands that clap adds by itself.
fn bare(command: Command) -> Command {
    command.disable_help_flag(true).disable_help_subcommand(true)
}

/// `davy man`.
pub(crate) fn man() -> ExitCode {
    put(&man::page(&Cli::visible(), &config::names()));
    ExitCode::SUCCESS
}

/// The command whose help includes the names of davy.toml.
const CONFIG: &str = "config";
/// As for a command line that can't be understood.
const UNKNOWN: u8 = 2;

#[cfg(test)]
mod tests;
