//! Django as it comes from PyPI: a fresh project with its settings for the database, its static
//! files and its hosts edited, and nothing else, is migrated, and administered in a browser.

use std::path::{Path, PathBuf};
use std::process::Command;

use davy_e2e::{Browser, Davy, Project, Sql, cache, curl, processes, tool};
use rustix::process::Signal;

/// What `startproject` writes, and what people make of it.
const EDITS: [(&str, &str); 4] = [
    ("from pathlib import Path\n", "import os\nfrom pathlib import Path\n"),
    ("ALLOWED_HOSTS = []\n", "ALLOWED_HOSTS = ['127.0.0.1', 'www.foobar.com']\n"),
    ("STATIC_URL = 'static/'\n", "STATIC_URL = 'static/'\nSTATIC_ROOT = BASE_DIR / 'collected'\n"),
    (
        "        'ENGINE': 'django.db.backends.sqlite3',\n\
         \x20       'NAME': BASE_DIR / 'db.sqlite3',\n",
        "        'ENGINE': 'django.db.backends.mysql',\n\
         \x20       'HOST': os.environ['MYSQL_UNIX_SOCKET'],\n\
         \x20       'USER': os.environ['MYSQL_USER'],\n\
         \x20       'PASSWORD': os.environ['MYSQL_PASSWORD'],\n\
         \x20       'NAME': os.environ['MYSQL_DATABASE'],\n",
    ),
];

/// How Django is given PyMySQL in place of mysqlclient: PyMySQL's manual.
const DRIVER: &str = "import pymysql\n\npymysql.install_as_MySQLdb()\n";

fn succeeds(command: &mut Command) {
    let ran = command.output().unwrap();
    let said = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(ran.status.success(), "{command:?}\n{}", said.concat());
}

/// Django's own command, installed once for all runs of the tests.
fn django_admin() -> PathBuf {
    let tools = cache().join("tools");
    let admin = tools.join("bin/django-admin");
    if !admin.exists() {
        // Made anew if it is there in part: django-admin is what pip writes last.
        succeeds(Command::new(tool("python3")).args(["-m", "venv", "--clear"]).arg(&tools));
        succeeds(Command::new(tools.join("bin/pip")).args(["install", "Django"]));
    }
    admin
}

fn shop() -> Project {
    let project = Project::of("shop", &[("requirements.txt", "Django\nPyMySQL\n")]);
    let mut start = Command::new(django_admin());
    succeeds(start.args(["startproject", "shop", "."]).current_dir(project.folder()));
    let mut settings = project.read("shop/settings.py");
    for (old, new) in EDITS {
        assert_eq!(settings.matches(old).count(), 1, "{old:?} in {settings}");
        settings = settings.replace(old, new);
    }
    project.write("shop/settings.py", &settings);
    project.write("shop/__init__.py", DRIVER);
    project
}

/// `manage.py` in the environment of the site.
fn manage(project: &Project, words: &[&str]) {
    let password = format!("DJANGO_SUPERUSER_PASSWORD={PASSWORD}");
    let ran = project.run_in_site(&[&["env", &password, "python", "manage.py"], words].concat());
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn django_is_migrated_and_administered() {
    let project = shop();
    let davy = project.up();
    assert!(davy.says("found    Django (manage.py)").contains("requirements.txt"));
    davy.says("files    /static/ from collected");
    let variables = processes::environ(davy.workers()[0]);
    manage(&project, &["migrate", "--noinput"]);
    let admin = ["--username", "ada", "--email", "ada@foobar.com"];
    manage(&project, &[&["createsuperuser", "--noinput"], &admin[..]].concat());

    let stranger = curl(&davy.url("/admin/"));
    assert_eq!(stranger.header("location"), Some("/admin/login/?next=/admin/"));
    let browser = Browser::start();
    ada_comes_in(&browser, &davy);
    ada_adds_a_user(&browser, &davy);
    let sql = Sql {
        socket: Path::new(&variables["MYSQL_UNIX_SOCKET"]),
        user: &variables["MYSQL_USER"],
        password: Some(&variables["MYSQL_PASSWORD"]),
    };
    let table = format!("{}.auth_user", variables["MYSQL_DATABASE"]);
    let rows = sql.run(&format!("SELECT username, is_superuser FROM {table} ORDER BY id"));
    assert_eq!(rows.unwrap(), "ada\t1\nzoë\t0");
    the_web_step_serves_the_styles_of_the_admin(&davy, &project);
    davy.stop();
}

fn ada_comes_in(browser: &Browser, davy: &Davy<'_>) {
    browser.open(&davy.url("/admin/"));
    browser.fill("#id_username", "ada");
    browser.fill("#id_password", PASSWORD);
    browser.screenshot("django-login");
    browser.click("[type=submit]");
    assert_eq!(browser.text("#content > h1"), "Site administration");
    assert_eq!(browser.url(), davy.url("/admin/"));
    assert_eq!(browser.text("#user-tools strong"), "ADA", "in capitals, as the style has it");
    // What a browser does with a page without its style, and what Django's says.
    assert_ne!(browser.style("#header", "background-color"), "rgba(0, 0, 0, 0)");
    assert_eq!(browser.style("#header", "display"), "flex");
    browser.screenshot("django-admin");
}

fn ada_adds_a_user(browser: &Browser, davy: &Davy<'_>) {
    browser.click(".model-user .addlink");
    browser.fill("#id_username", "zoë");
    browser.fill("#id_password1", PASSWORD);
    browser.fill("#id_password2", PASSWORD);
    browser.click("[name=_save]");
    let said = browser.text(".messagelist .success");
    assert!(said.contains("“zoë” was added successfully"), "{said}");
    assert!(browser.url().starts_with(&davy.url("/admin/auth/user/2/")), "{}", browser.url());
    browser.screenshot("django-user");
}

/// With every worker stopped, nobody else is left who could.
fn the_web_step_serves_the_styles_of_the_admin(davy: &Davy<'_>, project: &Project) {
    let workers = davy.workers();
    workers.iter().for_each(|pid| processes::send(*pid, Signal::STOP));
    let style = curl(&davy.url("/static/admin/css/base.css"));
    workers.iter().for_each(|pid| processes::send(*pid, Signal::CONT));
    assert_eq!(style.status, 200);
    assert!(style.header("content-type").unwrap().starts_with("text/css"), "{}", style.head);
    assert_eq!(style.text(), project.read("collected/admin/css/base.css"));
    let line = davy.logs("edge", "GET /static/admin/css/base.css 200 ");
    assert!(line.contains(" web ") && !line.contains(" app "), "{line}");
}

const PASSWORD: &str = "Grubenlampe-1815";
