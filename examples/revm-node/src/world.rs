// SPDX-License-Identifier: Apache-2.0
//! The whole state of a store, row by row, beside what it should be.

use crate::cases::{Account, World};
use flatkv::{AccountRows, Block, Database, Range, State};
use revm::primitives::{Address, U256, keccak256};
use std::error::Error;

/// The writes that make this state of an empty store.
pub fn genesis(world: &World) -> Block {
    let mut block = Block::new();
    for (address, account) in world {
        block.set_balance(address, &account.balance.to_be_bytes());
        if account.nonce != 0 {
            block.set_nonce(address, account.nonce);
        }
        if !account.code.is_empty() {
            block.set_code(address, &account.code, &keccak256(&account.code));
        }
        for (slot, value) in &account.storage {
            block.set_storage(address, &slot.to_be_bytes(), &value.to_be_bytes());
        }
    }
    block
}

/// Reads every row. Accounts without anything are no accounts, as in the EVM (EIP-161).
pub fn read(state: &impl State, mode: AccountRows) -> Result<World, Box<dyn Error>> {
    let mut world = World::new();
    let mut wrong = Vec::new();
    let mut account_row = |key: &[u8], value: &[u8]| {
        let address = Address::from_slice(key);
        let row = state.account(key.try_into().expect("an address")).ok().flatten();
        let Some(row) = row else { return wrong.push(format!("{address}: no account of its row")) };
        if mode == AccountRows::PruneEmpty && value.iter().all(|&byte| byte == 0) {
            wrong.push(format!("{address}: an empty row"));
        }
        let account: &mut Account = world.entry(address).or_default();
        (account.nonce, account.balance) = (row.nonce, U256::from_be_bytes(row.balance));
        let code = state.code(&address).ok().flatten().unwrap_or_default();
        let hash = (!code.is_empty()).then(|| keccak256(&code).0);
        if row.code_hash != hash {
            wrong.push(format!("{address}: the code is not that of its hash"));
        }
    };
    state.iterate(Database::Account, Range::all())?.for_each(&mut account_row)?;
    let code_row = |key: &[u8], value: &[u8]| {
        world.entry(Address::from_slice(key)).or_default().code = value.to_vec().into();
    };
    state.iterate(Database::Code, Range::all())?.for_each(code_row)?;
    let storage_row = |key: &[u8], value: &[u8]| {
        let (address, slot) = key.split_at(20);
        let storage = &mut world.entry(Address::from_slice(address)).or_default().storage;
        storage.insert(U256::from_be_slice(slot), U256::from_be_slice(value));
    };
    state.iterate(Database::Storage, Range::all())?.for_each(storage_row)?;
    state.iterate(Database::Legacy, Range::all())?.for_each(|key, _| {
        wrong.push(format!("a row of no account: {key:02x?}"));
    })?;
    if !wrong.is_empty() {
        return Err(wrong.join("; ").into());
    }
    world.retain(|_, account| *account != Account::default());
    Ok(world)
}

/// Without slots of zero, and accounts that have nothing, which are none.
pub fn without_nothing(world: &World) -> World {
    let mut world = world.clone();
    world.values_mut().for_each(|account| account.storage.retain(|_, value| !value.is_zero()));
    world.retain(|_, account| *account != Account::default());
    world
}

/// What differs first; nothing if the states are equal.
pub fn difference(found: &World, expected: &World) -> Option<String> {
    let none = Account::default();
    for address in found.keys().chain(expected.keys()) {
        let is = found.get(address).unwrap_or(&none);
        let should = expected.get(address).unwrap_or(&none);
        if is.nonce != should.nonce {
            return Some(format!("{address}: nonce {} instead of {}", is.nonce, should.nonce));
        }
        if is.balance != should.balance {
            return Some(format!(
                "{address}: balance {} instead of {}",
                is.balance, should.balance
            ));
        }
        if is.code != should.code {
            return Some(format!("{address}: code {} instead of {}", is.code, should.code));
        }
        for slot in is.storage.keys().chain(should.storage.keys()) {
            let value = |account: &Account| account.storage.get(slot).copied().unwrap_or_default();
            let (value, other) = (value(is), value(should));
            if value != other {
                return Some(format!("{address}: slot {slot} is {value} instead of {other}"));
            }
        }
        if is.storage.len() != should.storage.len() {
            return Some(format!("{address}: a slot of zero has a row"));
        }
    }
    None
}
