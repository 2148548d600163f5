//! Whole conversations, in which only the bytes and the clock are known.
//!
//! Recorded ones lie in `tests/scripts`; `UPDATE=1 cargo test -p davy-db` writes what is seen in
//! them anew. Here are those that no client at hand can be brought to.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::relay::greeting::agreed;
use crate::relay::packet::PAYLOAD_BYTES_MAX;

/// Bytes on their way.
#[derive(Clone, Debug)]
enum Sent {
    Client(Vec<u8>),
    Server(Vec<u8>),
}
use Sent::{Client, Server};

/// A packet, header and all.
fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&[length[0], length[1], length[2], sequence], payload].concat()
}

fn client(sequence: u8, payload: &[u8]) -> Sent {
    Client(packet(sequence, payload))
}

/// The server's packets, numbered from 1.
fn server(payloads: &[&[u8]]) -> Sent {
    let numbered = payloads.iter().zip(1u8..);
    Server(numbered.flat_map(|(payload, number)| packet(number, payload)).collect())
}

fn watch(agreed: Agreed) -> Watch {
    let mut watch = Watch::new(7, agreed, Stamp(1));
    watch.answered(&packet(2, OK), Stamp(2), &mut |_| unreachable!("it is no statement"));
    watch
}

const OLD: Agreed = Agreed { no_eof: false, cached_columns: false };
const NEW: Agreed = Agreed { no_eof: true, cached_columns: true };
const OK: &[u8] = b"\0\0\0\x02\0\0\0";
const EOF: &[u8] = b"\xfe\0\0\x02\0";
const COLUMN: &[u8] = b"\x03def\0\0\0\x01a\0\x0c\x3f\0\x0b\0\0\0\x03\0\0\0\0\0";

/// What `watch` tells of `talk`; the clock goes on by one with every delivery.
fn told(watch: &mut Watch, talk: &[Sent]) -> Vec<Query> {
    let mut queries = Vec::new();
    for (sent, now) in talk.iter().zip(10..) {
        match sent {
            Client(bytes) => watch.sent(bytes, Stamp(now), Attention::Statements),
            Server(bytes) => watch.answered(bytes, Stamp(now), &mut |query| queries.push(query)),
        }
    }
    queries
}

/// The same, as `rows text ! error`; the watch must not have lost its thread.
fn seen(agreed: Agreed, talk: &[Sent]) -> Vec<String> {
    let mut watch = watch(agreed);
    let queries = told(&mut watch, talk);
    assert!(!watch.is_lost(), "{talk:?}");
    assert!(watch.asked.is_empty(), "{:?}", watch.asked);
    queries.iter().map(shown).collect()
}

fn shown(query: &Query) -> String {
    let error = query.error.as_ref().map_or(String::new(), |error| format!(" ! {error}"));
    format!("{} {}{error}", query.rows, query.text)
}

/// The same in pieces, cut as `cuts` say in a circle.
fn cut(talk: &[Sent], cuts: &[usize]) -> Vec<Sent> {
    let mut cuts = cuts.iter().copied().cycle();
    let mut cut = |mut bytes: &[u8]| {
        let mut pieces = Vec::new();
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(cuts.next().unwrap().clamp(1, bytes.len()));
            pieces.push(now.to_vec());
            bytes = later;
        }
        pieces
    };
    let mut pieces = Vec::new();
    for sent in talk {
        match sent {
            Client(bytes) => pieces.extend(cut(bytes).into_iter().map(Client)),
            Server(bytes) => pieces.extend(cut(bytes).into_iter().map(Server)),
        }
    }
    pieces
}

