//! Ruby applications, told from their source text alone.
//!
//! The rules, in their order:
//!
//! ```text
//!   config/application.rb with Rails, and config.ru          Rails
//!   config.ru, with sinatra in it or in a file beside it     Sinatra
//!   app.rb, main.rb, server.rb, web.rb that need sinatra     Sinatra; config.ru is written for it
//!   config.ru                                                Rack
//! ```

use super::{Folder, Found, Kind};

/// What speaks Rack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruby {
    /// The framework.
    pub framework: Framework,
    /// Where the application begins.
    pub entry: Entry,
    /// What runs it.
    pub server: Server,
}

/// The frameworks that more is known of than that they speak Rack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framework {
    /// Ruby on Rails.
    Rails,
    /// Sinatra.
    Sinatra,
    /// Any Rack application.
    Rack,
}

/// Where an application begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// In its config.ru.
    Config,
    /// In a file that has none beside it.
    File {
        /// The file.
        file: String,
        /// The constant to run: `Sinatra::Application`.
        application: String,
    },
}

/// What runs a Rack application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// davy's own worker.
    Davy,
    /// The application's own Puma.
    Puma,
}

impl Ruby {
    /// The kind's name, for people.
    pub fn name(&self) -> &'static str {
        match self.framework {
            Framework::Rails => "Rails",
            Framework::Sinatra => "Sinatra",
            Framework::Rack => "Rack",
        }
    }
}

/// The first rule that matches.
pub(super) fn find(folder: &dyn Folder) -> Option<Found> {
    rails(folder).or_else(|| sinatra(folder)).or_else(|| rack(folder))
}

/// What the settings ask for: one of [`KINDS`].
pub(super) fn asked(folder: &dyn Folder, app: &str) -> Option<Found> {
    match app {
        "rails" => rails(folder),
        "sinatra" => sinatra(folder),
        "rack" => rack(folder),
        _ => {
            let mut found = find(folder)?;
            if let Kind::Ruby(ruby) = &mut found.kind {
                ruby.server = Server::Puma;
                found.reason += ", davy.toml says app = \"puma\"";
            }
            Some(found)
        }
    }
}

/// What was looked for in vain.
pub(super) fn looked_for(app: Option<&str>) -> &'static str {
    match app {
        Some("rails") => "config/application.rb with Rails, and config.ru",
        Some("sinatra") => "config.ru, app.rb, main.rb, server.rb or web.rb that needs sinatra",
        Some("rack") => "config.ru",
        _ => "config.ru (Rails, Rack); app.rb, main.rb, server.rb or web.rb that needs sinatra",
    }
}

fn found(framework: Framework, entry: Entry, file: &str, reason: String) -> Found {
    let kind = Kind::Ruby(Ruby { framework, entry, server: Server::Davy });
    Found { kind, callable: None, file: file.to_owned(), reason }
}

fn rails(folder: &dyn Folder) -> Option<Found> {
    folder.text(CONFIG)?;
    let file = "config/application.rb";
    let text = folder.text(file)?;
    let shown = code(&text).find(|line| line.contains("Rails::Application"))?;
    let reason = format!("{file} has `{shown}`, and there is {CONFIG}");
    Some(found(Framework::Rails, Entry::Config, file, reason))
}

fn sinatra(folder: &dyn Folder) -> Option<Found> {
    let needing = |file: &&str| folder.text(file).is_some_and(|text| needs_sinatra(&text));
    let beside = SINATRA_FILES.into_iter().find(needing);
    if let Some(config) = folder.text(CONFIG) {
        let file = if needs_sinatra(&config) { CONFIG } else { beside? };
        let reason = format!("{file} needs sinatra, and there is {CONFIG}");
        return Some(found(Framework::Sinatra, Entry::Config, CONFIG, reason));
    }
    let file = beside?;
    let text = folder.text(file)?;
    let class = code(&text).find_map(class_of_sinatra);
    let application = class.unwrap_or("Sinatra::Application").to_owned();
    let reason = format!("{file} needs sinatra, {application} is run");
    let entry = Entry::File { file: file.to_owned(), application };
    Some(found(Framework::Sinatra, entry, file, reason))
}

fn rack(folder: &dyn Folder) -> Option<Found> {
    folder.text(CONFIG)?;
    Some(found(Framework::Rack, Entry::Config, CONFIG, format!("there is {CONFIG}")))
}

/// The lines of a source without comments that take a whole line, and without what follows
/// `__END__`.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .take_while(|line| line.trim_end() != "__END__")
        .map(str::trim)
        .filter(|line| !line.starts_with('#'))
}

/// Whether a file has `require "sinatra"` or a part of it.
fn needs_sinatra(text: &str) -> bool {
    code(text).any(|line| {
        let name = line.strip_prefix("require").map(|rest| rest.trim_start_matches([' ', '(']));
        let name = name.and_then(|name| name.strip_prefix(['"', '\'']));
        let rest = name.and_then(|name| name.strip_prefix("sinatra"));
        rest.is_some_and(|rest| rest.starts_with(['"', '\'', '/']))
    })
}

/// `Shop` of `class Shop < Sinatra::Base`.
fn class_of_sinatra(line: &str) -> Option<&str> {
    let (name, parent) = line.strip_prefix("class ")?.split_once('<')?;
    let name = name.trim();
    let constant = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let parent = parent.trim_start().strip_prefix("::").unwrap_or(parent.trim_start());
    let sinatra = ["Sinatra::Base", "Sinatra::Application"];
    (constant && sinatra.iter().any(|base| parent.starts_with(base))).then_some(name)
}

/// The values of `app` that are Ruby's.
pub(super) const KINDS: [&str; 4] = ["rails", "sinatra", "rack", "puma"];
const CONFIG: &str = "config.ru";
const SINATRA_FILES: [&str; 4] = ["app.rb", "main.rb", "server.rb", "web.rb"];

#[cfg(test)]
mod tests;
