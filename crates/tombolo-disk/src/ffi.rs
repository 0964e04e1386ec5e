//! Between SQLite and the safe rest: the tables of functions that SQLite calls, and the memory that it
//! shares between connections. The one place with `unsafe`.
#![expect(unsafe_code, reason = "SQLite speaks C to the files under it")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Mutex, Once, PoisonError};
use std::{slice, thread, time::Duration};

use rusqlite::ffi::{
    SQLITE_IOCAP_POWERSAFE_OVERWRITE, SQLITE_IOERR, SQLITE_IOERR_SHORT_READ, SQLITE_NOTFOUND,
    SQLITE_OK, sqlite3_file, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_register,
};

use crate::handle::{Code, Handle};

/// [`crate::VFS`], for C.
const NAME: &CStr = c"tombolo-disk";
/// The longest path.
const PATH_OCTETS_MAX: c_int = 1024;
/// What SQLite assumes of disks on Unix.
const SECTOR_SIZE: c_int = 4096;
/// Noon of the first day of the year 2000, in SQLite's reading. Nothing here depends on the time.
const SOME_DAY_MS: sqlite3_int64 = 211_813_488_000_000;

/// An open file as SQLite holds it: in memory of its own, as large as we say.
#[repr(C)]
struct File {
    base: sqlite3_file,
    /// From `Box::into_raw`, until it is closed.
    handle: *mut Handle,
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Makes the disks known to SQLite, once for the process.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let size = c_int::try_from(size_of::<File>()).expect("a few words");
        let vfs = Box::new(sqlite3_vfs {
            iVersion: 2,
            szOsFile: size,
            mxPathname: PATH_OCTETS_MAX,
            pNext: null_mut(),
            zName: NAME.as_ptr(),
            pAppData: null_mut(),
            xOpen: Some(open),
            xDelete: Some(delete),
            xAccess: Some(access),
            xFullPathname: Some(full_pathname),
            xDlOpen: None,
            xDlError: None,
            xDlSym: None,
            xDlClose: None,
            xRandomness: Some(randomness),
            xSleep: Some(sleep),
            xCurrentTime: Some(current_time),
            xGetLastError: None,
            xCurrentTimeInt64: Some(current_time_int64),
            xSetSystemCall: None,
            xGetSystemCall: None,
            xNextSystemCall: None,
        });
        // SAFETY: the table is never freed, as SQLite keeps the pointer; it is not the default.
        let registered = unsafe { sqlite3_vfs_register(Box::into_raw(vfs), 0) };
        assert_eq!(registered, SQLITE_OK, "SQLite takes one more file system");
    });
}

fn code(outcome: Result<(), Code>) -> c_int {
    outcome.err().unwrap_or(SQLITE_OK)
}

fn index(number: impl TryInto<usize>) -> Result<usize, Code> {
    number.try_into().map_err(|_| SQLITE_IOERR)
}

/// The path that SQLite names; `None` for none.
///
/// # Safety
/// `name` is null or a C string that outlives the answer.
unsafe fn text<'a>(name: *const c_char) -> Option<&'a str> {
    // SAFETY: as promised by the caller.
    let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) });
    name.and_then(|name| name.to_str().ok())
}