#[test]
fn what_nobody_listens_to_is_not_told_and_what_follows_is() {
    let mut watch = watch(OLD);
    let mut now = Stamp(1);
    let mut told = Vec::new();
    let mut pass = |watch: &mut Watch, statement: &[u8], attention| {
        let Client(asked) = client(0, statement) else { unreachable!() };
        let Server(answer) = server(&[b"\x01", COLUMN, EOF, b"\x013", EOF]) else { unreachable!() };
        watch.sent(&asked, now, attention);
        watch.answered(&answer, now, &mut |query| told.push(query.text));
        now = Stamp(now.0 + 1);
    };
    pass(&mut watch, b"\x03SELECT 1", Attention::Course);
    pass(&mut watch, b"\x03SELECT a FROM b", Attention::Statements);
    pass(&mut watch, b"\x03SELECT 2", Attention::Course);
    assert!(!watch.is_lost());
    assert_eq!(told, ["SELECT a FROM b"]);
}

#[test]
fn a_statement_has_its_times_rows_and_text() {
    let talk = [
        client(0, b"\x03SELECT a FROM t WHERE b = 'secret'"),
        server(&[b"\x01", COLUMN, EOF, b"\x013", b"\x014"]),
        Server(packet(6, EOF)),
    ];
    let text = "SELECT a FROM t WHERE b = ?".to_owned();
    let expected = Query { pid: 7, begun: Stamp(10), ended: Stamp(12), text, rows: 2, error: None };
    assert_eq!(told(&mut watch(OLD), &talk), [expected]);
}

#[test]
fn changed_rows_are_counted_and_errors_are_masked() {
    let change = [client(0, b"\x03UPDATE t SET a = 1"), server(&[b"\0\xfc\x2c\x01\0\x02\0\0\0"])];
    assert_eq!(seen(OLD, &change), ["300 UPDATE t SET a = ?"]);
    let error = [
        client(0, b"\x03INSERT INTO t VALUES ('Ada')"),
        server(&[b"\xff\x26\x04#23000Duplicate entry 'Ada' for key 'a'"]),
    ];
    let expected = "0 INSERT INTO t VALUES (?) ! 1062 (23000): Duplicate entry ?";
    assert_eq!(seen(OLD, &error), [expected]);
    let in_rows = [
        client(0, b"\x03SELECT a FROM t"),
        server(&[b"\x01", COLUMN, EOF, b"\x013", b"\xff\x25\x05#70100Query was interrupted"]),
    ];
    let expected = "1 SELECT a FROM t ! 1317 (70100): Query was interrupted";
    assert_eq!(seen(OLD, &in_rows), [expected]);
}

#[test]
fn several_results_are_one_statement() {
    let talk = [
        client(0, b"\x03CALL p()"),
        server(&[
            b"\x01",
            COLUMN,
            EOF,
            b"\x013",
            b"\xfe\0\0\x0a\0",
            b"\0\x02\0\x0a\0\0\0",
            b"\x01",
            COLUMN,
            EOF,
            b"\x013",
            b"\xfe\0\0\x0a\0",
            b"\0\x01\0\x02\0\0\0",
        ]),
    ];
    assert_eq!(seen(OLD, &talk), ["5 CALL p()"]);
}

#[test]
fn an_answer_without_eof_packets_is_understood() {
    let end = b"\xfe\0\0\x02\0\0\0\x04info";
    let talk = [client(0, b"\x03SELECT 1"), server(&[b"\x01\x01", COLUMN, b"\x013", end])];
    assert_eq!(seen(NEW, &talk), ["1 SELECT ?"]);
    let cached = [client(0, b"\x03SELECT 1"), server(&[b"\x01\0", b"\x013", b"\x013", end])];
    assert_eq!(seen(NEW, &cached), ["2 SELECT ?"]);
    let between = Agreed { no_eof: false, cached_columns: true };
    let cached = [client(0, b"\x03SELECT 1"), server(&[b"\x01\0", EOF, b"\x013", EOF])];
    assert_eq!(seen(between, &cached), ["1 SELECT ?"]);
}

