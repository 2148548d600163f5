//! The command line as people type it, and the page that tells of it.

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
    Cli::visible().debug_assert();
}

#[test]
fn a_port_alone_is_on_this_machine() {
    assert_eq!("8080".parse::<Listen>().unwrap().0.to_string(), "127.0.0.1:8080");
    assert_eq!("[::1]:80".parse::<Listen>().unwrap().0.to_string(), "[::1]:80");
    assert!("localhost:80".parse::<Listen>().is_err());
}

/// What is said when this was typed, which no command is.
fn said(words: &[&str]) -> String {
    let typed = ["davy"].iter().chain(words);
    let error = unknown::explained(Cli::try_parse_from(typed).unwrap_err());
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

#[test]
fn commands_of_other_programs_lead_to_davys() {
    for (typed, command) in [("start", "up"), ("serve", "up"), ("stop", "down"), ("log", "logs")] {
        let said = said(&[typed]);
        assert!(said.contains(&format!("did you mean `davy {command}`?")), "{typed}: {said}");
    }
    let restart = said(&["restart"]);
    assert!(restart.contains("`davy down`, then `davy up`"), "{restart}");
}

#[test]
fn misspelt_commands_lead_to_the_nearest() {
    assert!(said(&["chekc"]).contains("'check'"), "{}", said(&["chekc"]));
}

#[test]
fn every_other_name_leads_to_a_command_that_is_there() {
    for typed in ["start", "stop", "log", "validate", "show", "schema", "completion"] {
        let said = said(&[typed]);
        let command = said.split("did you mean `").nth(1).unwrap().split('`').next().unwrap();
        let parsed = Cli::try_parse_from(command.split(' '));
        assert!(parsed.is_ok(), "{command}: {parsed:?}");
    }
}

fn logs(words: &[&str]) -> Logs {
    let typed = ["davy", "logs"].iter().chain(words);
    match Cli::try_parse_from(typed).unwrap().command {
        Command::Logs(logs) => logs,
        other => panic!("{other:?}"),
    }
}

#[test]
fn logs_are_short_unless_something_is_searched() {
    assert_eq!(logs(&[]).count(), LineCount::Last(20));
    assert_eq!(logs(&["--grep", "x"]).count(), LineCount::All);
    assert_eq!(logs(&["-n", "5", "-g", "-x"]).count(), LineCount::Last(5));
    assert_eq!(logs(&["-fn", "all"]).count(), LineCount::All);
}

#[test]
fn a_bad_pattern_is_underlined() {
    let said = said(&["logs", "--grep", "a(b"]);
    assert!(said.contains("    a(b\n     ^\n") && said.contains("unclosed group"), "{said}");
}

/// Every visible command below this one, with the words to type it.
fn all(command: &clap::Command, typed: &str) -> Vec<(String, clap::Command)> {
    let below = command.get_subcommands().filter(|command| !command.is_hide_set());
    below
        .flat_map(|command| {
            let typed = format!("{typed} {}", command.get_name());
            let inner = all(command, &typed);
            std::iter::once((typed, command.clone())).chain(inner)
        })
        .collect()
}

#[test]
fn the_manual_tells_of_every_command_and_option() {
    let page = include_str!("../../../../docs/cli.md");
    let mut missing = Vec::new();
    for (typed, command) in all(&Cli::visible(), "davy") {
        let sections: Vec<&str> = page.split("\n## ").skip(1).collect();
        let top = typed.split(' ').take(2).collect::<Vec<_>>().join(" ");
        let section = sections.iter().find(|section| section.starts_with(&top));
        let Some(section) = section.filter(|section| section.contains(&typed)) else {
            missing.push(typed);
            continue;
        };
        for option in command.get_arguments().filter(|option| option.get_id() != "help") {
            let long = option.get_long().map(|long| format!("--{long}"));
            let short = option.get_short().map(|short| format!("-{short}"));
            let said = long.into_iter().chain(short).all(|flag| section.contains(&flag));
            if !said {
                missing.push(format!("{typed} {option}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/cli.md does not tell of {missing:#?}");
}

#[test]
fn roles_are_not_for_people() {
    let visible: Vec<String> = all(&Cli::visible(), "davy").into_iter().map(|it| it.0).collect();
    assert!(visible.contains(&"davy up".to_owned()), "{visible:?}");
    assert!(!visible.iter().any(|it| it.contains("role") || it.contains("spawn")), "{visible:?}");
}
