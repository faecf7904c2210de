// SPDX-License-Identifier: Apache-2.0
use std::cell::Cell;
use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flatkv_sys as sys;

use crate::error::{Database, Result, c_path, c_text, check};
use crate::executor::Task;
use crate::handle::{Handle, bytes_of};

/// What becomes of an account row whose fields are all zero. It is part of the root, so it is fixed
/// at creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum AccountRows {
    /// The row stays for ever, as zeros.
    #[default]
    Keep = 0,
    /// The row is removed (EIP-161).
    PruneEmpty = 1,
}

impl AccountRows {
    pub(crate) fn from_number(number: u32) -> Self {
        if number == AccountRows::PruneEmpty as u32 {
            AccountRows::PruneEmpty
        } else {
            AccountRows::Keep
        }
    }
}

/// When a commit is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Durability {
    /// On stable storage when the commit returns.
    #[default]
    Sync = 0,
    /// Survives the process, not the machine.
    Process = 1,
    /// A thread syncs several blocks at once; see [`Options::on_durable`].
    Group = 2,
}

/// How rows are verified while the store runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum ScrubMode {
    /// Not at all.
    #[default]
    Off = 0,
    /// By [`SharedStore::scrub`](crate::SharedStore::scrub).
    ByHand = 1,
    /// By a thread of the store.
    Background = 2,
}

/// How serious a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something that happened.
    Information,
    /// Something to look at.
    Warning,
    /// Something that failed.
    Error,
}

type Log = dyn Fn(LogLevel, &str) + Send + Sync;
type Durable = dyn Fn(i64) + Send + Sync;
type Progress = dyn Fn(&str, u64, u64) + Send + Sync;
type Run = dyn Fn(Task) + Send + Sync;

/// The closures that the library calls. A store and what is taken from it share them.
#[derive(Clone, Default)]
pub struct Callbacks {
    log: Option<Arc<Log>>,
    on_durable: Option<Arc<Durable>>,
    progress: Option<Arc<Progress>>,
    run: Option<Arc<Run>>,
}

/// Ends long calls from another thread; they then fail with
/// [`Cancelled`](crate::ErrorCode::Cancelled). Clones are one and the same; a request cannot be
/// taken back.
#[derive(Clone)]
pub struct Stop(Arc<Handle<sys::flatkv_stop>>);

impl Stop {
    /// One that was not requested.
    pub fn new() -> Result<Self> {
        // SAFETY: `out` is valid.
        Handle::made(|out| unsafe { sys::flatkv_stop_new(out) })
            .map(|handle| Stop(Arc::new(handle)))
    }

    /// Ends the calls whose options have this, now and later.
    pub fn request(&self) {
        // SAFETY: any thread may call it.
        unsafe { sys::flatkv_stop_request(self.0.as_ptr()) }
    }
}

/// Settings for the functions that take them. What is not set has its default. Each setting says
/// who looks at it; the others ignore it. Numbers out of range are
/// [`InvalidArgument`](crate::ErrorCode::InvalidArgument) there.
///
/// A panic in a callback ends that callback and nothing else.
#[derive(Clone, Default)]
pub struct Options {
    numbers: Vec<(u32, u64)>,
    scratch: Option<PathBuf>,
    strict_modules: Vec<String>,
    callbacks: Callbacks,
    executor_threads: u32,
    stop: Option<Stop>,
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident($option:ident, $type:ty);)*) => {$(
        $(#[$doc])*
        pub fn $name(self, value: $type) -> Self {
            self.number(sys::$option, value as u64)
        }
    )*};
}

impl Options {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    fn number(mut self, option: u32, value: u64) -> Self {
        self.numbers.push((option, value));
        self
    }

