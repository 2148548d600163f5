//! Help, completions and man page tell of all there is, and of nothing else.

use std::process::{Command as Program, Stdio};

use super::*;

fn completions_of(shell: clap_complete::Shell) -> String {
    let mut text = Vec::new();
    generate(shell, &mut with_help_words(Cli::visible()), &mut text);
    String::from_utf8(text).unwrap()
}

/// What bash offers for the last of these words.
fn offered(words: &[&str]) -> Vec<String> {
    let script = "source /dev/stdin <<<\"$1\"; shift; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                  _davy davy \"${@: -1}\" \"${@: -2:1}\"; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let completions = completions_of(clap_complete::Shell::Bash);
    let ran = Program::new("bash")
        .args(["--norc", "-c", script, "bash", &completions])
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_offers_commands_options_and_names() {
    assert_eq!(offered(&["davy", "sta"]), ["status"]);
    assert_eq!(offered(&["davy", "logs", "--gr"]), ["--grep"]);
    assert_eq!(offered(&["davy", "config", "s"]), ["show", "schema"]);
    assert_eq!(offered(&["davy", "completions", "f"]), ["fish"]);
    assert_eq!(offered(&["davy", "help", "dow"]), ["down"]);
    assert_eq!(offered(&["davy", "help", "config", "wor"]), ["workers", "workers_max"]);
    assert_eq!(offered(&["davy", "help", "config", "db.e"]), ["db.engine"]);
}

#[test]
fn roles_are_in_no_shells_completions() {
    for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish]
    {
        let text = completions_of(shell);
        assert!(text.contains("completions") && text.contains("db.engine"), "{text}");
        assert!(!text.contains("spawn") && !text.contains("role"), "{text}");
    }
}

#[test]
fn man_page_has_all_commands_options_and_names() {
    let page = man::page(&Cli::visible(), &config::names());
    for part in [
        ".TH DAVY 1",
        ".SS \"davy up\"",
        ".SS \"davy config show\"",
        "\\fB\\-f, \\-\\-follow\\fR",
        "\\fB\\-\\-http\\fR \\fIADDR\\fR",
        "\\fBengine in [db]\\fR",
        "The shell: bash, zsh, fish",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(!page.contains("spawn"), "{page}");
}

#[test]
fn a_name_is_explained_in_the_words_of_the_manual() {
    let [workers] = &config::names_meant("workers").unwrap()[..] else { panic!("one name") };
    let text = section(workers);
    assert!(text.starts_with("`workers`\n  type:    whole number, 0 to 512\n"), "{text}");
    assert!(text.ends_with("\n\n    workers = 4\n"), "{text}");
    let list = list();
    assert!(list.contains("\n  db.engine        Who runs the database\n"), "{list}");
}
