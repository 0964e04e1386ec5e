//! `/devices` and `/signout`: the devices of the user.

use std::time::{SystemTime, UNIX_EPOCH};

use tombolo_client::{Client, ClientError, DeviceEntry};

use crate::plain::one_line;

/// Which devices are to be signed out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Which {
    /// By its number in `/devices`.
    Numbered(usize),
    Others,
}

/// `/devices`, `/signout N` and `/signout others`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DeviceInput {
    List,
    SignOut(Which),
}

/// Reads a command about devices; `None` for others.
pub(crate) fn parse(name: &str, rest: &str) -> Option<Result<DeviceInput, String>> {
    let usage =
        || "write it as /signout N, with a number of /devices, or /signout others".to_owned();
    Some(match (name, rest) {
        ("devices", "") => Ok(DeviceInput::List),
        ("signout", "others") => Ok(DeviceInput::SignOut(Which::Others)),
        ("signout", number) => match number.parse() {
            Ok(number) => Ok(DeviceInput::SignOut(Which::Numbered(number))),
            Err(_) => Err(usage()),
        },
        _ => return None,
    })
}

pub(crate) async fn run(client: &Client, input: DeviceInput) -> Result<String, ClientError> {
    let devices = client.devices().await?;
    Ok(match input {
        DeviceInput::List => listed(&devices, now_ms()),
        DeviceInput::SignOut(Which::Others) => {
            client.sign_out_others().await?;
            match devices.len().saturating_sub(1) {
                0 => "-- this is the only device".to_owned(),
                1 => "-- the other device is signed out".to_owned(),
                others => format!("-- the {others} other devices are signed out"),
            }
        }
        DeviceInput::SignOut(Which::Numbered(number)) => {
            let device = number.checked_sub(1).and_then(|at| devices.get(at)).ok_or_else(|| {
                ClientError::Other(format!("there is no device {number}; /devices lists them"))
            })?;
            client.sign_out(&device.client).await?;
            format!("-- {} is signed out", one_line(&device.name))
        }
    })
}

fn listed(devices: &[DeviceEntry], now_ms: u64) -> String {
    let lines = devices.iter().enumerate().map(|(at, device)| {
        let here = if device.current { ", this one" } else { "" };
        let seen = match device.last_seen_ms {
            0 => String::new(),
            day => format!(", last here {}", ago(day, now_ms)),
        };
        let came = ago(device.created_ms, now_ms);
        format!("  {}. {}, signed in {came}{seen}{here}", at + 1, one_line(&device.name))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// In days (UTC): the provider keeps no more of when a device was here.
fn ago(then_ms: u64, now_ms: u64) -> String {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    match (now_ms / DAY_MS).saturating_sub(then_ms / DAY_MS) {
        0 => "today".to_owned(),
        1 => "yesterday".to_owned(),
        days => format!("{days} days ago"),
    }
}

/// Milliseconds since the UNIX epoch.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        assert_eq!(parse("devices", ""), Some(Ok(DeviceInput::List)));
        let second = DeviceInput::SignOut(Which::Numbered(2));
        assert_eq!(parse("signout", "2"), Some(Ok(second)));
        assert_eq!(parse("signout", "others"), Some(Ok(DeviceInput::SignOut(Which::Others))));
        assert!(matches!(parse("signout", ""), Some(Err(_))));
        assert!(matches!(parse("signout", "phone"), Some(Err(_))));
        assert_eq!(parse("devices", "x"), None);
        assert_eq!(parse("rooms", ""), None);
    }

    /// A name cannot pass for a line of ours.
    #[test]
    fn a_list() {
        let device = |name: &str, current, last_seen_ms| DeviceEntry {
            client: "mimi://a.example/d/alice/x".parse().unwrap(),
            name: name.to_owned(),
            created_ms: 1_700_000_000_000,
            last_seen_ms,
            current,
        };
        let devices = [device("phone", true, 1_700_006_400_000), device("a\nb", false, 0)];
        let list = listed(&devices, 1_700_100_000_000);
        assert_eq!(list.lines().count(), 2);
        let phone = "  1. phone, signed in 2 days ago, last here yesterday, this one\n";
        assert!(list.starts_with(phone), "{list}");
    }
}
