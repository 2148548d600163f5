//! The data directory's making, and which version may use it.
//!
//! ```text
//!   data.part/   the server's own SQL files and time zones, in one `mariadbd --bootstrap`
//!   data/        renamed when all of it is on disk; never removed, never made twice
//! ```
//! It does what mariadb-install-db does, without the accounts that makes: root has never existed
//! here, nor an account without a password, not even for the moment of making. There is nothing in
//! it that is one site's: `davy_admin` comes in when the server starts ([`super::options::admin`]).

use std::fs::{self, DirBuilder, File};
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proc::{Own, Spec, Stdin};

use crate::error::{Error, at};
use crate::secret;
use crate::server::installation::Installation;
use crate::server::run::{last_lines, run};
use crate::server::zones::Zones;
use crate::server::{Version, option, path_text};

/// What data directories are made with.
pub(crate) struct Making<'a> {
    pub(crate) own: &'a Own,
    pub(crate) installation: &'a Installation,
    /// A folder for temporary tables, used by no other server: each removes, when it starts, all
    /// the temporary tables it finds, and so two of them in /tmp break one another.
    pub(crate) temporary: &'a Path,
    /// The server's own SQL.
    pub(crate) sql: Vec<u8>,
    pub(crate) zones: Zones,
}

impl<'a> Making<'a> {
    /// Reads the server's SQL files and the time zones below `zoneinfo`.
    pub(crate) fn new(
        own: &'a Own,
        installation: &'a Installation,
        temporary: &'a Path,
        zoneinfo: &Path,
    ) -> Result<Making<'a>, Error> {
        let mut sql =
            b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n".to_vec();
        for file in SQL_FILES {
            sql.extend(installation.sql(file)?);
            sql.push(b'\n');
        }
        let zones = Zones::read(zoneinfo);
        if zones.is_empty() {
            tracing::warn!(
                folder = %zoneinfo.display(),
                "no time zones here, so the database knows none by name; install tzdata for them"
            );
        }
        Ok(Making { own, installation, temporary, sql, zones })
    }
}

/// Makes a data directory at `data` that nobody can log in to yet.
pub(crate) async fn make(making: &Making<'_>, data: &Path) -> Result<(), Error> {
    let part = begin(data)?;
    fill(making, &part).await?;
    note_version(&part, making.installation.version)?;
    complete(&part, data)
}

/// An empty folder for what shall be `data`. What an earlier attempt left there is removed.
pub(crate) fn begin(data: &Path) -> Result<PathBuf, Error> {
    let part = data.with_added_extension("part");
    match fs::remove_dir_all(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&part)(error)),
        _ => {}
    }
    DirBuilder::new().mode(0o700).create(&part).map_err(at(&part))?;
    Ok(part)
}

/// Makes `part` to `data`, in one step, when all of it is on disk.
pub(crate) fn complete(part: &Path, data: &Path) -> Result<(), Error> {
    // One call for some hundred files, of which each alone would wait for the disk.
    let all = |folder: &Path| rustix::fs::syncfs(File::open(folder)?).map_err(io::Error::from);
    all(part).map_err(at(part))?;
    fs::rename(part, data).map_err(at(data))?;
    let sync = |folder: &Path| File::open(folder)?.sync_all();
    data.parent().map_or(Ok(()), |folder| sync(folder).map_err(at(folder)))
}

/// Runs the server in its bootstrap mode, in which it reads SQL and ends.
async fn fill(making: &Making<'_>, data: &Path) -> Result<(), Error> {
    let Making { own, installation, temporary, sql, zones } = making;
    let mut argv = vec![path_text(&installation.program)?, "--no-defaults".into()];
    argv.extend(installation.arguments()?);
    argv.extend(FLAGS.map(str::to_owned));
    argv.extend([option("--datadir", data)?, option("--tmpdir", temporary)?]);
    let lock = secret::password().map_err(at(Path::new("getrandom")))?;
    let zones = zones.sql(installation.version.last_timestamp());
    let script = [sql, zones.as_bytes(), accounts(&lock).as_bytes()].concat();
    let mut spec = Spec::new(argv);
    spec.env = installation.env();
    spec.stdin = Stdin::Fd(unnamed_file(&script).map_err(at(data))?);
    let ran = run(own, spec, LIMIT).await.map_err(at(&installation.program))?;
    let Some(ran) = ran else {
        let program = installation.program.display().to_string();
        return Err(Error::TimedOut { program, limit: LIMIT });
    };
    match ran.exit.success() {
        true => Ok(()),
        false => {
            let told = format!("{}\n{}", ran.exit, last_lines(&ran.stderr));
            Err(Error::Bootstrap { told })
        }
    }
}

/// The accounts: none that can be used. `mariadb.sys` owns the views of the system tables, so it
/// stays, locked and with a password that nobody knows.
fn accounts(lock: &str) -> String {
    let sys = "User = 'mariadb.sys' AND Host = 'localhost'";
    [
        format!("DELETE FROM global_priv WHERE NOT ({sys});"),
        format!(
            "UPDATE global_priv SET Priv = JSON_OBJECT('access', 0, \
             'plugin', 'mysql_native_password', 'authentication_string', PASSWORD('{lock}'), \
             'account_locked', true) WHERE {sys};"
        ),
        "DELETE FROM proxies_priv;".into(),
        "DELETE FROM db;\n".into(),
    ]
    .join("\n")
}

/// A file without a name.
fn unnamed_file(text: &[u8]) -> io::Result<OwnedFd> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let mut file = File::from(rustix::fs::memfd_create("davy-bootstrap", flags)?);
    file.write_all(text)?;
    file.rewind()?;
    Ok(file.into())
}

/// Refuses data that a later series has used.
pub(crate) fn check_version(data: &Path, found: Version) -> Result<(), Error> {
    let file = data.join(VERSION_FILE);
    let noted = secret::read(&file).map_err(at(&file))?;
    match noted.and_then(|text| Version::parse(text.trim())) {
        Some(made) if made.is_later_series_than(found) => {
            Err(Error::Newer { data: data.to_owned(), made, found })
        }
        _ => Ok(()),
    }
}

/// Notes which version uses the data.
pub(crate) fn note_version(data: &Path, version: Version) -> Result<(), Error> {
    let file = data.join(VERSION_FILE);
    let text = format!("{version}\n");
    match secret::read(&file).map_err(at(&file))? {
        Some(noted) if noted == text => Ok(()),
        _ => secret::write(&file, &text).map_err(at(&file)),
    }
}

const SQL_FILES: [&str; 3] =
    ["system_tables.sql", "performance_tables.sql", "maria_add_gis_sp_bootstrap.sql"];

/// How the server is run in its bootstrap mode.
pub(crate) const FLAGS: [&str; 6] = [
    "--bootstrap",
    "--silent-startup",
    "--log-warnings=0",
    "--enforce-storage-engine=",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=16M",
];

const VERSION_FILE: &str = "davy-mariadb-version";
const LIMIT: Duration = Duration::from_mins(2);
