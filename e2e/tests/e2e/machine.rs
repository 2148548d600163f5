//! A machine on which nothing was done yet, but that Python is there: what the README promises
//! holds there, for a user who is not root.

use std::path::Path;

use davy_e2e::{Machine, Project, Ran, curl, curl_args};

/// The names of the libraries that a program there is linked with: ldd(1).
fn libraries(machine: &Machine, program: &str) -> Vec<String> {
    let ldd = Ran::of(machine.command("ldd").arg(program));
    assert_eq!(ldd.code, Some(0), "{ldd:?}");
    assert!(!ldd.stdout.contains("not found"), "{ldd:?}");
    let names = ldd.stdout.lines().filter_map(|line| line.split_whitespace().next());
    names.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn a_fresh_debian_with_python_alone_serves_the_guestbook_and_is_left_clean() {
    let Some(machine) = Machine::fresh() else { return };
    let project = Project::on_machine(machine, "guestbook");
    let machine = project.machine();
    for library in libraries(machine, "/home/dev/davy") {
        assert!(OF_THE_C_LIBRARY.iter().any(|name| library.starts_with(name)), "{library}");
    }
    for missing in ["mariadbd", "pip", "pip3"] {
        let found = Ran::of(machine.command("which").arg(missing));
        assert_eq!((found.code, &*found.stdout), (Some(1), ""), "{missing}");
    }

    let mut davy = project.up();
    assert!(davy.says("found    Flask (app.py)").contains("requirements.txt"));
    davy.says("packages in .davy/python/venv/");
    davy.says("db       MariaDB ");
    let fetched = names(&machine.home().join(".cache/davy"));
    for name in ["mariadb-", "pip-"] {
        assert!(fetched.iter().any(|it| it.starts_with(name)), "{name} of {fetched:?}");
    }
    let fields = ["--data-urlencode", "name=Zoë", "--data-urlencode", "message=Glück auf!"];
    let signed = curl_args(&[&fields[..], &[&davy.url("/")]].concat());
    assert_eq!(signed.status, 303);
    let page = curl(&davy.url("/")).text();
    assert!(page.contains("Zoë") && page.contains("Glück auf!"), "{page}");

    let down = davy.run(&["down"]);
    assert_eq!((down.code, &*down.stdout), (Some(0), "stopped\n"), "{down:?}");
    davy.ends_well();
    assert_eq!(machine.processes(), []);
    let left = Ran::of(machine.command("find").args(["/", "-xdev", "-user", "dev"]));
    let outside: Vec<&str> =
        left.stdout.lines().filter(|path| !path.starts_with("/home/dev")).collect();
    assert!(left.stdout.contains("/home/dev/guestbook/.davy/log"), "{left:?}");
    assert!(outside.is_empty(), "{outside:?}");
}

const OF_THE_C_LIBRARY: [&str; 5] = ["linux-vdso.", "ld-linux", "libc.", "libm.", "libgcc_s."];
