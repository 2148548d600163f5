//! A site: from its folder to running workers, one step after the other.
//!
//! What differs by language lies in a module of its own, with the same few functions: `find`,
//! `install`, `collect_files`, `start`.

mod command;
mod php;
mod python;
mod ruby;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{anyhow, bail};
use app::detect::{Asked, Disk, Found, Kind};
use app::files::Mount;
use app::variables::UrlForm;
use app::workers::{Sink, SlowLog};
use db::Choice;
use flow::control::{Access, Buffering, Peer, Server, ToKeeper};
use proc::{Channel, Own};
use tokio::sync::mpsc;

use super::child::Child;
use super::database;
use super::running::Running;
use crate::logs::{self, Logs, Reach, printable};
use crate::settings;
use crate::settings::start::SiteStart;

/// A site on its way up.
pub(crate) struct Site {
    scene: Scene,
    application: Application,
    env: Vec<(String, String)>,
    /// The database that davy has for it.
    access: Option<Access>,
    mounts: Vec<Mount>,
    edge: Option<Channel>,
}

/// What every step of a site's start needs.
struct Scene {
    child: Child,
    start: SiteStart,
    logs: Logs,
    own: Arc<Own>,
    config: config::Config,
    found: Found,
}

/// What runs the site's code.
enum Application {
    Python(python::Project),
    Php(php::Project),
    Ruby(ruby::Project),
    Command(command::Project),
    /// Somebody else's server.
    Proxy(Server),
    /// Nothing: the site has files alone.
    None,
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
        let app = settings::app::asked(&config);
        let root = config.root.as_ref().and_then(|root| root.to_str());
        let asked = Asked { app: app.as_deref(), command: config.command.as_deref(), root };
        let found = app::detect::detect(&Disk(project), asked)?;
        let mounts = app::files::mounts(project, &found, config.root.as_deref());
        let own = Arc::new(Own::open()?);
        let scene = Scene { child: child.clone(), start, logs: logs.clone(), own, config, found };
        let application = match &scene.found.kind {
            Kind::Python(_) => Application::Python(python::Project::find(&scene).await?),
            Kind::Php(site) => Application::Php(php::Project::find(&scene, site).await?),
            Kind::Ruby(_) => Application::Ruby(ruby::Project::find(&scene).await?),
            Kind::Command(_) => Application::Command(command::Project::find(&scene).await?),
            Kind::Proxy(url) => Application::Proxy(settings::app::server(url)?),
            Kind::Static => Application::None,
        };
        child.done("found", scene.found.text(&application.runs_with()), None);
        let (env, access, edge) = (Vec::new(), None, None);
        Ok(Site { scene, application, env, access, mounts, edge })
    }

    /// Installs the dependencies, unless nothing has changed since they were.
    pub(crate) async fn install(&mut self) -> anyhow::Result<()> {
        match &mut self.application {
            Application::Python(project) => project.install(&self.scene).await,
            Application::Php(project) => project.install(&self.scene).await,
            Application::Ruby(project) => project.install(&self.scene).await,
            Application::Command(project) => project.install(&self.scene).await,
            Application::Proxy(_) | Application::None => Ok(()),
        }
    }

    /// Decides on a database, gets one if it shall be davy's own, and makes the site's variables.
    pub(crate) async fn connect_database(
        &mut self,
        meetings: &mut mpsc::UnboundedReceiver<(Peer, Channel)>,
    ) -> anyhow::Result<()> {
        let since = Instant::now();
        let inherited = std::env::var("DATABASE_URL").ok();
        let Scene { child, start, config, .. } = &self.scene;
        let (child, place) = (child.clone(), start.place.clone());
        let mut variables = config.env.clone();
        let driver = self.application.mysql_driver();
        let access = match settings::db::choose(config, inherited.as_deref(), driver) {
            Choice::Private { because } => {
                let access = self.own_database(meetings).await?;
                let line = database::line(&access, &place, &because);
                child.done("db", line, Some(since));
                // Asked for outright, davy's own database wins over an address in .env.
                variables.remove("DATABASE_URL");
                Some(access)
            }
            Choice::External { url, because } => {
                child.done("db", format!("a server of your own: {because}"), None);
                variables.entry("DATABASE_URL".into()).or_insert(url);
                None
            }
            Choice::None { because } => {
                if !matches!(self.application, Application::Proxy(_) | Application::None) {
                    child.done("db", format!("none: {because}"), None);
                }
                None
            }
        };
        let mut form = UrlForm::default();
        match &self.application {
            Application::Python(project) => project.complete(&mut variables),
            Application::Ruby(project) => {
                project.complete(&self.scene, &mut variables)?;
                form = project.url_form();
            }
            Application::Php(_)
            | Application::Command(_)
            | Application::Proxy(_)
            | Application::None => {}
        }
        self.env = app::variables::environment(&variables, access.as_ref(), form);
        if let (Application::Php(_), Some(access)) = (&self.application, &access) {
            php::Project::name_database(&mut self.env, access);
        }
        self.access = access;
        Ok(())
    }

    async fn own_database(
        &mut self,
        meetings: &mut mpsc::UnboundedReceiver<(Peer, Channel)>,
    ) -> anyhow::Result<Access> {
        self.scene.child.tell(&ToKeeper::WantDatabase);
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

    /// Has the framework collect its static files.
    pub(crate) async fn collect_files(&mut self) -> anyhow::Result<()> {
        let mount = match &self.application {
            Application::Python(project) => project.collect_files(&self.scene, &self.env).await?,
            Application::Ruby(project) => project.collect_files(&self.scene, &self.env).await?,
            Application::Php(_)
            | Application::Command(_)
            | Application::Proxy(_)
            | Application::None => None,
        };
        self.mounts.extend(mount);
        Ok(())
    }

    /// Starts the workers. Without an application there are files alone.
    pub(crate) fn start(self) -> anyhow::Result<Running> {
        let Site { scene, application, env, access, mounts, edge } = self;
        let beside = settings::app::jobs(&scene.config, &env)?;
        let mut running = Running::new(open(&scene.child, mounts)?, edge);
        running.surround(scene.start.place.project.clone(), &env);
        running.run_beside(app::jobs::Settings {
            own: scene.own.clone(),
            env: env.clone(),
            project: scene.start.place.project.clone(),
            state: scene.start.place.state.join("cron"),
            jobs: scene.config.jobs.clone(),
            cron: beside,
            output: scene.output_of_jobs(),
        });
        match application {
            Application::Python(project) => {
                let streams = scene.found.streams();
                let buffering = if streams { Buffering::Streamed } else { Buffering::Whole };
                running.start(project.workers(&scene, env)?, buffering);
            }
            Application::Ruby(project) => {
                running.start(project.workers(&scene, env)?, Buffering::Whole);
            }
            Application::Command(project) => {
                running.start(project.workers(&scene, env)?, Buffering::Streamed);
            }
            Application::Proxy(server) => running.announce_proxy(server),
            Application::Php(project) => {
                running.start_php(project.server(&scene, env, access.as_ref())?);
            }
            Application::None => running.announce_files(),
        }
        Ok(running)
    }
}

