//! The value of `root`: a folder that exists, and lies inside the project as it is written.

use std::path::{Component, Path, PathBuf};

use crate::problems::Fault;

/// A folder inside the project, without `./` in front.
pub(super) fn root(text: &str, folder: &Path) -> Result<PathBuf, Fault> {
    let help = "write a folder inside the project, such as \"public\"";
    let outside = || Fault::new(format!("`root` leads out of the project: \"{text}\""), help);
    if text.is_empty() {
        return Err(Fault::new("`root` is empty", help));
    }
    if text.starts_with(['/', '~', '\\']) || text.get(1..2) == Some(":") {
        return Err(outside());
    }
    let mut root = PathBuf::new();
    for part in Path::new(text).components() {
        match part {
            Component::Normal(name) => root.push(name),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(outside());
            }
        }
    }
    if root.starts_with(".davy") {
        return Err(Fault::new("`root` can't be davy's own folder `.davy`", help));
    }
    if root.as_os_str().is_empty() {
        root.push(".");
    }
    match std::fs::metadata(folder.join(&root)) {
        Ok(found) if found.is_dir() => Ok(root),
        Ok(_) => Err(Fault::new(format!("`root` is a file, not a folder: \"{text}\""), help)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let help = if text.contains('\\') {
                "separate folders by `/`"
            } else {
                "make it, or correct the name"
            };
            Err(Fault::new(format!("there is no folder \"{text}\" in the project"), help))
        }
        Err(error) => Err(Fault::new(format!("`root` can't be opened: {error}"), help)),
    }
}
