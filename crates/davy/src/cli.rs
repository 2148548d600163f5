//! The command line.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};

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
    /// Follow one request through all nine steps, and see where its time goes
    Trace(Trace),
    /// Stop what runs in a folder
    Down(Down),
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
pub(crate) struct Down {
    /// The project's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(crate) folder: PathBuf,
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_port_alone_is_on_this_machine() {
        assert_eq!("8080".parse::<Listen>().unwrap().0.to_string(), "127.0.0.1:8080");
        assert_eq!("[::1]:80".parse::<Listen>().unwrap().0.to_string(), "[::1]:80");
        assert!("localhost:80".parse::<Listen>().is_err());
    }
}