/// The handle of an open file.
///
/// # Safety
/// `file` is one that `open` has filled and `close` has not taken, and nobody else uses it meanwhile:
/// SQLite calls no two methods of a file at once.
unsafe fn handle<'a>(file: *mut sqlite3_file) -> &'a mut Handle {
    // SAFETY: as promised by the caller; `open` put a box's pointer there.
    unsafe { &mut *(*file.cast::<File>()).handle }
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: the path is a C string or null.
    let opened = Handle::open(unsafe { text(name) }, flags);
    let (methods, handle, code): (*const sqlite3_io_methods, _, _) = match opened {
        Ok(handle) => (&raw const METHODS, Box::into_raw(Box::new(handle)), SQLITE_OK),
        Err(code) => (std::ptr::null(), null_mut(), code),
    };
    // SAFETY: SQLite gives as much memory as `szOsFile` says. Without methods it is never closed.
    unsafe { file.cast::<File>().write(File { base: sqlite3_file { pMethods: methods }, handle }) };
    if !out_flags.is_null() {
        // SAFETY: where it is not null it is SQLite's own variable.
        unsafe { out_flags.write(flags) };
    }
    code
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: `open` put a box's pointer there, and SQLite closes a file once.
    drop(unsafe { Box::from_raw((*file.cast::<File>()).handle) });
    SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    buffer: *mut c_void,
    amount: c_int,
    at: sqlite3_int64,
) -> c_int {
    let (Ok(amount), Ok(at)) = (index(amount), index(at)) else { return SQLITE_IOERR };
    // SAFETY: SQLite's buffer is as large as it says and holds octets of its own.
    let (buffer, file) =
        unsafe { (slice::from_raw_parts_mut(buffer.cast::<u8>(), amount), handle(file)) };
    match file.read(at, buffer) {
        Ok(read) if read == amount => SQLITE_OK,
        Ok(read) => {
            buffer[read..].fill(0);
            SQLITE_IOERR_SHORT_READ
        }
        Err(code) => code,
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    octets: *const c_void,
    amount: c_int,
    at: sqlite3_int64,
) -> c_int {
    let (Ok(amount), Ok(at)) = (index(amount), index(at)) else { return SQLITE_IOERR };
    // SAFETY: SQLite's buffer is as large as it says.
    let (octets, file) =
        unsafe { (slice::from_raw_parts(octets.cast::<u8>(), amount), handle(file)) };
    code(file.write(at, octets))
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: an open file.
    code(index(size).and_then(|size| unsafe { handle(file) }.truncate(size)))
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: an open file.
    code(unsafe { handle(file) }.sync())
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, out: *mut sqlite3_int64) -> c_int {
    // SAFETY: an open file.
    let size = unsafe { handle(file) }.size();
    let size = size.and_then(|size| sqlite3_int64::try_from(size).map_err(|_| SQLITE_IOERR));
    // SAFETY: SQLite's own variable.
    code(size.map(|size| unsafe { out.write(size) }))
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    code(unsafe { handle(file) }.lock(level))
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: an open file.
    code(unsafe { handle(file) }.unlock(level))
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: an open file.
    let reserved = unsafe { handle(file) }.is_reserved();
    // SAFETY: SQLite's own variable.
    code(reserved.map(|reserved| unsafe { out.write(c_int::from(reserved)) }))
}

unsafe extern "C" fn file_control(_: *mut sqlite3_file, _: c_int, _: *mut c_void) -> c_int {
    SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_: *mut sqlite3_file) -> c_int {
    SECTOR_SIZE
}

unsafe extern "C" fn device_characteristics(_: *mut sqlite3_file) -> c_int {
    SQLITE_IOCAP_POWERSAFE_OVERWRITE
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    part: c_int,
    octets: c_int,
    makes: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let (Ok(part), Ok(octets)) = (index(part), index(octets)) else { return SQLITE_IOERR };
    // SAFETY: an open file, and SQLite's own variable.
    unsafe {
        let mapped = handle(file).map(part, octets, makes != 0);
        out.write(mapped.ok().flatten().map_or(null_mut(), |part| part.as_ptr().cast()));
        code(mapped.map(drop))
    }
}

unsafe extern "C" fn shm_lock(
    file: *mut sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    let (Ok(first), Ok(count)) = (u32::try_from(first), u32::try_from(count)) else {
        return SQLITE_IOERR;
    };
    // SAFETY: an open file.
    code(unsafe { handle(file) }.lock_shm(first, count, flags))
}

unsafe extern "C" fn shm_barrier(_: *mut sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: an open file; SQLite uses no part that it had mapped by it after this.
    unsafe { handle(file) }.unmap();
    SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, syncs: c_int) -> c_int {
    // SAFETY: the path is a C string.
    let name = unsafe { text(name) }.ok_or(SQLITE_IOERR);
    code(name.and_then(|name| Handle::delete(name, syncs != 0)))
}

unsafe extern "C" fn access(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    _flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: the path is a C string.
    let found = unsafe { text(name) }.ok_or(SQLITE_IOERR).and_then(Handle::exists);
    // SAFETY: SQLite's own variable.
    code(found.map(|found| unsafe { out.write(c_int::from(found)) }))
}

/// Paths are given whole.
unsafe extern "C" fn full_pathname(
    _: *mut sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: the path is a C string.
    let octets = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if index(room).is_ok_and(|room| octets.len() <= room) {
        // SAFETY: there is room for so many octets, and they are elsewhere.
        unsafe { out.copy_from_nonoverlapping(octets.as_ptr().cast(), octets.len()) };
        SQLITE_OK
    } else {
        SQLITE_IOERR
    }
}

/// SQLite draws its random numbers from the default file system, once for the process.
unsafe extern "C" fn randomness(_: *mut sqlite3_vfs, room: c_int, out: *mut c_char) -> c_int {
    // SAFETY: there is room for so many octets.
    unsafe { out.write_bytes(7, index(room).unwrap_or(0)) };
    room
}

unsafe extern "C" fn sleep(_: *mut sqlite3_vfs, micros: c_int) -> c_int {
    thread::sleep(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
    micros
}

unsafe extern "C" fn current_time(_: *mut sqlite3_vfs, out: *mut f64) -> c_int {
    // SAFETY: SQLite's own variable.
    unsafe { out.write(2_451_545.0) };
    SQLITE_OK
}

unsafe extern "C" fn current_time_int64(_: *mut sqlite3_vfs, out: *mut sqlite3_int64) -> c_int {
    // SAFETY: SQLite's own variable.
    unsafe { out.write(SOME_DAY_MS) };
    SQLITE_OK
}

/// The index of a log: memory that connections share, in parts that stay where they are. It is not on
/// the disk, and no crash leaves anything of it.
#[derive(Debug, Default)]
pub(crate) struct Shm(Mutex<Vec<Part>>);

/// A part, in words for its alignment.
#[derive(Debug)]
struct Part {
    first: NonNull<u64>,
    words: usize,
}

// SAFETY: a part is memory without an owner on this side; who reads and writes it is agreed upon by
// SQLite's connections, by locks and barriers.
unsafe impl Send for Part {}

impl Shm {
    /// Where a part is; `None` if there is none and none is to be made.
    pub(crate) fn map(&self, part: usize, octets: usize, makes: bool) -> Option<NonNull<u8>> {
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while makes && parts.len() <= part {
            let words = octets.div_ceil(size_of::<u64>());
            let memory = Box::into_raw(vec![0_u64; words].into_boxed_slice());
            parts.push(Part { first: NonNull::new(memory.cast())?, words });
        }
        parts.get(part).map(|part| part.first.cast())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let memory = std::ptr::slice_from_raw_parts_mut(self.first.as_ptr(), self.words);
        // SAFETY: it came from such a box; every handle that has mapped it keeps its `Shm`, so
        // nobody uses it any more.
        drop(unsafe { Box::from_raw(memory) });
    }
}
