// SPDX-License-Identifier: Apache-2.0
//! States of this crate as databases of revm.
//!
//! ```
//! # extern crate revm_database_interface as revm;
//! use flatkv::revm::StateDb;
//! use flatkv::{Block, Options, Store};
//! use revm::primitives::{Address, U256};
//! use revm::{Database, DatabaseRef};
//! # fn main() -> flatkv::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("store");
//! let mut store = Store::open(&path, &Options::new().create_if_missing(true))?;
//! store.apply_commit(Block::new().set_nonce(&[0xaa; 20], 7), 1)?;
//!
//! let view = StateDb::new(store.view()?); // any number of threads may ask it
//! let account = view.basic_ref(Address::repeat_byte(0xaa))?.unwrap();
//! assert_eq!((account.nonce, account.balance), (7, U256::ZERO));
//!
//! let mut block = StateDb::new(store.overlay()?); // takes what transactions change
//! assert!(block.basic(Address::ZERO)?.is_none());
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;

use revm_database_interface::primitives::{
    Address, B256, Bytes, KECCAK_EMPTY, StorageKey, StorageValue, U256,
};
use revm_database_interface::state::{Account, AccountInfo, Bytecode, EvmState};
use revm_database_interface::{DBErrorMarker, Database, DatabaseCommit, DatabaseRef};

use crate::state::{Range, State, Working};
use crate::{Block, Error, ErrorCode, Result};

impl DBErrorMarker for Error {}

/// revm's `Database` and `DatabaseRef` over a state, and its `DatabaseCommit` over one that takes
/// writes.
///
/// Accounts come with their code, so revm never asks for code by its hash: the store keeps it by
/// address. An account without nonce, balance and code is none, as EIP-161 has it.
///
/// **Commit** writes what a transaction changed, in one piece: fields and slots that are other than
/// before. Accounts that destroyed themselves, that were left empty, or that are new lose the slots
/// that were there. Nothing is written for an account that was not there and is empty. An error of
/// [`commit`](DatabaseCommit::commit), which cannot return it, is kept: all later calls fail with
/// it, and [`take_error`](StateDb::take_error) gives it. [`write`](StateDb::write) returns it.
pub struct StateDb<S> {
    state: S,
    block_hashes: BTreeMap<u64, B256>,
    failed: Option<Error>,
    block: Block,
}

impl<S: State> StateDb<S> {
    /// Over a store, a reader, a view or an overlay, or a reference to one.
    pub fn new(state: S) -> Self {
        StateDb { state, block_hashes: BTreeMap::new(), failed: None, block: Block::new() }
    }

    /// With hashes of blocks by their numbers. The store has none; those that are not here are
    /// `NotFound`.
    pub fn with_block_hashes(mut self, hashes: BTreeMap<u64, B256>) -> Self {
        self.block_hashes = hashes;
        self
    }

    /// The state.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The state, if no commit has failed.
    pub fn into_state(self) -> Result<S> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.state),
        }
    }

    /// Why a commit failed; afterwards as if it had not.
    pub fn take_error(&mut self) -> Option<Error> {
        self.failed.take()
    }

    /// Whether an account has a slot that is not zero, which revm does not ask: a contract must not
    /// be created there (EIP-7610).
    pub fn has_storage(&self, address: &Address) -> Result<bool> {
        self.alive()?;
        let rows =
            self.state.iterate(crate::Database::Storage, Range::prefix(address.as_slice()))?;
        Ok(rows.row()?.is_some())
    }

    fn alive(&self) -> Result<()> {
        match &self.failed {
            Some(error) => Err(Error::new(error.code(), error.to_string())),
            None => Ok(()),
        }
    }
}

impl<S: State> DatabaseRef for StateDb<S> {
    type Error = Error;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>> {
        self.alive()?;
        let Some(account) = self.state.account(&address.0)? else { return Ok(None) };
        let code = match account.code_hash {
            None => Bytecode::default(),
            Some(_) => bytecode(self.state.code(&address.0)?.unwrap_or_default()),
        };
        let info = AccountInfo {
            balance: U256::from_be_bytes(account.balance),
            nonce: account.nonce,
            code_hash: account.code_hash.map_or(KECCAK_EMPTY, B256::from),
            code: Some(code),
            ..AccountInfo::default()
        };
        Ok((!info.is_empty()).then_some(info))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        let message = format!("code is found by address, not by its hash {code_hash}");
        Err(Error::new(ErrorCode::Unsupported, message))
    }

