//! What runs a Ruby application: davy's worker, carried in the binary, or the application's own Puma.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;
use crate::carried;
use crate::detect::Entry;
use crate::ruby::gems::Gems;

/// Writes the worker below `state`, unless it is there already, and gives the path of its main.rb.
pub fn write_worker(state: &Path) -> Result<PathBuf, Error> {
    carried::write(state, &FILES).map(|folder| folder.join("main.rb"))
}

/// What starts a worker for the application of a config.ru.
pub fn worker_argv(ruby: &Path, main: &Path, config: &Path, threads: u16) -> Vec<OsString> {
    vec![ruby.into(), main.into(), config.into(), threads.to_string().into()]
}

/// The command line of Puma, which listens on the socket that takes the place of `{socket}`. Its
/// config/puma.rb counts, but for where it listens and the number of threads.
pub fn puma(ruby: &Path, gems: &Gems, config: &Path, threads: u16) -> String {
    let quoted = |path: &Path| format!("'{}'", path.to_string_lossy().replace('\'', "'\\''"));
    let bundle = if gems.file().is_some() { "bundle exec " } else { "" };
    let (ruby, config) = (quoted(ruby), quoted(config));
    format!(
        "{ruby} -S {bundle}puma --bind unix://{{socket}} --threads {threads}:{threads} {config}"
    )
}

/// The config.ru of an application, seen from the project's folder; one is written below `state` if
/// it has none.
pub fn config(entry: &Entry, state: &Path) -> Result<PathBuf, Error> {
    let Entry::File { file, application } = entry else { return Ok("config.ru".into()) };
    let path = state.join("config.ru");
    let text = format!("require File.expand_path({file:?})\nrun {application}\n");
    fs::create_dir_all(state).and_then(|()| fs::write(&path, text)).map_err(Error::io(&path))?;
    Ok(path)
}

const FILES: [(&str, &[u8]); 11] = [
    ("connection.rb", include_bytes!("../../workers/ruby/connection.rb")),
    ("input.rb", include_bytes!("../../workers/ruby/input.rb")),
    ("main.rb", include_bytes!("../../workers/ruby/main.rb")),
    ("output.rb", include_bytes!("../../workers/ruby/output.rb")),
    ("raw_answer.rb", include_bytes!("../../workers/ruby/raw_answer.rb")),
    ("request.rb", include_bytes!("../../workers/ruby/request.rb")),
    ("server.rb", include_bytes!("../../workers/ruby/server.rb")),
    ("stream.rb", include_bytes!("../../workers/ruby/stream.rb")),
    ("tunnel.rb", include_bytes!("../../workers/ruby/tunnel.rb")),
    ("wire.rb", include_bytes!("../../workers/ruby/wire.rb")),
    ("zygote.rb", include_bytes!("../../workers/ruby/zygote.rb")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_worker_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("workers/ruby");
        let here = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<PathBuf> = here.filter(|path| path.is_file()).collect();
        names.sort();
        let names = names.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), FILES.map(|(name, _)| name));
    }

    #[test]
    fn puma_is_started_on_a_socket_with_the_bundle_if_there_is_one() {
        let line = puma(Path::new("/opt/a b/ruby"), &Gems::default(), Path::new("config.ru"), 3);
        let expected = "'/opt/a b/ruby' -S puma --bind unix://{socket} --threads 3:3 'config.ru'";
        assert_eq!(line, expected);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("Gemfile"), "gem 'puma'\n").unwrap();
        let gems = Gems::read(folder.path()).unwrap();
        let line = puma(Path::new("/usr/bin/ruby"), &gems, Path::new("config.ru"), 1);
        assert!(line.contains(" -S bundle exec puma --bind "), "{line}");
    }

    #[test]
    fn application_without_config_ru_gets_one() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(config(&Entry::Config, state.path()).unwrap(), Path::new("config.ru"));
        let entry = Entry::File { file: "app.rb".to_owned(), application: "Shop".to_owned() };
        let path = config(&entry, state.path()).unwrap();
        let text = fs::read_to_string(path).unwrap();
        assert_eq!(text, "require File.expand_path(\"app.rb\")\nrun Shop\n");
    }
}
