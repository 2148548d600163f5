//! A server of its own that a command starts: Node, a Procfile's web line, anything.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use app::command::Command;
use app::dependencies::Dependencies;
use app::detect::Kind;
use app::node::{Node, Packages};
use app::workers::Launch;

use super::{Scene, python};
use crate::settings;

/// Such a site on its way up.
pub(super) struct Project {
    line: String,
    node: Option<Node>,
    /// The project names Python packages: the command finds them installed.
    python: Option<python::Project>,
}

impl Project {
    /// Looks what the command may need.
    pub(super) async fn find(scene: &Scene) -> anyhow::Result<Project> {
        let Kind::Command(command) = &scene.found.kind else { bail!("there is no command") };
        let project = &scene.start.place.project;
        let names_packages = Dependencies::read(project)?.file().is_some();
        let python = match names_packages {
            true => Some(python::Project::find(scene).await?),
            false => None,
        };
        let node = Node::find(&scene.own, project).await?;
        Ok(Project { line: command.line.clone(), node, python })
    }

    pub(super) fn runs_with(&self) -> Vec<String> {
        let python = self.python.iter().flat_map(python::Project::runs_with);
        self.node.iter().map(Node::text).chain(python).collect()
    }

    pub(super) fn mysql_driver(&self) -> Option<&str> {
        self.python.as_ref()?.mysql_driver()
    }

    /// Installs what package.json and the Python project name.
    pub(super) async fn install(&mut self, scene: &Scene) -> anyhow::Result<()> {
        let text = format!("{} ({})", self.line, scene.found.reason);
        scene.child.done("runs", text, None);
        if let Some(python) = &mut self.python {
            python.install(scene).await?;
        }
        let Some(node) = &self.node else { return Ok(()) };
        let (since, child, place) = (Instant::now(), scene.child.clone(), &scene.start.place);
        let progress = move |line: &str| child.doing("deps", line);
        let state = place.state.join("node");
        match node.install(&scene.own, &place.project, &state, &progress).await? {
            Packages::None => {}
            Packages::Installed => scene.child.done("deps", "node_modules", Some(since)),
            Packages::Unchanged => scene.child.done("deps", "node_modules, unchanged", Some(since)),
        }
        Ok(())
    }

    /// How its processes are started.
    pub(super) fn workers(
        self,
        scene: &Scene,
        mut env: Vec<(String, String)>,
    ) -> anyhow::Result<app::workers::Settings> {
        let place = &scene.start.place;
        if self.node.is_some() && std::env::var_os("NODE_ENV").is_none() {
            default(&mut env, "NODE_ENV", "production".into());
        }
        let node = self.node.as_ref().map(|_| place.project.join("node_modules/.bin"));
        let python = self.python.as_ref().and_then(python::Project::programs);
        let path = path(python.into_iter().chain(node))?;
        default(&mut env, "PATH", path);
        Ok(app::workers::Settings {
            own: scene.own.clone(),
            pool: settings::app::servers(&scene.config),
            recycling: settings::app::recycling(&scene.config),
            launch: Launch::Http(Command::new(&self.line)),
            env,
            project: place.project.clone(),
            run: place.run.clone(),
            output: scene.output(),
            slow: scene.slow_log(),
        })
    }
}

/// Sets a variable that the site does not set itself.
fn default(env: &mut Vec<(String, String)>, name: &str, value: String) {
    if !env.iter().any(|(set, _)| set == name) {
        env.push((name.into(), value));
    }
}

/// The project's own programs before those of the system.
fn path(own: impl Iterator<Item = PathBuf>) -> anyhow::Result<String> {
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let inherited: Vec<PathBuf> = std::env::split_paths(&inherited).collect();
    let path: OsString = std::env::join_paths(own.chain(inherited))?;
    path.into_string().ok().context("the PATH is not UTF-8")
}
