// SPDX-License-Identifier: Apache-2.0
//! Readers in threads beside a writer: every state that a thread meets is whole, with the roots
//! that the writer got for it.

mod common;

use common::small;
use flatkv::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const ROWS: u64 = 40;

fn address(number: u64) -> Address {
    let mut address = [0x5a; 20];
    address[12..].copy_from_slice(&number.to_be_bytes());
    address
}

/// Version v: all nonces are v, and one slot for each version so far.
fn block(version: i64) -> Block {
    let mut block = Block::new();
    for row in 0..ROWS {
        block.set_nonce(&address(row), version as u64);
    }
    let mut slot = [0; 32];
    slot[24..].copy_from_slice(&version.to_be_bytes());
    block.set_storage(&address(0), &slot, &[1; 32]);
    block
}

fn check(state: &impl State, version: i64) {
    for row in 0..ROWS {
        let account = state.account(&address(row)).unwrap().expect("the account is there");
        assert_eq!(account.nonce, version as u64);
    }
    let mut slots = 0;
    let mut rows = state.iterate(Database::Storage, Range::prefix(&address(0))).unwrap();
    rows.for_each(|_, _| slots += 1).unwrap();
    assert_eq!(slots, version);
}

#[test]
fn readers_beside_a_writer() {
    let blocks: i64 = std::env::var("FLATKV_TEST_BLOCKS").map_or(150, |text| text.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    // So small a buffer that flushes run all the time.
    let options = small().write_buffer_bytes(64 << 10).recent_versions(16);
    let mut store = Store::open(folder.path().join("store"), &options).unwrap();
    let roots = Mutex::new(vec![store.apply_commit(block(1), 1).unwrap()]);
    let done = AtomicBool::new(false);

    thread::scope(|scope| {
        for reader in 0..3 {
            let (shared, done, roots) = (store.shared(), &done, &roots);
            scope.spawn(move || {
                let mut rounds = 0;
                while !done.load(Ordering::Acquire) || rounds < 3 {
                    let view = match reader {
                        0 => shared.view().unwrap(),
                        _ => match shared.view_at((shared.version() - 5).max(1)) {
                            Ok(view) => view,
                            Err(error) => {
                                assert_eq!(error.code(), ErrorCode::VersionMismatch);
                                continue;
                            }
                        },
                    };
                    check(&view, view.version());
                    // The writer learns roots just after others can see them.
                    let known = roots.lock().unwrap().get(view.version() as usize - 1).copied();
                    assert!(known.is_none_or(|roots| view.roots().unwrap() == roots));
                    rounds += 1;
                }
            });
        }
        let (shared, done_too) = (store.shared(), &done);
        scope.spawn(move || {
            while !done_too.load(Ordering::Acquire) {
                let Ok(mut overlay) = shared.overlay() else { continue };
                let version = overlay.version();
                let tried = overlay.apply(block(version)).and_then(|()| overlay.working_roots());
                match tried {
                    Ok(_) => {}
                    Err(error) => assert_eq!(error.code(), ErrorCode::Stale, "{error}"),
                }
                shared.metrics().unwrap();
            }
        });
        for version in 2..=blocks {
            let one = store.apply_commit(block(version), version).unwrap();
            roots.lock().unwrap().push(one);
        }
        done.store(true, Ordering::Release);
    });
    check(&store, blocks);
    assert!(store.verify(&Options::new()).unwrap().good);
}

/// A view goes to another thread, which drops it last, after the store.
#[test]
fn what_outlives_the_store_may_be_dropped_by_another_thread() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut store = Store::open(&path, &small()).unwrap();
    store.apply_commit(block(1), 1).unwrap();
    let (view, overlay, shared) = (store.view().unwrap(), store.overlay().unwrap(), store.shared());
    let rows = overlay.iterate(Database::Account, Range::all()).unwrap();
    let thread = thread::spawn(move || {
        check(&view, 1);
        let closed = shared.wait_durable(1);
        drop((overlay, rows));
        closed
    });
    drop(store);
    let _ = thread.join().unwrap();
    Store::open(&path, &small()).unwrap();
}

/// What the compiler refuses otherwise: two threads with the same `&mut`.
fn in_two_threads<T: 'static>(what: &mut T, step: fn(&mut T)) {
    struct Everywhere<T>(*mut T);
    // SAFETY: there is none. That is what this is for.
    unsafe impl<T> Send for Everywhere<T> {}
    let threads = [(); 2].map(|()| {
        let everywhere = Everywhere(&raw mut *what);
        thread::spawn(move || {
            let Everywhere(what) = { everywhere };
            for _ in 0..1000 {
                // SAFETY: as above.
                step(unsafe { &mut *what });
            }
        })
    });
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

/// A detector of races that works finds it: scripts/test-rust tsan.
#[test]
#[ignore = "it is a race"]
fn planted_race_in_rust() {
    let mut count = 0u64;
    in_two_threads(&mut count, |count| *count += 1);
}

/// One that sees the library, too, finds this.
#[test]
#[ignore = "it is a race"]
fn planted_race_in_the_library() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path().join("store"), &small()).unwrap();
    store.apply_commit(block(1), 1).unwrap();
    let mut rows = store.iterate(Database::Account, Range::all()).unwrap();
    in_two_threads(&mut rows, |rows| _ = rows.seek_to_first().unwrap());
}
