//! The variables that a Ruby application is given unless it has them already.
//!
//! ```text
//!   LANG                      C.UTF-8, where nothing says what texts are written in
//!   RACK_ENV, RAILS_ENV       production
//!   RAILS_LOG_TO_STDOUT       1: the log is davy's
//!   RAILS_MAX_THREADS         as many as a worker has, where that is more than Rails' five
//!   SECRET_KEY_BASE           made once and kept, when a Rails application has none of its own
//! ```
//! What the site's settings or the environment say goes before all of it. RAILS_SERVE_STATIC_FILES
//! stays unset: the web step serves public/.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::Error;
use crate::detect::RubyFramework as Framework;

/// Adds to a site's variables what it has not; `has` tells of those that are inherited.
pub fn complete(
    variables: &mut BTreeMap<String, String>,
    framework: Framework,
    threads: u16,
    has: &dyn Fn(&str) -> bool,
) {
    let mut add = |name: &str, value: String| {
        if !has(name) {
            variables.entry(name.to_owned()).or_insert(value);
        }
    };
    add("RACK_ENV", "production".to_owned());
    // Ruby takes files for ASCII otherwise, and views with a letter more for broken.
    if !["LC_ALL", "LC_CTYPE", "LANG"].into_iter().any(has) {
        add("LANG", "C.UTF-8".to_owned());
    }
    if framework == Framework::Rails {
        add("RAILS_ENV", "production".to_owned());
        add("RAILS_LOG_TO_STDOUT", "1".to_owned());
        // It is also the size of the pool of connections to the database, which threads of the
        // application's own (Action Cable's) share.
        if threads > RAILS_THREADS {
            add("RAILS_MAX_THREADS", threads.to_string());
        }
    }
}

/// Where a Rails application's SECRET_KEY_BASE is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// It has its own: in the variables, in its credentials or in secrets.yml.
    Own,
    /// davy's, made now or before.
    Kept(String),
}

/// A Rails application's secret. `read` gives the text of the project's files; `has` tells which
/// variables are set.
pub fn secret(
    read: &dyn Fn(&str) -> Option<String>,
    has: &dyn Fn(&str) -> bool,
    state: &Path,
) -> Result<Secret, Error> {
    if has("SECRET_KEY_BASE") || has_credentials(read, has) {
        return Ok(Secret::Own);
    }
    keep(&state.join("secret_key_base")).map(Secret::Kept)
}

/// Credentials count when they can be read: with their key. What Rails generates as secrets.yml
/// takes the secret of production from the variable.
fn has_credentials(read: &dyn Fn(&str) -> Option<String>, has: &dyn Fn(&str) -> bool) -> bool {
    let both = |text: &str, key: &str| {
        read(text).is_some() && (has("RAILS_MASTER_KEY") || read(key).is_some())
    };
    both("config/credentials.yml.enc", "config/master.key")
        || both("config/credentials/production.yml.enc", "config/credentials/production.key")
        || read("config/secrets.yml").is_some_and(|text| !text.contains("SECRET_KEY_BASE"))
}

/// Reads the secret that is kept there, or makes one. It appears whole or not at all.
fn keep(path: &Path) -> Result<String, Error> {
    match fs::read_to_string(path) {
        Ok(secret) => return Ok(secret),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(Error::io(path)(error)),
    }
    make(path).map_err(Error::io(path))
}

fn make(path: &Path) -> io::Result<String> {
    let mut bytes = [0; 64];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    // Only its owner can read such a file.
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    part.write_all(secret.as_bytes())?;
    part.persist(path)?;
    Ok(secret)
}

/// What Rails makes room for when RAILS_MAX_THREADS is not set.
const RAILS_THREADS: u16 = 5;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_set_stays() {
        let mut variables = BTreeMap::from([("RAILS_ENV".to_owned(), "staging".to_owned())]);
        complete(&mut variables, Framework::Rails, 8, &|name| {
            ["RAILS_MAX_THREADS", "LANG"].contains(&name)
        });
        let told: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected =
            [("RACK_ENV", "production"), ("RAILS_ENV", "staging"), ("RAILS_LOG_TO_STDOUT", "1")];
        assert_eq!(told, expected);
        let count = |framework, threads| {
            let mut variables = BTreeMap::new();
            complete(&mut variables, framework, threads, &|_| false);
            variables.len()
        };
        assert_eq!(count(Framework::Sinatra, 8), 2);
        assert_eq!((count(Framework::Rails, 5), count(Framework::Rails, 8)), (4, 5));
    }

    #[test]
    fn secret_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("ruby");
        let secret = || secret(&|_| None, &|_| false, &state).unwrap();
        let Secret::Kept(first) = secret() else { panic!("a secret is made") };
        assert_eq!((first.len(), secret()), (128, Secret::Kept(first)));
        let mode = fs::metadata(state.join("secret_key_base")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn secret_of_the_application_s_own_is_left_alone() {
        let of = |files: &'static [&'static str], text: &'static str, set: &'static str| {
            let folder = tempfile::tempdir().unwrap();
            let read = |file: &str| files.contains(&file).then(|| text.to_owned());
            secret(&read, &|name| name == set, folder.path()).unwrap() == Secret::Own
        };
        assert!(of(&[], "", "SECRET_KEY_BASE"));
        assert!(of(&["config/credentials.yml.enc", "config/master.key"], "", ""));
        assert!(of(&["config/credentials.yml.enc"], "", "RAILS_MASTER_KEY"));
        assert!(!of(&["config/credentials.yml.enc"], "", ""), "nobody can read them");
        assert!(of(&["config/secrets.yml"], "production:\n  secret_key_base: 123\n", ""));
        assert!(!of(&["config/secrets.yml"], "secret_key_base: <%= ENV['SECRET_KEY_BASE'] %>", ""));
    }
}
