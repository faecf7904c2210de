// SPDX-License-Identifier: Apache-2.0
//! What a transaction of revm leaves is what the store has, row for row, in both account-row modes.
#![cfg(feature = "revm")]

extern crate revm_database_interface as revm;

mod common;

use common::small;
use flatkv::revm::StateDb;
use flatkv::{AccountRows, Block, Database as Rows, ErrorCode, Range, State, Store, Word};
use revm::primitives::{Address, B256, KECCAK_EMPTY, U256, keccak256};
use revm::state::{Account, AccountInfo, Bytecode, EvmState, EvmStorageSlot, TransactionId};
use revm::{Database, DatabaseCommit, DatabaseRef};

const OLD: Address = Address::repeat_byte(0x01);
const NEW: Address = Address::repeat_byte(0x02);
const CODE: &[u8] = &[0x60, 0x00];

fn word(number: u64) -> Word {
    U256::from(number).to_be_bytes()
}

/// OLD has a balance, a nonce, code and two slots.
fn store(mode: AccountRows) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path().join("s"), &small().account_rows(mode)).unwrap();
    let mut block = Block::new();
    block.set_balance(&OLD, &word(10)).set_nonce(&OLD, 1).set_code(&OLD, CODE, &keccak256(CODE));
    block.set_storage(&OLD, &word(1), &word(11)).set_storage(&OLD, &word(2), &word(22));
    store.apply_commit(&block, 1).unwrap();
    (folder, store)
}

fn count(state: &impl State, database: Rows) -> usize {
    let mut count = 0;
    let mut rows = state.iterate(database, Range::all()).unwrap();
    rows.for_each(|_, _| count += 1).unwrap();
    count
}

fn slot(before: u64, after: u64) -> EvmStorageSlot {
    EvmStorageSlot::new_changed(U256::from(before), U256::from(after), TransactionId::ZERO)
}

fn changes(account: Account) -> EvmState {
    EvmState::from_iter([(OLD, account)])
}

#[test]
fn reads() {
    let (_folder, store) = store(AccountRows::Keep);
    let mut db = StateDb::new(store.view().unwrap())
        .with_block_hashes([(7, B256::repeat_byte(7))].into_iter().collect());
    let info = db.basic_ref(OLD).unwrap().unwrap();
    assert_eq!((info.balance, info.nonce, info.code_hash), (U256::from(10), 1, keccak256(CODE)));
    assert_eq!(info.code.unwrap().original_byte_slice(), CODE);
    assert!(db.basic(NEW).unwrap().is_none());
    assert_eq!(db.storage(OLD, U256::from(2)).unwrap(), U256::from(22));
    assert_eq!(db.storage(OLD, U256::from(3)).unwrap(), U256::ZERO);
    assert!(db.has_storage(&OLD).unwrap() && !db.has_storage(&NEW).unwrap());
    assert_eq!(db.block_hash(7).unwrap(), B256::repeat_byte(7));
    assert_eq!(db.block_hash(8).unwrap_err().code(), ErrorCode::NotFound);
    assert!(db.code_by_hash(KECCAK_EMPTY).unwrap().is_empty());
    assert_eq!(db.code_by_hash(keccak256(CODE)).unwrap_err().code(), ErrorCode::Unsupported);
}

/// Runs `change` on a store of each mode; `check` looks at the overlay with it.
fn in_both_modes(account: &Account, check: impl Fn(&flatkv::Overlay, usize)) {
    for (mode, rows_of_removed) in [(AccountRows::Keep, 1), (AccountRows::PruneEmpty, 0)] {
        let (_folder, mut store) = store(mode);
        let mut db = StateDb::new(store.overlay().unwrap());
        db.commit(changes(account.clone()));
        let mut overlay = db.into_state().unwrap();
        check(&overlay, rows_of_removed);
        let roots = store.commit_overlay(&mut overlay, 2).unwrap();
        assert_eq!(store.committed_roots().unwrap(), roots);
        assert!(store.verify(&flatkv::Options::new()).unwrap().good);
    }
}

