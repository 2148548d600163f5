//! What a project depends on: the names in requirements.txt (with the files it includes), or in
//! pyproject.toml, with uv.lock or poetry.lock beside it.
//!
//! pip alone understands these files fully; here they are read for two things: a key that changes
//! whenever they do, and the names, so that a MySQL driver among them can be seen. Lines that name
//! no package (options, URLs, paths) count for the key and stay pip's business.
//! Limits: 1 MiB a file, 64 files, a lock of 16 MiB.

mod locked;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::Error;
use crate::key::Key;

pub(crate) use locked::Tool;

/// A project's dependencies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependencies {
    wanted: Wanted,
    /// As written.
    names: Vec<String>,
    key: Key,
}

/// Where the dependencies stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    Nothing,
    Requirements,
    Project(Vec<String>),
    Locked {
        tool: Tool,
        /// Where the tool is; None: that was not looked up.
        program: Option<PathBuf>,
        /// What pyproject.toml lists for every tool; None: nothing, as it knows this one alone.
        listed: Option<Vec<String>>,
    },
}

impl Dependencies {
    /// Reads a project's dependencies; requirements.txt goes before pyproject.toml.
    pub fn read(project: &Path) -> Result<Dependencies, Error> {
        if project.join(REQUIREMENTS).is_file() {
            return requirements(&|file| read(project, file));
        }
        match read(project, Path::new(PYPROJECT)) {
            Ok(text) => with_lock(project, pyproject(&text)?, &text),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Dependencies { wanted: Wanted::Nothing, names: Vec::new(), key: Key::new() })
            }
            Err(error) => Err(error),
        }
    }

    /// The file they stand in; None when there are none.
    pub fn file(&self) -> Option<&'static str> {
        match self.wanted {
            Wanted::Nothing => None,
            Wanted::Requirements => Some(REQUIREMENTS),
            Wanted::Project(_) => Some(PYPROJECT),
            Wanted::Locked { tool, .. } => Some(tool.file()),
        }
    }

    /// The same with the tool of its lock, if there is a lock, looked up on a PATH. Without the
    /// tool the lock is not used, and the text says so; an error where nothing else can be.
    pub fn with_tool(mut self, path: &OsStr) -> Result<(Dependencies, Option<String>), Error> {
        let Wanted::Locked { tool, ref mut program, ref mut listed } = self.wanted else {
            return Ok((self, None));
        };
        *program = tool.on(path);
        if program.is_some() {
            // What it installs is not what is installed without it.
            self.key = self.key.with(tool.name().as_bytes());
            return Ok((self, None));
        }
        let (name, file, advice) = (tool.name(), tool.file(), tool.advice());
        let Some(listed) = listed.take() else {
            let reason = format!(
                "there is no {name} on the PATH. {advice}, or list the packages \
                in requirements.txt"
            );
            return Err(wrong(file, reason));
        };
        let note = format!("{file} is not used: there is no {name} on the PATH. {advice}");
        self.wanted = if listed.is_empty() { Wanted::Nothing } else { Wanted::Project(listed) };
        Ok((self, Some(note)))
    }

    /// The packages' names, normalised (PEP 503).
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.names.iter().map(|name| normalised(name))
    }

    /// A MySQL driver among them, by its name as written.
    pub fn mysql_driver(&self) -> Option<&str> {
        let is_driver = |name: &&String| MYSQL_DRIVERS.contains(&normalised(name).as_str());
        self.names.iter().find(is_driver).map(String::as_str)
    }

    pub(crate) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }
}

type ReadFile<'a> = &'a dyn Fn(&Path) -> Result<String, Error>;

