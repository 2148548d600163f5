//! The crate's fuzz targets: whatever the files hold, a config or a report comes out.

use std::path::Path;

use crate::problems::{Problems, Show, report};
use crate::{Color, check, dotenv};

/// davy.toml made of any bytes.
pub fn davy_toml(bytes: &[u8]) {
    if let Err(report) = check("davy.toml", &String::from_utf8_lossy(bytes), Path::new(".")) {
        report.render(Color::Always);
        report.to_json();
    }
}

/// .env made of any bytes.
pub fn dot_env(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut problems = Problems::new(".env", &text, Show::Names);
    dotenv::read(&mut problems);
    if let Err(report) = report([problems]) {
        report.render(Color::Always);
    }
}

#[cfg(test)]
mod tests;
