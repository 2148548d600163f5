//! Ruby sites: the example, and an application as Rails generates it, with Debian's gems.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::time::Duration;

use davy_e2e::{Browser, Davy, Project, Ran, curl, curl_args, eventually, processes, tool};

#[test]
fn notes_are_pinned_up_and_outlive_a_restart() {
    let project = Project::example("notes");
    let davy = project.up();
    assert!(davy.says("found    Sinatra (app.rb)").contains("Ruby 3."));
    davy.says("deps     the bundle is there");
    let note = ["--data-urlencode", "note=Grüße 🎉 <b>"];
    let posted = curl_args(&[&note[..], &[&davy.url("/")]].concat());
    assert_eq!((posted.status, posted.header("location")), (303, Some(&*davy.url("/"))));
    let empty = curl_args(&["--data", "note= ", &davy.url("/")]);
    assert!(empty.status == 400 && empty.text().contains("has to say something"), "{empty:?}");
    let style = curl(&davy.url("/style.css"));
    assert_eq!(style.text(), project.read("public/style.css"));
    for hidden in ["/app.rb", "/Gemfile", "/views/page.erb"] {
        assert_eq!(curl(&davy.url(hidden)).status, 404, "{hidden}");
    }
    davy.stop();

    let davy = project.up();
    assert!(curl(&davy.url("/")).text().contains("<li>Grüße 🎉 &lt;b&gt;</li>"));
    assert_eq!(curl(&davy.url("/notes.txt")).text(), "1 Grüße 🎉 <b>\n");
    davy.stop();
}

/// Answers by path; what comes is as long as it says.
const RACK: &str = r#"
run lambda { |env|
  case env["PATH_INFO"]
  when "/events"
    write = lambda { |io| Thread.new { 3.times { |n| io.write("event #{n}\n") && sleep(0.1) }; io.close } }
    [200, { "Content-Type" => "text/plain", "rack.hijack" => write }, []]
  when "/parts"
    [200, {}, Enumerator.new { |all| 3.times { |n| all << "part #{n}\n"; sleep 0.1 } }]
  when "/raise" then raise "a reason of its own"
  when "/a%20b%2Fc" then [200, {}, [env["QUERY_STRING"], " ", env["HTTP_HOST"]]]
  else
    size = 0
    while (piece = env["rack.input"].read(100_000)) do size += piece.bytesize end
    [200, {}, [[env['REQUEST_METHOD'], size, env['CONTENT_LENGTH']].join(' ')]]
  end
}
"#;

#[test]
fn rack_applications_stream_and_fail_and_take_uploads() {
    let settings = "workers = 1\nthreads = 2\n";
    let project = Project::of("racks", &[("config.ru", RACK), ("davy.toml", settings)]);
    let davy = project.up();
    davy.says("found    Rack (config.ru), Ruby 3.");
    assert_eq!(curl(&davy.url("/events")).text(), "event 0\nevent 1\nevent 2\n");
    assert_eq!(curl(&davy.url("/parts")).text(), "part 0\npart 1\npart 2\n");
    let host = davy.http();
    let raw = curl(&davy.url("/a%20b%2Fc?d=%20"));
    assert_eq!((raw.status, raw.text()), (200, format!("d=%20 {host}")));
    fs::write(project.path("large"), vec![b'x'; 3_000_000]).unwrap();
    let large = format!("@{}", project.path("large").display());
    let whole = curl_args(&["--data-binary", &large, &davy.url("/upload")]);
    assert_eq!(whole.text(), "POST 3000000 3000000");
    let chunked = ["--header", "Transfer-Encoding: chunked", "--upload-file", &large[1..]];
    let chunked = curl_args(&[&chunked[..], &[&davy.url("/upload")]].concat());
    assert_eq!(chunked.text(), "PUT 3000000 3000000");
    assert_eq!(curl(&davy.url("/raise")).status, 500);
    assert!(davy.logs("site", "a reason of its own (RuntimeError)").contains("config.ru:9"));
    davy.stop();
}

/// What a server of its own is told about where it came from.
const PUMA: &str = "run ->(env) { [200, {}, [env['SERVER_SOFTWARE'], ' ', env['HTTP_HOST']]] }\n";

#[test]
fn puma_is_run_beside_davy_when_it_is_asked_for() {
    let project =
        Project::of("puma", &[("config.ru", PUMA), ("davy.toml", "app = \"puma\"\nthreads = 2\n")]);
    let davy = project.up();
    assert!(davy.says("found    Rack (config.ru)").contains(", Puma"));
    let told = curl(&davy.url("/")).text();
    assert!(told.starts_with("puma ") && told.ends_with(&davy.http().to_string()), "{told}");
    davy.stop();
}

/// What Debian's Rails needs of its own generator's Gemfile.
const GEMFILE: &str = "gem 'rails'\ngem 'mysql2'\n";
/// What a person makes of the generated upload.
const CONTROLLER: &str = "class CoversController < ApplicationController
  def new = render(inline: '<%= form_with(url: covers_path, multipart: true) { |f| f.file_field :cover } %>')

  def create
    cover = params.require(:cover)
    render plain: \"#{cover.original_filename} #{cover.size}\"
  end
end
";

