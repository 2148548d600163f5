//! A site: from its folder to running workers, one step after the other.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{anyhow, bail};
use app::dependencies::Dependencies;
use app::detect::{Asked, Disk, Found, Kind};
use app::files::{Django, Mount};
use app::interpreter::Interpreter;
use app::venv::{Environment, Origin};
use db::Choice;
use flow::control::{Access, Peer, ToKeeper};
use proc::{Channel, Own};
use tokio::sync::mpsc;

use super::child::Child;
use super::database;
use super::running::Running;
use crate::logs::{Logs, Reach, printable};
use crate::settings;
use crate::settings::start::SiteStart;

/// A site on its way up.
pub(crate) struct Site {
    child: Child,
    start: SiteStart,
    logs: Logs,
    own: Arc<Own>,
    config: config::Config,
    found: Found,
    /// None: the site has no application.
    python: Option<(Interpreter, Dependencies)>,
    environment: Option<Environment>,
    env: Vec<(String, String)>,
    mounts: Vec<Mount>,
    edge: Option<Channel>,
}

impl Site {
    /// Reads davy.toml and looks what lies in the folder.
    pub(crate) async fn detect(
        child: &Child,
        start: SiteStart,
        logs: &Logs,
    ) -> anyhow::Result<Site> {
        let project = &start.place.project;
        let config = config::load(project).map_err(|report| anyhow!("{report}"))?;
        let asked = settings::app::asked(&config);
        let root = config.root.as_ref().and_then(|root| root.to_str());
        let found = app::detect::detect(&Disk(project), Asked { app: asked.as_deref(), root })?;
        let own = Arc::new(Own::open()?);
        let python = match found.kind {
            Kind::Static => None,
            _ => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let interpreter = Interpreter::find(&own, &path, project).await?;
                Some((interpreter, Dependencies::read(project)?))
            }
        };
        let version = python.as_ref().map(|(interpreter, _)| interpreter.short_version());
        let file = python.as_ref().and_then(|(_, dependencies)| dependencies.file());
        child.done("found", found.text(version, file), None);
        Ok(Site {
            child: child.clone(),
            mounts: app::files::mounts(project, &found, config.root.as_deref()),
            start,
            logs: logs.clone(),
            own,
            config,
            found,
            python,
            environment: None,
            env: Vec::new(),
            edge: None,
        })
    }

    /// Installs the dependencies, unless nothing has changed since they were.
    pub(crate) async fn install(&mut self) -> anyhow::Result<()> {
        let Some((interpreter, dependencies)) = &self.python else { return Ok(()) };
        let since = Instant::now();
        let child = self.child.clone();
        let place = &self.start.place;
        let request = app::venv::Request {
            own: &self.own,
            interpreter,
            dependencies,
            project: &place.project,
            state: &place.state.join("python"),
        };
        let progress = move |line: &str| child.doing("deps", line);
        let fetch = async || fetch_pip(&self.child, &place.cache).await;
        let environment = app::venv::prepare(request, fetch, &progress).await?;
        if let Some(folder) = &environment.folder {
            let folder = folder.strip_prefix(&place.project).unwrap_or(folder);
            let packages = match environment.packages {
                1 => "1 package".into(),
                n => format!("{n} packages"),
            };
            let text = format!("{packages} in {}", folder.display());
            match environment.origin {
                Origin::Made => self.child.done("deps", text, Some(since)),
                _ => self.child.done("deps", format!("{text}, unchanged"), Some(since)),
            }
        }
        self.environment = Some(environment);
        Ok(())
    }

    /// Decides on a database, gets one if it shall be davy's own, and makes the site's variables.
    pub(crate) async fn connect_database(
        &mut self,
        meetings: &mut mpsc::UnboundedReceiver<(Peer, Channel)>,
    ) -> anyhow::Result<()> {
        let since = Instant::now();
        let inherited = std::env::var("DATABASE_URL").ok();
        let driver = self.python.as_ref().and_then(|(_, dependencies)| dependencies.mysql_driver());
        let mut variables = self.config.env.clone();
        let access = match settings::db::choose(&self.config, inherited.as_deref(), driver) {
            Choice::Private { because } => {
                let access = self.own_database(meetings).await?;
                let line = database::line(&access, &self.start.place, &because);
                self.child.done("db", line, Some(since));
                // Asked for outright, davy's own database wins over an address in .env.
                variables.remove("DATABASE_URL");
                Some(access)
            }
            Choice::External { url, because } => {
                self.child.done("db", format!("a server of your own: {because}"), None);
                variables.entry("DATABASE_URL".into()).or_insert(url);
                None
            }
            Choice::None { because } => {
                if self.python.is_some() {
                    self.child.done("db", format!("none: {because}"), None);
                }
                None
            }
        };
        self.env = app::variables::environment(&variables, access.as_ref());
        Ok(())
    }

    async fn own_database(
        &mut self,
        meetings: &mut mpsc::UnboundedReceiver<(Peer, Channel)>,
    ) -> anyhow::Result<Access> {
        self.child.tell(&ToKeeper::WantDatabase);
        while let Some((peer, channel)) = meetings.recv().await {
            match peer {
                Peer::Db => match database::ask(&channel).await? {
                    Some(access) => return Ok(access),
                    // The database's keeper has died; its successor will be introduced.
                    None => continue,
                },
                Peer::Edge => self.edge = Some(channel),
                Peer::Site(_) | Peer::Console => {}
            }
        }
        bail!("the keeper has gone")
    }

    /// Has Django collect its static files.
    pub(crate) async fn collect_files(&mut self) -> anyhow::Result<()> {
        let (Kind::Django { settings }, Some(environment)) = (&self.found.kind, &self.environment)
        else {
            return Ok(());
        };
        let since = Instant::now();
        let child = self.child.clone();
        let project = &self.start.place.project;
        let django = Django {
            own: &self.own,
            python: &environment.python,
            project,
            settings,
            env: &self.env,
        };
        let progress = move |line: &str| child.doing("files", line);
        if let Some(mount) = app::files::collect(django, &progress).await? {
            let folder = mount.folder.strip_prefix(project).unwrap_or(&mount.folder);
            let text = format!("{} from {}", mount.prefix, folder.display());
            self.child.done("files", text, Some(since));
            self.mounts.push(mount);
        }
        Ok(())
    }

    /// Starts the workers. Without an application there are files alone.
    pub(crate) fn start_workers(self) -> anyhow::Result<Running> {
        let folders = open(&self.child, self.mounts)?;
        let mut running = Running::new(folders, self.edge);
        let (Some(environment), Some(callable)) = (self.environment, self.found.callable) else {
            running.announce_files();
            return Ok(running);
        };
        let place = &self.start.place;
        let main = app::carried::write_worker(&place.state.join("python"))?;
        let (logs, name) = (self.logs, self.start.name);
        running.start(app::workers::Settings {
            own: self.own,
            count: settings::app::workers(&self.config),
            argv: app::carried::worker_argv(&environment.python, &main, &callable),
            env: self.env,
            project: place.project.clone(),
            run: place.run.clone(),
            output: Arc::new(move |worker, line| {
                let who = if worker == 0 { String::new() } else { format!(" worker {worker}") };
                logs.line(&format!("{name}{who}: {}", printable(line)), Reach::Terminal);
            }),
        });
        Ok(running)
    }
}

/// Opens the folders whose files the edge serves: it gets descriptors, not paths.
fn open(child: &Child, mounts: Vec<Mount>) -> anyhow::Result<BTreeMap<String, OwnedFd>> {
    let mut folders = BTreeMap::new();
    for Mount { prefix, folder } in mounts {
        match std::fs::File::open(&folder) {
            Ok(file) => drop(folders.insert(prefix, file.into())),
            Err(error) => {
                child.warn("files", format!("{} is not served: {error}", folder.display()));
            }
        }
    }
    Ok(folders)
}

/// pip's wheel from the distribution, for interpreters that were installed without it.
async fn fetch_pip(child: &Child, cache: &std::path::Path) -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let request =
        packages::Request { name: "pip", packages: &["python3-pip-whl"], cache, path: &path };
    let fetched = packages::fetch(request, |progress| child.doing("deps", progress)).await;
    let wheels = fetched.map_err(|error| error.to_string())?.join("usr/share/python-wheels");
    let is_pip = |path: &PathBuf| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("pip-"))
    };
    std::fs::read_dir(&wheels)
        .ok()
        .and_then(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).find(is_pip))
        .ok_or_else(|| format!("no pip in {}", wheels.display()))
}
