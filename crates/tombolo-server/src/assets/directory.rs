//! Assets as files of one directory.
//!
//! An asset is two files in a directory named after the first octet of its id: `<id>.json` says whose
//! it is, `<id>.part` has the octets that have arrived and is renamed to `<id>.blob` once all have.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::AssetId;
use super::blobs::{About, Blobs, Stage};
use crate::private_file;

/// Ending of the file about an asset.
const ABOUT: &str = "json";
/// Ending of the octets that have arrived so far.
const PART: &str = "part";
/// Ending of an asset that may be read.
const WHOLE: &str = "blob";

/// [`Blobs`] in a directory.
#[derive(Debug)]
pub(crate) struct DirectoryBlobs {
    directory: PathBuf,
}

impl DirectoryBlobs {
    /// In this directory, which is made when it is needed.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    fn shard(&self, id: AssetId) -> PathBuf {
        let name = id.to_string();
        self.directory.join(&name[..2])
    }

    fn file(&self, id: AssetId, ending: &str) -> PathBuf {
        self.shard(id).join(format!("{id}.{ending}"))
    }

    /// Makes the shard durable before anything is put into it.
    fn make_shard(&self, id: AssetId) -> io::Result<()> {
        let shard = self.shard(id);
        if !shard.exists() {
            private_file::create_directory(&shard)?;
            private_file::sync_directory(&self.directory)?;
        }
        Ok(())
    }

    /// What is known of the asset that a file is about.
    fn entry(&self, file: &Path) -> Option<(AssetId, About, Stage)> {
        let id: AssetId = file.file_stem()?.to_str()?.parse().ok()?;
        let about = private_file::read(file).ok();
        let about = about.and_then(|octets| serde_json::from_slice::<About>(&octets).ok())?;
        if self.file(id, WHOLE).exists() {
            return Some((id, about, Stage::Whole));
        }
        let part = fs::metadata(self.file(id, PART)).ok()?;
        let arrived = part.len().min(about.octets);
        Some((id, about, Stage::Partial(arrived)))
    }
}

impl Blobs for DirectoryBlobs {
    fn list(&self) -> io::Result<Vec<(AssetId, About, Stage)>> {
        let mut found = Vec::new();
        private_file::create_directory(&self.directory)?;
        for shard in fs::read_dir(&self.directory)? {
            let shard = shard?.path();
            if !shard.is_dir() {
                continue;
            }
            for file in fs::read_dir(shard)? {
                let file = file?.path();
                if file.extension().is_none_or(|ending| ending != ABOUT) {
                    continue;
                }
                match self.entry(&file) {
                    Some(entry) => found.push(entry),
                    // A crash while it was made or removed; nobody can ask for it any more.
                    None => fs::remove_file(&file)?,
                }
            }
        }
        Ok(found)
    }

    fn create(&self, id: AssetId, about: &About) -> io::Result<()> {
        self.make_shard(id)?;
        let octets = serde_json::to_vec(about).map_err(io::Error::other)?;
        // In this order: what is about nothing is found at the next start, and removed.
        private_file::create(&self.file(id, ABOUT), &octets)?;
        private_file::create(&self.file(id, PART), &[])
    }

    fn write(&self, id: AssetId, offset: u64, octets: &[u8]) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.file(id, PART))?;
        file.seek(SeekFrom::Start(offset))?;
        file.write_all(octets)
    }

    fn sync(&self, id: AssetId) -> io::Result<()> {
        OpenOptions::new().write(true).open(self.file(id, PART))?.sync_data()
    }

    fn publish(&self, id: AssetId) -> io::Result<()> {
        fs::rename(self.file(id, PART), self.file(id, WHOLE))?;
        private_file::sync_directory(&self.shard(id))
    }

    fn read(&self, id: AssetId, offset: u64, octets: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.file(id, WHOLE))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut read = Vec::with_capacity(octets);
        file.take(octets as u64).read_to_end(&mut read)?;
        Ok(read)
    }

    fn remove(&self, id: AssetId) -> io::Result<()> {
        // The octets first: without them, what is about them goes at the next start.
        for ending in [WHOLE, PART, ABOUT] {
            match fs::remove_file(self.file(id, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
