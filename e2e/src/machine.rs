//! A machine on which nothing was done yet: a freshly installed distribution with Python, below a
//! folder, in namespaces of its own. Nothing there is of the machine that the tests run on, but
//! the kernel, the network and the ways to it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::clients::tool;
use crate::debian::{self, USER};
use crate::namespace::{Namespace, is_root};
use crate::processes::Process;
use crate::project::Ran;

/// A fresh machine, removed at the end with all that runs there.
#[derive(Debug)]
pub struct Machine {
    // Ends first: nobody writes into the folder while it is removed.
    namespace: Namespace,
    root: PathBuf,
    _folder: TempDir,
}

impl Machine {
    /// Installs a machine. None, and a line that says so, for those who may not: it takes root to
    /// make another system's files.
    pub fn fresh() -> Option<Machine> {
        if !is_root() {
            // Not by a macro: what those print is shown for tests that fail only.
            let _ = std::io::stderr().write_all(SKIPPED.as_bytes());
            return None;
        }
        let folder = TempDir::with_prefix("e").unwrap_or_else(|error| panic!("{error}"));
        let root = folder.path().join("root");
        debian::unpack(&root);
        WAYS_TO_THE_NETWORK.iter().for_each(|file| copy(Path::new(file), &root));
        write(&root.join("etc/apt/apt.conf.d/90network"), apt_settings().as_bytes());
        let namespace = Namespace::start(&root.join("proc"), MOUNT, &[&root]);
        namespace.says("mounted");
        Some(Machine { namespace, root, _folder: folder })
    }

    /// The user's home, seen from outside.
    pub fn home(&self) -> PathBuf {
        self.root.join("home").join(USER)
    }

    /// What a path of outside is called there.
    pub(crate) fn inside(&self, path: &Path) -> PathBuf {
        Path::new("/").join(path.strip_prefix(&self.root).unwrap_or(path))
    }

    /// Makes all files in the user's home the user's own.
    pub(crate) fn give_home(&self) {
        let mut give = Command::new(tool("chroot"));
        give.arg(&self.root).args(["chown", "--recursive", &format!("{USER}:{USER}")]);
        give.arg(self.inside(&self.home()));
        let given = give.status().unwrap_or_else(|error| panic!("chroot: {error}"));
        assert!(given.success(), "{give:?}: {given}");
    }

    /// The davy in the user's home.
    pub(crate) fn davy(&self) -> Command {
        self.command(self.inside(&self.home().join("davy")))
    }

    /// A program there, run by the user as after a login.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.namespace.enter();
        command.arg(tool("chroot")).arg(format!("--userspec={USER}")).arg(&self.root).arg(program);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LANG", "C.UTF-8");
        command.env("HOME", Path::new("/home").join(USER)).env("USER", USER);
        let ways = VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.envs(ways);
        command
    }

    /// What runs there.
    pub fn processes(&self) -> Vec<Process> {
        self.namespace.processes()
    }
}

/// What apt was told here of proxies, certificates and clocks.
fn apt_settings() -> String {
    let dump = Ran::of(Command::new(tool("apt-config")).args(["dump", "Acquire"]));
    assert_eq!(dump.code, Some(0), "{dump:?}");
    let network = ["Acquire::http", "Acquire::Check-"];
    let lines = dump.stdout.lines();
    lines
        .filter(|line| network.iter().any(|name| line.starts_with(name)))
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// Copies a file to its place below `root`, if there is such a file.
fn copy(file: &Path, root: &Path) {
    if let Ok(bytes) = fs::read(file) {
        write(&root.join(file.strip_prefix("/").unwrap_or(file)), &bytes);
    }
}

fn write(file: &Path, bytes: &[u8]) {
    let made = file.parent().map_or(Ok(()), fs::create_dir_all);
    made.and_then(|()| fs::write(file, bytes))
        .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

const SKIPPED: &str = "SKIPPED a test on a fresh machine: only root can install one. \
                       `sudo -E cargo xtask test` passes it, too.\n";

/// What this machine needs to reach the others: names, certificates, and pip's own settings.
const WAYS_TO_THE_NETWORK: [&str; 4] =
    ["/etc/hosts", "/etc/resolv.conf", "/etc/ssl/certs/ca-certificates.crt", "/etc/pip.conf"];

/// The same, as variables.
const VARIABLES: [&str; 9] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "PIP_CERT",
];

/// The devices of the machine below; its processes are mounted already.
const MOUNT: &str = r#"mount --rbind /dev "$1/dev"; echo mounted"#;
