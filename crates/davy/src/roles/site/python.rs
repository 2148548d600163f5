//! A Python project: its interpreter, its environment, its workers.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use app::dependencies::Dependencies;
use app::detect::{Kind, Python};
use app::files::{Django, Mount};
use app::interpreter::Interpreter;
use app::venv::{Environment, Origin};

use super::Scene;
use crate::roles::child::Child;
use crate::settings;

/// A Python project on its way up.
pub(super) struct Project {
    interpreter: Interpreter,
    dependencies: Dependencies,
    /// None: not installed yet.
    environment: Option<Environment>,
}

impl Project {
    /// Looks for the interpreter, and what is to be installed.
    pub(super) async fn find(scene: &Scene) -> anyhow::Result<Project> {
        let project = &scene.start.place.project;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let interpreter = Interpreter::find(&scene.own, &path, project).await?;
        let (dependencies, note) = Dependencies::read(project)?.with_tool(&path)?;
        note.into_iter().for_each(|note| scene.child.warn("deps", note));
        Ok(Project { interpreter, dependencies, environment: None })
    }

    pub(super) fn runs_with(&self) -> Vec<String> {
        let python = format!("Python {}", self.interpreter.short_version());
        [python].into_iter().chain(self.dependencies.file().map(str::to_owned)).collect()
    }

    pub(super) fn mysql_driver(&self) -> Option<&str> {
        self.dependencies.mysql_driver()
    }

    /// Makes the environment with its dependencies.
    pub(super) async fn install(&mut self, scene: &Scene) -> anyhow::Result<()> {
        let since = Instant::now();
        let child = scene.child.clone();
        let place = &scene.start.place;
        let request = app::venv::Request {
            own: &scene.own,
            interpreter: &self.interpreter,
            dependencies: &self.dependencies,
            project: &place.project,
            state: &place.state.join("python"),
        };
        let progress = move |line: &str| child.doing("deps", line);
        let fetch = async || fetch_pip(&scene.child, &place.cache).await;
        let environment = app::venv::prepare(request, fetch, &progress).await?;
        if let Some(folder) = &environment.folder {
            let folder = folder.strip_prefix(&place.project).unwrap_or(folder);
            let packages = match environment.packages {
                1 => "1 package".into(),
                n => format!("{n} packages"),
            };
            let text = format!("{packages} in {}", folder.display());
            match environment.origin {
                Origin::Made => scene.child.done("deps", text, Some(since)),
                _ => scene.child.done("deps", format!("{text}, unchanged"), Some(since)),
            }
        }
        self.environment = Some(environment);
        Ok(())
    }

    /// Has Django collect its static files.
    pub(super) async fn collect_files(
        &self,
        scene: &Scene,
        env: &[(String, String)],
    ) -> anyhow::Result<Option<Mount>> {
        let (Kind::Python(Python::Django { settings }), Some(environment)) =
            (&scene.found.kind, &self.environment)
        else {
            return Ok(None);
        };
        let since = Instant::now();
        let child = scene.child.clone();
        let project = &scene.start.place.project;
        let python = &environment.python;
        let django = Django { own: &scene.own, python, project, settings, env };
        let progress = move |line: &str| child.doing("files", line);
        let mount = app::files::collect(django, &progress).await?;
        if let Some(mount) = &mount {
            let folder = mount.folder.strip_prefix(project).unwrap_or(&mount.folder);
            let text = format!("{} from {}", mount.prefix, folder.display());
            scene.child.done("files", text, Some(since));
        }
        Ok(mount)
    }

    /// How its workers are started.
    pub(super) fn workers(
        self,
        scene: &Scene,
        env: Vec<(String, String)>,
    ) -> anyhow::Result<app::workers::Settings> {
        let place = &scene.start.place;
        let main = app::carried::write_worker(&place.state.join("python"))?;
        let python = self.environment.map(|environment| environment.python);
        let python = python.context("the environment was not made")?;
        let callable = scene.found.callable.as_deref().context("no callable was found")?;
        Ok(app::workers::Settings {
            own: scene.own.clone(),
            pool: settings::app::pool(&scene.config),
            recycling: settings::app::recycling(&scene.config),
            argv: app::carried::worker_argv(&python, &main, callable, scene.config.threads),
            env,
            project: place.project.clone(),
            run: place.run.clone(),
            output: scene.output(),
            slow: scene.slow_log(),
        })
    }
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