    numbers! {
        /// `open`: makes the store if there is none.
        create_if_missing(FLATKV_CREATE_IF_MISSING, bool);
        /// `create`, an `open` that creates, [`Importer`](crate::Importer).
        account_rows(FLATKV_ACCOUNT_ROWS, AccountRows);
        /// `create`, and an `open` that creates: the first version, from 1 on.
        initial_version(FLATKV_INITIAL_VERSION, u64);
        /// `open`, `open_reader`: refuses keys that are likely mistakes.
        strict(FLATKV_STRICT, bool);
        /// `open`, `open_reader`: allows legacy keys although strict.
        strict_legacy_keys(FLATKV_STRICT_LEGACY_KEYS, bool);
        /// `open`: when a commit is durable.
        durability(FLATKV_DURABILITY, Durability);
        /// `open`: at most so many blocks are synced at once, from 1 on.
        group_blocks(FLATKV_GROUP_BLOCKS, u64);
        /// `open`, `open_reader`, `repair`, `rollback_path`: bytes of committed rows in memory.
        write_buffer_bytes(FLATKV_WRITE_BUFFER_BYTES, u64);
        /// `open`: a flush after so many blocks.
        max_lag_blocks(FLATKV_MAX_LAG_BLOCKS, u64);
        /// `open`: a flush after so many bytes of log.
        max_lag_bytes(FLATKV_MAX_LAG_BYTES, u64);
        /// `open`: `u64::MAX` is automatic, 0 none.
        row_cache_bytes(FLATKV_ROW_CACHE_BYTES, u64);
        /// `open`: for the filters of absent keys; 0 is none.
        key_filter_bytes(FLATKV_KEY_FILTER_BYTES, u64);
        /// `open`, `open_reader`, `repair`, `rollback_path`: RocksDB's cache.
        block_cache_bytes(FLATKV_BLOCK_CACHE_BYTES, u64);
        /// `open`: versions between snapshots; 0: none by themselves.
        snapshot_interval(FLATKV_SNAPSHOT_INTERVAL, u64);
        /// `open`: snapshots that are kept besides the newest.
        snapshot_keep(FLATKV_SNAPSHOT_KEEP, u64);
        /// `open`: whether and how rows are verified while the store runs.
        scrub(FLATKV_SCRUB, ScrubMode);
        /// `open`: of the scrub in the background, from 1 on.
        scrub_rows_per_second(FLATKV_SCRUB_ROWS_PER_SECOND, u64);
        /// `open`: between rounds of the scrub in the background.
        scrub_pause_seconds(FLATKV_SCRUB_PAUSE_SECONDS, u64);
        /// `open`: of a segment of the log, from 1 on.
        segment_bytes(FLATKV_SEGMENT_BYTES, u64);
        /// `open`: of log that is kept although it is not needed.
        log_keep_bytes(FLATKV_LOG_KEEP_BYTES, u64);
        /// `open`: what views and recent versions may keep.
        max_view_bytes(FLATKV_MAX_VIEW_BYTES, u64);
        /// `open`: how many last versions `view_at` has.
        recent_versions(FLATKV_RECENT_VERSIONS, u64);
        /// `open`: what all overlays may take together.
        overlay_memory_bytes(FLATKV_OVERLAY_MEMORY_BYTES, u64);
        /// `open`: blocks that a rollback undoes at once.
        rollback_depth(FLATKV_ROLLBACK_DEPTH, u64);
        /// `open`, `open_reader`, `verify`, `diff`, `repair`, `rollback_path`: 0 is one for each core.
        threads(FLATKV_THREADS, u64);
        /// `open_reader`: this version instead of the newest.
        at_version(FLATKV_AT_VERSION, i64);
        /// `verify`, `diff`: 0 is no limit.
        rows_per_second(FLATKV_ROWS_PER_SECOND, u64);
        /// `verify`, `diff`: only this database.
        one_database(FLATKV_ONE_DATABASE, Database);
        /// `import`, [`Importer`](crate::Importer): replaces a store that is there.
        replace(FLATKV_REPLACE, bool);
        /// `open`: rows that a call reads from the device at a time, from 1 to 1024.
        reads_in_flight(FLATKV_READS_IN_FLIGHT, u64);
        /// `open`: rows that may wait to be prefetched; 0: none are.
        prefetch_rows(FLATKV_PREFETCH_ROWS, u64);
        /// `open`: a flush waits while a database has more files of level 0.
        level0_limit(FLATKV_LEVEL0_LIMIT, u64);
        /// `open`: a flush waits while more bytes have to be compacted.
        pending_compaction_bytes(FLATKV_PENDING_COMPACTION_BYTES, u64);
    }

