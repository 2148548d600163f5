//! A project's gems, as Bundler sees to them.
//!
//! ```text
//!   no Gemfile                      what the system has
//!   bundle check, as things are     what the system has, or where the project keeps its own
//!   bundle check, then install      .davy/ruby/bundle
//! ```
//! The check comes first, so that a project whose gems are there (Debian's packages, an image, a
//! `bundle install` of one's own) needs neither network nor compiler. Groups `development` and
//! `test` are left out in production, unless BUNDLE_WITHOUT says otherwise.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use proc::Own;

use super::gems::Gems;
use super::interpreter::Ruby;
use crate::program::Program;
use crate::{Error, Progress};

/// Whose gems are wanted.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// davy's own executable.
    pub own: &'a Own,
    /// The project's Ruby.
    pub ruby: &'a Ruby,
    /// Its gems.
    pub gems: &'a Gems,
    /// The project's folder.
    pub project: &'a Path,
    /// A folder of davy's for what is installed.
    pub state: &'a Path,
    /// Variables of the site's own settings: Bundler's are among them.
    pub env: &'a BTreeMap<String, String>,
}

/// The gems, ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Variables for all that runs with these gems.
    pub env: Vec<(String, String)>,
    /// Where they are from.
    pub origin: Origin,
}

/// Where gems are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// There is no Gemfile.
    System,
    /// All were there without davy's doing.
    There,
    /// Those that davy installed before serve still.
    Kept,
    /// davy has installed them.
    Installed,
}

/// Makes sure that the gems of a project are there.
pub async fn prepare(request: Request<'_>, progress: Progress<'_>) -> Result<Bundle, Error> {
    if request.gems.file().is_none() {
        return Ok(Bundle { env: Vec::new(), origin: Origin::System });
    }
    if !request.ruby.bundler {
        let reason = "there is a Gemfile, but this Ruby has no Bundler. Install it (Debian, \
                      Ubuntu: apt install bundler; others: gem install bundler)";
        let path = request.ruby.path.clone();
        return Err(Error::Ruby { path, reason: reason.to_owned() });
    }
    let as_it_is = variables(&request);
    if check(&request, &as_it_is).await? {
        return Ok(Bundle { env: as_it_is, origin: Origin::There });
    }
    let mut of_ours = as_it_is;
    let folder = request.state.join("bundle");
    of_ours.push(("BUNDLE_PATH".to_owned(), folder.to_string_lossy().into_owned()));
    if check(&request, &of_ours).await? {
        return Ok(Bundle { env: of_ours, origin: Origin::Kept });
    }
    progress("bundle install");
    bundle(&request, &["install"], &of_ours, INSTALL_LIMIT)
        .run(request.own, progress)
        .await
        .map_err(with_advice)?;
    Ok(Bundle { env: of_ours, origin: Origin::Installed })
}

/// Bundler's variables, but where the site has its own.
fn variables(request: &Request<'_>) -> Vec<(String, String)> {
    let gemfile = request.project.join("Gemfile").to_string_lossy().into_owned();
    let usual = [("BUNDLE_GEMFILE", gemfile), ("BUNDLE_WITHOUT", "development:test".to_owned())];
    let own = request.env.iter().filter(|(name, _)| name.starts_with("BUNDLE_"));
    let mut all: BTreeMap<String, String> =
        usual.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    all.extend(own.map(|(name, value)| (name.clone(), value.clone())));
    if request
        .env
        .get("RAILS_ENV")
        .or(request.env.get("RACK_ENV"))
        .is_some_and(|it| it != "production")
    {
        all.remove("BUNDLE_WITHOUT");
    }
    all.into_iter().collect()
}

