//! A project: a folder made for one test, with ports of its own, on which davy is run.

use std::ffi::OsStr;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use tempfile::TempDir;

use crate::clients::tool;
use crate::davy::Davy;
use crate::machine::Machine;
use crate::processes::MARK;
use crate::wordpress;

/// A folder with a site in it, removed at the end.
#[derive(Debug)]
pub struct Project {
    folder: PathBuf,
    ports: [u16; 2],
    env: Vec<(String, String)>,
    place: Place,
}

/// What holds the folder.
#[derive(Debug)]
enum Place {
    Here { _folder: TempDir },
    Machine(Machine),
}

/// How a command of davy ended, and what it said.
#[derive(Debug)]
pub struct Ran {
    /// Its exit code; None when a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Runs a command to its end, with nothing to read.
    pub fn of(command: &mut Command) -> Ran {
        let ran = command.stdin(Stdio::null()).output();
        let ran = ran.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: ran.status.code(), stdout: text(&ran.stdout), stderr: text(&ran.stderr) }
    }
}

impl Project {
    /// A project of these files, in a folder of this name.
    pub fn of(name: &str, files: &[(&str, &str)]) -> Project {
        let project = Project::below(Path::new(name));
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    /// A copy of one of the examples.
    pub fn example(name: &str) -> Project {
        let project = Project::below(Path::new(name));
        project.add_example(name);
        project
    }

    /// An empty project at this path below a temporary folder.
    pub fn below(path: &Path) -> Project {
        let temporary = TempDir::with_prefix("e").unwrap_or_else(|error| panic!("{error}"));
        let folder = temporary.path().join(path);
        Project::at(folder, Place::Here { _folder: temporary })
    }

    /// A copy of WordPress, as it comes from Debian.
    pub fn wordpress(name: &str) -> Project {
        let project = Project::below(Path::new(name));
        wordpress::put_into(&project.folder);
        project
    }

    /// A copy of one of the examples, and davy, in the home of a machine's user.
    pub fn on_machine(machine: Machine, example: &str) -> Project {
        let folder = machine.home().join(example);
        let davy = machine.home().join("davy");
        let copied = fs::copy(davy_program(), &davy);
        copied.unwrap_or_else(|error| panic!("{}: {error}", davy.display()));
        let project = Project::at(folder, Place::Machine(machine));
        project.add_example(example);
        project.machine().give_home();
        project
    }

    fn at(folder: PathBuf, place: Place) -> Project {
        make(&folder);
        Project { folder, ports: [free_port(), free_port()], env: Vec::new(), place }
    }

    /// The machine it lies on.
    pub fn machine(&self) -> &Machine {
        match &self.place {
            Place::Machine(machine) => machine,
            Place::Here { .. } => panic!("{} lies on no machine of its own", self.folder.display()),
        }
    }

    /// Copies an example's files into the project, but nothing that davy made there.
    pub fn add_example(&self, name: &str) {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"));
        copy(&repository.join("examples").join(name), &self.folder);
    }

    /// Sets a variable of davy's own environment.
    #[must_use]
    pub fn with_env(mut self, name: &str, value: &str) -> Project {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The site's name: that of the folder.
    pub fn name(&self) -> &str {
        self.folder.file_name().and_then(OsStr::to_str).unwrap_or_default()
    }

    /// A path in it.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Writes a file, and the folders above it.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.path(path);
        make(file.parent().unwrap_or(&self.folder));
        fs::write(&file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Reads a file.
    pub fn read(&self, path: &str) -> String {
        let file = self.path(path);
        fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// `davy up` on the project's own ports, once it is ready.
    pub fn up(&self) -> Davy<'_> {
        let davy = self.start();
        davy.ready();
        davy
    }

    /// `davy up` on the project's own ports, just started.
    pub fn start(&self) -> Davy<'_> {
        let [http, dns] = self.ports.map(|port| port.to_string());
        self.start_with(&["--http", &http, "--dns", &dns])
    }

    /// `davy up` with these flags, just started.
    pub fn start_with(&self, flags: &[&str]) -> Davy<'_> {
        Davy::start(self.davy(&[&["up"], flags].concat()), self)
    }

    /// A command of davy on the project's folder that goes on until it is ended, just started.
    pub fn start_command(&self, words: &[&str]) -> Davy<'_> {
        Davy::start(self.davy(words), self)
    }

