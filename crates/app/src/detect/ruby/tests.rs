//! Ruby projects in a few lines each.

use super::super::tests::{Project, detected};
use super::super::{Asked, detect};
use super::*;

const APPLICATION: &str =
    "require 'rails/all'\nmodule Shop\n  class Application < Rails::Application\n";

fn ruby<const N: usize>(files: [(&'static str, &'static str); N]) -> (Ruby, String) {
    let found = detected(files).unwrap();
    let Kind::Ruby(ruby) = found.kind else { panic!("{found:?}") };
    (ruby, found.reason)
}

#[test]
fn rails_shows_in_its_application() {
    let files = [("config.ru", "run Rails.application"), ("config/application.rb", APPLICATION)];
    let (ruby, reason) = ruby(files);
    assert_eq!((ruby.name(), ruby.entry, ruby.server), ("Rails", Entry::Config, Server::Davy));
    assert!(reason.contains("class Application < Rails::Application"), "{reason}");
}

#[test]
fn sinatra_shows_in_config_ru_or_in_what_it_runs() {
    let (by_config, _) = ruby([("config.ru", "require 'sinatra/base'\nrun Shop")]);
    let beside = [("config.ru", "require './app'\nrun Shop"), ("app.rb", "require(\"sinatra\")\n")];
    for ruby in [by_config, ruby(beside).0] {
        assert_eq!((ruby.framework, ruby.entry), (Framework::Sinatra, Entry::Config));
    }
}

#[test]
fn sinatra_without_config_ru_is_run_by_its_class_or_as_it_stands() {
    let entry = |text: &'static str| {
        let (ruby, reason) = ruby([("app.rb", text)]);
        let Entry::File { file, application } = ruby.entry else { panic!("{reason}") };
        assert!(file == "app.rb" && reason.contains(&application), "{reason}");
        application
    };
    assert_eq!(entry("require 'sinatra'\nget('/') { 'hello' }\n"), "Sinatra::Application");
    let class = "require 'sinatra/base'\nclass Shop::Web < ::Sinatra::Base; end\n";
    assert_eq!(entry(class), "Shop::Web");
}

#[test]
fn config_ru_alone_is_rack_and_comments_do_not_count() {
    for text in ["run App", "# require 'sinatra'\nrun App", "run App\n__END__\nrequire 'sinatra'"] {
        assert_eq!(ruby([("config.ru", text)]).0.framework, Framework::Rack);
    }
    assert!(detected([("app.rb", "require 'sinatra-contrib-like'\n")]).is_err());
    assert!(detected([("app.rb", "class system('x') < Sinatra::Base\n")]).is_err());
}

#[test]
fn settings_choose_among_kinds_and_servers() {
    let folder = Project([("config.ru", "require 'sinatra'"), ("index.html", "")].into());
    let of = |app| detect(&folder, Asked { app: Some(app), ..Asked::default() });
    let Kind::Ruby(puma) = of("puma").unwrap().kind else { panic!("Ruby") };
    assert_eq!((puma.framework, puma.server), (Framework::Sinatra, Server::Puma));
    let Kind::Ruby(rack) = of("rack").unwrap().kind else { panic!("Ruby") };
    assert_eq!(rack.framework, Framework::Rack);
    let error = of("rails").unwrap_err().to_string();
    assert!(error.contains("config/application.rb"), "{error}");
}
