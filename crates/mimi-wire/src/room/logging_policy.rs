//! Component 0x002D, `logging_policy` (room-policy-03 section 6.5). The update format is the data
//! format.

use serde::{Deserialize, Serialize};

use crate::codec::{Malformed, Reader, Wire, Writer};
use crate::limits::LIST_ELEMENTS_MAX;
use crate::room::optionality::{
    Conditional, Optionality, read_unless_forbidden, read_uri, read_uris, write_texts,
};

/// Who logs, and the rules they are under.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Logging {
    /// At least one where logging is required; where it is optional, logging is on if there is one
    /// (POLICY-LOG-1).
    pub logging_clients: Vec<String>,
    /// For programs; empty where there is none.
    pub machine_readable_policy: String,
    /// For people; empty where there is none.
    pub human_readable_policy: String,
}

/// `LoggingPolicy`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LoggingPolicy {
    /// Whether and how the room is logged.
    pub logging: Conditional<Logging>,
}

impl LoggingPolicy {
    /// Whether somebody logs (POLICY-LOG-1).
    pub fn is_active(&self) -> bool {
        self.logging.value().is_some_and(|logging| !logging.logging_clients.is_empty())
    }
}

impl Wire for LoggingPolicy {
    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let logging = read_unless_forbidden(reader, "LoggingPolicy.logging", read_logging)?;
        Ok(Self { logging })
    }

    fn write(&self, writer: &mut Writer) {
        self.logging.write_with(writer, |writer, logging| {
            write_texts(writer, &logging.logging_clients);
            writer.opaque(logging.machine_readable_policy.as_bytes());
            writer.opaque(logging.human_readable_policy.as_bytes());
        });
    }
}

fn read_logging(reader: &mut Reader<'_>, optionality: Optionality) -> Result<Logging, Malformed> {
    let field = "LoggingPolicy.logging_clients";
    let start = reader.clone();
    let logging_clients = read_uris(reader, LIST_ELEMENTS_MAX, field)?;
    if logging_clients.is_empty() && optionality == Optionality::Required {
        return Err(start.malformed(field, "required logging needs a client (POLICY-LOG-1)"));
    }
    Ok(Logging {
        logging_clients,
        machine_readable_policy: read_uri(reader, "LoggingPolicy.machine_readable_policy")?,
        human_readable_policy: read_uri(reader, "LoggingPolicy.human_readable_policy")?,
    })
}
