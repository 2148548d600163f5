//! What other programs call davy's commands. clap itself offers what is spelt alike, and would take
//! `start` for a misspelt `status`.

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue};

/// An error of the command line with a better tip, where there is one.
pub(super) fn explained(mut error: clap::Error) -> clap::Error {
    let Some(ContextValue::String(typed)) = error.get(ContextKind::InvalidSubcommand) else {
        return error;
    };
    if let Some(tip) = tip(typed) {
        error.remove(ContextKind::SuggestedSubcommand);
        let tips = ContextValue::StyledStrs(vec![StyledStr::from(tip)]);
        error.insert(ContextKind::Suggested, tips);
    }
    error
}

fn tip(typed: &str) -> Option<String> {
    if typed == "restart" {
        return Some("use `davy down`, then `davy up`".to_owned());
    }
    let (_, command) = OTHERS.iter().find(|(others, _)| others.contains(&typed))?;
    Some(format!("did you mean `davy {command}`?"))
}

/// What others call it, and what davy does.
const OTHERS: [(&[&str], &str); 9] = [
    (&["start", "serve", "server", "runserver", "dev", "launch"], "up"),
    (&["stop", "kill", "quit", "shutdown", "halt", "end"], "down"),
    (&["ls", "list", "info", "state"], "status"),
    (&["top", "workers", "processes"], "ps"),
    (&["log", "tail", "journal"], "logs"),
    (&["validate", "lint", "test", "verify", "doctor", "configtest"], "check"),
    (&["show", "conf", "settings"], "config show"),
    (&["schema"], "config schema"),
    (&["completion", "complete"], "completions bash"),
];
