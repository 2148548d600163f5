//! The private server: where it lies, how it is made ready, and how one talks to it as its admin.
//!
//! ```text
//!   prepare   find or fetch mariadbd ─▶ password ─▶ data directory (copy, rename) ─▶ my.cnf
//!   program   what the keeper is to run
//!   ready     the admin gets in
//!   site_database   database, user and rights of one site; the same every time
//! ```

mod bootstrap;
mod installation;
mod options;
mod run;
mod template;
mod version;
mod zones;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flow::control::{Access, Program};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use proc::Own;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

use crate::account::Account;
use crate::error::{Error, at};
use crate::secret;
use bootstrap::Making;
use installation::Installation;
use options::ADMIN;
pub use options::CONNECTIONS_MAX;
pub use version::Version;

/// Where the private server lives.
#[derive(Clone, Debug)]
pub struct Folders {
    /// The data directory. Made when it is not there; its parent must be.
    pub data: PathBuf,
    /// What nobody else may see and what must be kept as long as the data: passwords, my.cnf, the
    /// server's log. Made with mode 0700.
    pub private: PathBuf,
    /// The folder of the server's own socket, with a path of at most 90 bytes. Made with mode 0700;
    /// it may be `private`, and may be lost at a reboot.
    pub run: PathBuf,
    /// The public socket, which the relay listens on; what sites are told.
    pub socket: PathBuf,
    /// What was fetched or made once for all davys of this user.
    pub cache: PathBuf,
    /// The system's time zones (tzdata); may not be there.
    pub zones: PathBuf,
    /// The PATH on which programs are looked for.
    pub path: OsString,
}

/// A private server, prepared to run.
#[derive(Debug)]
pub struct Server {
    folders: Folders,
    installation: Installation,
    password: String,
}

impl Server {
    /// Makes everything the server needs before it can start. What is there already is kept: only
    /// the first time takes long. `progress` is told in a few words what is being done.
    ///
    /// The caller must be the only one at work in these folders, and call on the main thread (see
    /// [`proc::spawn`]).
    pub async fn prepare(
        folders: Folders,
        own: &Own,
        mut progress: impl FnMut(&str),
    ) -> Result<Server, Error> {
        let temporary = folders.private.join("tmp");
        for folder in [&folders.private, &folders.run, &temporary] {
            proc::private_folder(folder).map_err(at(folder))?;
        }
        let installation =
            Installation::find(own, &folders.path, &folders.cache, &mut progress).await?;
        let password = admin_password(&folders.private)?;
        if folders.data.exists() {
            bootstrap::check_version(&folders.data, installation.version)?;
        } else {
            let making = Making::new(own, &installation, &temporary, &folders.zones)?;
            template::make_data(&making, &folders.cache, &folders.data, &mut progress).await?;
        }
        let server = Server { folders, installation, password };
        let options = server.options_file();
        fs::write(&options, options::TEXT).map_err(at(&options))?;
        let start = server.start_file();
        secret::write(&start, &options::admin(&server.password)).map_err(at(&start))?;
        server.turn_log()?;
        Ok(server)
    }

    /// The server's version.
    pub fn version(&self) -> Version {
        self.installation.version
    }

    /// The server's own socket, which only davy can reach.
    pub fn socket(&self) -> PathBuf {
        self.folders.run.join("mariadbd.sock")
    }

    /// What the keeper is to run. Paths are arguments rather than lines of my.cnf, where some
    /// characters mean something else.
    pub fn program(&self) -> Result<Program, Error> {
        let mut argv = vec![path_text(&self.installation.program)?];
        argv.push(option("--defaults-file", &self.options_file())?);
        argv.extend(self.installation.arguments()?);
        argv.push(option("--init-file", &self.start_file())?);
        argv.extend([
            option("--datadir", &self.folders.data)?,
            option("--tmpdir", &self.folders.private.join("tmp"))?,
            option("--socket", &self.socket())?,
            option("--pid-file", &self.folders.run.join("mariadbd.pid"))?,
            option("--log-error", &self.log_file())?,
        ]);
        let env: Option<BTreeMap<String, String>> = self
            .installation
            .libraries
            .as_ref()
            .map(|folders| BTreeMap::from([("LD_LIBRARY_PATH".to_owned(), folders.clone())]));
        Ok(Program {
            name: "mariadbd".into(),
            argv,
            env: env.unwrap_or_default(),
            dir: self.folders.private.clone(),
        })
    }

