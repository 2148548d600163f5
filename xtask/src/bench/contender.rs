//! The contenders: what each consists of, and how it is set up.
//!
//! The others are set up as well as we know how: gunicorn with its parser in C, its threads behind
//! an nginx that keeps its connections to them; granian with one thread for the application, which
//! is its best for such a site. Nobody but davy logs requests; davy always does.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::database::Database;
use super::http;
use super::layout::Layout;
use super::place::Place;
use super::process::{POLL, Process, Words};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) site: Site,
    stack: Stack,
}

/// What it serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Site {
    /// A WSGI callable that says hello.
    Hello,
    /// Flask, PyMySQL, twenty rows from MariaDB, Jinja; connections to MariaDB are kept.
    Page,
    /// The same with a connection for every request.
    Fresh,
    /// One small file.
    File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stack {
    Davy(Form),
    /// Behind nginx.
    Gunicorn(Class),
    Granian,
    /// nginx alone.
    Nginx,
}

/// How davy runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// As it comes.
    Usual,
    /// With words behind `davy up`.
    With(&'static [&'static str]),
    /// With a file over the site's own.
    Over(&'static str),
}

/// gunicorn's kinds of worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Two processes for each core; they keep no connections.
    Sync,
    /// One process with four threads for each core.
    Gthread,
}

/// The order is that of the tables.
pub(crate) const HELLO: [Contender; 5] = [
    Contender { name: GTHREAD, site: Site::Hello, stack: Stack::Gunicorn(Class::Gthread) },
    Contender {
        name: "nginx+gunicorn sync",
        site: Site::Hello,
        stack: Stack::Gunicorn(Class::Sync),
    },
    Contender { name: GRANIAN, site: Site::Hello, stack: Stack::Granian },
    Contender { name: DAVY, site: Site::Hello, stack: Stack::Davy(Form::Usual) },
    Contender {
        name: UNTRACED,
        site: Site::Hello,
        stack: Stack::Davy(Form::With(&["--trace", "off"])),
    },
];

pub(crate) const PAGE: [Contender; 3] = page(Site::Page);
pub(crate) const FRESH: [Contender; 3] = page(Site::Fresh);

/// The relay's davy comes first: its MariaDB serves gunicorn too.
const fn page(site: Site) -> [Contender; 3] {
    [
        Contender { name: RELAY, site, stack: Stack::Davy(Form::Usual) },
        Contender { name: DIRECT, site, stack: Stack::Davy(Form::Over("direct")) },
        Contender { name: GTHREAD, site, stack: Stack::Gunicorn(Class::Gthread) },
    ]
}

pub(crate) const FILES: [Contender; 2] = [
    Contender { name: NGINX, site: Site::File, stack: Stack::Nginx },
    Contender { name: DAVY, site: Site::File, stack: Stack::Davy(Form::Usual) },
];

pub(crate) const GTHREAD: &str = "nginx+gunicorn gthread";
pub(crate) const GRANIAN: &str = "granian";
pub(crate) const NGINX: &str = "nginx";
pub(crate) const DAVY: &str = "davy";
pub(crate) const UNTRACED: &str = "davy --trace off";
pub(crate) const RELAY: &str = "davy, relay";
pub(crate) const DIRECT: &str = "davy, relay = \"off\"";

impl Site {
    /// What is asked for.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Site::Hello | Site::Page | Site::File => "/",
            Site::Fresh => "/fresh",
        }
    }
}

impl Contender {
    /// What this davy does not know of what is asked of it; None if it knows all.
    pub(crate) fn refusal(&self, place: &Place) -> Result<Option<String>> {
        let Stack::Davy(form) = self.stack else { return Ok(None) };
        let mut command = Command::new(&place.davy);
        match form {
            Form::Usual => return Ok(None),
            // The help comes only if the words in front of it are understood.
            Form::With(words) => command.arg("up").args(words).arg("--help"),
            Form::Over(_) => command.arg("check").arg(self.folder(place)?),
        };
        let output = command.output().context("davy can't start")?;
        // `up` complains on standard error, `check` reports on standard output.
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason");
        Ok((!output.status.success()).then(|| first.to_owned()))
    }

    /// Whether it runs a database that others may use.
    pub(crate) fn brings_database(&self) -> bool {
        matches!((self.site, self.stack), (Site::Page | Site::Fresh, Stack::Davy(_)))
    }

    /// Its folder, with the site in it.
    fn folder(&self, place: &Place) -> Result<std::path::PathBuf> {
        let site = match self.site {
            Site::Hello => "hello",
            Site::Page | Site::Fresh => "page",
            Site::File => "files",
        };
        let (name, over) = match self.stack {
            Stack::Davy(Form::Usual) => ("davy", None),
            Stack::Davy(Form::With(_)) => ("untraced", None),
            Stack::Davy(Form::Over(layer)) => (layer, Some(layer)),
            Stack::Gunicorn(Class::Sync) => ("sync", None),
            Stack::Gunicorn(Class::Gthread) => ("gthread", None),
            Stack::Granian => ("granian", None),
            Stack::Nginx => ("nginx", None),
        };
        let layers: Vec<&str> = [site].into_iter().chain(over).collect();
        place.site(&format!("{site}-{name}"), &layers)
    }

