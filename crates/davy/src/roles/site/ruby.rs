//! A Ruby project: its interpreter, its gems, its assets, its workers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::bail;
use app::command::Command;
use app::detect::{Kind, Ruby, RubyFramework as Framework, Server};
use app::files::Mount;
use app::ruby::assets::{self, Assets};
use app::ruby::bundle::{self, Bundle, Origin};
use app::ruby::environment::{self, Secret};
use app::ruby::gems::Gems;
use app::ruby::interpreter;
use app::ruby::server;
use app::variables::UrlForm;
use app::workers::Launch;

use super::Scene;
use crate::settings;

/// A Ruby project on its way up.
pub(super) struct Project {
    kind: Ruby,
    ruby: interpreter::Ruby,
    gems: Gems,
    /// None: not looked at yet.
    bundle: Option<Bundle>,
    /// Where davy keeps what it makes for this project.
    state: PathBuf,
}

impl Project {
    /// Looks for the interpreter, and what is to be installed.
    pub(super) async fn find(scene: &Scene) -> anyhow::Result<Project> {
        let Kind::Ruby(kind) = scene.found.kind.clone() else { bail!("this is no Ruby project") };
        let project = &scene.start.place.project;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let ruby = interpreter::Ruby::find(&scene.own, &path, project).await?;
        if let Some(asked) = &ruby.asked {
            let text = format!("the project asks for Ruby {asked}, this is {}", ruby.version);
            scene.child.warn("ruby", text);
        }
        let (gems, state) = (Gems::read(project)?, scene.start.place.state.join("ruby"));
        Ok(Project { kind, ruby, gems, bundle: None, state })
    }

    pub(super) fn runs_with(&self) -> Vec<String> {
        let ruby = format!("Ruby {}", self.ruby.short_version());
        let puma = (self.kind.server == Server::Puma).then(|| "Puma".to_owned());
        let file = self.gems.file().map(str::to_owned);
        [Some(ruby), puma, file].into_iter().flatten().collect()
    }

    pub(super) fn mysql_driver(&self) -> Option<&str> {
        self.gems.mysql_driver()
    }

    pub(super) fn url_form(&self) -> UrlForm {
        self.gems.url_form()
    }

    /// Makes sure of the gems.
    pub(super) async fn install(&mut self, scene: &Scene) -> anyhow::Result<()> {
        let since = Instant::now();
        let child = scene.child.clone();
        let request = bundle::Request {
            own: &scene.own,
            ruby: &self.ruby,
            gems: &self.gems,
            project: &scene.start.place.project,
            state: &self.state,
            env: &scene.config.env,
        };
        let bundle = bundle::prepare(request, &move |line: &str| child.doing("deps", line)).await?;
        let folder = self.state.join("bundle");
        let folder = folder.strip_prefix(&scene.start.place.project).unwrap_or(&folder).display();
        match bundle.origin {
            Origin::System => {}
            Origin::There => scene.child.done("deps", "the bundle is there", Some(since)),
            Origin::Kept => {
                scene.child.done("deps", format!("bundle in {folder}, unchanged"), Some(since));
            }
            Origin::Installed => {
                scene.child.done("deps", format!("bundle in {folder}"), Some(since));
            }
        }
        self.bundle = Some(bundle);
        Ok(())
    }

    /// Adds the variables that a Ruby application needs and has not.
    pub(super) fn complete(
        &self,
        scene: &Scene,
        variables: &mut BTreeMap<String, String>,
    ) -> anyhow::Result<()> {
        let inherited = |name: &str| std::env::var_os(name).is_some();
        let threads = settings::app::threads(&scene.config);
        environment::complete(variables, self.kind.framework, threads, &inherited);
        for (name, value) in self.bundle.iter().flat_map(|bundle| &bundle.env) {
            variables.insert(name.clone(), value.clone());
        }
        if self.kind.framework == Framework::Rails {
            let project = &scene.start.place.project;
            let read = |file: &str| std::fs::read_to_string(project.join(file)).ok();
            let has = |name: &str| inherited(name) || variables.contains_key(name);
            if let Secret::Kept(secret) = environment::secret(&read, &has, &self.state)? {
                let kept = self.state.join("secret_key_base");
                let kept = kept.strip_prefix(project).unwrap_or(&kept).display();
                scene.child.done("secret", format!("SECRET_KEY_BASE is davy's, in {kept}"), None);
                variables.insert("SECRET_KEY_BASE".to_owned(), secret);
            }
        }
        Ok(())
    }

    /// Has Rails compile its assets, into public/.
    pub(super) async fn collect_files(
        &self,
        scene: &Scene,
        env: &[(String, String)],
    ) -> anyhow::Result<Option<Mount>> {
        if self.kind.framework != Framework::Rails {
            return Ok(None);
        }
        let since = Instant::now();
        let child = scene.child.clone();
        let project = &scene.start.place.project;
        let request = assets::Request {
            own: &scene.own,
            ruby: &self.ruby,
            gems: &self.gems,
            project,
            state: &self.state,
            env,
        };
        let progress = move |line: &str| child.doing("files", line);
        match assets::precompile(request, &progress).await? {
            Assets::None => {}
            Assets::Unchanged => scene.child.done("files", "assets, unchanged", Some(since)),
            Assets::Compiled => scene.child.done("files", "assets compiled", Some(since)),
        }
        // There was no public/ before, if this is the first time.
        let public = project.join("public");
        let mounted = scene.config.root.is_some();
        Ok((!mounted && public.is_dir()).then(|| Mount { prefix: "/".to_owned(), folder: public }))
    }

    /// How its workers are started.
    pub(super) fn workers(
        self,
        scene: &Scene,
        env: Vec<(String, String)>,
    ) -> anyhow::Result<app::workers::Settings> {
        let place = &scene.start.place;
        let config: &Path = &server::config(&self.kind.entry, &self.state)?;
        let threads = settings::app::threads(&scene.config);
        let (pool, launch) = match self.kind.server {
            Server::Davy => {
                let main = server::write_worker(&self.state)?;
                let argv = server::worker_argv(&self.ruby.path, &main, config, threads);
                let preload = Some(app::carried::preload_argv(&argv));
                (settings::app::pool(&scene.config), Launch::Frames { argv, preload })
            }
            Server::Puma => {
                let line = server::puma(&self.ruby.path, &self.gems, config, threads);
                (settings::app::servers(&scene.config), Launch::Http(Command::new(&line)))
            }
        };
        Ok(app::workers::Settings {
            own: scene.own.clone(),
            pool,
            recycling: settings::app::recycling(&scene.config),
            launch,
            env,
            project: place.project.clone(),
            run: place.run.clone(),
            output: scene.output(),
            slow: scene.slow_log(),
        })
    }
}
