// SPDX-License-Identifier: Apache-2.0
//! What the tests share: the golden files, and small stores.
#![allow(dead_code)] // each test uses some of it

use flatkv::{Block, Database, Options, Roots, State};
use serde_json::Value;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..")
}

/// A golden file, with `.zst` if only that is there; `None` if neither is.
pub fn golden(name: &str) -> Option<PathBuf> {
    let folder = if name == "mainnet.jsonl" { "examples" } else { "tests/golden" };
    let name = if name == "mainnet.jsonl" { "mainnet-15000001-30.jsonl" } else { name };
    let plain = root().join(folder).join(name);
    let packed = root().join(folder).join(format!("{name}.zst"));
    [plain, packed].into_iter().find(|path| path.exists())
}

/// The lines of a file, unpacked if its name ends in `.zst`.
pub fn lines(path: &Path) -> impl Iterator<Item = String> + use<> {
    let file = File::open(path).expect("a golden file");
    let bytes: Box<dyn std::io::Read> = if path.extension().is_some_and(|ending| ending == "zst") {
        Box::new(ruzstd::decoding::StreamingDecoder::new(file).expect("a file of zstd"))
    } else {
        Box::new(file)
    };
    BufReader::new(bytes).lines().map(|line| line.expect("a line"))
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| (text.as_bytes()[at] as char).to_digit(16).expect("hex") as u8;
    (0..text.len() / 2).map(|at| digit(2 * at) << 4 | digit(2 * at + 1)).collect()
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text takes all");
        text
    })
}

/// One line of a trace: a part of a block.
pub struct Part {
    pub version: i64,
    pub changes: Block,
}

pub fn parts(trace: &str) -> impl Iterator<Item = Part> + use<> {
    lines(&golden(&format!("{trace}.jsonl")).expect("a trace")).map(|line| {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        let mut changes = Block::new();
        for set in line["changesets"].as_array().expect("change sets") {
            changes.module(set["name"].as_str().expect("a name"));
            for pair in set["pairs"].as_array().expect("pairs") {
                let key = unhex(pair["key"].as_str().expect("a key"));
                if pair["delete"].as_bool() == Some(true) {
                    changes.delete(&key);
                } else {
                    changes.set(&key, &unhex(pair["value"].as_str().unwrap_or("")));
                }
            }
        }
        Part { version: line["version"].as_i64().expect("a version"), changes }
    })
}

pub fn expected_roots(stem: &str) -> Vec<(i64, Roots)> {
    let path = golden(&format!("{stem}.roots.jsonl")).expect("roots");
    let of_line = |line: String| {
        let line: Value = serde_json::from_str(&line).expect("JSON");
        let digest = |name: &str| unhex(line[name].as_str().expect("hex")).try_into().expect("32");
        let roots = Roots {
            root: digest("root"),
            account: digest("account"),
            code: digest("code"),
            storage: digest("storage"),
            legacy: digest("legacy"),
        };
        (line["version"].as_i64().expect("a version"), roots)
    };
    lines(&path).map(of_line).collect()
}

/// All rows of a state, as the lines of a rows file.
pub fn rows_text(state: &impl State) -> String {
    let mut text = String::new();
    for database in Database::DATA {
        let mut rows = state.iterate(database, flatkv::Range::all()).expect("an iterator");
        let line = |key: &[u8], value: &[u8]| {
            let (key, value) = (hex(key), hex(value));
            writeln!(text, r#"{{"db": "{database}", "key": "{key}", "value": "{value}"}}"#)
                .expect("text takes all");
        };
        rows.for_each(line).expect("rows");
    }
    text
}

/// Small, and not bound to the disk.
pub fn small() -> Options {
    Options::new()
        .create_if_missing(true)
        .durability(flatkv::Durability::Process)
        .row_cache_bytes(1 << 20)
        .write_buffer_bytes(4 << 20)
        .block_cache_bytes(1 << 20)
        .threads(1)
}
