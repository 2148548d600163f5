//! Lock files: uv.lock and poetry.lock, which only the tool that wrote them understands.
//!
//! A lock says which versions to install, pyproject.toml beside it what for. Where the tool is not
//! there, what pyproject.toml lists by itself is installed, and that is said.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What wrote the lock, and installs by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Uv,
    Poetry,
}

impl Tool {
    pub(crate) const ALL: [Tool; 2] = [Tool::Uv, Tool::Poetry];

    /// The program's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Tool::Uv => "uv",
            Tool::Poetry => "poetry",
        }
    }

    /// The lock's file.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Tool::Uv => "uv.lock",
            Tool::Poetry => "poetry.lock",
        }
    }

    /// How to come by it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Tool::Uv => "Install uv (pipx install uv) to have the versions that uv.lock names",
            Tool::Poetry => {
                "Install poetry (pipx install poetry) to have the versions that poetry.lock names"
            }
        }
    }

    /// The program on a PATH.
    pub(crate) fn on(self, path: &OsStr) -> Option<PathBuf> {
        std::env::split_paths(path).map(|folder| folder.join(self.name())).find(|program| {
            program
                .metadata()
                .is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
        })
    }
}
