//! The man page: man(7), one page for all commands, as davy is one program.
//!
//! clap_mangen knows commands one at a time; here the page is put together from them, so that
//! `davy man` is all that a package needs to install.

use clap::{Arg, Command};
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use config::Name;

/// The page, in roff.
pub(super) fn page(davy: &Command, names: &[Name]) -> String {
    let version = format!("davy {}", davy.get_version().unwrap_or_default());
    let mut page = Roff::new();
    page.control("TH", ["DAVY", "1", "", version.as_str(), "davy's manual"]);
    page.control("SH", ["NAME"]);
    let about = davy.get_about().map(ToString::to_string).unwrap_or_default();
    page.text([roman(format!("davy - {}", about.trim_end_matches('.')))]);
    page.control("SH", ["SYNOPSIS"]);
    for command in leaves(davy, "davy") {
        page.text(command.synopsis());
        page.control("br", []);
    }
    page.control("SH", ["COMMANDS"]);
    for command in leaves(davy, "davy") {
        command.describe(&mut page);
    }
    page.control("SH", ["DAVY.TOML"]);
    for name in names {
        describe(name, &mut page);
    }
    page.control("SH", ["EXIT STATUS"]);
    for (code, meaning) in EXIT_STATUS {
        entry(&mut page, [bold(code)], [meaning.to_owned()]);
    }
    page.control("SH", ["FILES"]);
    for (file, meaning) in FILES {
        entry(&mut page, [italic(file)], [meaning.to_owned()]);
    }
    page.render()
}

/// A command that does something, and the words to type it.
struct Leaf<'a> {
    typed: String,
    command: &'a Command,
}

/// The commands below this one that have none below them.
fn leaves<'a>(command: &'a Command, typed: &str) -> Vec<Leaf<'a>> {
    let below = command.get_subcommands().flat_map(|command| {
        let typed = format!("{typed} {}", command.get_name());
        match command.has_subcommands() {
            true => leaves(command, &typed),
            false => vec![Leaf { typed, command }],
        }
    });
    below.collect()
}

impl Leaf<'_> {
    fn synopsis(&self) -> Vec<Inline> {
        let mut line = vec![bold(&self.typed)];
        for option in self.options() {
            line.push(roman(" ["));
            line.extend(flags(option));
            line.push(roman("]"));
        }
        for argument in self.command.get_positionals() {
            let name = value_name(argument);
            line.push(roman(" "));
            match argument.is_required_set() {
                true => line.push(italic(name)),
                false => line.extend([roman("["), italic(name), roman("]")]),
            }
        }
        line
    }

    fn describe(&self, page: &mut Roff) {
        page.control("SS", [self.typed.as_str()]);
        let about = self.command.get_about().map(ToString::to_string).unwrap_or_default();
        page.text([roman(format!("{about}."))]);
        for option in self.options() {
            entry(page, flags(option), [help(option)]);
        }
        for argument in self.command.get_positionals() {
            entry(page, [italic(value_name(argument))], [help(argument)]);
        }
    }

    /// But `--help`, which every command has.
    fn options(&self) -> impl Iterator<Item = &Arg> {
        let arguments = self.command.get_arguments();
        arguments.filter(|argument| {
            !argument.is_positional() && !argument.is_hide_set() && argument.get_id() != "help"
        })
    }
}

fn flags(option: &Arg) -> Vec<Inline> {
    let short = option.get_short().map(|short| format!("-{short}"));
    let long = option.get_long().map(|long| format!("--{long}"));
    let mut line = vec![bold(short.into_iter().chain(long).collect::<Vec<_>>().join(", "))];
    if option.get_action().takes_values() {
        line.extend([roman(" "), italic(value_name(option))]);
    }
    line
}

fn value_name(argument: &Arg) -> String {
    match argument.get_value_names() {
        Some(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        None => argument.get_id().as_str().to_uppercase(),
    }
}

fn help(argument: &Arg) -> String {
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values = argument.get_possible_values();
    let values: Vec<&str> = values
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(clap::builder::PossibleValue::get_name)
        .collect();
    match argument.get_action().takes_values() && !values.is_empty() {
        true => format!("{help}: {}", values.join(", ")),
        false => help,
    }
}

fn describe(name: &Name, page: &mut Roff) {
    let title = name.title().replace('`', "");
    let meaning = name.meaning.replace('`', "");
    let kind = format!("{}; default: {}", name.types, name.default).replace('`', "");
    let paragraphs = meaning.split("\n\n").map(|text| text.replace('\n', " "));
    entry(page, [bold(title)], paragraphs.chain([kind]));
}

/// A paragraph with a tag in front, and further ones below it.
fn entry(
    page: &mut Roff,
    tag: impl Into<Vec<Inline>>,
    paragraphs: impl IntoIterator<Item = String>,
) {
    page.control("TP", []);
    page.text(tag);
    for (at, paragraph) in paragraphs.into_iter().enumerate() {
        if at > 0 {
            page.control("br", []);
        }
        page.text([roman(paragraph)]);
    }
}

const EXIT_STATUS: [(&str, &str); 4] = [
    ("0", "Done."),
    (
        "1",
        "It failed, and the reason stands on standard error; check, config show: there are \
         mistakes; logs --grep: nothing matches.",
    ),
    ("2", "The command line can't be understood."),
    ("3", "status, ps, down: davy does not run in this folder."),
];
const FILES: [(&str, &str); 3] = [
    ("DIR/davy.toml", "The description of the site. All of it is optional."),
    ("DIR/.env", "Variables for the application's environment."),
    ("DIR/.davy/", "All that davy makes for the site: its database, logs, packages and sockets."),
];
