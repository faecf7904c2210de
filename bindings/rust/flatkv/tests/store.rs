// SPDX-License-Identifier: Apache-2.0
//! What the crate can do, each once, with what the store then tells.

mod common;

use common::small;
use flatkv::*;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const ALICE: Address = [0xaa; 20];
const BOB: Address = [0xbb; 20];

fn word(number: u64) -> Word {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&number.to_be_bytes());
    word
}

/// Three versions: Alice's nonce is the version, Bob has code and as many slots.
fn filled() -> (tempfile::TempDir, Store) {
    filled_with(&small())
}

fn filled_with(options: &Options) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path().join("store"), options).unwrap();
    for version in 1..=3 {
        let mut block = Block::new();
        block.set_nonce(&ALICE, version).set_balance(&ALICE, &word(10 * version));
        block.set_storage(&BOB, &word(version), &word(100 + version));
        if version == 1 {
            block.set_code(&BOB, &[0x60; 300], &[0xcc; 32]).set(b"legacy", b"");
        }
        store.apply_commit(&block, version as i64).unwrap();
    }
    (folder, store)
}

#[test]
fn reads() {
    let (_folder, store) = filled();
    let alice = store.account(&ALICE).unwrap().unwrap();
    assert_eq!(alice, Account { balance: word(30), nonce: 3, code_hash: None });
    assert_eq!(store.account(&BOB).unwrap().unwrap().code_hash, Some([0xcc; 32]));
    assert_eq!(store.account(&[1; 20]).unwrap(), None);
    assert_eq!(store.code(&BOB).unwrap().unwrap(), vec![0x60; 300]);
    assert_eq!(store.code(&ALICE).unwrap(), None);
    assert_eq!(store.storage(&BOB, &word(2)).unwrap().unwrap(), word(102));
    assert_eq!(store.storage(&BOB, &word(4)).unwrap(), None);
    assert_eq!(store.get(b"legacy").unwrap().unwrap(), b"");
    assert_eq!(store.get(&keys::code(&BOB)).unwrap().unwrap().len(), 300);
    assert_eq!(store.row(Database::Account, &ALICE).unwrap().unwrap().len(), 40);
    let mut place = [0; 40];
    assert_eq!(store.get_into(&keys::nonce(&ALICE), &mut place).unwrap(), Some(8));
    assert_eq!(place[..8], 3u64.to_be_bytes());
    assert_eq!(store.get_into(&keys::code(&BOB), &mut place).unwrap(), Some(300));
    assert_eq!(store.storage_into(&BOB, &word(9), &mut place).unwrap(), None);

    let wanted: Vec<Vec<u8>> = vec![
        keys::storage(&BOB, &word(1)).to_vec(),
        b"absent".to_vec(),
        b"legacy".to_vec(),
        keys::balance(&ALICE).to_vec(),
    ];
    let values = store.get_many(&wanted).unwrap();
    let found: Vec<_> = values.iter().collect();
    assert_eq!(found, [Some(&word(101)[..]), None, Some(&[][..]), Some(&word(30)[..])]);
    assert!(store.get_many::<&[u8]>(&[]).unwrap().is_empty());
}

#[test]
fn iterators_go_both_ways_and_keep_their_state() {
    let (_folder, mut store) = filled();
    let key = |slot| [&BOB[..], &word(slot)].concat();
    let mut rows = store.iterate(Database::Storage, Range::prefix(&BOB)).unwrap();
    store
        .apply_commit(Block::new().remove_storage(&BOB, &store.view().unwrap()).unwrap(), 4)
        .unwrap();
    assert_eq!(rows.row().unwrap().unwrap(), (&key(1)[..], &word(101)[..]));
    assert!(rows.next().unwrap() && rows.next().unwrap());
    assert_eq!(rows.row().unwrap().unwrap().0, key(3));
    assert!(!rows.next().unwrap() && !rows.next().unwrap());
    assert_eq!(rows.row().unwrap(), None);
    assert!(rows.seek_to_last().unwrap() && rows.previous().unwrap());
    assert_eq!(rows.row().unwrap().unwrap().0, key(2));
    assert!(rows.seek(&key(2)).unwrap() && rows.seek_for_previous(&key(9)).unwrap());
    assert_eq!(rows.row().unwrap().unwrap().0, key(3));
    assert!(rows.seek_to_first().unwrap());
    let batch = rows.batch(2, 1 << 20).unwrap();
    assert_eq!(batch.iter().map(|(key, _)| key.to_vec()).collect::<Vec<_>>(), [key(1), key(2)]);
    assert_eq!(rows.batch(9, 1).unwrap().iter().count(), 1);
    assert!(rows.batch(9, 1).unwrap().is_empty());

    let (start, end) = (key(2), key(3));
    let limits = Range { start: &start, end: &end, ..Range::all() };
    let at_three = store.view_at(3).unwrap();
    let mut between = 0;
    at_three.iterate(Database::Storage, limits).unwrap().for_each(|_, _| between += 1).unwrap();
    assert_eq!(between, 1);
    let mut now = store.iterate(Database::Storage, Range::all()).unwrap();
    now.for_each(|_, _| panic!("all slots were removed")).unwrap();
}

