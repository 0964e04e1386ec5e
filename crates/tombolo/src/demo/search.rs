//! Searching everything the providers wrote for text that must not be there.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::prelude::{BASE64_STANDARD, Engine as _};

/// Octets read at a time.
const PIECE_OCTETS: usize = 1 << 20;

/// What a search went through and what it found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) files: usize,
    pub(crate) octets: u64,
    /// File and needle of each hit.
    pub(crate) hits: Vec<(PathBuf, String)>,
}

/// Searches every file below a directory for each needle: as it stands, in hexadecimal and in
/// base64.
pub(crate) fn search(directory: &Path, needles: &[String]) -> io::Result<Found> {
    let needles: Vec<Needle> = needles.iter().map(|text| Needle::new(text)).collect();
    let mut found = Found::default();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                search_file(&path, &needles, &mut found)?;
            }
        }
    }
    Ok(found)
}

/// A text and the forms it may take.
struct Needle {
    text: String,
    forms: Vec<Vec<u8>>,
}

impl Needle {
    fn new(text: &str) -> Self {
        let octets = text.as_bytes();
        let hexadecimal: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
        let mut forms = vec![octets.to_vec(), hexadecimal.into_bytes()];
        // In a longer base64 text it may begin at any of three positions; the octets at its ends
        // share characters with their neighbours, so only the groups inside are the same.
        for skip in 0..3.min(octets.len()) {
            let inner = &octets[skip..];
            let whole = &inner[..inner.len() - inner.len() % 3];
            forms.push(BASE64_STANDARD.encode(whole).into_bytes());
        }
        Self { text: text.to_owned(), forms }
    }
}

fn search_file(path: &Path, needles: &[Needle], found: &mut Found) -> io::Result<()> {
    let forms = needles.iter().flat_map(|needle| &needle.forms);
    let longest = forms.map(Vec::len).max().unwrap_or_default();
    let mut file = File::open(path)?;
    let mut window: Vec<u8> = Vec::new();
    let mut piece = vec![0; PIECE_OCTETS];
    found.files += 1;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        found.octets += count as u64;
        window.extend_from_slice(&piece[..count]);
        for needle in needles {
            let hit = (path.to_owned(), needle.text.clone());
            let there = needle.forms.iter().any(|form| contains(&window, form));
            if there && !found.hits.contains(&hit) {
                found.hits.push(hit);
            }
        }
        // A needle may straddle two pieces.
        let keep = window.len().min(longest.saturating_sub(1));
        window.drain(..window.len() - keep);
    }
}

/// Whether octets are among others.
pub(crate) fn contains(octets: &[u8], needle: &[u8]) -> bool {
    position(octets, needle).is_some()
}

/// Where they begin.
pub(crate) fn position(octets: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(octets, needle)
}

#[cfg(test)]
mod tests {
    use super::{PIECE_OCTETS, search};

    #[test]
    fn a_needle_is_found_even_across_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let mut octets = vec![b'.'; PIECE_OCTETS - 3];
        octets.extend_from_slice(b"secret words");
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        std::fs::write(folder.path().join("deep/file"), octets).unwrap();
        std::fs::write(folder.path().join("other"), b"nothing").unwrap();
        let needles = ["secret words".to_owned(), "absent".to_owned()];
        let found = search(folder.path(), &needles).unwrap();
        assert_eq!((found.files, found.hits.len()), (2, 1));
        assert_eq!(found.hits[0].1, "secret words");
    }

    #[test]
    fn a_needle_is_found_in_hexadecimal_and_in_base64_at_any_position() {
        let folder = tempfile::tempdir().unwrap();
        let needles = ["secret words".to_owned()];
        let encoded = ["..", "...", "...."].map(|before| {
            base64::Engine::encode(
                &base64::prelude::BASE64_STANDARD,
                format!("{before}secret words and more"),
            )
        });
        for text in encoded.iter().map(String::as_str).chain(["73656372657420776f726473"]) {
            std::fs::write(folder.path().join("file"), text).unwrap();
            assert_eq!(search(folder.path(), &needles).unwrap().hits.len(), 1, "{text}");
        }
    }
}
