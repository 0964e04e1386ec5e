use super::{SseEvent, SseFault, SseParser, is_end, read_end, read_event};
use crate::session::request::TransportError;
use crate::session::stream_event::StreamEventKind;

fn event(id: Option<&str>, event: &str, data: &str) -> SseEvent {
    SseEvent { id: id.map(str::to_owned), event: event.to_owned(), data: data.to_owned() }
}

#[test]
fn events_are_the_same_however_the_octets_are_cut() {
    let text = "\u{feff}: keep-alive\r\nid: 7\r\nevent: commit\r\ndata: {\"a\"\r\ndata:: 1}\r\n\r\n\
        :\n\nid:8\nevent:welcome\ndata: zwölf\nretry: 5\nunknown\n\ndata: cut";
    let expected =
        vec![event(Some("7"), "commit", "{\"a\"\n: 1}"), event(Some("8"), "welcome", "zwölf")];
    for size in 1..text.len() {
        let mut parser = SseParser::default();
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            found.extend(parser.feed(piece).unwrap());
        }
        assert_eq!(found, expected, "in pieces of {size}");
    }
}

#[test]
fn carriage_returns_alone_end_lines() {
    let mut parser = SseParser::default();
    assert_eq!(parser.feed(b"data: a\r").unwrap(), []);
    assert_eq!(parser.feed(b"").unwrap(), []);
    assert_eq!(parser.feed(b"\ndata: b\r\r").unwrap(), [event(None, "", "a\nb")]);
}

#[test]
fn an_event_without_data_is_none() {
    let mut parser = SseParser::default();
    assert_eq!(parser.feed(b"id: 3\nevent: x\n\ndata:\n\n").unwrap(), [event(None, "", "")]);
}

#[test]
fn lines_and_events_are_bounded() {
    let mut parser = SseParser::bounded(8, 100);
    assert_eq!(parser.feed(b"data: 12\n\n").unwrap().len(), 1);
    assert_eq!(parser.feed(b"data: 123"), Err(SseFault::LineTooLong));
    let mut parser = SseParser::bounded(100, 6);
    assert_eq!(parser.feed(b"data: 123\ndata: 45\n\n").unwrap().len(), 1);
    assert_eq!(parser.feed(b"data: 123\ndata: 456\n\n"), Err(SseFault::EventTooLong));
    assert_eq!(SseParser::default().feed(b"data: \xff\n"), Err(SseFault::Encoding));
}

#[test]
fn a_providers_event_is_read() {
    let data = r#"{"stream":"mimi://a.example/r/x","seq":3,"timestamp_ms":9,"payload":"AAEC"}"#;
    let read = read_event(&event(Some("12"), "proposal", data)).unwrap();
    assert_eq!((read.id, read.seq, read.timestamp_ms), (12, 3, 9));
    assert_eq!(read.kind, StreamEventKind::Proposal);
    assert_eq!(read.payload, [0, 1, 2]);
    let unknown = read_event(&event(Some("13"), "new_thing", data)).unwrap();
    assert_eq!(unknown.kind, StreamEventKind::Unknown("new_thing".to_owned()));
}

#[test]
fn a_garbled_event_is_told() {
    let data = r#"{"stream":"mimi://a.example/r/x","seq":3,"timestamp_ms":9,"payload":"A"}"#;
    for garbled in [event(None, "commit", data), event(Some("1"), "commit", data)] {
        assert!(matches!(read_event(&garbled), Err(TransportError::Garbled(_))));
    }
    let not_canonical = data.replace("mimi://a", "MIMI://a").replace("\"A\"", "\"AAEC\"");
    let read = read_event(&event(Some("1"), "commit", &not_canonical));
    assert!(matches!(read, Err(TransportError::Garbled(_))));
}

/// The last event is none of the log; only one reason is for more than opening another stream.
#[test]
fn a_stream_says_why_it_ends() {
    let mut parser = SseParser::default();
    let text =
        "id: 4\nevent: welcome\ndata: {}\n\nevent: end\ndata: {\"reason\":\"signed_out\"}\n\n";
    let events = parser.feed(text.as_bytes()).unwrap();
    assert_eq!(events.iter().map(is_end).collect::<Vec<_>>(), [false, true]);
    let ending = read_end(&events[1]).expect("a refusal");
    assert!(ending.is_refusal("unauthorized"));
    for reason in ["newer_stream", "stopping", "of another time"] {
        let data = format!("{{\"reason\":\"{reason}\"}}");
        assert_eq!(read_end(&SseEvent { data, ..SseEvent::default() }), None);
    }
    assert_eq!(read_end(&SseEvent::default()), None);
}
