// SPDX-License-Identifier: Apache-2.0
//! The tests: a state before, blocks, the state after. One line of JSON each.

use revm::primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::str::FromStr;

#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub fork: String,
    #[serde(deserialize_with = "text")]
    pub genesis_hash: B256,
    #[serde(deserialize_with = "map")]
    pub pre: World,
    #[serde(deserialize_with = "map")]
    pub post: World,
    pub blocks: Vec<Block>,
}

/// All accounts that there are.
pub type World = BTreeMap<Address, Account>;

#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Account {
    #[serde(deserialize_with = "number")]
    pub nonce: u64,
    #[serde(deserialize_with = "text")]
    pub balance: U256,
    #[serde(deserialize_with = "text")]
    pub code: Bytes,
    #[serde(deserialize_with = "map")]
    pub storage: BTreeMap<U256, U256>,
}

#[derive(Clone, Deserialize)]
pub struct Block {
    #[serde(deserialize_with = "number")]
    pub number: u64,
    #[serde(deserialize_with = "number")]
    pub timestamp: u64,
    #[serde(deserialize_with = "text")]
    pub coinbase: Address,
    #[serde(deserialize_with = "number")]
    pub gas_limit: u64,
    #[serde(deserialize_with = "number")]
    pub base_fee: u64,
    #[serde(deserialize_with = "text")]
    pub prev_randao: B256,
    #[serde(deserialize_with = "number")]
    pub excess_blob_gas: u64,
    #[serde(deserialize_with = "text")]
    pub beacon_root: B256,
    #[serde(deserialize_with = "text")]
    pub hash: B256,
    #[serde(deserialize_with = "number")]
    pub gas_used: u64,
    pub withdrawals: Vec<Withdrawal>,
    pub txs: Vec<Transaction>,
}

#[derive(Clone, Deserialize)]
pub struct Withdrawal {
    #[serde(deserialize_with = "text")]
    pub address: Address,
    /// In gwei.
    #[serde(deserialize_with = "number")]
    pub amount: u64,
}

#[derive(Clone, Deserialize)]
pub struct Transaction {
    #[serde(rename = "type", deserialize_with = "number")]
    pub kind: u64,
    #[serde(deserialize_with = "text")]
    pub from: Address,
    /// Nothing where a contract is created.
    #[serde(deserialize_with = "address_or_empty")]
    pub to: Option<Address>,
    #[serde(deserialize_with = "number")]
    pub nonce: u64,
    #[serde(deserialize_with = "number")]
    pub gas: u64,
    #[serde(deserialize_with = "text")]
    pub value: U256,
    #[serde(deserialize_with = "text")]
    pub data: Bytes,
    #[serde(default, deserialize_with = "optional")]
    pub gas_price: Option<U256>,
    #[serde(default, deserialize_with = "optional")]
    pub max_fee: Option<U256>,
    #[serde(default, deserialize_with = "optional")]
    pub max_priority: Option<U256>,
    #[serde(default)]
    pub access_list: Vec<Access>,
}

#[derive(Clone, Deserialize)]
pub struct Access {
    #[serde(deserialize_with = "text")]
    pub address: Address,
    #[serde(rename = "storageKeys", deserialize_with = "list")]
    pub slots: Vec<B256>,
}

/// What is written as text. revm's own types read it so, too, with a feature that would compile all
/// of revm anew.
fn text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(input: D) -> Result<T, D::Error> {
    parse(&String::deserialize(input)?)
}

fn parse<T: FromStr<Err: Display>, E: serde::de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(|error| E::custom(format!("{text}: {error}")))
}

fn number<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    let number: U256 = text(input)?;
    number.try_into().map_err(|_| serde::de::Error::custom("a number above 64 bits"))
}

fn optional<'de, D: Deserializer<'de>>(input: D) -> Result<Option<U256>, D::Error> {
    text(input).map(Some)
}

fn list<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<B256>, D::Error> {
    Vec::<String>::deserialize(input)?.iter().map(|text| parse(text)).collect()
}

/// A map whose keys are text.
fn map<'de, D, K, V>(input: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: FromStr<Err: Display> + Ord,
    V: Value,
{
    let read = BTreeMap::<String, V::Read>::deserialize(input)?;
    read.into_iter().map(|(key, value)| Ok((parse(&key)?, V::made(value)?))).collect()
}

/// What a map holds, and what it is read as.
trait Value: Sized {
    type Read: for<'de> Deserialize<'de>;
    fn made<E: serde::de::Error>(read: Self::Read) -> Result<Self, E>;
}
impl Value for Account {
    type Read = Account;
    fn made<E: serde::de::Error>(read: Account) -> Result<Self, E> {
        Ok(read)
    }
}
impl Value for U256 {
    type Read = String;
    fn made<E: serde::de::Error>(read: String) -> Result<Self, E> {
        parse(&read)
    }
}

fn address_or_empty<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Address>, D::Error> {
    let text = String::deserialize(input)?;
    match text.as_str() {
        "" | "0x" => Ok(None),
        text => parse(text).map(Some),
    }
}

/// The tests of a file, unpacked if its name ends in `.zst`.
pub fn read(path: &Path) -> Result<Vec<Case>, Box<dyn Error>> {
    let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let bytes: Box<dyn Read> = if path.extension().is_some_and(|ending| ending == "zst") {
        Box::new(ruzstd::decoding::StreamingDecoder::new(file)?)
    } else {
        Box::new(file)
    };
    let mut cases = Vec::new();
    for (index, line) in BufReader::new(bytes).lines().enumerate() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let case = serde_json::from_str(&line);
        cases.push(case.map_err(|error| format!("{}:{}: {error}", path.display(), index + 1))?);
    }
    Ok(cases)
}
