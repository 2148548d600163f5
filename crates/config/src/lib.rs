//! davy's own files: davy.toml and .env become a checked Config, or a report.