    /// `open_reader`: where the copy is made; otherwise in the store's folder.
    pub fn scratch(mut self, folder: impl AsRef<Path>) -> Self {
        self.scratch = Some(folder.as_ref().to_owned());
        self
    }

    /// `open`, `open_reader`: one more module besides `evm` whose change sets
    /// [`strict`](Options::strict) lets pass, to be ignored.
    pub fn strict_module(mut self, name: impl Into<String>) -> Self {
        self.strict_modules.push(name.into());
        self
    }

    /// `open`, `open_reader`, `repair`, `rollback_path`, `import`: takes the library's messages. Any thread
    /// of the library calls it, until the store and all that was taken from it are dropped. It may
    /// use of the store only `version`, `committed_roots`, `view`, `durable_version` and
    /// `metrics`.
    pub fn log(mut self, take: impl Fn(LogLevel, &str) + Send + Sync + 'static) -> Self {
        self.callbacks.log = Some(Arc::new(take));
        self
    }

    /// `open`: blocks up to a version are durable, with [`Durability::Group`]. The thread that
    /// syncs calls it; it may use of the store what a log callback may.
    pub fn on_durable(mut self, take: impl Fn(i64) + Send + Sync + 'static) -> Self {
        self.callbacks.on_durable = Some(Arc::new(take));
        self
    }

    /// `verify`, `diff`, `repair`, `export`, `import`, `rollback_path`: the step, how many of its
    /// rows or blocks are done, and of how many; both 0 where it cannot tell.
    pub fn progress(mut self, take: impl Fn(&str, u64, u64) + Send + Sync + 'static) -> Self {
        self.callbacks.progress = Some(Arc::new(take));
        self
    }

    /// `open`: has rows hashed by threads of the caller, beside the one that applies; without it, by
    /// threads that the process's stores share. `run` sees to it that the task is run soon, on
    /// another thread, of which `threads` do so at the same time, from 1 on;
    /// [`threads`](Options::threads) is the share of the store. Any thread that calls the store may
    /// call `run`.
    pub fn executor(mut self, threads: u32, run: impl Fn(Task) + Send + Sync + 'static) -> Self {
        self.executor_threads = threads;
        self.callbacks.run = Some(Arc::new(run));
        self
    }

    /// `open_reader`, `verify`, `diff`, `repair`, `export`, `import`, `rollback_path`: lets another
    /// thread end the call.
    pub fn stop(mut self, stop: &Stop) -> Self {
        self.stop = Some(stop.clone());
        self
    }

    /// As the C interface takes them. What is made with them must keep the callbacks.
    pub(crate) fn to_raw(&self) -> Result<RawOptions> {
        // SAFETY: `out` is valid.
        let handle = Handle::made(|out| unsafe { sys::flatkv_options_new(out) })?;
        for &(option, value) in &self.numbers {
            // SAFETY: the handle is of options, and this thread owns it; so below.
            check(unsafe { sys::flatkv_options_set(handle.as_ptr(), option, value) })?;
        }
        if let Some(folder) = &self.scratch {
            let folder = c_path(folder)?;
            // SAFETY: as above; the text is copied.
            check(unsafe { sys::flatkv_options_scratch(handle.as_ptr(), folder.as_ptr()) })?;
        }
        for name in &self.strict_modules {
            let name = c_text(name.as_bytes(), "strict_module")?;
            // SAFETY: as above; the text is copied.
            check(unsafe { sys::flatkv_options_strict_module(handle.as_ptr(), name.as_ptr()) })?;
        }
        let callbacks = Arc::new(self.callbacks.clone());
        let user = Arc::as_ptr(&callbacks).cast_mut().cast::<c_void>();
        let options = handle.as_ptr();
        // SAFETY: `user` lives as long as `callbacks`, and the functions take exactly that.
        unsafe {
            if callbacks.log.is_some() {
                check(sys::flatkv_options_log(options, Some(log), user))?;
            }
            if callbacks.on_durable.is_some() {
                check(sys::flatkv_options_on_durable(options, Some(on_durable), user))?;
            }
            if callbacks.progress.is_some() {
                check(sys::flatkv_options_progress(options, Some(progress), user))?;
            }
            if callbacks.run.is_some() {
                let threads = self.executor_threads;
                check(sys::flatkv_options_executor(options, threads, Some(run), user))?;
            }
            if let Some(stop) = &self.stop {
                check(sys::flatkv_options_stop(options, stop.0.as_ptr()))?;
            }
        }
        Ok(RawOptions { handle, callbacks })
    }
}

