// SPDX-License-Identifier: Apache-2.0
//! What safe code can do wrong ends in an error, never in undefined behaviour, an abort or a wait.

mod common;

use common::small;
use flatkv::*;
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

fn block(version: u64) -> Block {
    let mut block = Block::new();
    for i in 0..50u8 {
        block.set_nonce(&[i; 20], version).set_storage(&[i; 20], &[version as u8; 32], &[1; 32]);
    }
    block
}

#[track_caller]
fn refused<T>(result: Result<T>, code: ErrorCode) {
    let error = result.err().expect("an error");
    assert_eq!(error.code(), code, "{error}");
}

/// What threads may do with each type is what the header says: not less, and not more.
#[test]
fn send_and_sync_are_true() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<SharedStore>();
    shared::<View>();
    shared::<Event>();
    shared::<Buffer>();
    shared::<Batch>();
    shared::<Values>();
    shared::<Block>();
    shared::<Rows>();
    shared::<Stop>();
    shared::<Options>();
    shared::<Error>();
    shared::<Report>();
    shared::<LtHash>();
    sent::<Store>();
    sent::<Reader>();
    sent::<Overlay>();
    sent::<RowIterator>();
    sent::<Changes>();
    sent::<Subscription>();
    sent::<Importer>();
    sent::<Task>();

    // Two implementations fit a type that is `Sync`, so this compiles for others only.
    trait NotSync<A> {
        fn holds() {}
    }
    struct OfAll;
    struct OfSync;
    impl<T: ?Sized> NotSync<OfAll> for T {}
    impl<T: ?Sized + Sync> NotSync<OfSync> for T {}
    <Store as NotSync<_>>::holds();
    <Reader as NotSync<_>>::holds();
    <Overlay as NotSync<_>>::holds();
    <RowIterator as NotSync<_>>::holds();
    <Changes as NotSync<_>>::holds();
    <Subscription as NotSync<_>>::holds();
    <Importer as NotSync<_>>::holds();
    <Task as NotSync<_>>::holds();
}

/// Handles are dropped in every order that a shuffle gives, some of them by another thread, and what is
/// left still says what it should.
#[test]
fn handles_die_in_any_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut random = 1u64;
    for _ in 0..20 {
        let mut store = Store::open(&path, &small()).unwrap();
        let version = store.version() + 1;
        store.apply_commit(block(version as u64), version).unwrap();
        let reader = Reader::open(&path, &small()).unwrap();
        let (view, overlay, shared) =
            (store.view().unwrap(), store.overlay().unwrap(), store.shared());
        let (child, asked) = (overlay.child().unwrap(), reader.overlay().unwrap());
        let mut log = store.changes(version, version).unwrap();
        let event = log.next().unwrap().unwrap();
        let mut handles: Vec<Box<dyn std::any::Any + Send>> = vec![
            Box::new(store.subscribe(&SubscribeOptions::default()).unwrap()),
            Box::new(view.iterate(Database::Storage, Range::all()).unwrap()),
            Box::new(child.iterate(Database::Account, Range::all()).unwrap()),
            Box::new(reader.view().unwrap()),
            Box::new(store),
            Box::new((view, event)),
            Box::new(overlay),
            Box::new((child, shared)),
            Box::new(log),
            Box::new(reader),
            Box::new(asked),
        ];
        while !handles.is_empty() {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let handle = handles.swap_remove((random >> 33) as usize % handles.len());
            if random >> 63 == 0 {
                drop(handle);
            } else {
                thread::spawn(move || drop(handle)).join().unwrap();
            }
        }
    }
    assert!(Store::open(&path, &small()).unwrap().verify(&Options::new()).unwrap().good);
}

