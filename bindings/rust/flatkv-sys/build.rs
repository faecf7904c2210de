// SPDX-License-Identifier: Apache-2.0
//! Finds the library, or builds it. The first of these that applies:
//!
//! 1. `FLATKV_LIB_DIR` names the folder with `libflatkv.so` or `libflatkv.a`.
//! 2. `pkg-config` knows an installed `flatkv` of this version.
//! 3. The crate lies in FlatKV's sources: CMake builds the static library from them.
//!
//! `FLATKV_STATIC=1` prefers the static library in 1 and 2.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    for name in ["FLATKV_LIB_DIR", "FLATKV_STATIC", "PKG_CONFIG_PATH"] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    println!("cargo:rerun-if-changed=build.rs");
    if env::var_os("DOCS_RS").is_some() {
        return; // rustdoc links nothing
    }
    if let Some(folder) = env::var_os("FLATKV_LIB_DIR") {
        link_from(Path::new(&folder));
    } else if let Some(folder) = installed() {
        link_from(&folder);
    } else {
        link_static(&build_from_sources());
    }
}

fn link_from(folder: &Path) {
    let shared = folder.join("libflatkv.so");
    let wants_static = env::var("FLATKV_STATIC").is_ok_and(|value| value == "1");
    if shared.exists() && !wants_static {
        link_shared(folder, &shared);
    } else if folder.join("libflatkv.a").exists() {
        link_static(folder);
    } else {
        panic!("there is neither libflatkv.so nor libflatkv.a in {}", folder.display());
    }
}

/// Cargo lets programs that it runs find shared libraries in folders that a build script searches,
/// if they are in the target folder. So the library gets links there.
fn link_shared(folder: &Path, shared: &Path) {
    println!("cargo:rerun-if-changed={}", shared.display());
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    for entry in fs::read_dir(folder).expect("the folder of the library can be read").flatten() {
        if !entry.file_name().to_string_lossy().starts_with("libflatkv.so") {
            continue;
        }
        let link = out.join(entry.file_name());
        let _ = fs::remove_file(&link);
        let target = fs::canonicalize(entry.path()).expect("the library is there");
        std::os::unix::fs::symlink(target, &link).expect("a link in OUT_DIR");
    }
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=dylib=flatkv");
}

fn link_static(folder: &Path) {
    println!("cargo:rerun-if-changed={}", folder.join("libflatkv.a").display());
    println!("cargo:rustc-link-search=native={}", folder.display());
    println!("cargo:rustc-link-lib=static=flatkv");
    for needed in ["rocksdb", "tbb", "zstd", "stdc++", "m"] {
        println!("cargo:rustc-link-lib=dylib={needed}");
    }
}

/// The folder of the installed library, if pkg-config knows one of this version: before 1.0 a
/// minor version may change the interface.
fn installed() -> Option<PathBuf> {
    let (major, minor) = (env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"));
    let next = minor.parse::<u32>().expect("a version is made of numbers") + 1;
    let (from, below) = (format!("flatkv >= {major}.{minor}"), format!("flatkv < {major}.{next}"));
    pkg_config(&["--exists", &from, &below])?;
    let folder = PathBuf::from(pkg_config(&["--variable=libdir", "flatkv"])?.trim());
    folder.is_dir().then_some(folder)
}

fn pkg_config(arguments: &[&str]) -> Option<String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".into());
    let answer = Command::new(program).args(arguments).output().ok()?;
    if answer.status.success() { String::from_utf8(answer.stdout).ok() } else { None }
}

fn build_from_sources() -> PathBuf {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = here.join("../../..");
    assert!(
        root.join("include/flatkv/flatkv.h").exists(),
        "FlatKV was not found: set FLATKV_LIB_DIR to the folder of libflatkv.so, or install it so \
         that `pkg-config --libs flatkv` works"
    );
    for part in ["src", "include", "cmake", "CMakeLists.txt"] {
        println!("cargo:rerun-if-changed={}", root.join(part).display());
    }
    let tree = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("tree");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&root).arg("-B").arg(&tree).arg("-DCMAKE_BUILD_TYPE=Release");
    for off in ["CLI", "CLUSTER", "TESTS", "SHARED", "INSTALL", "WERROR"] {
        configure.arg(format!("-DFLATKV_{off}=OFF"));
    }
    run(&mut configure);
    let jobs = env::var("NUM_JOBS").unwrap_or_else(|_| "1".into());
    let mut build = Command::new("cmake");
    build.arg("--build").arg(&tree).args(["--target", "flatkv", "--parallel", &jobs]);
    run(&mut build);
    tree
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        status.success(),
        "{command:?} failed; `scripts/bootstrap build` installs what FlatKV is built with"
    );
}
