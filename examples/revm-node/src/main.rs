// SPDX-License-Identifier: Apache-2.0
//! An Ethereum node in small: an EVM executes blocks, their state is in FlatKV. It runs Ethereum's
//! block tests:
//!
//!     examples/revm-node/run FILE [--account-rows keep|prune_empty]
//!
//! Each test is a chain on an empty state. It is run three times, with undos between, and the whole
//! state compared with the test's after each:
//!
//! 1. block for block;
//! 2. again, where each block has a rival that loses;
//! 3. again, with children on children that are not committed before the last one is.

mod cases;
mod chain;
mod collision;
mod evm;
mod world;

use cases::Case;
use chain::{Node, Work};
use flatkv::AccountRows;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

const USAGE: &str = "usage: examples/revm-node/run FILE [--account-rows keep|prune_empty]";

fn main() -> ExitCode {
    let Some((file, mode)) = arguments() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let cases = match cases::read(&file) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut work = Work::default();
    let begin = Instant::now();
    let equal = match run(&cases, mode, &mut work) {
        Ok(equal) => equal,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let seconds = work.all.as_secs_f64().max(1e-9);
    println!(
        "{} blocks in {seconds:.2} s: {:.0} blocks/s, {:.0} % of the time in the store",
        work.blocks,
        work.blocks as f64 / seconds,
        100.0 * work.store.get().as_secs_f64() / seconds,
    );
    println!("{:.1} s with undos and comparing", begin.elapsed().as_secs_f64());
    println!("{equal} of {} equal", cases.len());
    if equal == cases.len() && equal > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// How many tests come to the state that they should.
fn run(cases: &[Case], mode: AccountRows, work: &mut Work) -> Result<usize, Box<dyn Error>> {
    let mut node = Node::new(mode)?;
    let mut equal = 0;
    for case in cases {
        match node.run(case, work) {
            Ok(()) => equal += 1,
            Err(error) => println!("{}: {error}", case.name),
        }
    }
    node.close()?;
    Ok(equal)
}

fn arguments() -> Option<(PathBuf, AccountRows)> {
    let (mut file, mut mode) = (None, AccountRows::Keep);
    let mut arguments = std::env::args_os().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--account-rows" {
            mode = match arguments.next()?.to_str()? {
                "keep" => AccountRows::Keep,
                "prune_empty" => AccountRows::PruneEmpty,
                _ => return None,
            };
        } else if file.is_some() || argument.to_str().is_some_and(|text| text.starts_with("--")) {
            return None;
        } else {
            file = Some(PathBuf::from(argument));
        }
    }
    Some((file?, mode))
}