#[test]
fn prepared_statements_are_known_by_their_ids() {
    let prepared = b"\0\x09\0\0\0\x01\0\x02\0\0\0\0";
    let talk = [
        client(0, b"\x16SELECT a FROM t WHERE b = ? AND c = 'secret'"),
        server(&[prepared, COLUMN, COLUMN, EOF, COLUMN, EOF]),
        client(0, b"\x18\x09\0\0\0\0\0a long value"),
        client(0, b"\x17\x09\0\0\0\0\x01\0\0\0\0\x01values"),
        server(&[b"\x01", COLUMN, EOF, b"\0\0\x07", EOF]),
        client(0, b"\x17\x08\0\0\0\0\x01\0\0\0"),
        server(&[b"\xff\xdb\x04#HY000Unknown prepared statement handler"]),
        client(0, b"\x1a\x09\0\0\0"),
        server(&[OK]),
        client(0, b"\x19\x09\0\0\0"),
        client(0, b"\x17\x09\0\0\0\0\x01\0\0\0"),
        server(&[OK]),
    ];
    let expected = [
        "1 SELECT a FROM t WHERE b = ? AND c = ?".to_owned(),
        format!("0 {NOT_KEPT} ! 1243 (HY000): Unknown prepared statement handler"),
        format!("0 {NOT_KEPT}"),
    ];
    assert_eq!(seen(OLD, &talk), expected);
}

#[test]
fn what_can_not_be_prepared_is_told() {
    let talk = [
        client(0, b"\x16SELECT broken"),
        server(&[b"\xff\x1e\x04#42S22Unknown column 'broken' in 'SELECT'"]),
        client(0, b"\x16DO 1"),
        server(&[b"\0\x01\0\0\0\0\0\0\0\0\0\0"]),
    ];
    let expected = "0 SELECT broken ! 1054 (42S22): Unknown column ?";
    assert_eq!(seen(OLD, &talk), [expected]);
}

#[test]
fn a_statement_may_be_executed_before_it_is_known_to_be_prepared() {
    let talk = [
        client(0, b"\x16DELETE FROM t"),
        client(0, b"\x17\xff\xff\xff\xff\0\x01\0\0\0"),
        server(&[b"\0\x05\0\0\0\0\0\0\0\0\0\0"]),
        server(&[b"\0\x04\0\x02\0\0\0"]),
        client(0, b"\xfa\xff\xff\xff\xff\0\0"),
        server(&[b"\0\x02\0\x02\0\0\0"]),
    ];
    assert_eq!(seen(OLD, &talk), ["4 DELETE FROM t", "2 DELETE FROM t"]);
}

#[test]
fn a_cursors_rows_are_no_statement() {
    let prepared = b"\0\x01\0\0\0\x01\0\0\0\0\0\0";
    for (agreed, columns, opened, rows) in [
        (OLD, &b"\x01"[..], &b"\xfe\0\0\x42\0"[..], &b"\xfe\0\0\xc2\0"[..]),
        (NEW, b"\x01\x01", b"\xfe\0\0\x42\0\0\0", b"\xfe\0\0\xc2\0\0\0"),
    ] {
        let eof: &[&[u8]] = if agreed.no_eof { &[] } else { &[EOF] };
        let talk = [
            client(0, b"\x16SELECT a FROM t"),
            server(&[&[&prepared[..], COLUMN], eof].concat()),
            client(0, b"\x17\x01\0\0\0\x01\x01\0\0\0"),
            server(&[columns, COLUMN, opened]),
            client(0, b"\x1c\x01\0\0\0\x02\0\0\0"),
            server(&[b"\0\0\x01", b"\0\0\x02", rows]),
            client(0, b"\x1c\x01\0\0\0\x02\0\0\0"),
            server(&[rows]),
        ];
        assert_eq!(seen(agreed, &talk), ["0 SELECT a FROM t"]);
    }
}

