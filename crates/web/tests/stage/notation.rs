//! Bytes as text that can be read and compared.

/// The bytes a script means, one char per byte; commands are put between U+E002 and U+E001.
pub(crate) fn read(script: &str) -> String {
    let mut out = String::new();
    for line in script.lines() {
        if let Some(command) = line.strip_prefix('<').and_then(|line| line.strip_suffix('>')) {
            out.push_str(&format!("\u{e002}{command}\u{e001}"));
            continue;
        }
        let (line, end) = match line.strip_suffix('\\') {
            Some(line) if !line.ends_with('\\') => (line, ""),
            _ => (line, "\r\n"),
        };
        out.push_str(&unescaped(&repeated(line)));
        out.push_str(end);
    }
    out
}

/// `{a*3}` becomes `aaa`.
fn repeated(line: &str) -> String {
    let Some((before, rest)) = line.split_once('{') else { return line.to_owned() };
    let Some((inner, after)) = rest.split_once('}') else { return line.to_owned() };
    let Some((text, count)) = inner.rsplit_once('*') else {
        return format!("{before}{{{inner}}}{}", repeated(after));
    };
    format!("{before}{}{}", text.repeat(count.parse().unwrap()), repeated(after))
}

fn unescaped(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        out.push(match char {
            '\\' => match chars.next().unwrap() {
                'r' => '\r',
                'n' => '\n',
                't' => '\t',
                '0' => '\0',
                '\\' => '\\',
                'x' => {
                    let digits: String = chars.by_ref().take(2).collect();
                    u8::from_str_radix(&digits, 16).unwrap().into()
                }
                other => panic!("no such escape: {other}"),
            },
            char => char,
        });
    }
    out
}

/// What came back, as text: masked, one line per CRLF.
pub(crate) fn write(bytes: &[u8]) -> String {
    let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
    let text = without_pages(&text);
    let mut out = String::new();
    for line in text.split_inclusive("\r\n") {
        let (line, end) = match line.strip_suffix("\r\n") {
            Some(line) => (line, "\n"),
            None => (line, "\\\n"),
        };
        out.push_str(&shortened(&masked(line)));
        out.push_str(end);
    }
    out
}

/// Error pages are shown by what they say, and their lengths not at all.
fn without_pages(text: &str) -> String {
    let Some(start) = text.find("<!doctype html>") else { return text.to_owned() };
    let end = start + text[start..].find("</html>\n").unwrap() + "</html>\n".len();
    let page = &text[start..end];
    let between = |from: &str, to: &str| {
        page.split_once(from).unwrap().1.split_once(to).unwrap().0.to_owned()
    };
    let (title, step) = (between("<title>", "</title>"), between("failed at ", "<br>"));
    let length = format!("Content-Length: {}\r\n", page.len());
    let before = text[..start].replace(&length, "Content-Length: {page}\r\n");
    format!("{before}{{page: {title}, {step}}}{}", without_pages(&text[end..]))
}

fn masked(line: &str) -> String {
    if line.starts_with("Date: ") && line.ends_with(" GMT") {
        return "Date: *".into();
    }
    if line.starts_with("ETag: \"") && line.len() == 24 {
        return "ETag: {tag}".into();
    }
    match line.split_once("\"id\":\"") {
        Some((before, rest)) => format!("{before}\"id\":\"*{}", &rest[12..]),
        None => line.to_owned(),
    }
}

/// Control characters as escapes, long runs as `{a*3}`.
fn shortened(line: &str) -> String {
    let chars: Vec<char> = line.chars().collect();
    let mut out = String::new();
    for run in chars.chunk_by(|a, b| a == b) {
        let shown: String = run[0].escape_default().collect();
        let shown = if run[0].is_ascii_control() { shown } else { run[0].to_string() };
        if run.len() > 40 {
            out.push_str(&format!("{{{shown}*{}}}", run.len()));
        } else {
            out.push_str(&shown.repeat(run.len()));
        }
    }
    out
}
