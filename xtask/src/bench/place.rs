//! The bench's own folder, `target/bench`, and what is installed into it.
//!
//! ```text
//!   target/bench/venv/        gunicorn, granian, Flask, PyMySQL: the versions of requirements.txt
//!   target/bench/nginx/       Debian's nginx, unpacked only: installed, it would start as a service
//!   target/bench/NAME/        the site of a contender; davy's state lies below it
//! ```
//! All of it is made once and kept. wrk comes from the distribution, as the tools of the tests do.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::step::{ROOT, Step};
use crate::tools;

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Place {
    folder: PathBuf,
    /// davy, as its users build it.
    pub(crate) davy: PathBuf,
    pub(crate) nginx: PathBuf,
}

impl Place {
    /// Builds davy and installs what is missing.
    pub(crate) fn prepare() -> Result<Place> {
        if std::thread::available_parallelism()?.get() < 2 {
            bail!("the bench needs two CPUs: one for the servers, one for the load");
        }
        tools::install_missing(&tools::FOR_BENCH)?;
        Step::cargo("build", "build --release").run()?;
        let root = Path::new(ROOT).canonicalize()?;
        let folder = root.join("target/bench");
        fs::create_dir_all(&folder)?;
        let nginx = nginx(&folder)?;
        venv(&folder)?;
        Ok(Place { folder, davy: root.join("target/release/davy"), nginx })
    }

    /// A program of the venv.
    pub(crate) fn python(&self, program: &str) -> PathBuf {
        self.folder.join("venv/bin").join(program)
    }

    /// A folder for a contender with these sites, one laid over the other. Those files are as in
    /// the sources again, others that lie there are left alone.
    pub(crate) fn site(&self, name: &str, layers: &[&str]) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder)?;
        for layer in layers {
            let source = Path::new(SOURCES).join("sites").join(layer);
            copy(&source, &folder).with_context(|| source.display().to_string())?;
        }
        Ok(folder)
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &target)?,
            false => drop(fs::copy(entry.path(), target)?),
        }
    }
    Ok(())
}

/// The system's nginx, or Debian's in a folder of ours.
fn nginx(folder: &Path) -> Result<PathBuf> {
    let own = folder.join("nginx");
    let program = own.join("usr/sbin/nginx");
    let candidates = [Path::new("/usr/sbin/nginx"), &program];
    if let Some(found) = candidates.into_iter().find(|path| path.is_file()) {
        return Ok(found.to_owned());
    }
    fs::create_dir_all(&own)?;
    // apt reads what it downloads as a user of its own.
    fs::set_permissions(&own, fs::Permissions::from_mode(0o777))?;
    let own = own.to_str().context("the path of the project is not text")?;
    let download = format!("cd '{own}' && apt-get -qq download nginx");
    let unpack = format!("cd '{own}' && dpkg-deb --extract nginx_*.deb . && rm nginx_*.deb");
    Step::program("nginx", &["sh", "-c", &download]).run()?;
    Step::program("nginx", &["sh", "-c", &unpack]).run()?;
    if !Step::program("nginx", &[program.to_str().unwrap_or_default(), "-v"]).try_silently() {
        bail!("{} does not run here; install nginx", program.display());
    }
    Ok(program)
}

/// The venv; its copy of requirements.txt is written last, and says what is in it.
fn venv(folder: &Path) -> Result<()> {
    let wanted = Path::new(SOURCES).join("requirements.txt");
    let (venv, list) = (folder.join("venv"), folder.join("venv/requirements.txt"));
    if fs::read(&list).is_ok_and(|list| fs::read(&wanted).is_ok_and(|wanted| wanted == list)) {
        return Ok(());
    }
    let text = |path: &Path| path.to_str().map(str::to_owned).context("a path is not text");
    let (venv_text, pip) = (text(&venv)?, text(&venv.join("bin/pip"))?);
    Step::program("venv", &["python3", "-m", "venv", "--clear", &venv_text]).run()?;
    Step::program("pip", &[&pip, "install", "--quiet", "-r", &text(&wanted)?]).run()?;
    fs::copy(&wanted, &list)?;
    Ok(())
}

const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/bench");
