// SPDX-License-Identifier: Apache-2.0
use std::ffi::{CStr, CString, OsStr, c_char};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use flatkv_sys as sys;

use crate::handle::Handle;

/// What went wrong, as a number that never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The caller's input is wrong; nothing has changed.
    InvalidArgument,
    /// There is no such store, file, version or snapshot.
    NotFound,
    /// Another handle, in any process, has the store open.
    Locked,
    /// Bytes on disk are not what was written.
    Corruption,
    /// Versions that are needed are missing from the log.
    LogGap,
    /// The log ends below what is known to be durable.
    LogBehind,
    /// A version other than the expected one.
    VersionMismatch,
    /// Written by a newer FlatKV.
    FormatTooNew,
    /// Belongs to another store.
    ForeignStore,
    /// An import was interrupted, and there is no other data here.
    ImportIncomplete,
    /// An earlier failure poisoned the store, or it is closed.
    StoreFailed,
    /// The operating system failed.
    Io,
    /// The disk or a configured limit is full.
    NoSpace,
    /// The operating system refused access.
    Permission,
    /// The caller asked to stop, or the store is being closed.
    Cancelled,
    /// Not possible on this machine or in this mode.
    Unsupported,
    /// An allocation failed.
    OutOfMemory,
    /// Stands on a block that is not the last committed one any more.
    Stale,
    /// A code of a later version of the library.
    Other(u32),
}

const CODES: [ErrorCode; 18] = [
    ErrorCode::InvalidArgument,
    ErrorCode::NotFound,
    ErrorCode::Locked,
    ErrorCode::Corruption,
    ErrorCode::LogGap,
    ErrorCode::LogBehind,
    ErrorCode::VersionMismatch,
    ErrorCode::FormatTooNew,
    ErrorCode::ForeignStore,
    ErrorCode::ImportIncomplete,
    ErrorCode::StoreFailed,
    ErrorCode::Io,
    ErrorCode::NoSpace,
    ErrorCode::Permission,
    ErrorCode::Cancelled,
    ErrorCode::Unsupported,
    ErrorCode::OutOfMemory,
    ErrorCode::Stale,
];

impl ErrorCode {
    fn from_number(number: u32) -> Self {
        let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
        index.and_then(|index| CODES.get(index)).copied().unwrap_or(ErrorCode::Other(number))
    }

    /// The number that the C interface has for it.
    pub fn number(self) -> u32 {
        if let ErrorCode::Other(number) = self {
            return number;
        }
        let index = CODES.iter().position(|&code| code == self);
        index.map_or(0, |index| index as u32 + 1)
    }

    /// The name that the program and the log use, such as `invalid_argument`; empty for a code of a
    /// later version.
    pub fn name(self) -> &'static str {
        // SAFETY: the text is static.
        unsafe { text_of(sys::flatkv_code_name(self.number())) }.unwrap_or("")
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// One of the five databases of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Database {
    /// Nonce, balance and code hash by address.
    Account = sys::FLATKV_ACCOUNT,
    /// Code by address.
    Code = sys::FLATKV_CODE,
    /// Storage by address and slot.
    Storage = sys::FLATKV_STORAGE,
    /// All other keys.
    Legacy = sys::FLATKV_LEGACY,
    /// Versions and hashes of the store; it has no rows for callers.
    Metadata = sys::FLATKV_METADATA,
}

impl Database {
    /// The four with rows.
    pub const DATA: [Database; 4] =
        [Database::Account, Database::Code, Database::Storage, Database::Legacy];