/// Reads requirements.txt and what it includes, each file once.
fn requirements(read: ReadFile<'_>) -> Result<Dependencies, Error> {
    let mut waiting = vec![(Include::Requirements, PathBuf::from(REQUIREMENTS))];
    let mut seen: Vec<PathBuf> = Vec::new();
    let (mut names, mut key, mut wanted) = (Vec::new(), Key::new(), Wanted::Nothing);
    while let Some((kind, file)) = waiting.pop() {
        if seen.contains(&file) {
            continue;
        }
        if seen.len() == FILES_MAX {
            return Err(wrong(REQUIREMENTS, format!("more than {FILES_MAX} files are included")));
        }
        let text = read(&file)?;
        key = key.with(file.as_os_str().as_encoded_bytes()).with(text.as_bytes());
        for line in logical_lines(&text) {
            if let Some((kind, path)) = included(&line) {
                waiting.push((kind, beside(&file, path)));
            } else if kind == Include::Requirements {
                wanted = Wanted::Requirements;
                names.extend(name_of(&line).map(str::to_owned));
            }
        }
        seen.push(file);
    }
    Ok(Dependencies { wanted, names, key })
}

/// What pyproject.toml lists, by the lock beside it if there is one.
fn with_lock(project: &Path, found: Dependencies, text: &str) -> Result<Dependencies, Error> {
    let Some(tool) = Tool::ALL.into_iter().find(|tool| project.join(tool.file()).is_file()) else {
        return Ok(found);
    };
    // A lock of hundreds of packages is longer than a file that a person writes.
    let lock = read_up_to(LOCK_BYTES_MAX, project, Path::new(tool.file()))?;
    let Dependencies { wanted, mut names, key } = found;
    let mut listed = match wanted {
        Wanted::Project(listed) => Some(listed),
        _ => Some(Vec::new()),
    };
    let poetrys = poetry_names(text);
    if listed.as_ref().is_some_and(Vec::is_empty) && !poetrys.is_empty() {
        (listed, names) = (None, poetrys);
    }
    let key = key.with(text.as_bytes()).with(lock.as_bytes());
    Ok(Dependencies { wanted: Wanted::Locked { tool, program: None, listed }, names, key })
}

/// The names in `[tool.poetry.dependencies]`, where projects of poetry 1 have them.
fn poetry_names(text: &str) -> Vec<String> {
    let table: Option<toml::Table> = toml::from_str(text).ok();
    let tables = ["tool", "poetry", "dependencies"];
    let listed = table.and_then(|table| {
        let mut value = toml::Value::Table(table);
        for name in tables {
            value = value.get(name)?.clone();
        }
        value.as_table().cloned()
    });
    let names = listed.into_iter().flat_map(|table| table.into_iter().map(|(name, _)| name));
    names.filter(|name| name != "python").collect()
}

/// Reads `[project].dependencies`.
fn pyproject(text: &str) -> Result<Dependencies, Error> {
    let table: toml::Table =
        toml::from_str(text).map_err(|error| wrong(PYPROJECT, error.to_string()))?;
    let listed = table.get("project").and_then(|project| project.get("dependencies"));
    let listed = match listed {
        None => &Vec::new(),
        Some(toml::Value::Array(listed)) => listed,
        Some(_) => return Err(wrong(PYPROJECT, "[project].dependencies is not a list of strings")),
    };
    let listed: Option<Vec<String>> =
        listed.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    let listed = listed
        .filter(|listed| listed.iter().all(|line| !line.contains('\n') && !line.starts_with('-')))
        .ok_or_else(|| wrong(PYPROJECT, "[project].dependencies is not a list of requirements"))?;
    let names = listed.iter().filter_map(|line| name_of(line)).map(str::to_owned).collect();
    let key = listed.iter().fold(Key::new(), |key, line| key.with(line.as_bytes()));
    let wanted = if listed.is_empty() { Wanted::Nothing } else { Wanted::Project(listed) };
    Ok(Dependencies { wanted, names, key })
}

/// Constraints name no dependencies, but they decide on versions: they count for the key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Include {
    Requirements,
    Constraints,
}

/// `-r file`, `--requirement file`, `--requirement=file`, and the same for constraints.
fn included(line: &str) -> Option<(Include, &str)> {
    let options = [
        ("--requirement", Include::Requirements),
        ("--constraint", Include::Constraints),
        ("-r", Include::Requirements),
        ("-c", Include::Constraints),
    ];
    options.into_iter().find_map(|(option, kind)| {
        let rest = line.strip_prefix(option)?;
        let path = rest.trim_start_matches(['=', ' ', '\t']).trim();
        let separate = !option.starts_with("--") || path.len() < rest.len();
        (separate && !path.is_empty() && !path.contains("://")).then_some((kind, path))
    })
}

