//! A PHP site: its PHP, its packages, its process.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context;
use app::detect::{self, PhpFramework as Framework};
use app::php::composer::{self, Outcome};
use app::php::{Php, Settings, missing};
use flow::control::Access;

use super::Scene;
use crate::roles::running::PhpSite;
use crate::settings;

/// A PHP site on its way up.
pub(super) struct Project {
    php: Php,
    site: detect::Php,
}

impl Project {
    /// Looks for PHP, and whether it has what the site needs.
    pub(super) async fn find(scene: &Scene, site: &detect::Php) -> anyhow::Result<Project> {
        let project = &scene.start.place.project;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let php = Php::find(&scene.own, &path, project).await?;
        let json = std::fs::read_to_string(project.join("composer.json")).ok();
        for (extension, package) in missing(&php, site.framework, json.as_deref()) {
            let text = format!(
                "PHP {} lacks {extension}, which the site needs (Debian, Ubuntu: apt install \
                 {package})",
                php.short_version(),
            );
            scene.child.warn("php", text);
        }
        Ok(Project { php, site: site.clone() })
    }

    pub(super) fn runs_with(&self) -> Vec<String> {
        let root = match self.site.root.as_str() {
            "." => None,
            root => Some(format!("root {root}")),
        };
        let php = format!("PHP {} ({})", self.php.version, self.php.kind.name());
        [php].into_iter().chain(root).collect()
    }

    pub(super) fn mysql_driver(&self) -> Option<&str> {
        self.site.database.as_deref()
    }

    /// Installs Composer's packages.
    pub(super) async fn install(&self, scene: &Scene) -> anyhow::Result<()> {
        let since = Instant::now();
        let child = scene.child.clone();
        let place = &scene.start.place;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let env: Vec<(String, String)> = scene.config.env.clone().into_iter().collect();
        let request = composer::Request {
            own: &scene.own,
            path: &path,
            project: &place.project,
            state: &place.state.join("php"),
            env: &env,
        };
        let progress = move |line: &str| child.doing("deps", line);
        match composer::install(request, &progress).await? {
            Outcome::Nothing => {}
            Outcome::Unchanged => scene.child.done("deps", "vendor, unchanged", Some(since)),
            Outcome::Installed => scene.child.done("deps", "vendor, by Composer", Some(since)),
        }
        Ok(())
    }

    /// Adds what PHP applications call their database; the site's own settings win.
    pub(super) fn name_database(env: &mut Vec<(String, String)>, access: &Access) {
        let url = env.iter().find(|(name, _)| name == "DATABASE_URL");
        let url = url.map(|(_, url)| url.clone()).unwrap_or_default();
        for (name, value) in app::php::variables(access, &url) {
            if !env.iter().any(|(set, _)| set == name) {
                env.push((name.to_owned(), value));
            }
        }
    }

    /// What PHP is started as, and for which folder.
    pub(super) fn server(
        self,
        scene: &Scene,
        env: Vec<(String, String)>,
        access: Option<&Access>,
    ) -> anyhow::Result<PhpSite> {
        let place = &scene.start.place;
        let root = place.project.join(&self.site.root);
        let root = root.canonicalize().with_context(|| format!("{}", root.display()))?;
        self.hint(scene, &root);
        let state = place.state.join("php");
        std::fs::create_dir_all(&state).with_context(|| format!("{}", state.display()))?;
        let limits = &scene.config.limits;
        Ok(PhpSite {
            upload_bytes_max: self.php.upload_bytes_max(&root),
            root,
            settings: Settings {
                own: scene.own.clone(),
                php: self.php,
                children: settings::app::pool(&scene.config).most.max(1),
                requests_max: limits.requests,
                slow_after: limits.request / 2,
                env,
                mysql_socket: access.map(|access| access.socket.clone()),
                project: place.project.clone(),
                run: place.run.clone(),
                state,
                output: scene.output(),
            },
        })
    }

    /// WordPress's own installer asks for what only davy knows.
    fn hint(&self, scene: &Scene, root: &std::path::Path) {
        let configured: [PathBuf; 2] = [root.join("wp-config.php"), root.join("../wp-config.php")];
        let lacking = !configured.iter().any(|file| file.is_file());
        if self.site.framework == Framework::WordPress && lacking {
            let text = "there is no wp-config.php: docs/php.md has one of ten lines that reads the \
                        database from the environment";
            scene.child.warn("php", text);
        }
    }
}