#[test]
fn views_outlive_the_store() {
    let (_folder, mut store) = filled();
    let (view, old) = (store.view().unwrap(), store.view_at(1).unwrap());
    store.apply_commit(Block::new().set_nonce(&ALICE, 99), 4).unwrap();
    store.close().unwrap();
    assert_eq!((view.version(), old.version()), (3, 1));
    assert_eq!(view.account(&ALICE).unwrap().unwrap().nonce, 3);
    assert_eq!(old.account(&ALICE).unwrap().unwrap().nonce, 1);
    assert!(view.verify(&Options::new()).unwrap().good);
    let mut rows = view.clone().iterate(Database::Storage, Range::all()).unwrap();
    drop((view, old));
    assert!(rows.next().unwrap());
}

#[test]
fn a_reader_asks_what_if() {
    let (folder, store) = filled();
    let mut reader = Reader::open(folder.path().join("store"), &Options::new()).unwrap();
    assert_eq!((reader.version(), reader.committed_roots().unwrap()), {
        (3, store.committed_roots().unwrap())
    });
    reader.apply(Block::new().set_nonce(&ALICE, 7)).unwrap();
    assert_eq!(reader.account(&ALICE).unwrap().unwrap().nonce, 7);
    assert_eq!(reader.view().unwrap().account(&ALICE).unwrap().unwrap().nonce, 3);
    assert_ne!(reader.working_roots().unwrap(), store.committed_roots().unwrap());
    reader.discard().unwrap();
    assert_eq!(reader.working_roots().unwrap(), store.committed_roots().unwrap());
    let mut overlay = reader.overlay().unwrap();
    overlay.apply(Block::new().set_nonce(&ALICE, 8)).unwrap();
    drop(reader);
    assert_eq!(overlay.account(&ALICE).unwrap().unwrap().nonce, 8);
    let old = Reader::open(folder.path().join("store"), &Options::new().at_version(2)).unwrap();
    assert_eq!(old.account(&ALICE).unwrap().unwrap().nonce, 2);
    assert!(old.verify(&Options::new()).unwrap().good);
}

#[test]
fn what_happened_is_told() {
    let (folder, mut store) = filled_with(&small().durability(Durability::Sync));
    let from =
        SubscribeOptions { after: Some(1), name: Some("index".into()), ..Default::default() };
    let mut subscription = store.subscribe(&from).unwrap();
    let long = Duration::from_secs(60);
    for version in 2..=3 {
        let event = subscription.next(long).unwrap().expect("a block");
        assert_eq!((event.version(), event.is_undo()), (version, false));
        assert!(event.payload_bytes() > 0);
    }
    store.rollback(2).unwrap();
    let undo = subscription.next(long).unwrap().expect("an undo");
    assert!(undo.is_undo() && undo.version() == 2 && undo.changes().unwrap().is_empty());
    assert!(subscription.next(Duration::ZERO).unwrap().is_none());
    let cursor = subscription.cursor().unwrap();
    subscription.acknowledge(&cursor).unwrap();
    assert_eq!(store.named_cursors().unwrap(), [("index".to_owned(), 1)]);
    drop(subscription);
    store.drop_cursor("index").unwrap();

    // The blocks of the log make the same store again.
    let mut copy = Store::open(folder.path().join("copy"), &small()).unwrap();
    for block in store.changes(1, 2).unwrap() {
        let block = block.unwrap();
        let changes = block.changes().unwrap();
        assert!(writes_of(&changes).unwrap().iter().all(|write| write.module == "evm"));
        assert_eq!(copy.apply_commit(&changes, block.version()).unwrap(), block.roots());
    }
    assert_eq!(copy.committed_roots().unwrap(), store.committed_roots().unwrap());
}

