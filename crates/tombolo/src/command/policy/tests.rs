use std::io::BufReader;

use mimi_policy::RoomPolicy;
use mimi_policy::policy_file::parse;
use mimi_policy::preset::Preset;

use super::{batch, once};

const ROOM: &str = r#"{"roles":"strict","participants":[{"user":"mimi://a.example/u/alice","role":4,"clients":1}]}"#;
const CHANGE: &str = r#"{"by":"mimi://a.example/u/alice","how":"commit"}"#;
const ALLOWED: &str = r#"{"allowed":true}"#;

fn answers(input: &[u8], line_octets_max: usize) -> Vec<String> {
    // A buffer smaller than a line, as lines from a pipe are larger than one.
    let mut output = Vec::new();
    batch(BufReader::with_capacity(7, input), &mut output, line_octets_max).unwrap();
    let output = String::from_utf8(output).unwrap();
    output.lines().map(str::to_owned).collect()
}

#[test]
fn a_batch_goes_on_whatever_a_line_holds() {
    let good = format!(r#"{{"room":{ROOM},"change":{CHANGE}}}"#);
    let stranger = good.replace("/u/alice\",\"how", "/u/zoe\",\"how");
    let input = format!("{good}\n\n  \r\n{good}\r\nnonsense\n{{}}\n{stranger}\n{good}");
    let answers = answers(input.as_bytes(), 4096);
    let [one, two, nonsense, empty, stranger, last] = answers.as_slice() else {
        panic!("{answers:?}")
    };
    assert_eq!([one, two, last], [ALLOWED; 3]);
    assert!(nonsense.starts_with(r#"{"error":{"field":"","message":"no JSON: "#), "{nonsense}");
    assert_eq!(empty, r#"{"error":{"field":"room","message":"is missing"}}"#);
    assert_eq!(
        stranger,
        r#"{"allowed":false,"message":"zoe may not change the room: only clients of participants have a say","requirement":"PROTO-ST-8","rule":"unknown-sender"}"#
    );
    assert_eq!(
        self::answers(b"\xff\n", 4096),
        [r#"{"error":{"field":"","message":"is not UTF-8"}}"#]
    );
}

#[test]
fn a_line_has_an_end() {
    let good = format!(r#"{{"room":{ROOM},"change":{CHANGE}}}"#);
    let long = r#"{"error":{"field":"","message":"is longer than 200 octets"}}"#;
    let padded = |octets: usize| format!("{good}{}", " ".repeat(octets - good.len()));
    let input = |octets| format!("{good}\n{}\n{good}\n", padded(octets));
    assert_eq!(answers(input(200).as_bytes(), 200), [ALLOWED; 3]);
    assert_eq!(answers(input(201).as_bytes(), 200), [ALLOWED, long, ALLOWED]);
    assert_eq!(answers(input(900).as_bytes(), 200), [ALLOWED, long, ALLOWED]);
    assert_eq!(answers(padded(201).as_bytes(), 200), [long]);
}

#[test]
fn one_question_from_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (room, change) = (file("room.json", ROOM), file("change.json", CHANGE));
    let ask = |room: &std::path::Path, change: &std::path::Path| {
        let mut output = Vec::new();
        let code = once(room, change, &mut output).unwrap();
        (format!("{code:?}"), String::from_utf8(output).unwrap())
    };
    let success = format!("{:?}", std::process::ExitCode::SUCCESS);
    let malformed = format!("{:?}", std::process::ExitCode::from(2));
    assert_eq!(ask(&room, &change), (success, format!("{ALLOWED}\n")));
    let (code, told) = ask(&room, &room);
    assert_eq!(code, malformed);
    assert!(told.starts_with(r#"{"error":{"field":"change.participants""#), "{told}");
    let (code, told) = ask(&directory.path().join("none.json"), &change);
    assert_eq!(code, malformed);
    assert!(told.starts_with(r#"{"error":{"field":"room","message":"cannot read "#), "{told}");
}

#[test]
fn what_show_prints_validate_takes() {
    for preset in Preset::ALL {
        let policy = RoomPolicy::of_preset(*preset);
        assert_eq!(parse(&policy.to_toml()), Ok(policy));
    }
}