impl Application {
    /// What it runs with, for people: `Python 3.11`, `requirements.txt`.
    fn runs_with(&self) -> Vec<String> {
        match self {
            Application::Python(project) => project.runs_with(),
            Application::Php(project) => project.runs_with(),
            Application::Ruby(project) => project.runs_with(),
            Application::Command(project) => project.runs_with(),
            Application::Proxy(_) | Application::None => Vec::new(),
        }
    }

    /// The MySQL driver that its dependencies name.
    fn mysql_driver(&self) -> Option<&str> {
        match self {
            Application::Python(project) => project.mysql_driver(),
            Application::Php(project) => project.mysql_driver(),
            Application::Ruby(project) => project.mysql_driver(),
            Application::Command(project) => project.mysql_driver(),
            Application::Proxy(_) | Application::None => None,
        }
    }
}

impl Scene {
    /// Where the lines of the site's processes go.
    fn output(&self) -> Sink {
        let (logs, name) = (self.logs.clone(), self.start.name.clone());
        Arc::new(move |worker, line| {
            let who = if worker == 0 { String::new() } else { format!(" worker {worker}") };
            logs.line(&format!("{name}{who}: {}", printable(line)), Reach::Terminal);
        })
    }
}

impl Scene {
    /// Where the lines of jobs go.
    fn output_of_jobs(&self) -> app::jobs::Sink {
        let (logs, name) = (self.logs.clone(), self.start.name.clone());
        Arc::new(move |job, line| {
            logs.line(&format!("{name} {job}: {}", printable(line)), Reach::Terminal);
        })
    }

    /// Where goes what the site's processes do that take long: `slow.log`, made for the first entry.
    fn slow_log(&self) -> SlowLog {
        let (folder, log) = (self.start.place.logs(), OnceLock::new());
        Arc::new(move |entry| {
            let open = || logs::open(&folder, "slow").map_err(|error| error.to_string());
            let lines: Vec<_> = entry.lines().map(printable).collect();
            match log.get_or_init(open) {
                Ok(logs) => logs.line(&lines.join("\n"), Reach::File),
                Err(error) => tracing::warn!(error, "slow.log can't be written"),
            }
        })
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