/// A page that subscribes to a channel, says something there and shows what comes back.
const NEWS_PAGE: &str = r#"class NewsController < ApplicationController
  def index = render(inline: <<~'HTML')
    <p id="said">nothing</p>
    <script>
      const socket = new WebSocket(`ws://${location.host}/cable`, "actioncable-v1-json");
      const identifier = JSON.stringify({ channel: "NewsChannel" });
      const say = (command, data) => socket.send(JSON.stringify({ command, identifier, data }));
      socket.onmessage = (event) => {
        const { type, message } = JSON.parse(event.data);
        if (type === "welcome") say("subscribe");
        if (type === "confirm_subscription") say("message", '{"action":"speak","text":"Grüße"}');
        if (message) document.getElementById("said").textContent = message.said;
      };
    </script>
  HTML
end
"#;
const NEWS_CHANNEL: &str = "class NewsChannel < ApplicationCable::Channel
  def subscribed = stream_from('news')
  def speak(data) = ActionCable.server.broadcast('news', { said: data['text'] })
end
";

fn succeeds(command: &mut Command) {
    let ran = Ran::of(command);
    assert_eq!(ran.code, Some(0), "{command:?}\n{}{}", ran.stdout, ran.stderr);
}

fn shop() -> Project {
    let project = Project::of("shop", &[]);
    let skipped =
        ["bundle", "javascript", "webpack-install", "spring", "listen", "bootsnap", "git", "test"];
    let skipped = skipped.map(|part| format!("--skip-{part}"));
    let mut new = Command::new(tool("rails"));
    succeeds(new.args(["new", ".", "-d", "mysql"]).args(skipped).current_dir(project.folder()));
    project.write("Gemfile", GEMFILE);
    project.write("app/controllers/covers_controller.rb", CONTROLLER);
    project.write("app/controllers/news_controller.rb", NEWS_PAGE);
    project.write("app/channels/news_channel.rb", NEWS_CHANNEL);
    project.write("config/cable.yml", "production:\n  adapter: async\n");
    let mut scaffold = rails(&project);
    succeeds(scaffold.args(["generate", "scaffold", "Book", "title:string"]));
    let routes = project.read("config/routes.rb");
    project.write(
        "config/routes.rb",
        &routes.replace("resources :books", "resources :books, :covers, :news"),
    );
    // Its generator keeps these apart from the folder that it makes for everybody.
    fs::remove_file(project.path("config/master.key")).unwrap();
    project
}

fn rails(project: &Project) -> Command {
    let mut rails = Command::new(tool("ruby"));
    rails.arg("bin/rails").current_dir(project.folder());
    rails
}

/// The token that Rails wants back with a form of this page.
fn token(page: &str) -> String {
    let value = page.split_once(r#"name="authenticity_token" value=""#).unwrap().1;
    value.split_once('"').unwrap().0.to_owned()
}

/// Opens the form at `/{path}/new` and sends these parts to `/{path}`.
fn fill(davy: &Davy<'_>, jar: &str, path: &str, parts: &[&str]) -> davy_e2e::Answer {
    let cookies = ["--cookie", jar, "--cookie-jar", jar];
    let form = curl_args(&[&cookies[..], &[&davy.url(&format!("/{path}/new"))]].concat());
    let token = format!("authenticity_token={}", token(&form.text()));
    let parts = [&["--form-string", &token], parts].concat();
    curl_args(&[&cookies[..], &parts, &[&davy.url(&format!("/{path}"))]].concat())
}

#[test]
fn rails_application_is_served_as_it_was_generated() {
    let project = shop();
    let davy = project.up();
    assert!(davy.says("found    Rails (config/application.rb)").contains("Gemfile"));
    davy.says("secret   SECRET_KEY_BASE is davy's, in .davy/ruby/secret_key_base");
    davy.says("files    assets compiled");
    let variables: BTreeMap<String, String> = processes::environ(davy.workers()[0]);
    assert!(variables["DATABASE_URL"].starts_with("mysql2://shop:"), "{variables:?}");
    succeeds(rails(&project).arg("db:migrate").env_clear().envs(&variables));

    let jar = project.path("jar");
    let jar = jar.to_str().unwrap();
    let written = fill(&davy, jar, "books", &["--form-string", "book[title]=Zoë & Ada"]);
    assert_eq!((written.status, written.header("location")), (302, Some(&*davy.url("/books/1"))));
    let books = curl(&davy.url("/books"));
    assert!(books.text().contains("<td>Zoë &amp; Ada</td>"), "{}", books.text());
    let style = books.text();
    let style = style.split("href=\"").find(|rest| rest.starts_with("/assets/")).unwrap();
    let style = curl(&davy.url(style.split('"').next().unwrap()));
    assert!(style.status == 200 && style.header("content-type").unwrap().starts_with("text/css"));
    fs::write(project.path("cover.png"), vec![7; 1_500_000]).unwrap();
    let cover = format!("cover=@{}", project.path("cover.png").display());
    let uploaded = fill(&davy, jar, "covers", &["--form", &cover]);
    assert_eq!((uploaded.status, uploaded.text().as_str()), (200, "cover.png 1500000"));
    davy.stop();

    let davy = project.up();
    davy.says("files    assets, unchanged");
    let browser = Browser::start();
    browser.open(&davy.url("/news"));
    let told = || (browser.text("#said") == "Grüße").then_some(());
    eventually("Action Cable's answer", Duration::from_secs(20), told);
    let book = curl_args(&["--cookie", jar, &davy.url("/books/1")]);
    assert!(book.text().contains("Zoë &amp; Ada"), "{}", book.text());
    davy.stop();
}
