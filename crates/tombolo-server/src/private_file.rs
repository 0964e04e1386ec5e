//! Files that only the provider's own account may read, written whole or not at all.

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

/// Largest key file that is read.
const OCTETS_MAX: u64 = 64 * 1024;

/// Writes a new file of mode 0600 that survives a power cut once this returns; refuses to replace
/// one that exists.
pub(crate) fn create(path: &Path, octets: &[u8]) -> io::Result<()> {
    let directory = parent(path);
    // Created with mode 0600, and removed again if anything below fails.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(octets)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    sync_directory(directory)
}

/// The whole file; wiped from memory when dropped.
pub(crate) fn read(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Room for the largest file at once: growing would leave unwiped copies behind.
    let capacity = usize::try_from(OCTETS_MAX).expect("fits every platform") + 1;
    let mut octets = Zeroizing::new(Vec::with_capacity(capacity));
    fs::File::open(path)?.take(OCTETS_MAX + 1).read_to_end(&mut octets)?;
    match octets.len() as u64 > OCTETS_MAX {
        true => Err(io::Error::other(format!("larger than {OCTETS_MAX} octets"))),
        false => Ok(octets),
    }
}

/// Creates a directory that only its owner may enter, unless it exists.
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Makes a new name in a directory durable, where the platform can.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => fs::File::open(directory)?.sync_all(),
        false => Ok(()),
    }
}
