//! Which endpoint crossed which wire, as the providers' logs tell.

use std::sync::Mutex;

use serde_json::Value;

/// One exchange between two providers, as its sender logged it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exchange {
    pub(crate) endpoint: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) request_octets: u64,
    pub(crate) response_octets: u64,
    pub(crate) status: u64,
    pub(crate) ms: f64,
}

/// Every exchange seen so far.
#[derive(Debug, Default)]
pub(crate) struct Wires {
    exchanges: Mutex<Vec<Exchange>>,
}

impl Exchange {
    /// Reads a JSON log line whose target is `wire`; any other line is `None`.
    pub(crate) fn from_log_line(line: &str) -> Option<Self> {
        let entry: Value = serde_json::from_str(line).ok()?;
        if entry["target"] != "wire" {
            return None;
        }
        let fields = &entry["fields"];
        let text = |key: &str| fields[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| fields[key].as_u64().unwrap_or_default();
        Some(Self {
            endpoint: text("endpoint"),
            from: text("from"),
            to: text("to"),
            request_octets: number("request_octets"),
            response_octets: number("response_octets"),
            status: number("status"),
            ms: fields["ms"].as_f64().unwrap_or_default(),
        })
    }

    /// Whether it is this request, from one provider to another.
    pub(crate) fn is(&self, (endpoint, from, to): (&str, &str, &str)) -> bool {
        self.endpoint == endpoint && self.from == from && self.to == to
    }

    /// For the person watching.
    pub(crate) fn told(&self) -> String {
        let Self { endpoint, from, to, request_octets, response_octets, status, ms } = self;
        let outcome = match status {
            0 => "no answer".to_owned(),
            status => format!("{status}, {response_octets} B back"),
        };
        format!("{endpoint:<15} {from} -> {to}  {request_octets} B  {outcome}  {ms:.0} ms")
    }
}

impl Wires {
    pub(crate) fn add(&self, exchange: Exchange) {
        self.exchanges.lock().expect("no thread panics while it holds this").push(exchange);
    }

    /// How many have been seen so far: where those to come begin.
    pub(crate) fn count(&self) -> usize {
        self.exchanges.lock().expect("no thread panics while it holds this").len()
    }

    /// Those since there were so many.
    pub(crate) fn since(&self, count: usize) -> Vec<Exchange> {
        self.all().split_off(count)
    }

    pub(crate) fn all(&self) -> Vec<Exchange> {
        self.exchanges.lock().expect("no thread panics while it holds this").clone()
    }
}

#[cfg(test)]
mod tests {
    use super::Exchange;

    #[test]
    fn only_wire_lines_are_exchanges() {
        let line = r#"{"target":"wire","fields":{"endpoint":"notify","from":"a.example",
            "to":"b.example","request_octets":812,"response_octets":0,"status":201,"ms":3.5}}"#;
        let exchange = Exchange::from_log_line(line).unwrap();
        assert_eq!(
            exchange.told(),
            "notify          a.example -> b.example  812 B  201, 0 B back  4 ms"
        );
        assert_eq!(Exchange::from_log_line(r#"{"target":"tombolo_server"}"#), None);
        assert_eq!(Exchange::from_log_line("thread panicked"), None);
    }
}
