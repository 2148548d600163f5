//! Environments made by the real pip of a wheel made here: no network.

use std::sync::Mutex;

use super::*;

struct Site {
    folder: tempfile::TempDir,
    own: Own,
    interpreter: Interpreter,
}

impl Site {
    /// A project that depends on `thing`, a package which lies beside it and needs no network: pip
    /// installs it from a wheel made here.
    async fn new() -> Site {
        let folder = tempfile::tempdir().unwrap();
        let own = Own::direct();
        let path = std::env::var_os("PATH").unwrap();
        let interpreter = Interpreter::find(&own, &path, folder.path()).await.unwrap();
        fs::create_dir(folder.path().join("project")).unwrap();
        let site = Site { folder, own, interpreter };
        site.make_wheel().await;
        site.write("requirements.txt", "./thing-1.0-py3-none-any.whl\n");
        site
    }

    async fn make_wheel(&self) {
        let argv =
            [self.interpreter.path.as_os_str(), "-c".as_ref(), WHEEL.as_ref()].map(Into::into);
        let program = Program {
            what: "making a wheel",
            argv: argv.into(),
            env: Vec::new(),
            dir: &self.project(),
            limit: VENV_LIMIT,
        };
        program.run(&self.own, &|_| ()).await.unwrap();
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join("project")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.project().join(name), text).unwrap();
    }

    async fn prepare(&self, progress: Progress<'_>) -> Result<Environment, Error> {
        self.prepare_in("state", Err("no network in tests".to_owned()), progress).await
    }

    async fn prepare_in(
        &self,
        state: &str,
        pip: Result<PathBuf, String>,
        progress: Progress<'_>,
    ) -> Result<Environment, Error> {
        let dependencies = Dependencies::read(&self.project()).unwrap();
        let request = Request {
            own: &self.own,
            interpreter: &self.interpreter,
            dependencies: &dependencies,
            project: &self.project(),
            state: &self.folder.path().join(state),
        };
        prepare(request, async || pip, progress).await
    }
}

const WHEEL: &str = r#"
import zipfile
with zipfile.ZipFile("thing-1.0-py3-none-any.whl", "w") as wheel:
    info = "thing-1.0.dist-info/"
    wheel.writestr("thing.py", "def main():\n    print('thing runs')\n")
    wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n")
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    wheel.writestr(info + "entry_points.txt", "[console_scripts]\nthing = thing:main\n")
    wheel.writestr(info + "RECORD", "")
"#;

#[tokio::test]
async fn environment_is_made_once_and_its_scripts_run_from_their_final_place() {
    let site = Site::new().await;
    let lines = Mutex::new(Vec::new());
    let keep = |line: &str| lines.lock().unwrap().push(line.to_owned());
    let made = site.prepare(&keep).await.unwrap();
    assert_eq!((made.origin, made.packages), (Origin::Made, 1));
    assert!(lines.lock().unwrap().iter().any(|line| line.contains("thing")), "{lines:?}");
    let script = made.folder.as_ref().unwrap().join("bin/thing");
    let said = std::process::Command::new(script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stdout), "thing runs\n");

    lines.lock().unwrap().clear();
    let reused = site.prepare(&keep).await.unwrap();
    assert_eq!((reused.origin, reused.python), (Origin::Reused, made.python));
    assert!(lines.lock().unwrap().is_empty());
}

#[tokio::test]
async fn failure_of_pip_shows_its_lines_and_leaves_no_environment() {
    let site = Site::new().await;
    site.write("requirements.txt", "./gone-1.0-py3-none-any.whl\n");
    let error = site.prepare(&|_| ()).await.unwrap_err().to_string();
    assert!(error.starts_with("pip install (requirements.txt) failed (exit code 1)"), "{error}");
    assert!(error.contains("gone-1.0") && error.ends_with("start davy again."), "{error}");
    let left = fs::read_dir(site.folder.path().join("state/venv")).unwrap();
    assert!(left.flatten().all(|entry| entry.path().extension().is_some_and(|e| e == "part")));
}

#[tokio::test]
async fn without_dependencies_the_interpreter_runs_the_project() {
    let site = Site::new().await;
    site.write("requirements.txt", "# none\n");
    let environment = site.prepare(&|_| ()).await.unwrap();
    assert_eq!((environment.origin, environment.folder), (Origin::System, None));
    assert_eq!(environment.python, site.interpreter.path);
}

#[tokio::test]
async fn pip_that_can_not_be_fetched_is_said_with_what_to_install() {
    let mut site = Site::new().await;
    site.interpreter.pip = Pip::Fetched;
    let error = site.prepare(&|_| ()).await.unwrap_err().to_string();
    assert!(error.contains("no network in tests") && error.contains("python3-venv"), "{error}");
}

#[tokio::test]
async fn fetched_pip_installs_into_an_environment_without_pip() {
    let mut site = Site::new().await;
    let made = site.prepare(&|_| ()).await.unwrap();
    // pip as it lies unpacked in the first environment stands for the wheel.
    let lib = fs::read_dir(made.folder.unwrap().join("lib")).unwrap().next().unwrap().unwrap();
    let wheel = site.folder.path().join("wheel");
    fs::create_dir(&wheel).unwrap();
    std::os::unix::fs::symlink(lib.path().join("site-packages/pip"), wheel.join("pip")).unwrap();
    site.interpreter.pip = Pip::Fetched;
    let made = site.prepare_in("other", Ok(wheel), &|_| ()).await.unwrap();
    assert_eq!((made.origin, made.packages), (Origin::Made, 1));
    let folder = made.folder.unwrap();
    assert!(folder.join("bin/thing").is_file() && !folder.join("bin/pip").exists());
}

#[test]
fn environment_in_use_and_the_one_before_are_kept() {
    let all = tempfile::tempdir().unwrap();
    for (name, age) in [("a", 300), ("b", 200), ("c", 100), ("d", 400), ("x.part", 1)] {
        let path = all.path().join(name);
        fs::create_dir(&path).unwrap();
        let used = SystemTime::now() - Duration::from_secs(age);
        File::open(&path).unwrap().set_modified(used).unwrap();
    }
    prune(all.path(), &all.path().join("a")).unwrap();
    let mut left: Vec<_> =
        fs::read_dir(all.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["a", "c"]);
}

#[test]
fn advice_fits_what_pip_says() {
    let advised = |told: &str| {
        let (what, how) = ("pip".to_owned(), "exit code 1".to_owned());
        let told = told.to_owned();
        with_advice(Error::Failed { what, how, told, advice: String::new() }).to_string()
    };
    assert!(advised("  OSError: mysql_config not found").contains("use PyMySQL"));
    assert!(advised("  fatal error: Python.h: No such file").contains("python3-dev"));
    assert!(advised("  something else").ends_with("start davy again."));
}
