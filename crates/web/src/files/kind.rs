//! What is in a file, by its extension.

/// A media type, and whether it says its charset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The media type.
    pub(crate) media: &'static str,
    /// `; charset=utf-8`, or nothing.
    pub(crate) charset: &'static str,
}

impl Kind {
    /// The kind of a file of that name.
    pub(crate) fn of(name: &[u8]) -> Kind {
        let media = extension(name).and_then(media).unwrap_or("application/octet-stream");
        // JSON has no such parameter (RFC 8259 §11), and XML and SVG name their encoding
        // themselves, which a parameter would override (RFC 7303 §3).
        let is_text = media.starts_with("text/") && media != "text/xml";
        Kind { media, charset: if is_text { "; charset=utf-8" } else { "" } }
    }
}

fn extension(name: &[u8]) -> Option<&str> {
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    std::str::from_utf8(&name[dot + 1..]).ok()
}

fn media(extension: &str) -> Option<&'static str> {
    // Where the list is behind RFC 9239, or means something else than the web does.
    for (known, media) in CORRECTIONS {
        if extension.eq_ignore_ascii_case(known) {
            return Some(media);
        }
    }
    mime_guess::from_ext(extension).first_raw()
}

const CORRECTIONS: [(&str, &str); 4] = [
    ("js", "text/javascript"),
    ("mjs", "text/javascript"),
    ("map", "application/json"),
    ("ico", "image/vnd.microsoft.icon"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_site_have_the_types_that_browsers_want() {
        for (name, kind) in [
            ("a.html", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.min.js", "text/javascript; charset=utf-8"),
            ("a.MJS", "text/javascript; charset=utf-8"),
            ("robots.txt", "text/plain; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.js.map", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("sitemap.xml", "text/xml"),
            ("a.avif", "image/avif"),
            ("a.webp", "image/webp"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("favicon.ico", "image/vnd.microsoft.icon"),
            ("a.unheard-of", "application/octet-stream"),
            ("LICENSE", "application/octet-stream"),
        ] {
            let found = Kind::of(name.as_bytes());
            assert_eq!(format!("{}{}", found.media, found.charset), kind, "{name}");
        }
        assert_eq!(Kind::of(b"a.\xff").media, "application/octet-stream");
    }
}