#[test]
fn commands_that_are_no_statements_are_passed_over() {
    let talk = [
        client(0, b"\x02shop"),
        server(&[OK]),
        client(0, b"\x09"),
        server(&[b"Uptime: 12  Threads: 1"]),
        client(0, b"\x04t\0"),
        server(&[COLUMN, COLUMN, EOF]),
        client(0, b"\x0a"),
        server(&[b"\x01", COLUMN, EOF, b"\x013", EOF]),
        client(0, b"\x1b\0\0"),
        server(&[EOF]),
        client(0, b"\x0e"),
        server(&[b"\xff\x1e\x04#42S22No"]),
        client(0, b"\x03DO 1"),
        server(&[OK]),
        client(0, b"\x01"),
    ];
    assert_eq!(seen(OLD, &talk), ["0 DO ?"]);
}

#[test]
fn a_change_of_user_forgets_what_was_prepared() {
    let talk = [
        client(0, b"\x16DO 1"),
        server(&[b"\0\x01\0\0\0\0\0\0\0\0\0\0"]),
        client(0, b"\x11blog\0\0"),
        server(&[b"\xfemysql_native_password\0salt"]),
        client(2, b"\x03SELECT 'the password'"),
        Server(packet(3, OK)),
        client(0, b"\x17\x01\0\0\0\0\x01\0\0\0"),
        server(&[OK]),
        client(0, b"\x1f"),
        server(&[OK]),
    ];
    assert_eq!(seen(OLD, &talk), [format!("0 {NOT_KEPT}")]);
}

#[test]
fn reports_of_progress_stand_between() {
    let progress = b"\xff\xff\xff\x01\x01\x02\0\0\0\x05stage";
    let talk = [client(0, b"\x03ALTER TABLE t FORCE"), server(&[progress, progress, OK])];
    assert_eq!(seen(OLD, &talk), ["0 ALTER TABLE t FORCE"]);
}

/// Also one that has more packets than there are sequence numbers.
#[test]
fn a_file_is_no_command() {
    let mut talk = vec![client(0, b"\x03LOAD DATA LOCAL INFILE 'f'"), server(&[b"\xfbf"])];
    talk.extend((2..=300u16).map(|n| client(n.to_le_bytes()[0], b"\x03SELECT 'a line'\n")));
    talk.extend([client(45, b""), Server(packet(46, b"\0\x03\0\x02\0\0\0"))]);
    talk.extend([client(0, b"\x03DO 1"), server(&[OK])]);
    assert_eq!(seen(OLD, &talk), ["3 LOAD DATA LOCAL INFILE ?", "0 DO ?"]);
}

#[test]
fn packets_beyond_16_mib_are_one_message() {
    let mut statement = b"\x03SELECT '".to_vec();
    statement.resize(PAYLOAD_BYTES_MAX, b'x');
    let mut row = vec![b'y'; PAYLOAD_BYTES_MAX];
    row[0] = 0xfe;
    let talk = [
        client(0, &statement),
        client(1, b"\x03SELECT 'secret'"),
        server(&[b"\x01", COLUMN, EOF, &row, b"\xfe\0\0\x02\0", &row, b"", EOF]),
        client(0, b"\x0e"),
        server(&[OK]),
    ];
    assert_eq!(seen(OLD, &cut(&talk, &[16 * 1024])), ["2 SELECT ?…"]);
}

#[test]
fn commands_may_be_sent_ahead_of_their_answers() {
    let talk = [
        Client(
            [packet(0, b"\x03DO 1"), packet(0, b"\x0e"), packet(0, b"\x03DO 'it\\'s', a")].concat(),
        ),
        Server([packet(1, OK), packet(1, OK), packet(1, b"\0\x01\0\x02\0\0\0")].concat()),
    ];
    // Whether the backslash escapes is not known before the first answer.
    assert_eq!(seen(OLD, &talk), ["0 DO ?", "1 DO ?…"]);
}