    fn storage_ref(&self, address: Address, slot: StorageKey) -> Result<StorageValue> {
        self.alive()?;
        let mut value = [0; 32];
        match self.state.storage_into(&address.0, &slot.to_be_bytes(), &mut value)? {
            None => Ok(U256::ZERO),
            Some(size) if size <= value.len() => Ok(U256::from_be_slice(&value[..size])),
            Some(size) => {
                let message = format!("slot {slot} of {address} has {size} bytes, not a word");
                Err(Error::new(ErrorCode::Corruption, message))
            }
        }
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256> {
        let missing = || Error::new(ErrorCode::NotFound, format!("no hash of block {number}"));
        self.block_hashes.get(&number).copied().ok_or_else(missing)
    }
}

impl<S: State> Database for StateDb<S> {
    type Error = Error;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>> {
        self.basic_ref(address)
    }
    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode> {
        self.code_by_hash_ref(code_hash)
    }
    fn storage(&mut self, address: Address, slot: StorageKey) -> Result<StorageValue> {
        self.storage_ref(address, slot)
    }
    fn block_hash(&mut self, number: u64) -> Result<B256> {
        self.block_hash_ref(number)
    }
}

impl<S: State + Working> DatabaseCommit for StateDb<S> {
    fn commit(&mut self, changes: EvmState) {
        if self.failed.is_none() {
            self.failed = self.write(&changes).err();
        }
    }
}

impl<S: State + Working> StateDb<S> {
    /// Writes what a transaction changed, all of it or, on an error, nothing.
    pub fn write(&mut self, changes: &EvmState) -> Result<()> {
        self.alive()?;
        let mut block = std::mem::take(&mut self.block);
        block.clear();
        let mut result = Ok(());
        for (address, account) in changes.iter().filter(|(_, account)| account.is_touched()) {
            result = result.and_then(|()| add(&mut block, &self.state, address, account));
        }
        if result.is_ok() && !block.is_empty() {
            result = self.state.apply(&block);
        }
        self.block = block;
        result
    }
}

/// Adds what `account` changes of `state`.
fn add<S: State>(block: &mut Block, state: &S, at: &Address, account: &Account) -> Result<()> {
    let address = &at.0;
    let before = state.account(address)?;
    let gone = account.is_selfdestructed() || account.info.is_empty();
    if gone || account.is_created() {
        block.remove_storage(address, state)?;
    }
    if gone {
        // The removal of an account that is not there would make a row of zeros.
        if before.is_some_and(|before| before != crate::Account::default()) {
            block.remove_account(address);
        }
        return Ok(());
    }
    let before = before.unwrap_or_default();
    let info = &account.info;
    if info.nonce != before.nonce {
        block.set_nonce(address, info.nonce);
    }
    let balance = info.balance.to_be_bytes();
    if balance != before.balance {
        block.set_balance(address, &balance);
    }
    let code_hash = (info.code_hash != KECCAK_EMPTY).then_some(info.code_hash.0);
    if code_hash != before.code_hash {
        let missing = || Error::new(ErrorCode::InvalidArgument, format!("{at}: no code given"));
        match code_hash {
            None => block.set_code(address, &[], &[0; 32]),
            Some(hash) => {
                let code = info.code.as_ref().ok_or_else(missing)?;
                block.set_code(address, code.original_byte_slice(), &hash)
            }
        };
    }
    for (slot, value) in account.changed_storage_slots() {
        block.set_storage(address, &slot.to_be_bytes(), &value.present_value.to_be_bytes());
    }
    Ok(())
}

/// Code that only begins like a delegation (EIP-7702) is code.
fn bytecode(bytes: Vec<u8>) -> Bytecode {
    let bytes = Bytes::from(bytes);
    Bytecode::new_raw_checked(bytes.clone()).unwrap_or_else(|_| Bytecode::new_legacy(bytes))
}
