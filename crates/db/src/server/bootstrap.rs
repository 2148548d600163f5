//! The data directory's first and only making, and which version may use it.
//!
//! ```text
//!   data.part/   the server's own SQL files and our accounts, in one `mariadbd --bootstrap`
//!   data/        renamed when all of it is on disk; never removed, never made twice
//! ```
//! It does what mariadb-install-db does, without the accounts that makes: root has never existed
//! here, nor an account without a password, not even for the moment of making.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use proc::{Own, Spec, Stdin};

use crate::error::{Error, at};
use crate::secret;
use crate::server::installation::Installation;
use crate::server::run::{last_lines, run};
use crate::server::{ADMIN, Version, option, path_text};

/// Where the data directory is made.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The data directory to be.
    pub(crate) data: &'a Path,
    /// A folder for temporary tables, used by no other server: each removes, when it starts, all
    /// the temporary tables it finds, and so two of them in /tmp break one another.
    pub(crate) temporary: &'a Path,
}

/// Makes the data directory, with `davy_admin` as the only account one can log in to.
pub(crate) async fn make(
    own: &Own,
    installation: &Installation,
    Place { data, temporary }: Place<'_>,
    password: &str,
) -> Result<(), Error> {
    let part = data.with_extension("part");
    match fs::remove_dir_all(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&part)(error)),
        _ => {}
    }
    fs::DirBuilder::new().mode(0o700).create(&part).map_err(at(&part))?;
    fill(own, installation, Place { data: &part, temporary }, password).await?;
    note_version(&part, installation.version)?;
    sync(&part).map_err(at(&part))?;
    fs::rename(&part, data).map_err(at(data))?;
    data.parent().map_or(Ok(()), |folder| sync_one(folder).map_err(at(folder)))
}

/// Runs the server in its bootstrap mode, in which it reads SQL and ends.
async fn fill(
    own: &Own,
    installation: &Installation,
    Place { data, temporary }: Place<'_>,
    password: &str,
) -> Result<(), Error> {
    let mut argv = vec![path_text(&installation.program)?, "--no-defaults".into()];
    argv.extend(installation.arguments()?);
    argv.extend(FLAGS.map(str::to_owned));
    argv.extend([option("--datadir", data)?, option("--tmpdir", temporary)?]);
    let mut spec = Spec::new(argv);
    spec.env = installation.env();
    spec.stdin = Stdin::Fd(unnamed_file(&script(installation, password)?).map_err(at(data))?);
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

/// The SQL to read, one statement a line where it is ours: bootstrap mode takes no more.
fn script(installation: &Installation, password: &str) -> Result<Vec<u8>, Error> {
    let lock = secret::password().map_err(at(Path::new("getrandom")))?;
    let mut sql = b"CREATE DATABASE mysql;\nUSE mysql;\nSET @auth_root_socket = NULL;\n".to_vec();
    for file in ["system_tables.sql", "performance_tables.sql", "maria_add_gis_sp_bootstrap.sql"] {
        sql.extend(installation.sql(file)?);
        sql.push(b'\n');
    }
    sql.extend(accounts(password, &lock).into_bytes());
    Ok(sql)
}

/// The accounts. `mariadb.sys` owns the views of the system tables, so it stays, locked and with a
/// password that nobody knows.
fn accounts(password: &str, lock: &str) -> String {
    let sys = "User = 'mariadb.sys' AND Host = 'localhost'";
    let key = |password| {
        format!(
            "'plugin', 'mysql_native_password', 'authentication_string', PASSWORD('{password}')"
        )
    };
    [
        format!("DELETE FROM global_priv WHERE NOT ({sys});"),
        format!(
            "UPDATE global_priv SET Priv = JSON_OBJECT('access', 0, {}, 'account_locked', true) \
             WHERE {sys};",
            key(lock)
        ),
        format!(
            "INSERT INTO global_priv VALUES \
             ('localhost', '{ADMIN}', JSON_OBJECT('access', {ALL}, {}));",
            key(password)
        ),
        "DELETE FROM proxies_priv;".into(),
        "DELETE FROM db;\n".into(),
    ]
    .join("\n")
}

/// A file without a name: the password in it is never on disk.
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

/// Everything below `folder` on disk.
fn sync(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { sync(&path)? } else { sync_one(&path)? }
    }
    sync_one(folder)
}

fn sync_one(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

const FLAGS: [&str; 6] = [
    "--bootstrap",
    "--silent-startup",
    "--log-warnings=0",
    "--enforce-storage-engine=",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=16M",
];

/// All privileges there are, now and later.
const ALL: u64 = u64::MAX;
const VERSION_FILE: &str = "davy-mariadb-version";
const LIMIT: Duration = Duration::from_mins(2);