    /// `davy up` on the project's own ports, as on a machine that lacks these programs.
    pub fn start_hiding(&self, programs: &[PathBuf]) -> Davy<'_> {
        let found: Vec<&PathBuf> = programs.iter().filter(|program| program.exists()).collect();
        let [http, dns] = self.ports.map(|port| port.to_string());
        let mut command = match &found[..] {
            [] => self.davy(&["up"]),
            found => self.hidden_from(found),
        };
        command.args(["--http", &http, "--dns", &dns]);
        Davy::start(command, self)
    }

    /// `davy up` in a mount namespace of its own, where these programs are no programs.
    fn hidden_from(&self, programs: &[&PathBuf]) -> Command {
        let plain = self.davy(&["up"]);
        let mut command = Command::new(tool("unshare"));
        command.args(["--mount", "--map-root-user", "--"]).arg(tool("sh")).args(["-c", HIDE, "sh"]);
        command.arg(tool("mount")).args(programs).arg("--");
        command.arg(plain.get_program()).args(plain.get_args());
        for (name, value) in plain.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// A command of davy on the project's folder, run to its end.
    pub fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&mut self.davy(words))
    }

    /// The same, read by a filter of the shell such as `head -n 1`. The exit code is davy's.
    pub fn run_into(&self, filter: &str, words: &[&str]) -> Ran {
        let davy = self.davy(words);
        let mut command = Command::new(tool("bash"));
        command.args(["-c", &format!("\"$@\" | {filter}; exit ${{PIPESTATUS[0]}}"), "bash"]);
        Ran::of(command.arg(davy.get_program()).args(davy.get_args()))
    }

    /// `davy run` with a command, in the environment of the site that is up.
    pub fn run_in_site(&self, words: &[&str]) -> Ran {
        let mut davy = Command::new(davy_program());
        Ran::of(davy.args(["run", "-C"]).arg(&self.folder).args(words))
    }

    /// davy with these words and the folder. But on a machine of its own its home and cache are
    /// those of all tests: what one has fetched serves the others.
    fn davy(&self, words: &[&str]) -> Command {
        let mut command = match &self.place {
            Place::Here { .. } => Command::new(davy_program()),
            Place::Machine(machine) => machine.davy(),
        };
        command.args(words);
        match &self.place {
            Place::Machine(machine) => command.arg(machine.inside(&self.folder)),
            Place::Here { .. } => {
                command.arg(&self.folder).env("HOME", cache().join("home"));
                command.env("XDG_CACHE_HOME", cache()).env_remove("DATABASE_URL");
                command.env_remove("XDG_RUNTIME_DIR").env_remove("VIRTUAL_ENV")
            }
        };
        command.env(MARK, fresh_mark()).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The folder that holds what all tests share, and keep from one run to the next.
pub fn cache() -> &'static Path {
    static CACHE: OnceLock<PathBuf> = OnceLock::new();
    CACHE.get_or_init(|| {
        let cache = target().join("e2e-cache");
        make(&cache.join("home"));
        cache
    })
}

/// The davy under test: `DAVY_BIN`, else the one that was built beside this test.
fn davy_program() -> PathBuf {
    let program = match std::env::var_os("DAVY_BIN") {
        Some(program) => PathBuf::from(program),
        None => profile().join("davy"),
    };
    let hint = "build it first: cargo build -p davy (with --release if the tests have it)";
    assert!(program.is_file(), "there is no davy at {}; {hint}", program.display());
    program
}

/// The folder of all that is built.
pub(crate) fn target() -> &'static Path {
    profile().parent().unwrap_or(profile())
}

/// `target/PROFILE`; the test itself is `target/PROFILE/deps/e2e-…`.
fn profile() -> &'static Path {
    static PROFILE: OnceLock<PathBuf> = OnceLock::new();
    PROFILE.get_or_init(|| {
        let own = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
        own.ancestors().nth(2).unwrap_or(Path::new("target/debug")).to_owned()
    })
}

/// Tells the processes of one start of davy from all others.
fn fresh_mark() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A port that is free for TCP and UDP, and is given out once. It lies below those that the kernel
/// gives to clients, so that none of them takes it meanwhile.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % u32::from(PORTS)).unwrap_or(0);
    loop {
        let port = FIRST_PORT + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        if is_free(port) {
            return port;
        }
    }
}

/// Whether nobody holds the port.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok() && UdpSocket::bind(("127.0.0.1", port)).is_ok()
}

fn make(folder: &Path) {
    fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
}

pub(crate) fn copy(from: &Path, to: &Path) {
    make(to);
    let entries = fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
    for entry in entries.flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match entry.file_name().to_str() {
            Some(".davy" | "__pycache__") => {}
            _ if path.is_dir() => copy(&path, &target),
            _ => {
                let copied = fs::copy(&path, &target);
                copied.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            }
        }
    }
}

/// Lays /dev/null over each file up to `--`, then becomes what follows.
const HIDE: &str = r#"
mount=$1; shift
while [ "$1" != -- ]; do "$mount" --bind /dev/null "$1" || exit 9; shift; done
shift; exec "$@""#;
const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 12_000;