/// They show what was there when they were made, whatever becomes of the store.
#[test]
fn iterators_over_writes_undos_and_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path().join("store"), &small().rollback_depth(8)).unwrap();
    store.apply_commit(block(1), 1).unwrap();
    let mut rows = store.iterate(Database::Account, Range::all()).unwrap();
    store.apply(Block::new().remove_account(&[0; 20])).unwrap();
    let mut pending = store.iterate(Database::Storage, Range::all()).unwrap();
    let mut overlay = store.overlay().unwrap();
    let mut beside = overlay.iterate(Database::Account, Range::all()).unwrap();
    overlay.apply(block(7)).unwrap();
    store.commit(2).unwrap();
    store.apply_commit(block(3), 3).unwrap();
    refused(overlay.working_roots(), ErrorCode::Stale);
    drop(overlay);
    store.rollback(1).unwrap();
    store.flush().unwrap();
    store.close().unwrap();
    for rows in [&mut rows, &mut pending, &mut beside] {
        let mut seen = 0;
        rows.for_each(|_, _| seen += 1).unwrap();
        assert_eq!(seen, 50);
        assert!(!rows.next().unwrap() && rows.row().unwrap().is_none());
        assert!(rows.seek_to_last().unwrap() && rows.row().unwrap().is_some());
    }
}

/// A thread of the library that calls back cannot wait for its own end.
#[test]
fn a_callback_drops_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let slot = Arc::new(Mutex::new(None::<Store>));
    let (said, heard) = mpsc::channel();
    let taken = Arc::clone(&slot);
    let options = small().durability(Durability::Group).on_durable(move |_| {
        let mut store = taken.lock().unwrap().take().expect("one callback");
        let again = store.version() + 1;
        said.send(store.commit(again).map(drop)).unwrap();
        drop(store);
    });
    {
        let mut slot = slot.lock().unwrap();
        let mut store = Store::open(&path, &options).unwrap();
        store.apply_commit(block(1), 1).unwrap();
        *slot = Some(store);
    }
    refused(heard.recv_timeout(Duration::from_secs(60)).unwrap(), ErrorCode::InvalidArgument);
    assert_eq!(Store::open(&path, &small()).unwrap().version(), 1);
}

