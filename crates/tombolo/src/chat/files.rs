//! Files in the conversation: sending one, saving what somebody has sent, and by which ways files may
//! come.

use std::path::{Path, PathBuf};

use mimi_wire::MimiUri;
use mimi_wire::content::{ExternalPart, MessageId};
use mimi_wire::room::asset_policy::DownloadPrivacyType;
use tokio::io::AsyncWriteExt;
use tombolo_client::{Client, ClientError, Download};

use crate::chat::input;
use crate::chat::operation::Done;
use crate::plain::one_line;

/// A command of this kind, understood.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum FileInput {
    Send(PathBuf),
    Save(usize, Option<PathBuf>),
    /// The ways that files may come by; says which they are if there are none.
    Downloads(Vec<DownloadPrivacyType>),
}

/// The ways by the words for them, and what they mean for whoever downloads.
const WAYS: [(&str, DownloadPrivacyType, &str); 3] = [
    (
        "oblivious",
        DownloadPrivacyType::Ohttp,
        "sealed, past your provider, to the room's: yours does not see what you fetch, theirs not \
         who you are",
    ),
    (
        "hub",
        DownloadPrivacyType::HubProxy,
        "through your provider and the room's: the file's host does not see who you are",
    ),
    (
        "direct",
        DownloadPrivacyType::Direct,
        "from the file's host, which sees where you are, and when",
    ),
];

/// Understands a command, if it is one of these.
pub(crate) fn parse(name: &str, rest: &str) -> Option<Result<FileInput, String>> {
    Some(match name {
        "file" => input::words(rest, "/file PATH").map(|path| FileInput::Send(path.into())),
        "save" => {
            let (number, path) = rest.split_once(' ').unwrap_or((rest, ""));
            let path = Some(path.trim()).filter(|path| !path.is_empty()).map(PathBuf::from);
            input::number(number, "/save N [PATH]").map(|number| FileInput::Save(number, path))
        }
        "downloads" => {
            rest.split_whitespace().map(way).collect::<Result<_, _>>().map(FileInput::Downloads)
        }
        _ => return None,
    })
}

fn way(word: &str) -> Result<DownloadPrivacyType, String> {
    let known = WAYS.iter().find(|(name, ..)| *name == word);
    known.map(|(_, way, _)| *way).ok_or_else(|| {
        "write it as /downloads WAY…, the best first; ways are oblivious, hub and direct".to_owned()
    })
}

/// How a file has come.
fn came(way: DownloadPrivacyType) -> &'static str {
    match way {
        DownloadPrivacyType::Ohttp => "obliviously",
        DownloadPrivacyType::HubProxy => "through the room's provider",
        DownloadPrivacyType::Direct => "directly from its host",
    }
}

/// Sets the ways that files may come by, if any are named, and says which they are.
pub(crate) async fn downloads(
    client: &Client,
    ways: Vec<DownloadPrivacyType>,
) -> Result<Done, ClientError> {
    let mut settings = client.download_settings();
    if !ways.is_empty() {
        settings.ways = ways;
        client.set_download_settings(settings.clone()).await?;
    }
    let mut lines = vec!["-- files come, where the room lets them:".to_owned()];
    let told = |way| WAYS.iter().find(move |(_, known, _)| *known == way);
    for (name, _, what) in settings.ways.iter().copied().filter_map(told) {
        lines.push(format!("   {name}: {what}"));
    }
    for (name, way, what) in &WAYS {
        if !settings.ways.contains(way) {
            lines.push(format!("   not {name}: {what}"));
        }
    }
    Ok(Done::Say(lines.join("\n")))
}

/// Does what was said; `message` is the one that the line names.
pub(crate) async fn run(
    client: &Client,
    room: &MimiUri,
    command: FileInput,
    message: Option<MessageId>,
) -> Result<Done, ClientError> {
    match (command, message) {
        (FileInput::Send(path), _) => {
            client.send_file(room, &path).await?;
            Ok(Done::Quietly)
        }
        (FileInput::Save(_, path), Some(message)) => {
            let download = client.download(room, message, 0).await?;
            let path = write(path, &download).await?;
            let octets = download.content.len();
            let doubt = if download.is_authenticated { "" } else { ", which nobody vouches for" };
            let path = one_line(&path.display().to_string());
            let came = came(download.way);
            Ok(Done::Say(format!("-- {octets} octets{doubt} came {came} and are in {path}")))
        }
        (FileInput::Downloads(ways), _) => downloads(client, ways).await,
        (FileInput::Save(..), None) => Ok(Done::Quietly),
    }
}

/// Writes a new file: nothing that somebody sends replaces anything here.
async fn write(path: Option<PathBuf>, download: &Download) -> Result<PathBuf, ClientError> {
    let name = download.filename.clone().unwrap_or_else(|| "attachment".to_owned());
    let path = match path {
        Some(path) if path.is_dir() => path.join(name),
        Some(path) => path,
        None => PathBuf::from(name),
    };
    let failed = |error: std::io::Error| ClientError::Other(said(&path, &error));
    let options = tokio::fs::OpenOptions::new().write(true).create_new(true).open(&path).await;
    let mut file = options.map_err(failed)?;
    file.write_all(&download.content).await.map_err(failed)?;
    file.sync_all().await.map_err(failed)?;
    Ok(path)
}

fn said(path: &Path, error: &std::io::Error) -> String {
    let path = path.display();
    match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            format!("{path} is there already; write it as /save N ANOTHER-PATH")
        }
        _ => format!("{path}: {error}"),
    }
}

/// Name, type and size of a file, as its sender says.
pub(crate) fn described(file: &ExternalPart) -> String {
    let name = file.safe_filename().unwrap_or_else(|| "without a name".to_owned());
    let name = one_line(&name);
    let kind = one_line(&file.content_type);
    match file.size {
        0 => format!("{name}, {kind}"),
        octets => format!("{name}, {kind}, {octets} octets"),
    }
}

#[cfg(test)]
mod tests {
    use mimi_wire::room::asset_policy::DownloadPrivacyType;
    use tombolo_client::Download;

    use super::{FileInput, parse, write};

    #[test]
    fn commands() {
        let file = FileInput::Send("my photo.png".into());
        assert_eq!(parse("file", "my photo.png"), Some(Ok(file)));
        assert_eq!(parse("save", "3"), Some(Ok(FileInput::Save(3, None))));
        let to = FileInput::Save(3, Some("a b".into()));
        assert_eq!(parse("save", "3 a b"), Some(Ok(to)));
        assert!(parse("save", "x").unwrap().is_err());
        assert!(parse("file", "").unwrap().is_err());
        assert!(parse("write", "x").is_none());
        assert_eq!(parse("downloads", ""), Some(Ok(FileInput::Downloads(Vec::new()))));
        let ways = vec![DownloadPrivacyType::HubProxy, DownloadPrivacyType::Ohttp];
        assert_eq!(parse("downloads", "hub oblivious"), Some(Ok(FileInput::Downloads(ways))));
        assert!(parse("downloads", "hub quickly").unwrap().is_err());
    }

    #[tokio::test]
    async fn nothing_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let download = Download {
            content: b"new".to_vec(),
            content_type: "text/plain".to_owned(),
            filename: Some("note.txt".to_owned()),
            is_authenticated: true,
            way: DownloadPrivacyType::HubProxy,
        };
        let into = Some(directory.path().to_owned());
        let path = write(into.clone(), &download).await.unwrap();
        assert_eq!(path, directory.path().join("note.txt"));
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert!(write(into, &download).await.unwrap_err().to_string().contains("already"));
    }
}
