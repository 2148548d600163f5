//! `davy run` and `davy shell`: a command in the environment of a running site.
//!
//! ```text
//!   davy run ──▶ keeper ──▶ a channel to the site ──▶ its folder and variables ──▶ exec
//! ```
//! The command takes davy's place in the terminal, so that it has its keys, its size and its exit
//! code. It runs as whoever typed it, beside the site's processes and not under the keeper.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, bail};
use proc::Channel;
use serde::{Deserialize, Serialize};

use crate::cli;
use crate::console::complain;
use crate::control::{Ask, Reply, inquire};
use crate::place::{Place, Surroundings};

/// What a site's processes run with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Surround {
    /// The folder they run in.
    pub(crate) folder: PathBuf,
    /// Variables added to those that are inherited.
    pub(crate) variables: BTreeMap<String, String>,
}

/// `davy run COMMAND`: the exit code is the command's own; 127 when there is none.
pub(crate) fn run(options: &cli::Run) -> anyhow::Result<ExitCode> {
    become_command(&options.site, &options.argv)
}

/// `davy shell`: the shell that SHELL names.
pub(crate) fn shell(options: &cli::InSite) -> anyhow::Result<ExitCode> {
    let shell = std::env::var_os("SHELL").filter(|shell| !shell.is_empty());
    become_command(options, &[shell.unwrap_or_else(|| "/bin/sh".into())])
}

/// Returns only when the command can't be started.
fn become_command(site: &cli::InSite, argv: &[OsString]) -> anyhow::Result<ExitCode> {
    let place = Place::of(&site.folder, &Surroundings::read())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let surround = runtime.block_on(surround(&place))?;
    let [program, arguments @ ..] = argv else { bail!("there is no command") };
    let error = Command::new(program)
        .args(arguments)
        .envs(&surround.variables)
        .current_dir(&surround.folder)
        .exec();
    complain(&format!("{} can't be run: {error}", OsStr::display(program)));
    let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
    Ok(ExitCode::from(code))
}

async fn surround(place: &Place) -> anyhow::Result<Surround> {
    let Some((Reply::Channel, mut fds)) = inquire(place, Ask::Site).await? else {
        bail!("davy does not run in {}; start it with `davy up`", place.project.display());
    };
    let channel = Channel::from_fd(fds.pop().context("the keeper sent no channel")?)?;
    let told = tokio::time::timeout(SITE_IS_UP_WITHIN, channel.receive::<Surround>()).await;
    let told = told.context("the site is not up yet; `davy status` shows how it is")??;
    let (surround, _) = told.context("the site has ended; `davy logs` says why")?;
    Ok(surround)
}

/// As shells have them (POSIX, 2.8.2).
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;
/// Dependencies may still have to be installed.
const SITE_IS_UP_WITHIN: Duration = Duration::from_secs(120);