/// Whether all gems are there. Any failure but that of a check that ran too long is a no: what is
/// wrong with a Gemfile is what `bundle install` will say.
async fn check(request: &Request<'_>, env: &[(String, String)]) -> Result<bool, Error> {
    match bundle(request, &["check", "--dry-run"], env, CHECK_LIMIT).run(request.own, &|_| ()).await
    {
        Ok(()) => Ok(true),
        Err(Error::Failed { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

fn bundle<'a>(
    request: &Request<'a>,
    words: &[&str],
    env: &[(String, String)],
    limit: Duration,
) -> Program<'a> {
    // -S looks beside this Ruby, and then on the PATH.
    let mut argv: Vec<OsString> = vec![(&request.ruby.path).into(), "-S".into(), "bundle".into()];
    argv.extend(words.iter().map(Into::into));
    let env = env.iter().map(|(name, value)| (name.into(), Some(value.into()))).collect();
    Program { what: "bundle install", argv, env, dir: request.project, limit }
}

/// Adds what to do to a failure of Bundler, where its lines tell.
fn with_advice(error: Error) -> Error {
    match error {
        Error::Failed { what, how, told, .. } => {
            let advice = ADVICE.iter().find(|(sign, _)| told.contains(sign));
            let advice = advice.map_or(ELSE, |(_, advice)| advice).to_owned();
            Error::Failed { what, how, told, advice }
        }
        error => error,
    }
}

const CHECK_LIMIT: Duration = Duration::from_secs(60);
const INSTALL_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What to do, by what Bundler says. The first sign that is found counts.
const ADVICE: [(&str, &str); 6] = [
    (
        "mysql2",
        "mysql2 is compiled against MySQL's library. Install it (Debian, Ubuntu: apt install \
         default-libmysqlclient-dev gcc make ruby-dev), or the package ruby-mysql2.",
    ),
    ("mkmf", "Install Ruby's header files (Debian, Ubuntu: apt install ruby-dev gcc make)."),
    (
        "Could not reach host",
        "The gems' server can't be reached: check the network, or HTTPS_PROXY.",
    ),
    (
        "Could not fetch specs",
        "The gems' server can't be reached: check the network, or HTTPS_PROXY.",
    ),
    ("Your Ruby version is", "Install the Ruby that the Gemfile names, or change that line of it."),
    ("Could not find gem", "Check the gem's name and version, and the `source` of the Gemfile."),
];
const ELSE: &str = "Mend what Bundler complains of and start davy again.";

#[cfg(test)]
mod tests {
    use super::*;

    struct Scene {
        folder: tempfile::TempDir,
        own: Own,
        ruby: Ruby,
        env: BTreeMap<String, String>,
    }

    impl Scene {
        async fn new(gemfile: Option<&str>) -> Scene {
            let folder = tempfile::tempdir().unwrap();
            if let Some(text) = gemfile {
                std::fs::write(folder.path().join("Gemfile"), text).unwrap();
            }
            let (own, path) = (Own::direct(), std::env::var_os("PATH").unwrap());
            let ruby = Ruby::find(&own, &path, folder.path()).await.unwrap();
            Scene { folder, own, ruby, env: BTreeMap::new() }
        }

        async fn prepare(&self) -> Result<Bundle, Error> {
            let project = self.folder.path();
            let gems = Gems::read(project).unwrap();
            let state = project.join("state");
            let (own, ruby, env) = (&self.own, &self.ruby, &self.env);
            prepare(Request { own, ruby, gems: &gems, project, state: &state, env }, &|_| ()).await
        }
    }

    #[tokio::test]
    async fn project_without_a_gemfile_runs_with_what_the_system_has() {
        let bundle = Scene::new(None).await.prepare().await.unwrap();
        assert_eq!(bundle, Bundle { env: Vec::new(), origin: Origin::System });
    }

    #[tokio::test]
    async fn gems_that_are_there_are_not_installed() {
        let scene = Scene::new(Some("gem 'rack'\n")).await;
        let bundle = scene.prepare().await.unwrap();
        assert_eq!(bundle.origin, Origin::There);
        let env: BTreeMap<_, _> = bundle.env.into_iter().collect();
        assert!(env["BUNDLE_GEMFILE"].ends_with("/Gemfile") && !env.contains_key("BUNDLE_PATH"));
        assert!(!scene.folder.path().join("state").exists());
        assert!(!scene.folder.path().join("Gemfile.lock").exists(), "a check writes nothing");
    }

    /// A source of gems in a folder, with one gem of this name.
    fn source(folder: &Path, name: &str) -> String {
        let gemspec = format!(
            "Gem::Specification.new {{ |it| it.name, it.version = '{name}', '1.0'; it.summary = \
             it.author = '{name}'; it.files = ['{name}.gemspec'] }}\n"
        );
        std::fs::create_dir_all(folder.join("gems")).unwrap();
        std::fs::write(folder.join(format!("gems/{name}.gemspec")), gemspec).unwrap();
        for (words, dir) in [
            (vec!["build".to_owned(), format!("{name}.gemspec")], folder.join("gems")),
            (vec!["generate_index".to_owned()], folder.to_owned()),
        ] {
            let ran = std::process::Command::new("gem").args(words).current_dir(dir).output();
            assert!(ran.as_ref().unwrap().status.success(), "{ran:?}");
        }
        format!("source 'file://{}'\n", folder.display())
    }

    #[tokio::test]
    async fn gems_that_are_missing_are_installed_once() {
        let folder = tempfile::tempdir().unwrap();
        let gemfile = source(folder.path(), "davy-example") + "gem 'davy-example'\n";
        let scene = Scene::new(Some(&gemfile)).await;
        let installed = scene.prepare().await.unwrap();
        let path = scene.folder.path().join("state/bundle");
        let wanted = ("BUNDLE_PATH".to_owned(), path.to_string_lossy().into_owned());
        assert!(installed.origin == Origin::Installed && installed.env.contains(&wanted));
        // Now the source is not asked any more.
        drop(folder);
        assert_eq!(scene.prepare().await.unwrap().origin, Origin::Kept);
    }

    #[tokio::test]
    async fn gems_of_development_are_not_missed_in_production() {
        let folder = tempfile::tempdir().unwrap();
        let gemfile = source(folder.path(), "of-tests") + "group(:test) { gem 'of-tests' }\n";
        let lock = format!(
            "GEM\n  remote: file://{}/\n  specs:\n    of-tests (1.0)\n\nPLATFORMS\n  ruby\n\n\
             DEPENDENCIES\n  of-tests\n",
            folder.path().display()
        );
        let mut scene = Scene::new(Some(&gemfile)).await;
        std::fs::write(scene.folder.path().join("Gemfile.lock"), lock).unwrap();
        assert_eq!(scene.prepare().await.unwrap().origin, Origin::There);
        scene.env.insert("BUNDLE_WITHOUT".to_owned(), "nothing".to_owned());
        assert_eq!(scene.prepare().await.unwrap().origin, Origin::Installed);
    }

    #[tokio::test]
    async fn gems_that_can_not_be_had_are_told_of_with_bundler_s_words() {
        let gemfile = "source 'file:///nowhere'\ngem 'not-to-be-found-anywhere'\n";
        let error = Scene::new(Some(gemfile)).await.prepare().await.unwrap_err().to_string();
        assert!(error.starts_with("bundle install failed"), "{error}");
        assert!(error.contains("file:///nowhere") && error.contains("network"), "{error}");
    }

    #[tokio::test]
    async fn development_has_the_gems_of_development() {
        let mut scene = Scene::new(Some("gem 'rack'\n")).await;
        scene.env.insert("RACK_ENV".to_owned(), "development".to_owned());
        let bundle = scene.prepare().await.unwrap();
        assert!(bundle.env.iter().all(|(name, _)| name != "BUNDLE_WITHOUT"));
    }
}
