//! Searching everything the providers wrote for text that must not be there.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

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

/// Searches every file below a directory for each needle.
pub(crate) fn search(directory: &Path, needles: &[String]) -> io::Result<Found> {
    let mut found = Found::default();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                search_file(&path, needles, &mut found)?;
            }
        }
    }
    Ok(found)
}

fn search_file(path: &Path, needles: &[String], found: &mut Found) -> io::Result<()> {
    let longest = needles.iter().map(String::len).max().unwrap_or_default();
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
            let hit = (path.to_owned(), needle.clone());
            if contains(&window, needle.as_bytes()) && !found.hits.contains(&hit) {
                found.hits.push(hit);
            }
        }
        // A needle may straddle two pieces.
        let keep = window.len().min(longest.saturating_sub(1));
        window.drain(..window.len() - keep);
    }
}

fn contains(octets: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(octets, needle).is_some()
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
}