#[test]
fn the_server_says_what_a_backslash_means() {
    let talk = [
        client(0, b"\x03SET sql_mode = 'NO_BACKSLASH_ESCAPES'"),
        server(&[b"\0\0\0\x02\x02\0\0"]),
        client(0, b"\x03SELECT 'a\\', b"),
        server(&[OK]),
        client(0, b"\x03SELECT 'a\\', b"),
        server(&[OK]),
    ];
    let expected = ["0 SET sql_mode = ?", "0 SELECT ?, b", "0 SELECT ?…"];
    assert_eq!(seen(OLD, &talk), expected);
}

#[test]
fn no_value_shows_after_a_reset_or_an_error_that_may_have_changed_what_a_backslash_means() {
    let plain = server(&[b"\0\0\0\x02\x02\0\0"]);
    let reset = [
        client(0, b"\x03SET sql_mode = 'NO_BACKSLASH_ESCAPES'"),
        plain,
        client(0, b"\x1f"),
        server(&[OK]),
        client(0, b"\x03SELECT 'it\\'s', 'secret'"),
        server(&[OK]),
    ];
    let failed = [
        client(0, b"\x03SET sql_mode = 'NO_BACKSLASH_ESCAPES'; SELECT nowhere"),
        server(&[b"\0\0\0\x08\x02\0\0", b"\xff\x1e\x04#42S22Unknown column"]),
        client(0, b"\x03SELECT 'a\\', 'secret'"),
        server(&[OK]),
    ];
    for talk in [&reset[..], &failed[..]] {
        let shown = seen(OLD, talk);
        assert!(shown.iter().all(|text| !text.contains("secret")), "{shown:?}");
    }
    let signal = [client(0, b"\x03CALL p()"), server(&[b"\xff\x6c\x06#45000the secret of Ada"])];
    assert_eq!(seen(OLD, &signal), ["0 CALL p() ! 1644 (45000): ?"]);
}

#[test]
fn an_unknown_command_or_answer_silences_the_watch() {
    let select = client(0, b"\x03SELECT 1");
    let answer = server(&[b"\x01", COLUMN, EOF, EOF]);
    for talk in [
        &[client(0, b"\xfe")][..],
        &[client(0, b"\x12\0\0\0\0")],
        &[client(0, b"")],
        &[client(0, b"\x17\x01")],
        &[server(&[OK])],
        &[select.clone(), server(&[b"\x01\x01"])],
        &[select.clone(), server(&[b""])],
        &[select.clone(), server(&[b"\0"])],
        &[select.clone(), server(&[b"\x01", COLUMN, b"\x013"])],
        &[select.clone(), server(&[b"\x01", b"\xff\xff\0"])],
        &[select.clone(), select.clone(), server(&[b"\xfbf"])],
        &[client(0, b"\x16SELECT 1"), server(&[b"\0\x01"])],
    ] {
        let mut watch = watch(OLD);
        let talk = [talk, &[select.clone(), answer.clone()]].concat();
        assert_eq!(told(&mut watch, &talk), [], "{talk:?}");
        assert!(watch.is_lost(), "{talk:?}");
        watch.closed(Stamp(99), &mut |query| panic!("{query:?}"));
    }
}

#[test]
fn too_many_commands_at_once_silence_the_watch() {
    let mut watch = watch(OLD);
    let talk = vec![client(0, b"\x0e"); ASKED_MAX];
    told(&mut watch, &talk);
    assert!(!watch.is_lost());
    told(&mut watch, &talk[..1]);
    assert!(watch.is_lost());
}

#[test]
fn words_of_farewell_are_no_answer() {
    let talk = [Server(packet(0, b"\xff\x87\x07#08S01Connection was killed"))];
    assert_eq!(seen(OLD, &talk), [""; 0]);
}

