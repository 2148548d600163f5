//! Projects whose packages are pinned by a lock: uv's and poetry's own, made by the real tools.

use std::path::{Path, PathBuf};
use std::process::Command;

use davy_e2e::{Project, cache, curl, tool};

const APP: &str = r#"
from importlib.metadata import distributions, version

from flask import Flask

app = Flask(__name__)

@app.get("/")
def index():
    names = {found.name.lower() for found in distributions()}
    return f"{version('itsdangerous')} {'iniconfig' in names} {'pip' in names}"
"#;

/// itsdangerous stands for what nobody asked for by name, in a version that pip would not choose.
const UV: &str = r#"
[project]
name = "shop"
version = "1"
requires-python = ">=3.9"
dependencies = ["flask"]

[dependency-groups]
dev = ["iniconfig"]

[tool.uv]
constraint-dependencies = ["itsdangerous<2.2"]
"#;

/// poetry locks what lies beside the project, without asking an index.
const POETRY: &str = r#"
[tool.poetry]
package-mode = false

[tool.poetry.dependencies]
python = ">=3.9,<4"
wanted = { path = "wanted-1.0-py3-none-any.whl" }

[tool.poetry.group.dev.dependencies]
spare = { path = "spare-1.0-py3-none-any.whl" }
"#;

const POETRYS_APP: &str = r#"
from importlib.metadata import distributions

names = sorted(found.name for found in distributions())

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(names).encode()]
"#;

const WHEELS: &str = r#"
import zipfile

for name in ("wanted", "spare"):
    with zipfile.ZipFile(f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        info = f"{name}-1.0.dist-info/"
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(info + "METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(info + "RECORD", "")
"#;

fn succeeds(command: &mut Command) {
    let ran = command.output().unwrap();
    let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(ran.status.success(), "{command:?}\n{}", said.concat());
}

/// A folder with one tool in it, installed once for all runs of the tests.
fn folder_of(name: &str) -> PathBuf {
    let venv = cache().join(name);
    let program = venv.join("bin").join(name);
    let alone = venv.join("alone");
    if !alone.join(name).exists() {
        succeeds(Command::new(tool("python3")).args(["-m", "venv", "--clear"]).arg(&venv));
        succeeds(Command::new(venv.join("bin/pip")).args(["install", name]));
        std::fs::create_dir(&alone).unwrap();
        std::os::unix::fs::symlink(program, alone.join(name)).unwrap();
    }
    alone
}

fn site(name: &str, app: &str, pyproject: &str, tools: &Path) -> Project {
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", tools.display());
    Project::of(name, &[("app.py", app), ("pyproject.toml", pyproject)]).with_env("PATH", &path)
}

#[test]
fn what_uv_has_locked_is_installed_and_nothing_for_development() {
    let tools = folder_of("uv");
    let project = site("uv", APP, UV, &tools);
    succeeds(Command::new(tools.join("uv")).arg("lock").current_dir(project.folder()));
    let davy = project.up();
    davy.says("found    Flask (app.py), Python 3");
    assert!(davy.output().contains(", uv.lock"), "{}", davy.output());
    assert_eq!(curl(&davy.url("/")).text(), "2.1.2 False False");
    assert!(!project.path(".venv").exists(), "the project's own folder is left alone");
    davy.stop();
    let again = project.up();
    again.says("unchanged");
    assert_eq!(curl(&again.url("/")).text(), "2.1.2 False False");
    again.stop();
}

#[test]
fn what_poetry_has_locked_is_installed_and_nothing_for_development() {
    let tools = folder_of("poetry");
    let project = site("poetry", POETRYS_APP, POETRY, &tools);
    let mut wheels = Command::new(tool("python3"));
    succeeds(wheels.args(["-c", WHEELS]).current_dir(project.folder()));
    let mut lock = Command::new(tools.join("poetry"));
    // Without this it makes itself an environment in the home folder, only to resolve versions.
    lock.arg("lock").env("POETRY_VIRTUALENVS_CREATE", "false");
    succeeds(lock.current_dir(project.folder()));
    let davy = project.up();
    assert!(davy.output().contains(", poetry.lock"), "{}", davy.output());
    assert_eq!(curl(&davy.url("/")).text(), "wanted");
    davy.stop();
}

#[test]
fn a_lock_without_its_tool_is_said_and_passed_over() {
    let tools = folder_of("uv");
    let project = Project::of("bare", &[("app.py", APP), ("pyproject.toml", UV)]);
    succeeds(Command::new(tools.join("uv")).arg("lock").current_dir(project.folder()));
    // Wherever this machine has its own uv, the folders of the PATH hold no program of that name.
    let path = std::env::var("PATH").unwrap();
    let without = |folder: &PathBuf| !folder.join("uv").exists();
    let path = std::env::join_paths(std::env::split_paths(&path).filter(without)).unwrap();
    let project = project.with_env("PATH", path.to_str().unwrap());
    let davy = project.up();
    davy.says("uv.lock is not used: there is no uv on the PATH");
    assert!(davy.output().contains(", pyproject.toml"), "{}", davy.output());
    assert!(curl(&davy.url("/")).text().starts_with("2.2"), "the newest, as pip chooses");
    davy.stop();
}
