//! MariaDB's program with the files it needs: those of the system, else fetched from its packages.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use packages::Request;
use proc::{Own, Spec};

use crate::error::{Error, at};
use crate::server::run::{Ran, run};
use crate::server::{Version, option};

/// A MariaDB that can be run.
#[derive(Debug)]
pub(crate) struct Installation {
    pub(crate) program: PathBuf,
    pub(crate) version: Version,
    /// The folder of SQL files, messages and character sets.
    pub(crate) share: PathBuf,
    /// What LD_LIBRARY_PATH has to be, for a fetched one.
    pub(crate) libraries: Option<String>,
}

impl Installation {
    /// Looks on the system first: its MariaDB gets the system's updates.
    pub(crate) async fn find(
        own: &Own,
        path: &OsStr,
        cache: &Path,
        progress: &mut impl FnMut(&str),
    ) -> Result<Installation, Error> {
        for name in ["mariadbd", "mysqld"] {
            if let Some(program) = packages::find(name, path, &FOLDERS)
                && let Some(found) = Installation::at(own, program, None).await?
            {
                return Ok(found);
            }
        }
        let request = Request { name: "mariadb", packages: &PACKAGES, cache, path };
        let fetched = packages::fetch(request, progress).await;
        let root = fetched.map_err(|error| Error::NoServer { because: error.to_string() })?;
        let libraries = std::env::join_paths(packages::libraries(&root))
            .ok()
            .and_then(|folders| folders.into_string().ok());
        let found = Installation::at(own, root.join("usr/sbin/mariadbd"), libraries).await?;
        found.ok_or_else(|| Error::NoServer {
            because: format!(
                "what was fetched does not run here (remove {} to fetch it again)",
                root.display()
            ),
        })
    }

    /// The MariaDB that `program` belongs to; None if it is none, too old, or not whole.
    async fn at(
        own: &Own,
        program: PathBuf,
        libraries: Option<String>,
    ) -> Result<Option<Installation>, Error> {
        let Some(share) = share_of(&program) else { return Ok(None) };
        let mut spec =
            Spec::new([program.as_os_str(), "--no-defaults".as_ref(), "--version".as_ref()]);
        spec.env.extend(library_path(libraries.as_deref()));
        let ran = run(own, spec, VERSION_LIMIT).await.map_err(at(&program))?;
        let version = ran
            .and_then(|Ran { stdout, .. }| Version::of_program(&String::from_utf8_lossy(&stdout)));
        Ok(version.filter(|version| version.is_supported()).map(|version| Installation {
            program,
            version,
            share,
            libraries,
        }))
    }

    /// The arguments that tell the program where its files are: those it was built with may be
    /// another MariaDB's, or none.
    pub(crate) fn arguments(&self) -> Result<Vec<String>, Error> {
        let mut arguments = vec![
            option("--lc-messages-dir", &self.share)?,
            option("--character-sets-dir", &self.share.join("charsets"))?,
        ];
        if rustix::process::geteuid().is_root() {
            arguments.push("--user=root".into());
        }
        Ok(arguments)
    }

    /// The environment the program needs.
    pub(crate) fn env(&self) -> Vec<(OsString, Option<OsString>)> {
        library_path(self.libraries.as_deref()).into_iter().collect()
    }

    /// One of the server's SQL files. Later versions call them mariadb_, earlier ones mysql_.
    pub(crate) fn sql(&self, name: &str) -> Result<Vec<u8>, Error> {
        let named = |prefix: &str| self.share.join(format!("{prefix}{name}"));
        let file = [named("mariadb_"), named("mysql_"), named("")]
            .into_iter()
            .find(|file| file.is_file())
            .unwrap_or_else(|| named("mariadb_"));
        fs::read(&file).map_err(at(&file))
    }
}

fn library_path(libraries: Option<&str>) -> Option<(OsString, Option<OsString>)> {
    libraries.map(|folders| ("LD_LIBRARY_PATH".into(), Some(folders.into())))
}

/// `PREFIX/sbin/mariadbd` -> `PREFIX/share/mariadb` or `PREFIX/share/mysql`.
fn share_of(program: &Path) -> Option<PathBuf> {
    let program = fs::canonicalize(program).ok()?;
    let prefix = program.parent()?.parent()?;
    ["share/mariadb", "share/mysql"].iter().map(|share| prefix.join(share)).find(|share| {
        share.join("english/errmsg.sys").is_file()
            && share.join("maria_add_gis_sp_bootstrap.sql").is_file()
    })
}

const PACKAGES: [&str; 1] = ["mariadb-server-core"];
const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/libexec", "/usr/local/sbin"];
const VERSION_LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A program that prints `version`, with or without the files beside it.
    fn program(folder: &Path, version: &str) -> PathBuf {
        let program = folder.join("sbin/mariadbd");
        fs::create_dir_all(folder.join("sbin")).unwrap();
        fs::write(&program, format!("#!/bin/sh\necho 'mariadbd  Ver {version}'")).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        program
    }

    fn share(folder: &Path) {
        let share = folder.join("share/mariadb");
        fs::create_dir_all(share.join("english")).unwrap();
        fs::write(share.join("english/errmsg.sys"), "").unwrap();
        fs::write(share.join("maria_add_gis_sp_bootstrap.sql"), "").unwrap();
    }

    #[tokio::test]
    async fn only_a_whole_mariadb_of_a_fit_age_will_do() {
        let folder = tempfile::tempdir().unwrap();
        let own = Own::direct();
        let whole = program(folder.path(), "11.4.3-MariaDB-1 for Linux");
        assert!(Installation::at(&own, whole.clone(), None).await.unwrap().is_none());
        share(folder.path());
        let found = Installation::at(&own, whole, None).await.unwrap().unwrap();
        assert_eq!(found.version.series(), "11.4");
        for other in ["8.4.3 for Linux on x86_64", "10.3.39-MariaDB for Linux"] {
            let other = program(folder.path(), other);
            assert!(Installation::at(&own, other, None).await.unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn without_mariadb_and_apt_the_error_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let root = Request {
            name: "mariadb",
            packages: &PACKAGES,
            cache: folder.path(),
            path: OsStr::new("/nonexistent"),
        };
        let error = packages::fetch(root, |_| {}).await.unwrap_err();
        let text = Error::NoServer { because: error.to_string() }.to_string();
        assert!(text.contains("apt-get is not on this system"), "{text}");
        assert!(text.contains("apt-get install mariadb-server-core"), "{text}");
        assert!(text.contains("DATABASE_URL") && text.contains("engine = \"none\""), "{text}");
    }
}
