// SPDX-License-Identifier: Apache-2.0
//! Hashes, differences, repair, and threads of the caller.

mod common;

use common::small;
use flatkv::*;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const ALICE: Address = [0xaa; 20];
const BOB: Address = [0xbb; 20];

/// A slot, or what is in it.
fn word(number: u8) -> Word {
    let mut word = [0; 32];
    word[31] = number;
    word
}

fn new_store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("store"), &small()).unwrap();
    (folder, store)
}

#[test]
fn hashes_add_up_and_tell_what_an_overlay_changes() {
    let (_folder, mut store) = new_store();
    let mut block = Block::new();
    block.set_nonce(&ALICE, 7).set_code(&ALICE, &[1, 2], &[9; 32]);
    block.set_storage(&ALICE, &word(1), &word(3)).set(b"legacy", &[4]);
    let roots = store.apply_commit(&block, 1).unwrap();
    let view = store.view().unwrap();
    let mut sum = LtHash::default();
    let checksums = [roots.account, roots.code, roots.storage, roots.legacy];
    for (database, checksum) in Database::DATA.into_iter().zip(checksums) {
        let hash = view.lt_hash(database).unwrap();
        assert_eq!(hash.checksum(), checksum, "{database}");
        assert_eq!(store.lt_hash(database).unwrap(), hash);
        sum += &hash;
    }
    assert_eq!(sum.checksum(), roots.root);

    let one = Block::new().set_storage(&BOB, &word(2), &word(5)).clone();
    let mut overlay = store.overlay().unwrap();
    overlay.apply(&one).unwrap();
    let with = overlay.lt_hash(Database::Storage).unwrap();
    let mut row = with.clone();
    row -= &view.lt_hash(Database::Storage).unwrap();
    let (_other_folder, mut alone) = new_store();
    alone.apply_commit(&one, 1).unwrap();
    assert_eq!(row, alone.lt_hash(Database::Storage).unwrap(), "the new row alone");
    assert_eq!(LtHash::from(*row.as_bytes()), row);

    let error = store.lt_hash(Database::Metadata).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert_eq!(view.lt_hash(Database::Metadata).unwrap_err().code(), ErrorCode::InvalidArgument);
    assert_eq!(overlay.lt_hash(Database::Metadata).unwrap_err().code(), ErrorCode::InvalidArgument);
}

#[test]
fn differences_are_shown_with_what_was_there() {
    let (_folder, mut store) = new_store();
    let mut block = Block::new();
    block.set_storage(&ALICE, &word(1), &word(1)).set_storage(&ALICE, &word(2), &word(2));
    store.apply_commit(&block, 1).unwrap();
    let mut block = Block::new();
    block.set_storage(&ALICE, &word(1), &word(0)).set_storage(&ALICE, &word(2), &word(22));
    block.set(b"legacy", b"");
    store.apply_commit(&block, 2).unwrap();
    let (a, b) = (store.view_at(1).unwrap(), store.view().unwrap());

    type Found = Vec<(Database, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>)>;
    let all = |options: &Options| {
        let mut found = Found::new();
        let each = |row: Difference<'_>| {
            let (a, b) = (row.a.map(<[u8]>::to_vec), row.b.map(<[u8]>::to_vec));
            found.push((row.database, row.key.to_vec(), a, b));
            ControlFlow::<()>::Continue(())
        };
        assert_eq!(diff(&a, &b, each, options).unwrap(), None);
        found
    };
    let key = |number| [&ALICE[..], &word(number)].concat();
    let expected = [
        (Database::Storage, key(1), Some(word(1).to_vec()), None),
        (Database::Storage, key(2), Some(word(2).to_vec()), Some(word(22).to_vec())),
        (Database::Legacy, b"legacy".to_vec(), None, Some(vec![])),
    ];
    assert_eq!(all(&Options::new()), expected);
    assert_eq!(all(&Options::new().one_database(Database::Legacy)), expected[2..]);
    assert_eq!(diff(&a, &a, |_| ControlFlow::Break(()), &Options::new()).unwrap(), None);

    let first = |row: Difference<'_>| ControlFlow::Break(row.database);
    assert_eq!(diff(&a, &b, first, &Options::new()).unwrap(), Some(Database::Storage));
    let stop = Stop::new().unwrap();
    stop.request();
    let error = diff(&a, &b, first, &Options::new().stop(&stop)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Cancelled);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        diff(&a, &b, |_| -> ControlFlow<()> { panic!("each panics") }, &Options::new())
    }));
    assert!(panicked.is_err(), "a panic comes back to the caller");
}

