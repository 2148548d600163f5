//! The project's files: those that git knows or would add; without git, all but what is made.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

/// A file of the project.
pub(crate) struct File {
    /// Below the project's folder, with `/`.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    Python,
    Ruby,
    Shell,
    Other,
}

impl File {
    /// The text, unless it is a picture or the like.
    pub(crate) fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok().filter(|text| !text.contains('\0'))
    }

    pub(crate) fn language(&self) -> Language {
        let first = self.text().and_then(|text| text.lines().next()).unwrap_or_default();
        let script = |name| first.starts_with("#!") && first.contains(name);
        match self.path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("rs") => Language::Rust,
            Some("py") => Language::Python,
            Some("rb" | "ru") => Language::Ruby,
            Some("sh") => Language::Shell,
            _ if script("python") => Language::Python,
            _ if script("sh") => Language::Shell,
            _ => Language::Other,
        }
    }

    /// Whether it is part of a test only.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// All files, in order.
pub(crate) fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
        let mut paths = listed_by_git().unwrap_or_else(|| walked(Path::new(ROOT)));
        paths.sort();
        // A file may be gone whose going git was not yet told.
        let read = |path: String| Some(File { bytes: std::fs::read(absolute(&path)).ok()?, path });
        let files: Vec<File> = paths.into_iter().filter_map(read).collect();
        assert!(files.iter().any(|file| file.path == "Cargo.toml"), "this is not the project");
        files
    });
    &FILES
}

/// The files in one language.
pub(crate) fn in_language(language: Language) -> impl Iterator<Item = &'static File> {
    files().iter().filter(move |file| file.language() == language)
}

/// A file by its path; an empty text if it is not there.
pub(crate) fn text_of(path: &str) -> &'static str {
    files().iter().find(|file| file.path == path).and_then(File::text).unwrap_or_default()
}

/// Where a file of the project lies.
pub(crate) fn absolute(path: &str) -> std::path::PathBuf {
    Path::new(ROOT).join(path)
}

/// None where there is no git or no repository, for instance in an unpacked archive.
fn listed_by_git() -> Option<Vec<String>> {
    let options = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(options).current_dir(ROOT).output().ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    let mut paths: Vec<String> = list
        .split_terminator('\0')
        .filter(|path| absolute(path).is_file())
        .map(Into::into)
        .collect();
    paths.dedup();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walked(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    for entry in folder.read_dir().unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        let below = path.strip_prefix(ROOT).unwrap().to_str().unwrap();
        let name = below.rsplit('/').next().unwrap();
        if kind.is_dir() && below != "target" && !MADE.contains(&name) {
            paths.extend(walked(&path));
        } else if kind.is_file() {
            paths.push(below.to_owned());
        }
    }
    paths
}

/// Folders anywhere that are not the project's own work; .gitignore has them too.
const MADE: [&str; 3] = [".git", ".davy", "__pycache__"];

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

#[test]
fn walk_finds_what_git_lists() {
    let walked = walked(Path::new(ROOT));
    let unseen = listed_by_git().unwrap_or_default().into_iter().filter(|p| !walked.contains(p));
    crate::hold("Without git the same files are found.", unseen);
}
