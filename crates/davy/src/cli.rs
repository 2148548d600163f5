//! The command line: what may be typed, and what is said when something else was.
//!
//! These types are the only list of commands and options. `--help`, `davy help`, the completions and
//! the man page are made of them; a test holds docs/cli.md against them.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use regex::Regex;

mod unknown;

use crate::trace::told::Tracing;

/// The whole web stack of a site in one program: DNS, web server, application server, MySQL.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the site in a folder, with all that it needs, until Ctrl-C
    Up(Up),
    /// Check davy.toml and .env, and say all that is wrong at once
    Check(Check),
    /// Show what runs in a folder
    Status(Status),
    /// Show the workers that run in a folder, and what they are at
    Ps(Ps),
    /// Print what has been logged in a folder, and what is being logged
    Logs(Logs),
    /// Follow one request through all nine steps, and see where its time goes
    Trace(Trace),
    /// Run a command as the site's own processes run, with its variables, packages and database
    Run(Run),
    /// Open a shell as the site's own processes run
    Shell(InSite),
    /// Stop what runs in a folder
    Down(Down),
    /// Show the configuration, and all that can be configured
    #[command(subcommand)]
    Config(Config),
    /// Show the help of a command, or of a name in davy.toml: `davy help config workers`
    Help(Help),
    /// Print the completions of a shell
    Completions(Completions),
    /// Print the man page, in roff: `davy man | man -l -`
    Man,
    /// A part of the stack; started by the keeper
    #[command(hide = true, subcommand)]
    Role(Role),
    /// The step between the start of a child and the child itself
    #[command(hide = true)]
    Spawn {
        /// What the child is held to, as JSON.
        orders: String,
        /// The child.
        #[arg(last = true, required = true)]
        argv: Vec<OsString>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Where the web server listens: PORT or ADDRESS:PORT [default: 127.0.0.1:8080, or the next free port]
    #[arg(long, value_name = "ADDR")]
    pub(crate) http: Option<Listen>,
    /// Where the name server listens, UDP and TCP [default: 127.0.0.1:5300, or the next free port]
    #[arg(long, value_name = "ADDR")]
    pub(crate) dns: Option<Listen>,
    /// Whether requests and statements are taken note of, for `davy trace`
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t)]
    pub(crate) trace: Tracing,
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Print the problems as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// What to ask for: http://NAME/PATH, NAME/PATH, or /PATH of the project's own domain
    pub(crate) url: String,
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) site: InSite,
    /// The command and its arguments: `davy run python manage.py migrate`
    #[arg(
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "COMMAND"
    )]
    pub(crate) argv: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct InSite {
    /// The project's folder
    #[arg(short = 'C', long, default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Go on with what comes, until Ctrl-C; davy need not run yet
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// How many lines, counted from the last: a number or `all` [default: 20; all with --grep]
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) lines: Option<LineCount>,
    /// Print only lines that match a regular expression
    #[arg(short, long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub(crate) grep: Option<Regex>,
    /// Print an object of JSON for each line
    #[arg(long)]
    pub(crate) json: bool,
}

impl Logs {
    /// How many lines are asked for.
    pub(crate) fn count(&self) -> LineCount {
        let unasked = if self.grep.is_some() { LineCount::All } else { LineCount::Last(20) };
        self.lines.unwrap_or(unasked)
    }
}

/// How many lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineCount {
    /// As many as there are.
    All,
    /// That many at the end.
    Last(u64),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show davy.toml and .env as davy understands them, with defaults, and where each value stands
    Show(Show),
    /// Print the JSON schema of davy.toml, for editors
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Help {
    /// A command; or `config` and a name in davy.toml, such as `workers` or `db.engine`
    #[arg(value_name = "COMMAND")]
    pub(crate) words: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: Shell,
}

/// The shells that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The roles that the keeper starts.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Role {
    /// Steps 2 to 6, 8 and 9: DNS, HTTP, files, the sites' queues
    Edge,
    /// Step 7: the database's care and the relay
    Db,
    /// Step 7: one site: its dependencies and workers
    Site {
        /// The site's name, shown in process lists.
        name: String,
    },
}

/// A port, or an address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listen(pub(crate) SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Listen, String> {
        if let Ok(port) = text.parse::<u16>() {
            return Ok(Listen(SocketAddr::from(([127, 0, 0, 1], port))));
        }
        text.parse()
            .map(Listen)
            .map_err(|_| "expected a port, or an address and a port such as 127.0.0.1:8080".into())
    }
}

impl FromStr for LineCount {
    type Err = String;

    fn from_str(text: &str) -> Result<LineCount, String> {
        match text {
            "all" => Ok(LineCount::All),
            _ => text
                .parse()
                .map(LineCount::Last)
                .map_err(|_| "expected a number such as 100, or `all`".into()),
        }
    }
}

impl Cli {
    /// What was typed. Anything else is answered here: with help, or with exit code 2.
    pub(crate) fn read() -> Cli {
        Cli::try_parse().unwrap_or_else(|error| unknown::explained(error).exit())
    }

    /// Answers a word that is no command, as if it had been typed alone.
    pub(crate) fn refuse(word: &str) -> ! {
        match Cli::visible().try_get_matches_from(["davy", word]) {
            Err(error) => unknown::explained(error).exit(),
            // Unreachable: a word that is no command is an error, and a command has a help.
            Ok(_) => std::process::exit(2),
        }
    }

    /// The commands and options that are meant for people: no roles.
    pub(crate) fn visible() -> clap::Command {
        let mut all = Cli::command();
        all.build();
        let shown = all.get_subcommands().filter(|command| !command.is_hide_set());
        let mut visible = clap::Command::new("davy")
            .version(env!("CARGO_PKG_VERSION"))
            .arg_required_else_help(true)
            .subcommand_required(true)
            .disable_help_subcommand(true)
            .subcommands(shown.cloned());
        if let Some(about) = all.get_about() {
            visible = visible.about(about.clone());
        }
        visible
    }
}

#[cfg(test)]
mod tests;
