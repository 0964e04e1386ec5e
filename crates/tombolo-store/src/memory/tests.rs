use super::MemoryStore;
use crate::conformance::Kept;

fn subject() -> Kept<MemoryStore> {
    Kept(MemoryStore::new())
}

crate::conformance_suite!(crate::memory::tests::subject);
