//! Reads a project folder's davy.toml and .env, both of them optional and of limited size.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::problems::{Fault, Problems, Show, report};
use crate::report::Report;
use crate::{Config, Origins, dotenv, shape};

/// The largest davy.toml or .env that is read, in bytes.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Reads `davy.toml` and `.env` in `folder`. Neither has to be there; without them, everything is
/// at its default.
///
/// # Errors
/// A [`Report`] of all the problems in both files.
pub fn load(folder: &Path) -> Result<Config, Report> {
    load_with_origins(folder).map(|(config, _)| config)
}

/// As [`load`], and where each value was written.
///
/// # Errors
/// A [`Report`] of all the problems in both files.
pub fn load_with_origins(folder: &Path) -> Result<(Config, Origins), Report> {
    let (toml_name, env_name) = (name_in(folder, "davy.toml"), name_in(folder, ".env"));
    let (toml, toml_fault) = text_or_fault(&folder.join("davy.toml"));
    let (env, env_fault) = text_or_fault(&folder.join(".env"));

    let mut toml = Problems::new(&toml_name, &toml, Show::Lines);
    let mut config = check_text(&mut toml, folder);
    toml_fault.into_iter().for_each(|fault| toml.add_whole(fault));
    if !folder.is_dir() {
        let message = format!("there is no folder `{}`", folder.display());
        toml.add_whole(Fault::new(message, "name the folder that holds the project"));
    }

    let mut env = Problems::new(&env_name, &env, Show::Names);
    let variables = dotenv::read(&mut env);
    env_fault.into_iter().for_each(|fault| env.add_whole(fault));

    let mut origins = Origins::default();
    let places = variables.iter().map(|(name, variable)| (&**name, variable.at));
    origins.add_dotenv(&env_name, env.text, places);
    origins.add_toml(&toml_name, toml.text);
    for (name, variable) in variables {
        // `[env]` wins.
        config.env.entry(name).or_insert(variable.value);
    }
    report([toml, env]).map(|()| (config, origins))
}

/// Checks the text of a davy.toml that stands in `folder`; `file_name` is what reports call it.
/// Its only look at the world is whether `root` is a folder.
///
/// # Errors
/// A [`Report`] of all the problems in the text.
pub fn check(file_name: &str, text: &str, folder: &Path) -> Result<Config, Report> {
    let mut problems = Problems::new(file_name, text, Show::Lines);
    let config = check_text(&mut problems, folder);
    report([problems]).map(|()| config)
}

fn check_text(problems: &mut Problems<'_>, folder: &Path) -> Config {
    let file = shape::read(problems);
    crate::check::check(file, folder, problems)
}

/// A file's name as it is shown: `davy.toml` in the present folder, else with the folder's name.
fn name_in(folder: &Path, file: &str) -> String {
    let folder = folder.strip_prefix(".").unwrap_or(folder);
    folder.join(file).display().to_string()
}

/// The text of a file, empty when there is none or it can't be read; then also why not.
fn text_or_fault(path: &Path) -> (String, Option<Fault>) {
    match read(path) {
        Ok(text) => (text, None),
        Err(fault) => (String::new(), Some(fault)),
    }
}

fn read(path: &Path) -> Result<String, Fault> {
    let unreadable = |error: std::io::Error| {
        Fault::new(
            format!("this file can't be read: {error}"),
            "let the user who runs davy read it",
        )
    };
    // Asked before opening, because opening a pipe would wait for somebody to write into it.
    match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(unreadable(error)),
        Ok(found) if !found.is_file() => {
            return Err(Fault::new("this is not a file", "put a text file here, or nothing"));
        }
        Ok(_) => {}
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Fault::new("this file is larger than 1 MiB", "is it really the right file?"));
    }
    decode(bytes)
}

fn decode(bytes: Vec<u8>) -> Result<String, Fault> {
    let help = "save it as UTF-8 in your editor";
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(Fault::new("this file is written in UTF-16, not in UTF-8", help));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
        Fault::new(
            format!("this file is not UTF-8 text: the first bad byte is in line {line}"),
            help,
        )
    })?;
    // The byte order mark that some editors write is no part of the text.
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

#[cfg(test)]
mod tests;