    /// Waits until the server answers. `ended` tells how the program ended, if it does; it must
    /// hold None while the program runs or is about to.
    pub async fn ready(
        &self,
        deadline: Instant,
        mut ended: watch::Receiver<Option<String>>,
    ) -> Result<(), Error> {
        loop {
            let why = match timeout_at(deadline, self.admin()).await {
                Ok(Ok(admin)) => {
                    admin.disconnect().await?;
                    return bootstrap::note_version(&self.folders.data, self.version());
                }
                // The server has come up and says no: waiting does not change its mind.
                Ok(Err(error @ mysql_async::Error::Server(_))) => return Err(error.into()),
                Ok(Err(error)) => error.to_string(),
                Err(_) => "it does not answer".to_owned(),
            };
            if Instant::now() >= deadline {
                return Err(Error::NotReady { why, told: self.last_words() });
            }
            tokio::select! {
                () = sleep(ASK_AGAIN) => {}
                how = news_of_end(&mut ended) => {
                    return Err(Error::Ended { how, told: self.last_words() });
                }
            }
        }
    }

    /// Makes sure that `site` has a database and a user with all rights on it and on nothing else,
    /// and says how to reach it. The server must be ready.
    pub async fn site_database(&self, site: &str) -> Result<Access, Error> {
        let folder = self.folders.private.join("sites");
        proc::private_folder(&folder).map_err(at(&folder))?;
        let account = Account::keep(&folder, site)?;
        let mut admin = self.admin().await?;
        for statement in account.statements() {
            admin.query_drop(statement).await?;
        }
        admin.disconnect().await?;
        Ok(Access {
            server: format!("MariaDB {}", self.version().series()),
            socket: self.folders.socket.clone(),
            database: account.name.clone(),
            user: account.name,
            password: account.password,
        })
    }

    /// A connection as `davy_admin`.
    pub(crate) async fn admin(&self) -> Result<Conn, mysql_async::Error> {
        let socket = self.socket().to_string_lossy().into_owned();
        let options = OptsBuilder::default()
            .socket(Some(socket))
            .user(Some(ADMIN))
            .pass(Some(&self.password))
            .prefer_socket(false);
        Conn::new(options).await
    }

    fn options_file(&self) -> PathBuf {
        self.folders.private.join("my.cnf")
    }

    fn start_file(&self) -> PathBuf {
        self.folders.private.join("start.sql")
    }

    fn log_file(&self) -> PathBuf {
        self.folders.private.join("mariadbd.log")
    }

    fn last_words(&self) -> String {
        let log = fs::read(self.log_file()).unwrap_or_default();
        run::last_lines(&log)
    }

    /// The server itself never cuts its log.
    fn turn_log(&self) -> Result<(), Error> {
        let log = self.log_file();
        match fs::metadata(&log) {
            Ok(meta) if meta.len() > LOG_BYTES_MAX => {
                fs::rename(&log, log.with_extension("log.1")).map_err(at(&log))
            }
            _ => Ok(()),
        }
    }
}

/// The admin's password, made at the first start.
fn admin_password(private: &Path) -> Result<String, Error> {
    let key = private.join("davy_admin.password");
    if let Some(password) = secret::read(&key).map_err(at(&key))? {
        return Ok(password);
    }
    let password = secret::password().map_err(at(&key))?;
    secret::write(&key, &password).map_err(at(&key))?;
    Ok(password)
}

/// How the program ended; waits for ever when nobody is left to tell.
async fn news_of_end(ended: &mut watch::Receiver<Option<String>>) -> String {
    match ended.wait_for(Option::is_some).await {
        Ok(how) => how.clone().unwrap_or_default(),
        Err(_) => std::future::pending().await,
    }
}

/// `--name=path`.
fn option(name: &str, path: &Path) -> Result<String, Error> {
    Ok(format!("{name}={}", path_text(path)?))
}

/// A path as text, which is what the control plane's messages carry.
fn path_text(path: &Path) -> Result<String, Error> {
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| at(path)(std::io::Error::other("davy needs paths in UTF-8")))
}

const ASK_AGAIN: Duration = Duration::from_millis(10);
const LOG_BYTES_MAX: u64 = 1024 * 1024;

#[cfg(test)]
mod tests;
