//! `davy config`: the checked configuration as davy understands it, and its JSON schema.
//!
//! ```text
//!   names of davy.toml ─┐
//!   Config and Origins ─┼─▶ Setting: a name, its value, where that stands ─▶ TOML or JSON
//!   what the folder has ┘
//! ```
//! What is not written is filled in as `davy up` would fill it in, from the folder and the machine.
//! Nothing is started, and no code of the site runs. Secrets are never shown: of `.env` the names
//! only, and of `[env]` no value whose name or form says that it is one.

mod secret;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use app::dependencies::Dependencies;
use app::detect::{Asked, Disk, Found, Kind as AppKind, detect};
use config::{Config, Kind, Name, Origins};
use db::Choice;
use serde_json::{Value, json};

use crate::console::{complain, put};
use crate::logs::printable;
use crate::place::{Place, Surroundings};
use crate::settings::{self, start::EdgeSite};
use crate::{check, cli};

/// `davy config show`: exit code 1 when davy.toml or .env have problems, which are shown instead.
pub(crate) fn show(options: &cli::Show) -> anyhow::Result<ExitCode> {
    let place = Place::of(&options.folder, &Surroundings::read())?;
    let (config, origins) = match config::load_with_origins(&options.folder) {
        Ok(loaded) => loaded,
        Err(report) => {
            let report = check::render(&report, &std::io::stderr());
            complain(&format!("there is no configuration to show\n{report}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let found = Filled::in_folder(&place, &config);
    let inherited = std::env::var("DATABASE_URL").ok();
    let choice = settings::db::choose(&config, inherited.as_deref(), found.driver.as_deref());
    let settings = settings(&config, &origins, &found);
    put(&match options.json {
        true => as_json(&settings, &choice),
        false => as_toml(&settings, &choice),
    });
    Ok(ExitCode::SUCCESS)
}

/// `davy config schema`.
pub(crate) fn schema() -> ExitCode {
    put(&format!("{:#}\n", config::schema()));
    ExitCode::SUCCESS
}

/// What stands for names that are not written, as `davy up` would have it.
#[derive(Debug, Default)]
struct Filled {
    domain: String,
    address: Vec<String>,
    workers: usize,
    app: Option<Found>,
    root: Option<String>,
    driver: Option<String>,
}

impl Filled {
    fn in_folder(place: &Place, config: &Config) -> Filled {
        let project: &Path = &place.project;
        let site = EdgeSite::of(&place.site_name(), config);
        let app = settings::app::asked(config);
        let root = config.root.as_ref().and_then(|root| root.to_str());
        let asked = Asked { app: app.as_deref(), command: config.command.as_deref(), root };
        // What can't be told from the folder is not filled in; `davy up` says why.
        let app = detect(&Disk(project), asked).ok();
        let mounts = app.as_ref().map(|found| app::files::mounts(project, found, None));
        let whole = mounts.into_iter().flatten().find(|mount| mount.prefix == "/");
        let root = whole.and_then(|mount| {
            let below = mount.folder.strip_prefix(project).ok()?.to_str()?.to_owned();
            Some(if below.is_empty() { ".".to_owned() } else { below })
        });
        let dependencies = Dependencies::read(project).ok();
        let driver = dependencies.as_ref().and_then(Dependencies::mysql_driver).map(str::to_owned);
        Filled {
            domain: site.domain,
            address: site.address.iter().map(ToString::to_string).collect(),
            workers: settings::app::pool(config).least,
            app,
            root,
            driver,
        }
    }

    /// The value of a name that is not written, and in what words it came about.
    fn value(&self, name: &Name) -> (Value, String) {
        let default = name.default.split(": ").next().unwrap_or_default();
        let words = format!("default: {}", default.replace('`', ""));
        let value = match &*name.dotted() {
            "domain" => json!(self.domain),
            "address" => json!(self.address),
            "workers" => json!(self.workers),
            "root" => match (&self.root, &self.app) {
                (Some(root), Some(found)) if found.kind == AppKind::Static => {
                    return (json!(root), format!("default: where {} lies", found.file));
                }
                (root, _) => json!(root),
            },
            "aliases" => return (json!([]), "default".into()),
            "app" => match &self.app {
                Some(found) => {
                    let kind = found.kind.name();
                    let value = found.callable.clone().unwrap_or_else(|| "static".into());
                    return (json!(value), format!("default: {kind}, found in {}", found.file));
                }
                None => Value::Null,
            },
            _ => {
                // A word in quotes is the value itself.
                let value = serde_json::from_str(&name.default.replace('`', ""));
                return (value.unwrap_or(Value::Null), "default".into());
            }
        };
        (value, words)
    }
}

/// One name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    table: Option<String>,
    name: String,
    value: Shown,
    /// Where it was written: file and line. None: nowhere.
    written: Option<(String, usize)>,
    /// Where it comes from, for people.
    from: String,
}

/// What may be shown of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shown {
    /// It has none.
    Nothing,
    /// All of it, or what is left without the secret in it.
    Value(Value),
    /// That it is there.
    Secret,
}

/// All names with their values, in the order of the manual.
fn settings(config: &Config, origins: &Origins, filled: &Filled) -> Vec<Setting> {
    let values = json!({
        "domain": config.domain,
        "aliases": config.aliases,
        "address": config.address,
        "app": settings::app::asked(config),
        "command": config.command,
        "root": config.root,
        "workers": config.workers,
        "workers_max": config.workers_max,
        "threads": config.threads,
        "limits": limits(&config.limits),
        "db": config.db,
    });
    let mut found = Vec::new();
    for name in config::names() {
        match (&name.table, &*name.name) {
            (None, "env") => found.extend(variables(config, origins)),
            // The names in the table follow.
            (None, "jobs") => found.extend(commands("jobs", &config.jobs, origins)),
            (None, "cron") => {
                let lines =
                    config.cron.iter().map(|(name, cron)| (name.clone(), cron.line.clone()));
                found.extend(commands("cron", &lines.collect(), origins));
            }
            (None, "limits" | "db") => {}
            (None, plain) => found.push(setting(&name, &values[plain], origins, filled)),
            (Some(table), plain) => {
                found.push(setting(&name, &values[table.as_str()][plain], origins, filled));
            }
        }
    }
    found
}

/// The limits, as they would be written.
fn limits(limits: &config::Limits) -> Value {
    let time = |time: Duration| format!("{}s", time.as_secs());
    let size = |bytes: u64| match bytes % (1 << 20) {
        0 => format!("{}MB", bytes >> 20),
        _ => format!("{}KB", bytes >> 10),
    };
    json!({
        "request": time(limits.request),
        "waiting": limits.waiting,
        "wait": time(limits.wait),
        "requests": limits.requests.unwrap_or_default(),
        "age": limits.age.map(time),
        "memory": limits.memory.map(size),
        "idle": time(limits.idle),
    })
}

fn setting(name: &Name, value: &Value, origins: &Origins, filled: &Filled) -> Setting {
    let origin = origins.of(&name.dotted());
    let (value, from) = match origin {
        Some(origin) => (value.clone(), origin.to_string()),
        None => filled.value(name),
    };
    let value = match value {
        Value::Null => Shown::Nothing,
        Value::String(text) => Shown::Value(json!(secret::without_password(&text))),
        value => Shown::Value(value),
    };
    let written = origin.map(|origin| (origin.file.clone(), origin.line));
    Setting { table: name.table.clone(), name: name.name.clone(), value, written, from }
}

/// The lines of a table of commands.
fn commands(table: &str, lines: &BTreeMap<String, String>, origins: &Origins) -> Vec<Setting> {
    let setting = |(name, line): (&String, &String)| {
        let origin = origins.of(&format!("{table}.{name}"));
        Setting {
            table: Some(table.to_owned()),
            name: name.clone(),
            value: Shown::Value(json!(line)),
            written: origin.map(|origin| (origin.file.clone(), origin.line)),
            from: origin.map(ToString::to_string).unwrap_or_default(),
        }
    };
    lines.iter().map(setting).collect()
}

fn variables(config: &Config, origins: &Origins) -> impl Iterator<Item = Setting> {
    config.env.iter().map(|(name, value)| {
        let origin = origins.of(&format!("env.{name}"));
        let may_show = origin.is_some_and(|origin| origin.kind == Kind::Toml);
        let value = match may_show && !secret::is_name_of_one(name) {
            true => Shown::Value(json!(secret::without_password(value))),
            false => Shown::Secret,
        };
        Setting {
            table: Some("env".into()),
            name: name.clone(),
            value,
            written: origin.map(|origin| (origin.file.clone(), origin.line)),
            from: origin.map(ToString::to_string).unwrap_or_default(),
        }
    })
}

/// As a davy.toml, with comments that say where each value comes from.
fn as_toml(settings: &[Setting], choice: &Choice) -> String {
    let mut text = String::new();
    for table in settings.chunk_by(|one, other| one.table == other.table) {
        if let Some(name) = &table[0].table {
            text += &format!("\n[{name}]\n");
        }
        let names = table.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
        let lines: Vec<String> = table.iter().map(|setting| line(setting, names)).collect();
        let widths = lines.iter().map(|line| line.chars().count());
        let width = widths.filter(|width| *width <= COLUMN_MAX).max().unwrap_or(0);
        for (line, setting) in lines.iter().zip(table) {
            text += &format!("{line:<width$}  # {}\n", printable(&setting.from));
        }
    }
    let (runs, because) = database(choice);
    text + &format!("\n# database: {runs}: {because}\n")
}

/// `name = value`; a comment where there is no value to show.
fn line(setting: &Setting, names: usize) -> String {
    let name = &setting.name;
    match &setting.value {
        Shown::Nothing => format!("# {name} is not set"),
        Shown::Secret => format!("{name:<names$} = \"…\""),
        Shown::Value(Value::Array(values)) => {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            format!("{name:<names$} = [{}]", printable(&values.join(", ")))
        }
        Shown::Value(value) => format!("{name:<names$} = {}", printable(&value.to_string())),
    }
}

fn as_json(settings: &[Setting], choice: &Choice) -> String {
    let settings: Vec<Value> = settings
        .iter()
        .map(|setting| {
            let value = match &setting.value {
                Shown::Value(value) => value.clone(),
                Shown::Nothing | Shown::Secret => Value::Null,
            };
            let (file, line) = setting.written.clone().unzip();
            json!({
                "table": setting.table,
                "name": setting.name,
                "value": value,
                "secret": setting.value == Shown::Secret,
                "file": file,
                "line": line,
            })
        })
        .collect();
    let (runs, because) = database(choice);
    format!(
        "{:#}\n",
        json!({ "settings": settings, "database": { "is": runs, "because": because } })
    )
}

/// Which database the site gets, and why.
fn database(choice: &Choice) -> (&'static str, &str) {
    match choice {
        Choice::Private { because } => ("davy's own", because),
        Choice::External { because, .. } => ("elsewhere", because),
        Choice::None { because } => ("none", because),
    }
}

/// Values that are longer have their comment right behind them.
const COLUMN_MAX: usize = 50;

#[cfg(test)]
mod tests;
