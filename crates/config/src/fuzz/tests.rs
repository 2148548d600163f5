//! Drives the fuzz targets with bytes, and with pieces that davy.toml and .env are made of.

use proptest::collection::vec;
use proptest::prelude::*;

use super::{davy_toml, dot_env};

const PIECES: [&str; 58] = [
    "domain",
    "aliases",
    "address",
    "app",
    "root",
    "workers",
    "env",
    "db",
    "engine",
    "url",
    "health",
    "A",
    "export ",
    " = ",
    "=",
    ".",
    ",",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "  ",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "\"",
    "'",
    "\"\"\"",
    "'''",
    "#",
    "\\",
    "\\\"",
    "\\u00e4",
    "\\u0000",
    "\u{0}",
    "\u{1a}",
    "ä",
    "日本",
    "🙂",
    "\u{202e}",
    "\u{feff}",
    "$",
    "${A}",
    "1",
    "-1",
    "1.5",
    "0x",
    "true",
    "2024-05-01",
    "www.foobar.com",
    "203.0.113.1",
    "::1",
    "a:b",
    "public",
    "mysql://a:b@c/d",
];

fn soup() -> impl Strategy<Value = String> {
    vec(prop::sample::select(PIECES.to_vec()), 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_bytes_make_davy_toml_panic(bytes in vec(any::<u8>(), 0..400)) {
        davy_toml(&bytes);
    }

    #[test]
    fn no_bytes_make_dot_env_panic(bytes in vec(any::<u8>(), 0..400)) {
        dot_env(&bytes);
    }

    #[test]
    fn no_pieces_make_davy_toml_panic(text in soup()) {
        davy_toml(text.as_bytes());
    }

    #[test]
    fn no_pieces_make_dot_env_panic(text in soup()) {
        dot_env(text.as_bytes());
    }
}

/// Each of these once made, or could make, work that grows with the square of the file.
#[test]
fn hostile_files_take_seconds_at_most() {
    let start = std::time::Instant::now();
    let files = [
        "a\n".repeat(1 << 17),
        format!("x = [{}", "a ".repeat(1 << 17)),
        format!("x = {}", "[".repeat(1 << 18)),
        "a.".repeat(1 << 17),
        format!("[env]\n{}", (0..20_000).map(|n| format!("a{n} = 1\n")).collect::<String>()),
        format!("aliases = [{}]", "1,".repeat(1 << 17)),
        format!("domain = \"{}\"", "ä*".repeat(1 << 16)),
        format!("{} = 1", "x".repeat(1 << 18)),
        format!("A=\"{}", "\n".repeat(1 << 18)),
        format!("A='{}", "x".repeat(1 << 18)),
        "A='\n'\n".repeat(1 << 15),
    ];
    for file in files {
        davy_toml(file.as_bytes());
        dot_env(file.as_bytes());
        assert!(start.elapsed().as_secs() < 60, "{}", &file[..20]);
    }
}