/// A path in a file, taken from that file's own place. `..` is resolved by its letters, so that one
/// file has one name.
fn beside(file: &Path, path: &str) -> PathBuf {
    let mut place = file.parent().unwrap_or(Path::new("")).to_owned();
    for part in Path::new(path).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(place.components().next_back(), Some(Component::Normal(_))) =>
            {
                place.pop();
            }
            part => place.push(part),
        }
    }
    place
}

/// Lines with continuations joined and comments taken away, as pip does it.
fn logical_lines(text: &str) -> Vec<String> {
    let joined = text.replace("\\\r\n", "").replace("\\\n", "");
    let without_comment = |line: &str| {
        let comment = line
            .match_indices('#')
            .find(|(at, _)| *at == 0 || line[..*at].ends_with(char::is_whitespace));
        comment.map_or(line, |(at, _)| &line[..at]).trim().to_owned()
    };
    joined.lines().map(without_comment).filter(|line| !line.is_empty()).collect()
}

/// The package a requirement names (PEP 508), as written; None for options, URLs and paths.
fn name_of(line: &str) -> Option<&str> {
    let egg = line.split_once("#egg=").map(|(_, egg)| egg);
    if egg.is_none() && line.starts_with('-') {
        return None;
    }
    let line = egg.unwrap_or(line);
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let (name, rest) = line.split_at(line.find(|c| !is_part(c)).unwrap_or(line.len()));
    let ends_well = rest.is_empty()
        || rest.starts_with([' ', '\t', '[', '(', '<', '>', '=', '!', '~', ';', '@', '&']);
    let is_file = [".whl", ".zip", ".tar.gz"].iter().any(|end| name.ends_with(end));
    (name.starts_with(|c: char| c.is_ascii_alphanumeric()) && ends_well && !is_file).then_some(name)
}

/// A name as PEP 503 compares it.
fn normalised(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    normal
}

fn read(project: &Path, file: &Path) -> Result<String, Error> {
    read_up_to(FILE_BYTES_MAX, project, file)
}

fn read_up_to(bytes_max: u64, project: &Path, file: &Path) -> Result<String, Error> {
    let path = project.join(file);
    let about = fs::metadata(&path).map_err(Error::io(&path))?;
    if !about.is_file() || about.len() > bytes_max {
        let reason = format!("not a file of at most {} MiB", bytes_max >> 20);
        return Err(wrong(&file.display().to_string(), reason));
    }
    let mut bytes = Vec::new();
    let opened = File::open(&path).map_err(Error::io(&path))?;
    opened.take(bytes_max).read_to_end(&mut bytes).map_err(Error::io(&path))?;
    Ok(String::from_utf8_lossy(&bytes).trim_start_matches('\u{feff}').to_owned())
}

fn wrong(file: &str, reason: impl Into<String>) -> Error {
    Error::Dependencies { file: file.to_owned(), reason: reason.into() }
}

pub(crate) fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    // Only a panic, or not coming to an end, would be a fault here.
    let _ = requirements(&|_| Ok(text.to_string()));
    let _ = pyproject(&text);
    let _ = poetry_names(&text);
}

const REQUIREMENTS: &str = "requirements.txt";
const PYPROJECT: &str = "pyproject.toml";
const FILE_BYTES_MAX: u64 = 1024 * 1024;
const LOCK_BYTES_MAX: u64 = 16 * 1024 * 1024;
const FILES_MAX: usize = 64;

/// Packages that speak MySQL, or bring one along that does; normalised.
const MYSQL_DRIVERS: [&str; 12] = [
    "pymysql",
    "mysqlclient",
    "mysql-connector-python",
    "mysql-connector",
    "aiomysql",
    "asyncmy",
    "mariadb",
    "cymysql",
    "mysql-python",
    "flask-mysqldb",
    "flask-mysql",
    "django-mysql",
];

#[cfg(test)]
mod tests;
