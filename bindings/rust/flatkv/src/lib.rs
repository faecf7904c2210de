// SPDX-License-Identifier: Apache-2.0
//! FlatKV, a state commitment store for EVM chains: accounts, code and storage in flat tables, a
//! lattice hash over them, a log, snapshots. This crate is its safe interface;
//! [`Store`] has an example.
//!
//! | to | use |
//! |---|---|
//! | write | [`Store`], [`Block`] |
//! | read, in any thread | [`SharedStore::view`], [`View`], the trait [`State`] |
//! | try blocks that may not become final | [`Overlay`] |
//! | read beside another process | [`Reader`] |
//! | follow what happens | [`SharedStore::subscribe`], [`SharedStore::changes`] |
//! | prove, compare | [`View::verify`], [`diff`], [`LtHash`] |
//! | copy, mend | [`View::export`], [`import`], [`Importer`], [`repair`] |
//! | run an EVM | the feature `revm` |
//!
//! **Errors** are [`Error`], with a code and what is known of where. Nothing here panics for what
//! is on disk or was passed in, but where a function says so.
//!
//! **Threads.** `Send` and `Sync` are what the library allows: [`View`] and [`SharedStore`] are
//! for any number of threads; the others are for one at a time.
//!
//! **Memory.** Handles are freed when they are dropped, in any order: views, iterators and overlays
//! may outlive their store. Bytes that lie in a handle are borrowed from it.

mod block;
mod changes;
mod diff;
mod error;
mod executor;
mod handle;
mod importer;
mod iterator;
pub mod keys;
mod lthash;
mod metrics;
mod options;
mod overlay;
mod reader;
mod recovery;
#[cfg(feature = "revm")]
pub mod revm;
mod roots;
mod shared;
mod state;
mod store;
mod stream;
mod verify;
mod view;

pub use block::{Block, Write, writes_of};
pub use changes::{Changes, Deliver, Event, SubscribeOptions, Subscription};
pub use diff::{Difference, diff};
pub use error::{Database, Error, ErrorCode, Result};
pub use executor::Task;
pub use handle::Buffer;
pub use importer::{Importer, Rows};
pub use iterator::{Batch, BatchRows, Row, RowIterator};
pub use lthash::LtHash;
pub use metrics::{FlushMetrics, Metrics};
pub use options::{AccountRows, Durability, LogLevel, Options, ScrubMode, Stop};
pub use overlay::Overlay;
pub use reader::Reader;
pub use recovery::{OpenReport, RepairSource, Repaired, repair};
pub use roots::Roots;
pub use shared::SharedStore;
pub use state::{Account, Range, State, Values, Working};
pub use store::{Store, create, library_version, remedies, rollback};
pub use stream::import;
pub use verify::{Report, ScrubStatus, Verdict};
pub use view::View;

/// Of an account.
pub type Address = [u8; 20];
/// Of a slot of an account's storage.
pub type Slot = [u8; 32];
/// A big-endian number of 256 bits, or a hash.
pub type Word = [u8; 32];
/// A BLAKE3 digest.
pub type Digest = [u8; 32];

/// The page of the project's documentation: its programs compile, and but for the first, run.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/rust.md")]
struct Page;
