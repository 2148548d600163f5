//! WordPress, unchanged but for the ten lines of wp-config.php that the manual recommends: installed
//! by its own installer, and used as its visitors and its owner do.

use std::fs;
use std::path::PathBuf;

use davy_e2e::{Answer, Browser, Davy, Project, curl, curl_args};

/// The configuration in the manual.
fn configuration() -> String {
    let page = include_str!("../../../docs/php.md");
    let block = page.split("```php\n").find(|block| block.contains("table_prefix")).unwrap();
    block.split("```").next().unwrap().to_owned()
}

/// Its owner, with a cookie jar.
struct Ada<'a> {
    davy: &'a Davy<'a>,
    jar: PathBuf,
}

impl Ada<'_> {
    fn ask(&self, path: &str, words: &[&str]) -> Answer {
        let jar = self.jar.to_str().unwrap();
        let url = self.davy.url(path);
        curl_args(&[&["-b", jar, "-c", jar], words, &[&url]].concat())
    }

    fn install(&self) {
        let start = curl(&self.davy.url("/"));
        assert_eq!(start.status, 302);
        assert!(start.header("location").unwrap().ends_with("/wp-admin/install.php"));
        let form = [
            "-d",
            "weblog_title=Lampe",
            "-d",
            "user_name=ada",
            "-d",
            "pw_weak=1",
            "-d",
            "language=",
            "-d",
            "admin_email=ada@foobar.com",
            "-d",
            "blog_public=0",
        ];
        let password = format!("admin_password={PASSWORD}");
        let again = format!("admin_password2={PASSWORD}");
        let words = [&form[..], &["-d", &password, "-d", &again]].concat();
        let done = self.ask("/wp-admin/install.php?step=2", &words);
        assert!(done.text().contains("<h1>Success!</h1>"), "{}", done.text());
    }

    /// Logs in, and gives what WordPress's interface wants to see with each change.
    fn log_in(&self) -> String {
        self.ask("/wp-login.php", &[]);
        let password = format!("pwd={PASSWORD}");
        let words = ["-d", "log=ada", "-d", &password, "-d", "testcookie=1"];
        let inside = self.ask("/wp-login.php", &words);
        assert_eq!(inside.status, 302, "{}", inside.text());
        assert!(inside.header("location").unwrap().ends_with("/wp-admin/"));
        assert!(self.ask("/wp-admin/", &[]).text().contains("Dashboard"));
        self.ask("/wp-admin/admin-ajax.php?action=rest-nonce", &[]).text()
    }
}

#[test]
fn wordpress_is_installed_and_used() {
    let project = Project::wordpress("blog");
    project.write("wp-config.php", &configuration());
    let davy = project.up();
    assert!(davy.says("found    WordPress (wp-config.php), PHP 8.").contains("php-fpm"));
    davy.says("db       MariaDB");
    let ada = Ada { davy: &davy, jar: project.path(".davy/jar") };
    ada.install();
    let nonce = format!("X-WP-Nonce: {}", ada.log_in());

    // A post, and its pretty link: the installer turned these on, as it saw them answered.
    let post = [
        "-H",
        &nonce,
        "-d",
        "title=Grubenlampe",
        "-d",
        "content=Es+leuchtet.",
        "-d",
        "status=publish",
    ];
    let posted = ada.ask("/wp-json/wp/v2/posts", &post);
    assert_eq!(posted.status, 201, "{}", posted.text());
    let link = posted
        .text()
        .split("\"link\":\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("\\/", "/");
    assert!(link.ends_with("/grubenlampe/"), "{link}");
    let page = curl(&link);
    assert_eq!(page.status, 200);
    assert!(page.text().contains("Es leuchtet."), "{}", page.text());
    let missing = curl(&davy.url("/no/such/page/"));
    assert_eq!(missing.status, 404);
    assert!(missing.text().contains("Lampe"), "WordPress's own page");

    uploads_are_kept_and_never_run(&ada, &nonce, &project);
    secrets_are_not_served(&davy);
    a_browser_shows_it(&davy, &link);
    davy.stop();
}

fn uploads_are_kept_and_never_run(ada: &Ada<'_>, nonce: &str, project: &Project) {
    let picture = project.path(".davy/dot.png");
    fs::write(&picture, DOT).unwrap();
    let file = format!("@{}", picture.display());
    let words = [
        "-H",
        nonce,
        "-H",
        "Content-Disposition: attachment; filename=dot.png",
        "-H",
        "Content-Type: image/png",
        "--data-binary",
        &file,
    ];
    let kept = ada.ask("/wp-json/wp/v2/media", &words);
    assert_eq!(kept.status, 201, "{}", kept.text());
    let text = kept.text().replace("\\/", "/");
    let url = text.split("\"source_url\":\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(url.contains("/wp-content/uploads/"), "{url}");
    let served = curl(url);
    assert_eq!(served.header("content-type"), Some("image/png"));
    assert_eq!(served.content, DOT);
    // What a hole in a plugin would let in.
    let (_, path) = url.split_once("/wp-content/").unwrap();
    let evil = format!("wp-content/{}", path.replace("dot.png", "evil.php"));
    project.write(&evil, "<?php echo 'pw' . 'ned';");
    for path in [format!("/{evil}"), format!("/{evil}/x.css")] {
        let answer = curl(&ada.davy.url(&path));
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("pw"), "neither run nor shown");
    }
}

fn secrets_are_not_served(davy: &Davy<'_>) {
    for path in ["/wp-config.php~", "/wp-config.php.bak", "/.htaccess", "/.davy/php/fpm.conf"] {
        let answer = curl(&davy.url(path));
        assert_eq!(answer.status, 404, "{path}");
    }
    let configuration = curl(&davy.url("/wp-config.php"));
    assert!(!configuration.text().contains("DB_PASSWORD"), "it is run, and says nothing");
}

fn a_browser_shows_it(davy: &Davy<'_>, link: &str) {
    let browser = Browser::start();
    browser.open(link);
    assert_eq!(browser.text("h1"), "Grubenlampe");
    browser.screenshot("wordpress-post");
    browser.open(&davy.url("/wp-login.php"));
    browser.fill("#user_login", "ada");
    browser.fill("#user_pass", PASSWORD);
    browser.click("#wp-submit");
    assert_eq!(browser.text("#wpbody-content h1"), "Dashboard");
    browser.screenshot("wordpress-dashboard");
}

const PASSWORD: &str = "Grubenlampe-1815";
/// A picture of one dot.
const DOT: &[u8] = b"\
    \x89\x50\x4e\x47\x0d\x0a\x1a\x0a\x00\x00\x00\x0d\x49\x48\x44\x52\x00\x00\x00\x01\x00\x00\
    \x00\x01\x08\x00\x00\x00\x00\x3a\x7e\x9b\x55\x00\x00\x00\x0a\x49\x44\x41\x54\x78\x9c\x63\
    \xf8\x0f\x00\x01\x01\x01\x00\xb1\x38\xf6\x14\x00\x00\x00\x00\x49\x45\x4e\x44\xae\x42\x60\
    \x82";