    /// The name that the program uses, such as `storage`.
    pub fn name(self) -> &'static str {
        match self {
            Database::Account => "account",
            Database::Code => "code",
            Database::Storage => "storage",
            Database::Legacy => "legacy",
            Database::Metadata => "metadata",
        }
    }

    pub(crate) fn from_number(number: u32) -> Option<Self> {
        match number {
            sys::FLATKV_METADATA => Some(Database::Metadata),
            _ => Self::DATA.into_iter().find(|&one| one as u32 == number),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// A failed call: a [code](Error::code), a message, and what is known of where.
pub struct Error(Box<Fields>);

/// What every call of this crate returns that can fail.
pub type Result<T> = std::result::Result<T, Error>;

struct Fields {
    code: ErrorCode,
    message: String,
    text: String,
    path: PathBuf,
    database: Option<Database>,
    version: Option<i64>,
    offset: Option<u64>,
    source: Option<std::io::Error>,
}

impl Error {
    /// What went wrong.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }
    /// What went wrong, in words and without the other fields. `to_string()` has them all.
    pub fn message(&self) -> &str {
        &self.0.message
    }
    /// The file or directory.
    pub fn path(&self) -> Option<&Path> {
        (!self.0.path.as_os_str().is_empty()).then_some(&self.0.path)
    }
    /// The database of the store.
    pub fn database(&self) -> Option<Database> {
        self.0.database
    }
    /// The version that is meant.
    pub fn version(&self) -> Option<i64> {
        self.0.version
    }
    /// In bytes, in the file at the path or, without one, in the bytes that were passed in.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }

    /// An error of this crate itself.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let message = message.into();
        let text = format!("{code}: {message}");
        let path = PathBuf::new();
        let fields = Fields {
            code,
            message,
            text,
            path,
            database: None,
            version: None,
            offset: None,
            source: None,
        };
        Error(Box::new(fields))
    }

    /// An error of this crate itself, at an offset in bytes that were passed in.
    pub(crate) fn at_offset(code: ErrorCode, message: impl Into<String>, offset: usize) -> Self {
        let mut error = Error::new(code, message);
        error.0.offset = Some(offset as u64);
        error.0.text += &format!(" [offset {offset}]");
        error
    }

    /// An error of the caller's reader or writer.
    pub(crate) fn of_stream(source: std::io::Error) -> Self {
        let mut error = Error::new(ErrorCode::Io, source.to_string());
        error.0.source = Some(source);
        error
    }

    /// Copies all that a handle tells, and frees it.
    pub(crate) fn from_handle(handle: Handle<sys::flatkv_error>) -> Self {
        let error = handle.as_ptr();
        let (mut database, mut version, mut offset) = (0, 0, 0);
        // SAFETY: the handle is an error, and its texts live as long as it.
        unsafe {
            let owned = |text| text_of(text).unwrap_or("").to_owned();
            let path = bytes_of_text(sys::flatkv_error_path(error)).unwrap_or(b"");
            let has_database = sys::flatkv_error_database(error, &mut database) == 1;
            let has_version = sys::flatkv_error_version(error, &mut version) == 1;
            let has_offset = sys::flatkv_error_offset(error, &mut offset) == 1;
            Error(Box::new(Fields {
                code: ErrorCode::from_number(sys::flatkv_error_code(error)),
                message: owned(sys::flatkv_error_message(error)),
                text: owned(sys::flatkv_error_text(error)),
                path: PathBuf::from(OsStr::from_bytes(path)),
                database: Database::from_number(database).filter(|_| has_database),
                version: has_version.then_some(version),
                offset: has_offset.then_some(offset),
                source: None,
            }))
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.text)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Error")
            .field("code", &self.code())
            .field("message", &self.message())
            .field("path", &self.path())
            .field("database", &self.database())
            .field("version", &self.version())
            .field("offset", &self.offset())
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

/// What a function of the C interface returned.
pub(crate) fn check(returned: *mut sys::flatkv_error) -> Result<()> {
    // SAFETY: the library returns null or an error that is the caller's.
    match unsafe { Handle::new(returned) } {
        None => Ok(()),
        Some(error) => Err(Error::from_handle(error)),
    }
}

/// A path for the C interface.
pub(crate) fn c_path(path: &Path) -> Result<CString> {
    c_text(path.as_os_str().as_bytes(), "path")
}

pub(crate) fn c_text(bytes: &[u8], what: &str) -> Result<CString> {
    let refuse = |_| Error::new(ErrorCode::InvalidArgument, format!("{what}: a zero byte in it"));
    CString::new(bytes).map_err(refuse)
}

/// # Safety
/// `text` is null or ends with a zero byte, and lives as long as `'a`.
unsafe fn bytes_of_text<'a>(text: *const c_char) -> Option<&'a [u8]> {
    // SAFETY: as this function demands.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_bytes())
}

/// # Safety
/// As `bytes_of_text`.
pub(crate) unsafe fn text_of<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: as this function demands.
    unsafe { bytes_of_text(text) }.and_then(|bytes| std::str::from_utf8(bytes).ok())
}
