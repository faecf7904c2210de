// SPDX-License-Identifier: Apache-2.0
//! Bad input has the code that it has in C++, and changes nothing.

mod common;

use common::small;
use flatkv::*;
use std::fs;
use std::io;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Place { folder: tempfile::tempdir().unwrap() }
    }
    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("store")
    }
    fn store(&self) -> Store {
        Store::open(self.path(), &small()).unwrap()
    }
}

#[track_caller]
fn refused<T>(result: Result<T>, code: ErrorCode) -> Error {
    let error = result.err().expect("an error");
    assert_eq!(error.code(), code, "{error}");
    assert!(!error.message().is_empty() && !code.name().is_empty());
    error
}

#[test]
fn opening() {
    let place = Place::new();
    let error = refused(Store::open(place.path(), &Options::new()), ErrorCode::NotFound);
    assert_eq!(error.path(), Some(place.path().as_path()));
    assert!(error.to_string().contains(place.path().to_str().unwrap()));
    refused(Store::open("a\0b", &Options::new()), ErrorCode::InvalidArgument);
    refused(Reader::open(place.path(), &Options::new()), ErrorCode::NotFound);
    refused(remedies(place.path()), ErrorCode::NotFound);
    refused(
        Store::open(place.path(), &small().group_blocks(0).durability(Durability::Group)),
        ErrorCode::InvalidArgument,
    );
    refused(Store::open(place.path(), &small().initial_version(0)), ErrorCode::InvalidArgument);
    refused(Store::open(place.path(), &small().threads(1 << 40)), ErrorCode::InvalidArgument);

    create(place.path(), &Options::new()).unwrap();
    refused(create(place.path(), &Options::new()), ErrorCode::InvalidArgument);
    let store = place.store();
    let error = refused(Store::open(place.path(), &small()), ErrorCode::Locked);
    assert!(error.path().is_some());
    let view = store.view().unwrap();
    store.close().unwrap();
    refused(Store::open(place.path(), &small()), ErrorCode::Locked); // by the view
    drop(view);
    place.store();
}

#[test]
fn blocks() {
    let place = Place::new();
    let mut store = place.store();
    let roots = store.apply_commit(Block::new().set_nonce(&[1; 20], 1), 1).unwrap();
    let error = refused(store.commit(7), ErrorCode::VersionMismatch);
    assert!(error.version().is_some(), "{error:?}");
    for bad in [
        Block::new().set(b"", b"empty key").clone(),
        Block::new().set(&keys::nonce(&[1; 20]), b"short").clone(),
        Block::new().set(&keys::balance(&[1; 20]), &[1; 31]).clone(),
        Block::new().set(&keys::code_hash(&[1; 20]), &[1; 33]).clone(),
        Block::new().set(&vec![1; 65537], b"long key").clone(),
        Block::new().module("").set(b"k", b"no name").clone(),
    ] {
        let error = refused(store.apply(&bad), ErrorCode::InvalidArgument);
        assert!(error.message().contains("change set 1"), "the change set is named: {error}");
    }
    let mut good = Block::new();
    good.set_nonce(&[2; 20], 2);
    let packed = good.as_ref();
    for length in 1..packed.len() {
        refused(store.apply(&packed[..length]), ErrorCode::InvalidArgument);
    }
    assert_eq!(store.working_roots().unwrap(), roots, "nothing is pending");
    refused(store.get(b""), ErrorCode::InvalidArgument);
    refused(store.get_many(&[&b"x"[..], b""]), ErrorCode::InvalidArgument);
    refused(store.row(Database::Metadata, b"x"), ErrorCode::InvalidArgument);
    refused(store.iterate(Database::Metadata, Range::all()), ErrorCode::InvalidArgument);

    store.apply(&good).unwrap();
    let mut overlay_beside = store.overlay().unwrap();
    refused(store.commit_overlay(&mut overlay_beside, 2), ErrorCode::InvalidArgument);
    store.discard().unwrap();
    assert_eq!(store.working_roots().unwrap(), roots);
}

#[test]
fn strict_names_the_database_of_a_likely_mistake() {
    let place = Place::new();
    let mut store = Store::open(place.path(), &small().strict(true)).unwrap();
    refused(store.apply(Block::new().set(&[0x0a; 20], &[0; 8])), ErrorCode::InvalidArgument);
    store.close().unwrap();
    let mut store =
        Store::open(place.path(), &small().strict(true).strict_legacy_keys(true)).unwrap();
    store.apply(Block::new().set(b"legacy", b"row")).unwrap();
}

#[test]
fn versions() {
    let place = Place::new();
    let mut store = place.store();
    for version in 1..=3 {
        store.apply_commit(Block::new().set_nonce(&[1; 20], version as u64), version).unwrap();
    }
    refused(store.view_at(9), ErrorCode::VersionMismatch);
    refused(store.rollback(9), ErrorCode::VersionMismatch);
    refused(store.changes(2, 9), ErrorCode::VersionMismatch);
    refused(store.wait_durable(9), ErrorCode::InvalidArgument);
    refused(store.drop_cursor("nobody"), ErrorCode::NotFound);
    refused(store.scrub(1), ErrorCode::Unsupported);
    refused(store.scrub_status(), ErrorCode::Unsupported);
    let cursor = SubscribeOptions { cursor: Some(b"no cursor".to_vec()), ..Default::default() };
    refused(store.subscribe(&cursor), ErrorCode::Corruption);
    let ahead = SubscribeOptions { after: Some(9), ..Default::default() };
    refused(store.subscribe(&ahead), ErrorCode::VersionMismatch);
    refused(Reader::open(place.path(), &Options::new().at_version(77)), ErrorCode::VersionMismatch);
}