#[test]
fn streams_copy_a_state() {
    let (folder, store) = filled();
    let view = store.view().unwrap();
    let (mut one, mut other) = (Vec::new(), Vec::new());
    view.export(&mut one, &Options::new()).unwrap();
    view.export(&mut other, &Options::new()).unwrap();
    assert!(!one.is_empty() && one == other);
    let path = folder.path().join("copy");
    let roots = view.roots().unwrap();
    assert_eq!(import(&path, &mut &one[..], Some(&roots), &Options::new()).unwrap(), 3);
    let copy = Store::open(&path, &small()).unwrap();
    assert_eq!(copy.committed_roots().unwrap(), roots);
    assert_eq!(common::rows_text(&copy), common::rows_text(&view));
}

#[test]
fn rows_make_a_store() {
    let (folder, store) = filled();
    let path = folder.path().join("copy");
    let mut importer = Importer::new(&path, &Options::new()).unwrap();
    for database in Database::DATA {
        let mut rows = store.iterate(database, Range::all()).unwrap();
        if database == Database::Storage {
            let mut packed = Rows::new();
            rows.for_each(|key, value| _ = packed.push(key, value)).unwrap();
            importer.add(database, &packed).unwrap();
        } else {
            importer.add(database, rows.batch(1000, 1 << 20).unwrap()).unwrap();
        }
    }
    let roots = store.committed_roots().unwrap();
    assert_eq!(importer.finish(3, Some(&roots)).unwrap(), roots);
    let copy = Store::open(&path, &small()).unwrap();
    assert_eq!((copy.version(), copy.committed_roots().unwrap()), (3, roots));
    copy.close().unwrap();
    let error = Importer::new(&path, &Options::new()).err().unwrap();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    drop(Importer::new(&path, &Options::new().replace(true)).unwrap());
    assert_eq!(Store::open(&path, &small()).unwrap().version(), 3);
}

#[test]
fn rows_are_prefetched() {
    let (_folder, mut store) = filled();
    store.flush().unwrap();
    store.prefetch(&[keys::storage(&BOB, &word(1))]).unwrap();
    let overlay = store.overlay().unwrap();
    overlay.prefetch(&[keys::nonce(&ALICE)]).unwrap();
    let error = store.prefetch(&[b""]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    assert_eq!(store.metrics().unwrap().prefetch_asked, 2);
    assert_eq!((store.initial_version(), store.account_rows()), (1, AccountRows::Keep));
    assert_eq!(store.view().unwrap().account_rows(), AccountRows::Keep);
}

#[test]
fn maintenance() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let messages = Arc::new(Mutex::new(Vec::new()));
    let durable = Arc::new(Mutex::new(0));
    let (to_messages, to_durable) = (Arc::clone(&messages), Arc::clone(&durable));
    let options = small()
        .durability(Durability::Group)
        .scrub(ScrubMode::ByHand)
        .on_durable(move |version| *to_durable.lock().unwrap() = version)
        .log(move |level, text| to_messages.lock().unwrap().push((level, text.to_owned())));
    let mut store = Store::open(&path, &options).unwrap();
    for version in 1..=5 {
        let block = Block::new().set_nonce(&ALICE, version as u64).clone();
        store.apply_commit(&block, version).unwrap();
    }
    store.wait_durable(5).unwrap();
    assert_eq!(store.durable_version(), 5);
    assert!((1..=5).contains(&*durable.lock().unwrap()));
    store.flush().unwrap();
    store.snapshot().unwrap();
    let status = store.scrub(1000).unwrap();
    assert_eq!((status.findings, store.scrub_status().unwrap().failed_saves), (0, 0));
    let metrics = store.metrics().unwrap();
    assert!(metrics.flushes > 0 && metrics.log_bytes > 0 && metrics.undo_floor <= 5);
    store.rollback(3).unwrap();
    assert_eq!(store.account(&ALICE).unwrap().unwrap().nonce, 3);
    store.close().unwrap();
    let stop = Stop::new().unwrap();
    rollback(&path, 2, &Options::new().stop(&stop)).unwrap();
    let store = Store::open(&path, &small()).unwrap();
    assert_eq!(store.version(), 2);
    assert_eq!(library_version(), env!("CARGO_PKG_VERSION"));
    let messages = messages.lock().unwrap();
    assert!(
        messages.iter().any(|(level, text)| {
            *level == LogLevel::Information && text.starts_with("row cache")
        })
    );
}