    /// Starts it and waits until it answers as it should.
    pub(crate) fn start(
        self,
        place: &Place,
        layout: Layout,
        database: Option<&Database>,
    ) -> Result<Running> {
        let folder = self.folder(place)?;
        let address = free_address()?;
        let setup = Setup { place, layout, folder: &folder, address, database };
        let processes = match self.stack {
            Stack::Davy(form) => vec![setup.davy(form)?],
            Stack::Gunicorn(class) => {
                vec![setup.gunicorn(class)?, setup.nginx(&setup.proxy(class))?]
            }
            Stack::Granian => vec![setup.granian()?],
            Stack::Nginx => vec![setup.nginx(&setup.files())?],
        };
        let database = database.filter(|_| !matches!(self.stack, Stack::Davy(_)));
        let mut running =
            Running { contender: self, address, processes, database: database.map(|d| d.pid) };
        let started = running.wait_until_ready();
        started.with_context(|| format!("{} in {}", self.name, folder.display()))?;
        Ok(running)
    }
}

/// A contender that answers; dropped, it is stopped.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) contender: Contender,
    pub(crate) address: SocketAddr,
    processes: Vec<Process>,
    /// A database that is not among its own processes.
    database: Option<u32>,
}

impl Running {
    /// The processes from which all others of it descend, a database that it uses among them.
    pub(crate) fn roots(&self) -> Vec<u32> {
        self.processes.iter().map(Process::pid).chain(self.database).collect()
    }

    /// Fails unless it answers as it should; gives the length of the answer in bytes.
    pub(crate) fn check(&self) -> Result<usize> {
        let answer = http::get(self.address, self.contender.site.path());
        let answer = answer.with_context(|| format!("{} does not answer", self.contender.name))?;
        let text = String::from_utf8_lossy(&answer.content);
        let is_good = match self.contender.site {
            Site::Hello => text == "Hello, world!\n",
            Site::Page | Site::Fresh => {
                text.matches("<li ").count() == 20 && text.contains("Visitor 40<")
            }
            Site::File => text.contains("<title>Idle</title>"),
        };
        if answer.status != 200 || !is_good {
            bail!("{} answers {} and\n{text}", self.contender.name, answer.status);
        }
        Ok(answer.bytes)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while let Err(error) = self.check() {
            for process in &mut self.processes {
                if let Some(status) = process.ended()? {
                    bail!("a server has ended ({status}); start it there to see why");
                }
            }
            if Instant::now() > deadline {
                return Err(error.context("it does not answer; its log lies there"));
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }
}

/// What all servers of a contender are started with.
struct Setup<'a> {
    place: &'a Place,
    layout: Layout,
    folder: &'a Path,
    address: SocketAddr,
    database: Option<&'a Database>,
}

impl Setup<'_> {
    fn davy(&self, form: Form) -> Result<Process> {
        let dns = free_address()?.to_string();
        let mut command = Process::command(&self.place.davy, self.layout);
        command.args(["up", "--http", &self.address.to_string(), "--dns", &dns]);
        if let Form::With(words) = form {
            command.args(words);
        }
        command.current_dir(self.folder).env_remove("DATABASE_URL");
        Process::start(&mut command, Words::Unheard)
    }

    fn gunicorn(&self, class: Class) -> Result<Process> {
        let cores = self.layout.cores();
        let mut command = Process::command(&self.place.python("gunicorn"), self.layout);
        command.args(["--bind", "unix:app.sock", "--no-control-socket", "--worker-class"]);
        match class {
            Class::Sync => command.args(["sync", "--workers", &(2 * cores).to_string()]),
            Class::Gthread => command
                .args(["gthread", "--threads", "4", "--keep-alive", "600"])
                .args(["--workers", &cores.to_string()]),
        };
        self.start(command.arg(self.callable()), "gunicorn.log")
    }

    fn granian(&self) -> Result<Process> {
        let mut command = Process::command(&self.place.python("granian"), self.layout);
        command.args(["--interface", "wsgi", "--http", "1", "--no-ws", "--blocking-threads", "1"]);
        command.args(["--host", &self.address.ip().to_string()]);
        command.args(["--port", &self.address.port().to_string()]);
        command.args(["--workers", &self.layout.cores().to_string()]);
        self.start(command.arg(self.callable()), "granian.log")
    }

    fn nginx(&self, configuration: &str) -> Result<Process> {
        fs::write(self.folder.join("nginx.conf"), configuration)?;
        let mut command = Process::command(&self.place.nginx, self.layout);
        command.args(["-e", "stderr", "-c", "nginx.conf", "-p"]).arg(self.folder);
        self.start(&mut command, "nginx.log")
    }

    fn start(&self, command: &mut Command, log: &str) -> Result<Process> {
        command.current_dir(self.folder);
        command.envs(self.database.into_iter().flat_map(|database| database.variables.clone()));
        Process::start(command, Words::File(&self.folder.join(log)))
    }

    fn callable(&self) -> &'static str {
        // Only the page has a database.
        if self.database.is_some() { "app:app" } else { "app:application" }
    }

    fn proxy(&self, class: Class) -> String {
        let kept = match class {
            Class::Sync => "",
            Class::Gthread => "keepalive 64;",
        };
        self.fill(include_str!("proxy.conf")).replace("KEPT", kept)
    }

    fn files(&self) -> String {
        self.fill(include_str!("files.conf"))
    }

    fn fill(&self, template: &str) -> String {
        let cores = self.layout.cores().to_string();
        template.replace("CORES", &cores).replace("ADDRESS", &self.address.to_string())
    }
}

/// An address on which nobody listens. It is below the ports that the system itself gives away, which
/// somebody else could be given before the server has it.
fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(PORTS.start);
    loop {
        let port = NEXT.fetch_add(1, Ordering::Relaxed);
        if !PORTS.contains(&port) {
            bail!("no port from {} to {} is free", PORTS.start, PORTS.end - 1);
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return Ok(address);
        }
    }
}

const PORTS: Range<u16> = 21_000..32_000;

/// davy may have to install Flask and to fetch MariaDB, once.
const READY_WITHIN: Duration = Duration::from_secs(600);