#[test]
fn overlays() {
    let place = Place::new();
    let mut store = Store::open(place.path(), &small().overlay_memory_bytes(1 << 20)).unwrap();
    let (mut winner, mut loser) = (store.overlay().unwrap(), store.overlay().unwrap());
    let mut large = Block::new();
    large.set(b"large", &vec![1; 2 << 20]);
    refused(loser.apply(&large), ErrorCode::NoSpace);
    winner.apply(Block::new().set_nonce(&[1; 20], 1)).unwrap();
    let child = winner.child().unwrap();
    refused(winner.apply(Block::new().set_nonce(&[1; 20], 2)), ErrorCode::InvalidArgument);
    refused(store.commit_overlay(&mut winner, 5), ErrorCode::VersionMismatch);
    store.commit_overlay(&mut winner, 1).unwrap();
    refused(store.commit_overlay(&mut winner, 2), ErrorCode::InvalidArgument);
    refused(loser.working_roots(), ErrorCode::Stale);
    assert_eq!(child.account(&[1; 20]).unwrap().unwrap().nonce, 1);
    let other_place = Place::new();
    let mut other = other_place.store();
    let mut stranger = store.overlay().unwrap();
    refused(other.commit_overlay(&mut stranger, 1), ErrorCode::InvalidArgument);
}

#[test]
fn after_the_close() {
    let place = Place::new();
    let mut store = place.store();
    let roots = store.apply_commit(Block::new().set_nonce(&[1; 20], 1), 1).unwrap();
    let (shared, overlay) = (store.shared(), store.overlay().unwrap());
    store.close().unwrap();
    assert_eq!((shared.version(), shared.committed_roots().unwrap()), (1, roots));
    refused(shared.view(), ErrorCode::StoreFailed);
    refused(shared.overlay(), ErrorCode::StoreFailed);
    refused(shared.verify(&Options::new()), ErrorCode::StoreFailed);
    refused(overlay.account(&[1; 20]), ErrorCode::StoreFailed);
}

#[test]
fn damage_is_corruption_with_its_file() {
    let place = Place::new();
    let mut store = place.store();
    store.apply_commit(Block::new().set_nonce(&[1; 20], 1), 1).unwrap();
    store.close().unwrap();
    let manifest = walk(&place.path())
        .into_iter()
        .find(|path| path.file_name().is_some_and(|name| name == "MANIFEST.json"))
        .expect("a manifest");
    fs::write(&manifest, "damaged").unwrap();
    let error = refused(Store::open(place.path(), &small()), ErrorCode::Corruption);
    assert!(error.path().unwrap().ends_with("MANIFEST.json"), "{error:?}");
    remedies(place.path()).unwrap();
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(walk(&entry));
        } else {
            found.push(entry);
        }
    }
    found
}

struct Broken;
impl io::Write for Broken {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::other("the pipe is broken"))
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
impl io::Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        panic!("the reader panics")
    }
}

#[test]
fn streams() {
    let place = Place::new();
    let mut store = place.store();
    store.apply_commit(Block::new().set_nonce(&[1; 20], 1), 1).unwrap();
    let view = store.view().unwrap();
    let error = refused(view.export(&mut Broken, &Options::new()), ErrorCode::Io);
    let source = std::error::Error::source(&error).expect("the writer's error");
    assert_eq!(source.to_string(), "the pipe is broken");

    let stop = Stop::new().unwrap();
    stop.request();
    let stopped = Options::new().stop(&stop);
    refused(view.export(&mut Vec::new(), &stopped), ErrorCode::Cancelled);

    let mut stream = Vec::new();
    view.export(&mut stream, &Options::new()).unwrap();
    let to = place.folder.path().join("copy");
    let options = Options::new();
    refused(import(&to, &mut &b"no stream"[..], None, &options), ErrorCode::Corruption);
    let short = &stream[..stream.len() - 1];
    refused(import(&to, &mut &short[..], None, &options), ErrorCode::Corruption);
    let others = Roots::default();
    refused(import(&to, &mut &stream[..], Some(&others), &options), ErrorCode::Corruption);
    refused(import(place.path(), &mut &stream[..], None, &options), ErrorCode::Locked);
    let panicked = std::panic::catch_unwind(|| import(&to, &mut Broken, None, &Options::new()));
    assert!(panicked.is_err(), "a panic of the reader comes back to the caller");
    let trusted = view.roots().unwrap();
    assert_eq!(import(&to, &mut &stream[..], Some(&trusted), &options).unwrap(), 1);
    refused(import(&to, &mut &stream[..], None, &options), ErrorCode::InvalidArgument);
}
