//! Plain PHP: what a script is told, what it may send, and what is never run or served.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use davy_e2e::{Project, curl, curl_args, eventually, processes};
use rustix::process::Signal;
use serde_json::Value;

/// Says what it was asked in.
const ECHO: &str = "<?php
header('Content-Type: application/json');
header('X-Pid: ' . getmypid());
$files = array_map(fn($f) => [$f['error'], md5_file($f['tmp_name'] ?: '/dev/null')], $_FILES);
echo json_encode(['server' => $_SERVER, 'get' => $_GET, 'post' => $_POST, 'files' => $files,
    'input' => file_get_contents('php://input'), 'mine' => getenv('MINE'),
    'tmp' => sys_get_temp_dir(), 'sessions' => session_save_path()]);
";

const WITHIN: Duration = Duration::from_secs(10);

fn site(files: &[(&str, &str)]) -> Project {
    let project = Project::of("site", &[("davy.toml", "workers = 2\n[env]\nMINE = \"yes\"\n")]);
    for (path, text) in files {
        project.write(path, text);
    }
    project
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_script_is_told_what_was_asked_for() {
    let project = site(&[("index.php", ECHO), ("a/b.php", ECHO)]);
    let davy = project.up();
    assert!(davy.says("found    PHP (index.php), PHP 8.").contains("(php-fpm)"));
    let root = project.folder().canonicalize().unwrap();
    let root = root.to_str().unwrap();
    // As nginx and php-fpm have it, with `try_files $uri $uri/ /index.php?$args` and Debian's
    // fastcgi-php.conf: SCRIPT_NAME, PATH_INFO, PHP_SELF, DOCUMENT_URI.
    for (target, script, info, own, document) in [
        ("/", "/index.php", "", "/index.php", "/index.php"),
        ("/index.php/x/y%20z?q=1", "/index.php", "/x/y z", "/index.php/x/y z", "/index.php/x/y z"),
        ("/a/b.php?q=1", "/a/b.php", "", "/a/b.php", "/a/b.php"),
        ("/a/b.php/c.php", "/a/b.php", "/c.php", "/a/b.php/c.php", "/a/b.php/c.php"),
        ("/pretty/link?q=1", "/index.php", "", "/index.php", "/index.php"),
    ] {
        let told = json(&curl(&davy.url(target)).text());
        let server = |name: &str| told["server"][name].as_str().unwrap_or("").to_owned();
        assert_eq!(server("SCRIPT_NAME"), script, "{target}");
        assert_eq!(server("SCRIPT_FILENAME"), format!("{root}{script}"), "{target}");
        assert_eq!(server("PATH_INFO"), info, "{target}");
        assert_eq!(server("PHP_SELF"), own, "{target}");
        assert_eq!(server("DOCUMENT_URI"), document, "{target}");
        assert_eq!(server("REQUEST_URI"), target);
        assert_eq!(server("DOCUMENT_ROOT"), root);
        assert_eq!(server("HTTP_HOST"), davy.http().to_string());
        assert_eq!(server("SERVER_PORT"), davy.http().port().to_string());
        if !info.is_empty() {
            assert_eq!(server("PATH_TRANSLATED"), format!("{root}{info}"), "{target}");
        }
    }
    let told = json(&curl_args(&["-H", "Proxy: evil", &davy.url("/?a[]=1&a[]=2")]).text());
    assert!(told["server"].get("HTTP_PROXY").is_none());
    assert_eq!(told["get"]["a"].as_array().unwrap().len(), 2);
    assert_eq!(told["mine"], "yes");
    for folder in ["tmp", "sessions"] {
        let folder = told[folder].as_str().unwrap();
        assert!(folder.starts_with(project.path(".davy/php").to_str().unwrap()), "{folder}");
    }
    davy.stop();
}

#[test]
fn uploads_reach_the_script_and_one_that_is_too_large_is_told() {
    let project = site(&[("index.php", ECHO)]);
    let davy = project.up();
    let upload = |bytes: usize| {
        fs::write(project.path(".davy/upload"), vec![b'x'; bytes]).unwrap();
        let file = format!("f=@{}", project.path(".davy/upload").display());
        json(&curl_args(&["-F", &file, "-F", "a=b", &davy.url("/")]).text())
    };
    let told = upload(1_500_000);
    assert_eq!(told["files"]["f"][0], 0, "{told}");
    let whole = processes_md5(1_500_000, &project);
    assert_eq!(told["files"]["f"][1].as_str(), Some(&*whole));
    assert_eq!(told["post"]["a"], "b");
    assert_eq!(upload(3_000_000)["files"]["f"][0], 1, "UPLOAD_ERR_INI_SIZE");
    davy.says("PHP takes no file over 2 MB");

    let content = ["--data-binary", "@-", "-H", "Content-Type: text/plain"];
    let told = json(&curl_args(&[&content[..], &[&davy.url("/")]].concat()).text());
    assert_eq!(told["input"], "");
    let told = json(&curl_args(&["-d", "a=ü", &davy.url("/")]).text());
    assert_eq!(told["post"]["a"], "ü");
    davy.stop();
}

fn processes_md5(bytes: usize, project: &Project) -> String {
    let file = project.path(".davy/same");
    fs::write(&file, vec![b'x'; bytes]).unwrap();
    let sum = std::process::Command::new("md5sum").arg(&file).output().unwrap();
    String::from_utf8_lossy(&sum.stdout).split(' ').next().unwrap().to_owned()
}

#[test]
fn only_scripts_run_and_only_files_are_served() {
    let ran = "<?php echo 'ran';";
    let project = site(&[
        ("index.php", "<?php http_response_code(404); echo 'front';"),
        ("style.css", "css"),
        ("sub/index.php", ran),
        ("uploads/x.php", ran),
        ("uploads/x.txt", "text"),
        ("data/.htaccess", "Require all denied\n"),
        ("data/users.json", "secret"),
        ("lib/x.inc", "secret"),
        ("config.php.bak", "secret"),
        (".env", "SECRET=1\n"),
        (".user.ini", "user_agent = \"by .user.ini\"\n"),
        ("ini.php", "<?php echo ini_get('user_agent');"),
        ("bad.php", "<?php header('Location: /x'); echo $nothing; error_log('said');"),
    ]);
    let davy = project.up();
    let get = |path: &str| {
        let answer = curl(&davy.url(path));
        (answer.status, answer.text())
    };
    assert_eq!(get("/style.css"), (200, "css".into()));
    assert_eq!(get("/uploads/x.txt"), (200, "text".into()));
    assert_eq!(get("/sub/"), (200, "ran".into()));
    assert_eq!(curl(&davy.url("/sub")).header("location"), Some("/sub/"));
    for path in
        ["/uploads/x.php", "/data/users.json", "/lib/x.inc", "/config.php.bak", "/.env", "/none"]
    {
        assert_eq!(get(path), (404, "front".into()), "{path}");
    }
    assert_eq!(get("/ini.php"), (200, "by .user.ini".into()));
    let answer = curl(&davy.url("/bad.php"));
    assert_eq!((answer.status, answer.header("location")), (302, Some("/x")));
    let id = davy.logs("edge", "GET /bad.php").split(' ').nth(2).unwrap().to_owned();
    assert!(davy.logs("edge", "Undefined variable $nothing").contains(&id));
    assert!(davy.logs("edge", " said ").contains(&id));
    davy.stop();
}

#[test]
fn a_script_that_dies_and_children_that_are_killed_cost_no_other_request() {
    let project = site(&[
        ("index.php", "<?php echo getmypid();"),
        ("crash.php", "<?php posix_kill(getmypid(), 9);"),
        ("fatal.php", "<?php not_there();"),
        ("early.php", "<?php echo 'early'; fastcgi_finish_request(); sleep(3);"),
    ]);
    let davy = project.up();
    let crashed = curl_args(&["-d", "", &davy.url("/crash.php")]);
    assert_eq!(crashed.status, 502, "{}", crashed.text());
    assert_eq!(curl(&davy.url("/fatal.php")).status, 500);
    for _ in 0..10 {
        let answer = curl(&davy.url("/"));
        assert_eq!(answer.status, 200);
        let child = answer.text().parse().unwrap();
        processes::send(child, Signal::KILL);
    }
    // Who has sent its answer and goes on working keeps nobody waiting.
    assert_eq!(curl(&davy.url("/early.php")).text(), "early");
    let since = std::time::Instant::now();
    for _ in 0..5 {
        assert_eq!(curl(&davy.url("/")).status, 200);
    }
    assert!(since.elapsed().as_secs() < 2, "{:?}", since.elapsed());
    davy.stop();
}

#[test]
fn a_post_runs_though_its_sender_does_not_wait() {
    let project = site(&[("cron.php", "<?php ignore_user_abort(true); touch('../ran');")]);
    project.write("index.php", "");
    let davy = project.up();
    let mut sender = TcpStream::connect(davy.http()).unwrap();
    sender.write_all(b"POST /cron.php HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").unwrap();
    drop(sender);
    let ran = project.folder().parent().unwrap().join("ran");
    eventually("the script has run", WITHIN, || ran.exists().then_some(()));
    davy.stop();
}

#[test]
fn without_a_php_it_is_said_what_to_install() {
    let project = site(&[("index.php", "")]);
    let programs: Vec<_> = ["/usr/sbin", "/usr/bin"]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap().flatten())
        .map(|entry| entry.path())
        .filter(|path| is_php(path))
        .collect();
    let mut davy = project.start_hiding(&programs);
    davy.says("apt install php-fpm");
    davy.ends_badly();
}

fn is_php(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    name.starts_with("php-fpm") || name.starts_with("php-cgi")
}

#[test]
fn the_example_sends_postcards() {
    let project = Project::example("postcards");
    let davy = project.up();
    davy.says("found    PHP (public/index.php)");
    let card = ["--data-urlencode", "place=Bled", "--data-urlencode", "text=Grüße <3"];
    let sent = curl_args(&[&card[..], &[&davy.url("/")]].concat());
    assert_eq!((sent.status, sent.header("location")), (303, Some("/card/1")));
    let page = curl(&davy.url("/card/1")).text();
    assert!(page.contains("Bled") && page.contains("Grüße &lt;3"), "{page}");
    assert_eq!(curl(&davy.url("/card/2")).status, 404);
    assert_eq!(
        curl(&davy.url("/style.css")).header("content-type").unwrap(),
        "text/css; charset=utf-8"
    );
    assert_eq!(curl(&davy.url("/page.php")).status, 404);
    davy.stop();
}
