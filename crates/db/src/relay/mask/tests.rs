//! What is shown of statements, and that no value is.

use super::*;
use proptest::prelude::*;

fn shown(text: &str) -> String {
    statement(text.as_bytes(), Extent::Whole, Backslash::Escapes)
}

#[test]
fn literals_are_masked() {
    for (text, expected) in [
        ("SELECT 'a', \"b\"", "SELECT ?…"),
        ("a='it''s' OR b='it\\'s' OR c=\"a\"\"b\"", "a=? OR b=? OR c=?"),
        ("a='x\\\\' AND b", "a=? AND b"),
        ("a = ''", "a = ?"),
        ("a = 1 OR b = -1.5e3 OR c = .5 OR d = 1e-9", "a = ? OR b = -? OR c = ? OR d = ?-?"),
        ("a = 0xAF OR b = 0b01 OR c = x'41' OR d = B'01'", "a = ? OR b = ? OR c = ? OR d = ?"),
        ("a = N'x' OR b = _utf8mb4'x' OR c = _latin1 X'41'", "a = ? OR b = ? OR c = _latin1 ?"),
        ("a LIKE'x%'", "a LIKE?"),
        ("DATE'2026-01-01'", "DATE?"),
        ("'ada'@'localhost'", "?@?"),
        ("LIMIT 10, 20", "LIMIT ?…"),
        ("a = 2nd", "a = ?"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn names_keywords_and_signs_are_kept() {
    for text in [
        "SELECT `a``b'c`, t1.x, @y, @@sql_mode FROM `ünï`.größe WHERE a <=> NULL",
        "BEGIN",
        "SELECT \\N IS NULL",
        "a-b--c",
        "COMMIT;",
        "",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn comments_are_dropped_and_spaces_joined() {
    let text = "\n SELECT  a -- it's\n,\tb # \"\n FROM/* ' */t /*+ hint */ WHERE a--\n";
    assert_eq!(shown(text), "SELECT a , b FROM t WHERE a");
}

#[test]
fn lists_of_values_are_joined() {
    for (text, expected) in [
        ("IN (1)", "IN (?)"),
        ("IN (1, 2)", "IN (?…)"),
        ("IN (1,2,'x' , ?)", "IN (?…)"),
        ("VALUES (1, 'a'), (2, 'b'),(3,'c') ON DUPLICATE", "VALUES (?…) ON DUPLICATE"),
        ("VALUES (1), (2), (3)", "VALUES (?)"),
        ("VALUES (1, NULL, 2)", "VALUES (?, NULL, ?)"),
        ("SET a = 1, b = 2", "SET a = ?, b = ?"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
}

#[test]
fn what_can_be_read_in_two_ways_ends_the_text() {
    for (text, expected) in [
        ("SELECT \"a\\\" , 'x \"y\" z'", "SELECT ?…"),
        ("SELECT 'é\\' , 'x'", "SELECT ?…"),
        ("SELECT /*!40001 SQL_NO_CACHE */ 'x'", "SELECT…"),
        ("SELECT /*M!100100 'x' */ y", "SELECT…"),
        ("SET sql_mode = 'x'; SELECT 'y'", "SET sql_mode = ?;…"),
        ("SELECT 'open", "SELECT ?…"),
        ("SELECT `open", "SELECT…"),
        ("SELECT a /* open", "SELECT a…"),
        ("SELECT 'x\\", "SELECT ?…"),
    ] {
        assert_eq!(shown(text), expected, "{text}");
    }
    let unsure = |text: &str| statement(text.as_bytes(), Extent::Whole, Backslash::Unsure);
    assert_eq!(unsure("a = 'x\\'y' AND b"), "a = ?…");
    assert_eq!(unsure("a = 'x\\\\' AND b = 'c\\d'"), "a = ? AND b = ?");
    let plain = |text: &str| statement(text.as_bytes(), Extent::Whole, Backslash::Plain);
    assert_eq!(plain("a = 'x\\' AND b = \"\\\" AND c"), "a = ? AND b = ? AND c");
}

#[test]
fn bytes_that_are_no_text_are_shown_escaped() {
    let shown = |text: &[u8]| statement(text, Extent::Whole, Backslash::Escapes);
    assert_eq!(shown(b"SELECT a\xff`b` c"), "SELECT a\\xff…");
    assert_eq!(shown(b"SELECT `a\xc3`, b"), "SELECT `a\\xc3…");
    assert_eq!(shown(b"a = '\xff\xfe' AND b"), "a = ? AND b");
    assert_eq!(shown(b"a\x1b[31m\0b `\x1b`"), "a [? b `\\u{1b}`");
    assert_eq!(statement("größ".as_bytes().split_at(3).0, Extent::Cut, Backslash::Escapes), "gr…");
}

#[test]
fn long_statements_are_cut_at_a_character() {
    for name in ["x", "ü", "🔥"] {
        let text = format!("SELECT {}", format!("{name}, ").repeat(1000));
        let shown = shown(&text);
        assert!(shown.len() <= QUERY_TEXT_MAX && shown.len() > QUERY_TEXT_MAX - 8, "{shown}");
        assert!(shown.ends_with('…') && !shown.ends_with("……"));
        let name = shown_name(&name.repeat(2000));
        assert!(name.len() <= QUERY_TEXT_MAX && name.ends_with('…'));
    }
    let values = format!("INSERT INTO t VALUES ({})", "'x', ".repeat(5000) + "1");
    assert_eq!(shown(&values), "INSERT INTO t VALUES (?…)", "what is masked takes no room");
}

fn shown_name(name: &str) -> String {
    shown(&format!("`{name}`"))
}

#[test]
fn errors_are_masked_between_their_first_and_last_quotes() {
    for (text, expected) in [
        ("Duplicate entry 'ada@example.org' for key 'mail'", "Duplicate entry ?"),
        (
            "Column count doesn't match value count at row 1",
            "Column count doesn't match value count at row 1",
        ),
        ("Table 'shop.nowhere' doesn't exist", "Table ? doesn't exist"),
        ("Data too long for column 'a' at row 1", "Data too long for column ? at row 1"),
        ("You have an error near 'it's \"x' y' at line 1", "You have an error near ? at line 1"),
        ("fails (`shop`.`a`, CONSTRAINT `b`)", "fails (?)"),
        ("near '' at line 1", "near ? at line 1"),
        ("open 'x", "open ?x"),
        ("", ""),
    ] {
        assert_eq!(error(text.as_bytes(), Extent::Whole), expected, "{text}");
    }
    assert_eq!(error(b"near 'a 'b", Extent::Cut), "near ?…");
    assert_eq!(error(b"no\xff\x1b", Extent::Whole), "no\\xff\\u{1b}");
}

/// Values are made of letters, digits and signs of which those in [`MARKS`] stand in no code.
const MARKS: [char; 4] = ['Ж', 'Ω', 'é', '7'];

fn value() -> impl Strategy<Value = String> {
    let char = prop_oneof![
        3 => proptest::sample::select(&MARKS[..]),
        3 => proptest::sample::select(&['\'', '"', '`', '\\', '%', '/', '*', '-', '#', ';', '\n', ' ', ',', '(', ')', '!'][..]),
    ];
    proptest::collection::vec(char, 0..12).prop_map(String::from_iter)
}

/// A value as it is written in SQL, in one of the ways there are.
fn literal(backslash: Backslash) -> impl Strategy<Value = String> {
    (value(), 0..8u8).prop_map(move |(value, way)| {
        let doubled = |quote: char| {
            let value = value.replace(quote, &format!("{quote}{quote}"));
            match backslash {
                Backslash::Plain => value,
                _ => value.replace('\\', "\\\\"),
            }
        };
        let escaped = |quote: char| match backslash {
            Backslash::Plain => doubled(quote),
            _ => value.replace('\\', "\\\\").replace(quote, &format!("\\{quote}")),
        };
        match way {
            0 => format!("'{}'", doubled('\'')),
            1 => format!("'{}'", escaped('\'')),
            2 => format!("\"{}\"", doubled('"')),
            3 => format!("\"{}\"", escaped('"')),
            4 => format!("_utf8mb4'{}'", doubled('\'')),
            5 => format!("/* {} */", value.replace("*/", "").replace('!', "")),
            6 => format!("-- {}\n", value.replace('\n', "")),
            _ => "777.7e7".to_owned(),
        }
    })
}

fn code() -> impl Strategy<Value = String> {
    proptest::sample::select(&CODE[..]).prop_map(|code| format!(" {code} "))
}

const CODE: [&str; 12] =
    ["SELECT a", "`b``c`", "WHERE x =", "IN (", ")", ",", "AND", "n", "@v", "-", "t.u", "ünï"];

fn parts(backslash: Backslash) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(prop_oneof![code(), literal(backslash)], 1..30)
}

fn has_no_value(shown: &str) -> bool {
    shown.len() <= QUERY_TEXT_MAX && !shown.contains(MARKS) && !shown.chars().any(char::is_control)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_value_is_ever_shown(parts in parts(Backslash::Escapes), at in any::<prop::sample::Index>()) {
        let text = parts.concat();
        for backslash in [Backslash::Escapes, Backslash::Unsure] {
            let shown = statement(text.as_bytes(), Extent::Whole, backslash);
            prop_assert!(has_no_value(&shown), "{text:?} -> {shown:?}");
            let cut = &text.as_bytes()[..at.index(text.len() + 1)];
            let shown = statement(cut, Extent::Cut, backslash);
            prop_assert!(has_no_value(&shown), "{text:?} -> {shown:?}");
        }
    }

    #[test]
    fn no_value_is_shown_where_a_backslash_is_one(parts in parts(Backslash::Plain)) {
        let text = parts.concat();
        for backslash in [Backslash::Plain, Backslash::Unsure] {
            let shown = statement(text.as_bytes(), Extent::Whole, backslash);
            prop_assert!(has_no_value(&shown), "{text:?} -> {shown:?}");
        }
    }

    #[test]
    fn no_value_of_an_error_is_shown(value in value(), quote in "['\"`]") {
        let text = format!("Something near {quote}{value}{quote} for key {quote}a{quote} at line 1");
        let shown = error(text.as_bytes(), Extent::Whole);
        prop_assert_eq!(shown, "Something near ? at line 1");
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        crate::fuzz::mask(&bytes);
    }
}