#[test]
fn changed_fields_and_slots() {
    let info = AccountInfo::new(U256::from(9), 2, keccak256(CODE), Bytecode::new_raw(CODE.into()));
    let mut account = Account::default().with_info(info).with_touched_mark();
    account.storage.insert(U256::from(1), slot(11, 0));
    account.storage.insert(U256::from(3), slot(0, 33));
    in_both_modes(&account, |overlay, _| {
        let row = overlay.account(&OLD).unwrap().unwrap();
        assert_eq!((row.balance, row.nonce), (word(9), 2));
        assert_eq!(overlay.storage(&OLD, &word(1)).unwrap(), None);
        assert_eq!(overlay.storage(&OLD, &word(3)).unwrap().unwrap(), word(33));
        assert_eq!(count(overlay, Rows::Storage), 2);
    });
}

#[test]
fn a_self_destructed_account_is_gone_with_its_slots() {
    let mut account = Account::default().with_touched_mark().with_selfdestruct_mark();
    account.storage.insert(U256::from(3), slot(0, 33));
    in_both_modes(&account, |overlay, rows_of_removed| {
        assert_eq!(count(overlay, Rows::Account), rows_of_removed);
        assert_eq!((count(overlay, Rows::Code), count(overlay, Rows::Storage)), (0, 0));
        assert!(StateDb::new(overlay).basic_ref(OLD).unwrap().is_none());
    });
}

#[test]
fn an_account_that_is_left_empty_is_gone() {
    let account = Account::default().with_touched_mark();
    in_both_modes(&account, |overlay, rows_of_removed| {
        assert_eq!(count(overlay, Rows::Account), rows_of_removed);
        assert_eq!((count(overlay, Rows::Code), count(overlay, Rows::Storage)), (0, 0));
    });
}

#[test]
fn an_account_that_is_created_anew_has_only_its_own_slots_and_code() {
    let code = Bytecode::new_raw([0x5b, 0x00].into());
    let info = AccountInfo::new(U256::from(5), 1, code.hash_slow(), code);
    let mut account = Account::default().with_info(info).with_touched_mark().with_created_mark();
    account.storage.insert(U256::from(2), slot(0, 2));
    in_both_modes(&account, |overlay, _| {
        assert_eq!(overlay.code(&OLD).unwrap().unwrap(), [0x5b, 0x00]);
        assert_eq!(overlay.storage(&OLD, &word(2)).unwrap().unwrap(), word(2));
        assert_eq!(count(overlay, Rows::Storage), 1);
    });
    let info = AccountInfo { nonce: 1, ..AccountInfo::default() };
    let without_code = Account::default().with_info(info).with_touched_mark().with_created_mark();
    in_both_modes(&without_code, |overlay, _| {
        assert_eq!(overlay.account(&OLD).unwrap().unwrap().code_hash, None);
        assert_eq!((count(overlay, Rows::Code), count(overlay, Rows::Storage)), (0, 0));
    });
}

#[test]
fn nothing_is_written_for_what_was_not_there_or_not_touched() {
    let (_folder, store) = store(AccountRows::Keep);
    let before = store.committed_roots().unwrap();
    let mut db = StateDb::new(store.overlay().unwrap());
    let info = AccountInfo { nonce: 77, ..AccountInfo::default() };
    let state =
        [(NEW, Account::default().with_touched_mark()), (OLD, Account::default().with_info(info))];
    db.write(&EvmState::from_iter(state)).unwrap();
    let overlay = db.into_state().unwrap();
    assert_eq!(flatkv::Working::working_roots(&overlay).unwrap(), before);
}

#[test]
fn an_error_of_a_commit_is_kept() {
    let (_folder, mut store) = store(AccountRows::Keep);
    let mut loser = StateDb::new(store.overlay().unwrap());
    store.commit(2).unwrap();
    loser.commit(changes(Account::default().with_touched_mark()));
    assert_eq!(loser.basic(OLD).unwrap_err().code(), ErrorCode::Stale);
    assert_eq!(loser.take_error().unwrap().code(), ErrorCode::Stale);
    let info = AccountInfo { code_hash: keccak256(b"?"), code: None, ..AccountInfo::default() };
    let account = Account::default().with_info(info).with_touched_mark();
    let mut db = StateDb::new(store.overlay().unwrap());
    db.commit(changes(account));
    assert_eq!(db.into_state().err().unwrap().code(), ErrorCode::InvalidArgument);
}