/// What is left to tell when a callback drops the store comes to closures that are still there.
#[test]
fn callbacks_outlive_a_store_that_one_of_them_drops() {
    static GONE: AtomicBool = AtomicBool::new(false);
    static TOO_LATE: AtomicBool = AtomicBool::new(false);
    struct Closure;
    impl Closure {
        fn called(&self) {
            TOO_LATE.fetch_or(GONE.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    }
    impl Drop for Closure {
        fn drop(&mut self) {
            GONE.store(true, Ordering::SeqCst);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let (give, taken) = mpsc::channel::<Store>();
    let (said, heard) = mpsc::channel();
    let (taken, closure) = (Mutex::new(taken), Closure);
    let options = small().durability(Durability::Group).on_durable(move |version| {
        closure.called();
        said.send(version).unwrap();
        if version == 1 {
            drop(taken.lock().unwrap().recv().unwrap());
        }
        closure.called();
    });
    let mut store = Store::open(&path, &options).unwrap();
    drop(options);
    store.apply_commit(block(1), 1).unwrap();
    let mut told = heard.recv_timeout(Duration::from_secs(60)).unwrap();
    for version in 2..=4 {
        store.apply_commit(block(version as u64), version).unwrap();
    }
    give.send(store).unwrap();
    while told != 4 {
        told = heard.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    assert_eq!(Store::open(&path, &small()).unwrap().version(), 4);
    assert!(!TOO_LATE.load(Ordering::SeqCst));
}

/// A panic of a callback ends there.
#[test]
fn closures_that_panic() {
    let folder = tempfile::tempdir().unwrap();
    let options = small()
        .durability(Durability::Group)
        .log(|_, _| panic!("the log panics"))
        .on_durable(|_| panic!("the callback panics"))
        .executor(2, |_task| panic!("the executor panics"));
    let mut store = Store::open(folder.path().join("store"), &options).unwrap();
    for version in 1..=3 {
        store.apply_commit(block(version as u64), version).unwrap();
    }
    store.wait_durable(3).unwrap();
    let (before, after) = (store.view_at(1).unwrap(), store.view().unwrap());
    let loud = Options::new().progress(|_, _, _| panic!("progress panics"));
    assert!(store.verify(&loud).unwrap().good);
    // A caller's own call of the library inside a visitor is as any other.
    let inner = diff(
        &before,
        &after,
        |row| ControlFlow::Break(after.row(row.database, row.key).unwrap().as_deref() == row.b),
        &Options::new(),
    );
    assert_eq!(inner.unwrap(), Some(true));
    assert!(store.verify(&Options::new()).unwrap().good);
}

#[test]
fn enormous_empty_and_odd_arguments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut store = Store::open(&path, &small()).unwrap();
    let wrong = ErrorCode::InvalidArgument;
    refused(store.apply(Block::new().set(&vec![0; (64 << 10) + 1], b"")), wrong);
    refused(store.apply(Block::new().set(b"k", &vec![0; (64 << 20) + 1])), wrong);
    refused(store.apply(Block::new().module("").set(b"k", b"v")), wrong);
    refused(store.apply([0xff; 64]), wrong);
    refused(store.apply(u32::MAX.to_le_bytes()), wrong);
    store.apply(Block::new()).unwrap();
    store.apply_commit(Block::new(), 1).unwrap();
    for version in [i64::MIN, -1, 0, 1, 3, i64::MAX] {
        refused(store.commit(version), ErrorCode::VersionMismatch);
    }
    for version in [i64::MIN, -1, 2, i64::MAX] {
        refused(store.rollback(version), ErrorCode::VersionMismatch);
        refused(store.view_at(version), ErrorCode::VersionMismatch);
    }
    assert!(store.get_many::<&[u8]>(&[]).unwrap().is_empty());
    assert_eq!(store.get_many(&vec![b"k"; 100_000]).unwrap().len(), 100_000);
    assert_eq!(store.get_into(b"k", &mut []).unwrap(), None);
    let mut rows = store.iterate(Database::Legacy, Range::all()).unwrap();
    refused(rows.batch(0, 1), wrong);
    assert!(rows.batch(u32::MAX, usize::MAX).unwrap().is_empty());
    let ends = Range { prefix: b"b", start: b"z", end: b"a" };
    assert!(store.iterate(Database::Legacy, ends).unwrap().row().unwrap().is_none());
    for options in [
        small().threads(u64::MAX),
        small().reads_in_flight(0),
        small().segment_bytes(0),
        small().group_blocks(0),
        small().scratch("a\0b"),
        small().strict_module("a\0b"),
        small().executor(0, |task| task.run()),
    ] {
        refused(Store::open(folder.path().join("other"), &options.create_if_missing(true)), wrong);
    }
    refused(Reader::open(&path, &small().at_version(-1)), wrong);
    for name in ["", "a/b", "\0", &"n".repeat(1 << 20)] {
        let options = SubscribeOptions { name: Some(name.to_owned()), ..Default::default() };
        assert!(store.subscribe(&options).is_err() || name.is_empty(), "{name}");
    }
    refused(
        import(folder.path().join("other"), &mut std::io::empty(), None, &small()),
        ErrorCode::Corruption,
    );
    let importer = Importer::new(folder.path().join("other"), &small()).unwrap();
    refused(importer.finish(-1, None), wrong);
}

#[test]
fn paths_that_are_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"\xff\xfe store"));
    let error = Store::open(&path, &Options::new()).err().expect("there is none");
    assert_eq!((error.code(), error.path()), (ErrorCode::NotFound, Some(path.as_path())));
    let mut store = Store::open(&path, &small()).unwrap();
    store.apply_commit(block(1), 1).unwrap();
    assert_eq!(Reader::open(&path, &small()).unwrap().version(), 1);
    for path in [OsStr::from_bytes(b"a\0b"), OsStr::new("")] {
        assert!(Store::open(path, &small()).is_err());
        assert!(remedies(path).is_err() && Importer::new(path, &small()).is_err());
    }
}
