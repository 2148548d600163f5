//! The programs that tests and bench drive davy with, installed where that is allowed.
//!
//! Only what is missing is installed, by the distribution's own apt-get; a machine that has all of
//! it needs neither apt-get, root nor a network.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::step::Step;

/// What is used, and the Debian package it comes from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tool {
    kind: Kind,
    name: &'static str,
    package: &'static str,
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// A file on the PATH.
    Program,
    /// A module of Python's; Debian keeps one of its standard library apart.
    PythonModule,
    /// A gem of Ruby's, as Debian packages it.
    Gem,
    /// A file, by its path.
    File,
}

/// Makes sure that these tools are there.
pub(crate) fn install_missing(tools: &[Tool]) -> Result<()> {
    let path = path();
    let packages = packages(&missing(tools, &path));
    if packages.is_empty() {
        return Ok(());
    }
    let list = packages.join(" ");
    let Some(rights) = rights(&path) else {
        bail!("programs are needed that are not here; install these: {list}");
    };
    println!("== tools: installing {list}");
    let apt = |name, words: &[&str]| Step::program(name, &[rights, APT_GET, words].concat());
    let install = apt("install", &[&["install", "--no-install-recommends"], &*packages].concat());
    // Lists of packages that are there and fresh enough are left as they are.
    if !install.try_silently() {
        apt("update", &["update"]).run()?;
        install.run()?;
    }
    match &*missing(tools, &path) {
        [] => Ok(()),
        [tool, ..] => bail!("{} is installed, but {} is not to be found", tool.package, tool.name),
    }
}

/// The PATH, and where Debian keeps programs that are root's, which is not on everybody's.
fn path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    std::env::join_paths(folders).unwrap_or(path)
}

/// The tools that are not to be found with this PATH.
fn missing<'a>(tools: &'a [Tool], path: &OsStr) -> Vec<&'a Tool> {
    let is_there = |tool: &&Tool| match tool.kind {
        Kind::Program => is_on(path, tool.name),
        Kind::PythonModule => has_module(path, tool.name),
        Kind::Gem => has_gem(path, tool.name),
        Kind::File => Path::new(tool.name).is_file(),
    };
    tools.iter().filter(|tool| !is_there(tool)).collect()
}

fn packages(tools: &[&Tool]) -> Vec<&'static str> {
    tools.iter().map(|tool| tool.package).collect()
}

fn is_on(path: &OsStr, program: &str) -> bool {
    std::env::split_paths(path).any(|folder| folder.join(program).is_file())
}

fn has_module(path: &OsStr, module: &str) -> bool {
    let import = ["python3", "-c", &format!("import {module}")];
    is_on(path, "python3") && Step::program("python3", &import).try_silently()
}

fn has_gem(path: &OsStr, gem: &str) -> bool {
    let activate = ["ruby", "-e", &format!("gem '{gem}'")];
    is_on(path, "ruby") && Step::program("ruby", &activate).try_silently()
}

/// What has to stand before apt-get for it to be allowed to install; None if it never is.
fn rights(path: &OsStr) -> Option<&'static [&'static str]> {
    if !is_on(path, "apt-get") {
        return None;
    }
    // The owner of this folder is the process's effective user.
    if Path::new("/proc/self").metadata().is_ok_and(|process| process.uid() == 0) {
        return Some(&[]);
    }
    let sudo: &[&str] = &["sudo", "-n"];
    Step::program("sudo", &[sudo, &["true"]].concat()).try_silently().then_some(sudo)
}

const APT_GET: &[&str] = &[
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "apt-get",
    "-qq",
    "-y",
    "-o",
    "DPkg::Lock::Timeout=120",
];

/// What the tests use.
pub(crate) const FOR_TESTS: [Tool; 19] = [
    PYTHON,
    ENSUREPIP,
    Tool { kind: Kind::Program, name: "dig", package: "bind9-dnsutils" },
    Tool { kind: Kind::Program, name: "curl", package: "curl" },
    Tool { kind: Kind::Program, name: "mariadb", package: "mariadb-client-core" },
    Tool { kind: Kind::Program, name: "debootstrap", package: "debootstrap" },
    Tool { kind: Kind::Program, name: "node", package: "nodejs" },
    Tool { kind: Kind::Program, name: "npm", package: "npm" },
    // davy starts PHP itself: whether the system's own services run is all the same.
    Tool { kind: Kind::Program, name: "php-fpm8.2", package: "php8.2-fpm" },
    Tool { kind: Kind::Program, name: "php-cgi8.2", package: "php8.2-cgi" },
    Tool {
        kind: Kind::File,
        name: "/etc/php/8.2/mods-available/mysqli.ini",
        package: "php8.2-mysql",
    },
    // It brings Chromium along.
    Tool { kind: Kind::Program, name: "chromedriver", package: "chromium-driver" },
    Tool { kind: Kind::Program, name: "ruby", package: "ruby" },
    Tool { kind: Kind::Program, name: "bundle", package: "bundler" },
    Tool { kind: Kind::Gem, name: "minitest", package: "ruby-minitest" },
    Tool { kind: Kind::Gem, name: "mysql2", package: "ruby-mysql2" },
    Tool { kind: Kind::Gem, name: "sinatra", package: "ruby-sinatra" },
    Tool { kind: Kind::Gem, name: "puma", package: "puma" },
    // 17 MB with all that it needs; the package `rails` would bring Node as well.
    Tool { kind: Kind::Gem, name: "rails", package: "ruby-rails" },
];

/// What the bench uses, but for what it installs into a folder of its own.
pub(crate) const FOR_BENCH: [Tool; 3] =
    [PYTHON, ENSUREPIP, Tool { kind: Kind::Program, name: "wrk", package: "wrk" }];

const PYTHON: Tool = Tool { kind: Kind::Program, name: "python3", package: "python3" };
const ENSUREPIP: Tool =
    Tool { kind: Kind::PythonModule, name: "ensurepip", package: "python3-venv" };

#[cfg(test)]
mod tests;