#[test]
fn what_is_never_answered_is_told_at_the_end() {
    let mut watch = watch(OLD);
    told(&mut watch, &[client(0, b"\x03DO SLEEP(9)"), client(0, b"\x0e")]);
    let mut queries = Vec::new();
    watch.closed(Stamp(99), &mut |query| queries.push(query));
    let shown: Vec<String> = queries.iter().map(shown).collect();
    assert_eq!(shown, [format!("0 DO SLEEP(?) ! {LOST_CONNECTION}")]);
    assert_eq!((queries[0].begun, queries[0].ended), (Stamp(10), Stamp(99)));
}

#[test]
fn a_failed_login_tells_nothing() {
    let mut watch = Watch::new(7, OLD, Stamp(1));
    let denied = b"\xff\x15\x04#28000Access denied for user 'x'@'localhost'";
    assert_eq!(told(&mut watch, &[Server(packet(2, denied))]), []);
    assert!(!watch.is_lost());
}

/// A recorded session and what is expected of it.
struct Script {
    path: PathBuf,
    agreed: Agreed,
    talk: Vec<Sent>,
    expected: String,
}

impl Script {
    fn all() -> Vec<Script> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts");
        let mut paths: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.into_iter().map(Script::read).collect()
    }

    fn read(path: PathBuf) -> Script {
        let text = fs::read_to_string(&path).unwrap();
        let (talk, expected) = text.split_once("---\n").unwrap();
        let mut sent: Vec<Sent> = Vec::new();
        for line in talk.lines().filter(|line| !line.starts_with('#')) {
            let bytes = unescaped(&line[2..]);
            match (&line[..2], sent.last_mut()) {
                ("> ", Some(Client(before))) | ("< ", Some(Server(before))) => before.extend(bytes),
                ("> ", _) => sent.push(Client(bytes)),
                ("< ", _) => sent.push(Server(bytes)),
                _ => panic!("{}: {line}", path.display()),
            }
        }
        let talk = sent.split_off(2);
        let [Server(greeting), Client(answer)] = &sent[..] else { panic!("no greeting") };
        let agreed = agreed(&greeting[4..], &answer[4..]).unwrap();
        Script { path, agreed, talk, expected: expected.to_owned() }
    }

    fn seen(&self, talk: &[Sent]) -> String {
        let mut watch = Watch::new(7, self.agreed, Stamp(1));
        let queries = told(&mut watch, talk);
        assert!(!watch.is_lost(), "{}", self.path.display());
        assert!(watch.asked.is_empty(), "{}", self.path.display());
        queries.iter().fold(String::new(), |mut text, query| {
            writeln!(text, "{}", shown(query)).unwrap();
            text
        })
    }
}

/// `\x0a` and `\\` undone.
fn unescaped(text: &str) -> Vec<u8> {
    let mut parts = text.split('\\');
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    while let Some(part) = parts.next() {
        match part.strip_prefix('x') {
            Some(part) => {
                bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
                bytes.extend(&part.as_bytes()[2..]);
            }
            None => {
                assert!(part.is_empty(), "a backslash is doubled: {text}");
                bytes.push(b'\\');
                bytes.extend(parts.next().unwrap().as_bytes());
            }
        }
    }
    bytes
}

#[test]
fn recorded_sessions_are_seen_as_they_were() {
    for script in Script::all() {
        let seen = script.seen(&script.talk);
        if std::env::var_os("UPDATE").is_some() {
            let text = fs::read_to_string(&script.path).unwrap();
            let (talk, _) = text.split_once("---\n").unwrap();
            fs::write(&script.path, format!("{talk}---\n{seen}")).unwrap();
        } else {
            assert_eq!(seen, script.expected, "{}", script.path.display());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_same_is_seen_however_bytes_are_cut(
        cuts in proptest::collection::vec(1usize..60, 1..8),
    ) {
        for script in Script::all() {
            prop_assert_eq!(script.seen(&cut(&script.talk, &cuts)), script.seen(&script.talk));
        }
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        crate::fuzz::relay_watch(&bytes);
    }
}
