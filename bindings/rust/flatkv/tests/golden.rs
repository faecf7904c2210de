// SPDX-License-Identifier: Apache-2.0
//! The store against results of other implementations: the roots of every version, and the rows at
//! the end.

mod common;

use common::{expected_roots, golden, lines, parts, rows_text, small};
use flatkv::{AccountRows, Options, State, Store, Working};

fn run(trace: &str, mode: AccountRows) {
    let ending = if mode == AccountRows::PruneEmpty { ".prune_empty" } else { "" };
    let expected = expected_roots(&format!("{trace}{ending}"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let options = small().account_rows(mode);
    let mut store = Store::open(&path, &options).unwrap();

    let mut parts = parts(trace).peekable();
    for &(version, roots) in &expected {
        while let Some(part) = parts.next_if(|part| part.version == version) {
            store.apply(&part.changes).unwrap();
        }
        assert_eq!(store.working_roots().unwrap(), roots, "working roots of {version}");
        assert_eq!(store.commit(version).unwrap(), roots, "{version}");
        assert_eq!((store.version(), store.committed_roots().unwrap()), (version, roots));
    }
    assert!(parts.next().is_none(), "the trace goes on");
    check_end(&store, trace, ending);
    store.close().unwrap();

    let store = Store::open(&path, &options).unwrap();
    assert_eq!(store.committed_roots().unwrap(), expected.last().unwrap().1);
    check_end(&store, trace, ending);
}

fn check_end(store: &Store, trace: &str, ending: &str) {
    let report = store.verify(&Options::new()).unwrap();
    assert!(report.good && report.databases.len() == 4, "{report:?}");
    if let Some(path) = golden(&format!("{trace}{ending}.rows.jsonl")) {
        let expected = lines(&path).map(|line| line + "\n").collect::<String>();
        assert!(rows_text(store) == expected, "the rows at the end differ");
    }
}

macro_rules! traces {
    ($($test:ident: $trace:literal, $mode:ident;)*) => {$(
        #[test]
        fn $test() {
            run($trace, AccountRows::$mode);
        }
    )*};
}
traces! {
    edge: "edge", Keep;
    mixed: "mixed", Keep;
    accounts: "accounts", Keep;
    wide: "wide", Keep;
    balances: "balances", Keep;
    balances_prune_empty: "balances", PruneEmpty;
    metakeys: "metakeys", Keep;
    mainnet: "mainnet", Keep;
    mainnet_prune_empty: "mainnet", PruneEmpty;
}

/// Every block by an overlay, beside a sibling that loses, and the last ones undone and done again.
#[test]
fn overlays_and_undo_give_the_same_roots() {
    let expected = expected_roots("edge");
    let blocks: Vec<_> = parts("edge").collect();
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(folder.path().join("store"), &small()).unwrap();
    let half = expected.len() / 2;
    for round in 0..2 {
        for &(version, roots) in &expected[if round == 0 { 0 } else { half }..] {
            let (mut rival, mut block) = (store.overlay().unwrap(), store.overlay().unwrap());
            rival.apply(flatkv::Block::new().set_nonce(&[0x77; 20], version as u64)).unwrap();
            for part in blocks.iter().filter(|part| part.version == version) {
                block.apply(&part.changes).unwrap();
            }
            assert_eq!(block.working_roots().unwrap(), roots, "{version}");
            assert_ne!(rival.working_roots().unwrap(), roots);
            assert_eq!(store.commit_overlay(&mut block, version).unwrap(), roots, "{version}");
        }
        let (version, roots) = expected[half - 1];
        store.rollback(version).unwrap();
        assert_eq!((store.version(), store.committed_roots().unwrap()), (version, roots));
    }
}