pub(crate) struct RawOptions {
    handle: Handle<sys::flatkv_options>,
    pub(crate) callbacks: Arc<Callbacks>,
}

impl RawOptions {
    pub(crate) fn as_ptr(&self) -> *const sys::flatkv_options {
        self.handle.as_ptr()
    }
}

thread_local! {
    /// Callbacks that run on this thread, one within the other.
    static INSIDE: Cell<usize> = const { Cell::new(0) };
}

/// Whether the library called a closure that runs on this thread.
pub(crate) fn in_callback() -> bool {
    INSIDE.get() != 0
}

/// # Safety
/// `user` is the pointer that `to_raw` gave, and its callbacks live.
unsafe fn with_callbacks(user: *mut c_void, call: impl FnOnce(&Callbacks)) {
    // SAFETY: as this function demands.
    let callbacks = unsafe { &*user.cast::<Callbacks>() };
    INSIDE.set(INSIDE.get() + 1);
    // A panic must not run through frames of C++. It has been reported by the panic hook.
    let _ = catch_unwind(AssertUnwindSafe(|| call(callbacks)));
    INSIDE.set(INSIDE.get() - 1);
}

fn text_of(text: &*const c_char, size: usize) -> std::borrow::Cow<'_, str> {
    // SAFETY: the library gives so many bytes, valid for the call.
    String::from_utf8_lossy(unsafe { bytes_of(text.cast::<u8>(), size) })
}

unsafe extern "C" fn log(user: *mut c_void, level: u32, text: *const c_char, size: usize) {
    let level = match level {
        0 => LogLevel::Information,
        1 => LogLevel::Warning,
        _ => LogLevel::Error,
    };
    let call = |callbacks: &Callbacks| {
        if let Some(take) = &callbacks.log {
            take(level, &text_of(&text, size));
        }
    };
    // SAFETY: the library passes `user` through.
    unsafe { with_callbacks(user, call) }
}

unsafe extern "C" fn on_durable(user: *mut c_void, version: i64) {
    let call = |callbacks: &Callbacks| {
        if let Some(take) = &callbacks.on_durable {
            take(version);
        }
    };
    // SAFETY: the library passes `user` through.
    unsafe { with_callbacks(user, call) }
}

unsafe extern "C" fn progress(
    user: *mut c_void,
    step: *const c_char,
    size: usize,
    done: u64,
    total: u64,
) {
    let call = |callbacks: &Callbacks| {
        if let Some(take) = &callbacks.progress {
            take(&text_of(&step, size), done, total);
        }
    };
    // SAFETY: the library passes `user` through.
    unsafe { with_callbacks(user, call) }
}

unsafe extern "C" fn run(
    user: *mut c_void,
    step: Option<unsafe extern "C" fn(*mut c_void)>,
    task: *mut c_void,
) -> i32 {
    let Some(step) = step else { return 1 };
    // SAFETY: the library passes them, and leaves the task to this function.
    let task = unsafe { Task::new(step, task) };
    let call = |callbacks: &Callbacks| {
        if let Some(run) = &callbacks.run {
            run(task);
        }
    };
    // SAFETY: the library passes `user` through.
    unsafe { with_callbacks(user, call) };
    0
}
