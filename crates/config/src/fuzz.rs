//! The crate's fuzz targets: whatever the files hold, a config or a report comes out.

use std::path::Path;

use crate::problems::{Problems, Show, report};
use crate::{Color, Kind, Origins, check, dotenv};

/// davy.toml made of any bytes.
pub fn davy_toml(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut origins = Origins::default();
    origins.add_toml("davy.toml", &text);
    match check("davy.toml", &text, Path::new(".")) {
        Ok(config) => assert!(config.env.keys().all(|name| {
            origins.of(&format!("env.{name}")).is_some_and(|origin| origin.kind == Kind::Toml)
        })),
        Err(report) => {
            report.render(Color::Always);
            report.to_json();
        }
    }
}

/// .env made of any bytes.
pub fn dot_env(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut problems = Problems::new(".env", &text, Show::Names);
    let variables = dotenv::read(&mut problems);
    assert!(
        variables.iter().all(|(name, variable)| text[variable.at..].starts_with(name.as_str()))
    );
    if let Err(report) = report([problems]) {
        report.render(Color::Always);
    }
}

#[cfg(test)]
mod tests;