/// Writes over a few bytes of each table of the live database, without those that snapshots link.
fn damage(store: &Path, database: &str) {
    let generation = fs::read_dir(store).unwrap().map(|entry| entry.unwrap().path()).find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("gen-"))
    });
    let folder = generation.expect("a generation").join("working").join(database);
    let mut tables = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|ending| ending == "sst") {
            let mut content = fs::read(&path).unwrap();
            content[10..18].copy_from_slice(b"12345678");
            fs::remove_file(&path).unwrap();
            fs::write(&path, content).unwrap();
            tables += 1;
        }
    }
    assert!(tables > 0, "there are no tables");
}

#[test]
fn damaged_databases_are_built_anew() {
    let (folder, mut store) = new_store();
    let path = folder.path().join("store");
    let report = store.open_report().unwrap();
    assert!(report.clean && report.replayed_blocks == 0 && report.backfilled.is_empty());
    store.apply_commit(Block::new().set_storage(&ALICE, &word(1), &word(1)), 1).unwrap();
    store.snapshot().unwrap();
    let stream = folder.path().join("stream");
    let mut file = fs::File::create(&stream).unwrap();
    store.view().unwrap().export(&mut file, &Options::new()).unwrap();
    let roots =
        store.apply_commit(Block::new().set_storage(&ALICE, &word(2), &word(2)), 2).unwrap();
    store.close().unwrap();

    let both = [Database::Storage, Database::Code];
    for one in repair(&path, &both, None, &Options::new()).unwrap() {
        assert!(one.opens && one.damage.is_none() && one.source.is_none(), "{one:?}");
    }
    for (file, source) in [(None, RepairSource::Snapshot), (Some(&*stream), RepairSource::Stream)] {
        damage(&path, "storage");
        let repaired = repair(&path, &both, file, &Options::new()).unwrap();
        assert_eq!(repaired.len(), 2);
        assert!(repaired[0].database == Database::Code && repaired[0].damage.is_none());
        let one = &repaired[1];
        assert_eq!((one.database, one.source), (Database::Storage, Some(source)));
        assert_eq!(one.damage.as_ref().unwrap().code(), ErrorCode::Corruption);
        assert_eq!((one.version, one.checksum), (2, roots.storage));
        assert!((1..=2).contains(&one.source_version));
        assert_eq!(Store::open(&path, &small()).unwrap().committed_roots().unwrap(), roots);
    }
    let code = |result: Result<Vec<Repaired>>| result.unwrap_err().code();
    assert_eq!(code(repair(&path, &[], None, &Options::new())), ErrorCode::InvalidArgument);
    let none = folder.path().join("none");
    assert_eq!(code(repair(&none, &both, None, &Options::new())), ErrorCode::NotFound);
    assert_eq!(code(repair(&path, &both, Some(Path::new("a\0")), &Options::new())), {
        ErrorCode::InvalidArgument
    });
}

#[test]
fn threads_of_the_caller_hash() {
    let (given, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let folder = tempfile::tempdir().unwrap();
    let (count, refused) = (Arc::clone(&given), Arc::clone(&dropped));
    let options = small().threads(4).executor(4, move |task| {
        match count.fetch_add(1, Ordering::Relaxed) % 4 {
            2 => _ = refused.fetch_add(1, Ordering::Relaxed), // and drops it
            3 => panic!("the task is not lost"),
            _ => _ = std::thread::spawn(move || task.run()),
        }
    });
    let mut hashed = Store::open(folder.path().join("hashed"), &options).unwrap();
    let mut plain = Store::open(folder.path().join("plain"), &small()).unwrap();
    for version in 1..=5 {
        let mut block = Block::new();
        for number in 0..5000u64 {
            let mut slot = [0; 32];
            slot[24..].copy_from_slice(&number.to_be_bytes());
            block.set_storage(&ALICE, &slot, &[version as u8; 32]);
        }
        let roots = hashed.apply_commit(&block, version).unwrap();
        assert_eq!(roots, plain.apply_commit(&block, version).unwrap());
    }
    let (given, dropped) = (given.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed));
    assert!(given > dropped && dropped > 0, "{given} tasks, {dropped} dropped");
    let none = Store::open(folder.path().join("none"), &small().executor(0, |task| task.run()));
    assert_eq!(none.err().expect("no threads").code(), ErrorCode::InvalidArgument);
}
