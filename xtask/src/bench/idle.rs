//! `cargo xtask bench idle`: what a connection costs that is kept and does nothing.
//!
//! Ten thousand connections each ask for a small file once, and then nothing more. The server's
//! memory before and after tells what each of them holds; it is counted how many are still open.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::contender::{DAVY, FILES, NGINX, Running};
use super::layout::Layout;
use super::place::Place;
use super::{http, memory};

/// Measures both, prints it, and fails if davy holds too much.
pub(crate) fn idle() -> Result<()> {
    let place = Place::prepare()?;
    raise_file_limit()?;
    println!("\n{CONNECTIONS} idle connections, each after one request for a small file; PSS");
    println!("{:8} {:>10} {:>12} {:>12} {:>14}", "", "open", "before KiB", "with KiB", "KiB each");
    let mut all = Vec::new();
    for contender in FILES {
        let held = measure(&contender.start(&place, Layout::Two, None)?)?;
        let Held { open, before_kib, with_kib } = held;
        let each = held.kib_each();
        println!("{:8} {open:>10} {before_kib:>12} {with_kib:>12} {each:>14.2}", contender.name);
        all.push((contender.name, held));
    }
    judge(&all)
}

/// What a server held.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Connections that were still open at the end.
    open: usize,
    before_kib: u64,
    with_kib: u64,
}

impl Held {
    fn kib_each(self) -> f64 {
        (self.with_kib as f64 - self.before_kib as f64) / self.open.max(1) as f64
    }
}

fn judge(all: &[(&str, Held)]) -> Result<()> {
    let held = |wanted| all.iter().find(|(name, _)| *name == wanted).map(|(_, held)| *held);
    let (Some(davy), Some(nginx)) = (held(DAVY), held(NGINX)) else { bail!("one is missing") };
    let each = davy.kib_each();
    println!("davy holds {:.1} times what nginx does", each / nginx.kib_each());
    if davy.open < CONNECTIONS {
        bail!("davy closed {} of {CONNECTIONS} connections", CONNECTIONS - davy.open);
    }
    if each > KIB_EACH_MAX {
        bail!("missed: {each:.2} KiB for a connection are more than {KIB_EACH_MAX}");
    }
    println!("ok: at most {KIB_EACH_MAX} KiB for a connection");
    Ok(())
}

fn measure(server: &Running) -> Result<Held> {
    let roots = server.roots();
    let before_kib = memory::pss_kib(&roots)?;
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for number in 1..=CONNECTIONS {
        let connection = connect(server).with_context(|| format!("connection {number}"))?;
        connections.push(connection);
    }
    let with_kib = memory::pss_kib(&roots)?;
    let open = connections.iter().filter_map(|stream| is_open(stream).ok()).filter(|o| *o);
    Ok(Held { open: open.count(), before_kib, with_kib })
}

fn connect(server: &Running) -> Result<TcpStream> {
    let mut stream = TcpStream::connect_timeout(&server.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let answer = http::ask(&mut stream, server.address, server.contender.site.path())?;
    match answer.status {
        200 => Ok(stream),
        status => bail!("status {status}"),
    }
}

/// Whether the server has not closed it.
fn is_open(stream: &TcpStream) -> std::io::Result<bool> {
    stream.set_nonblocking(true)?;
    match stream.peek(&mut [0]) {
        Err(error) => Ok(error.kind() == ErrorKind::WouldBlock),
        Ok(_) => Ok(false),
    }
}

/// As many open files as the system allows, here and in the servers that inherit it.
fn raise_file_limit() -> Result<()> {
    let own = std::process::id().to_string();
    let prlimit = |limit: &str| {
        let words = ["--pid", &own, limit, "--noheadings", "--raw", "--output", "HARD"];
        Command::new("prlimit").args(words).output().context("prlimit can't start")
    };
    let output = prlimit("--nofile")?;
    let hard = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let files = hard.parse().unwrap_or(usize::MAX);
    if files < CONNECTIONS + FILES_BESIDES {
        bail!("only {files} open files are allowed here: raise the hard limit (ulimit -Hn)");
    }
    let set = Command::new("prlimit").args(["--pid", &own, &format!("--nofile={hard}:")]).status();
    match set.context("prlimit can't start")?.success() {
        true => Ok(()),
        false => bail!("prlimit can't raise the limit of open files to {hard}"),
    }
}

const CONNECTIONS: usize = 10_000;

/// Files that bench and servers have open besides.
const FILES_BESIDES: usize = 500;

/// What davy may hold for each.
const KIB_EACH_MAX: f64 = 10.0;

const PATIENCE: Duration = Duration::from_secs(10);
