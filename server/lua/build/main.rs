//! Compiles Lua 5.1 from the sources of the crate `lua-src`, with the edits of `edits.rs`.
//!
//! The sources are copied to the output folder and changed there. An edit whose text is not found exactly as often as
//! it says fails the build, so a new version of the crate cannot lose one in silence.

mod edits;

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use edits::EDITS;

/// Files that are not compiled: the libraries that reach outside of the interpreter, and the loader of modules.
const LEFT_OUT: [&str; 5] = ["linit.c", "liolib.c", "ldblib.c", "loadlib.c", "loslib.c"];

fn main() {
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let copy = out.join("lua");
    let _ = fs::remove_dir_all(&copy);
    fs::create_dir_all(&copy).expect("the output folder is writable");
    let mut sources = Vec::new();
    for entry in fs::read_dir(source_folder()).expect("the sources of lua-src are there") {
        let path = entry.expect("a folder entry").path();
        let name = path.file_name().and_then(OsStr::to_str).expect("a name");
        let text = fs::read_to_string(&path).expect("a source file");
        fs::write(copy.join(name), edited(name, text)).expect("the output folder is writable");
        if name.ends_with(".c") && !LEFT_OUT.contains(&name) {
            sources.push(copy.join(name));
        }
    }
    sources.sort();
    let mut build = cc::Build::new();
    build
        .files(sources)
        .include(&copy)
        .warnings(false)
        .opt_level(2)
        // Both measured: -O3 and a frame pointer cost the virtual machine up to 3 % more instructions.
        .force_frame_pointer(false)
        // Integers of C overflow as they do in the sources' mind: by wrapping around.
        .flag("-fwrapv")
        .define("LUA_ANSI", None);
    // tests/sanitize sets it.
    if env::var_os("CARGO_CFG_ASAN").is_some() {
        build.flag("-fsanitize=address");
    }
    build.compile("lua_edited");
    // The math library.
    println!("cargo::rustc-link-lib=m");
}

/// A source file with the edits that belong to it.
fn edited(name: &str, mut text: String) -> String {
    for edit in EDITS
        .iter()
        .copied()
        .flatten()
        .filter(|edit| edit.file == name)
    {
        let found = text.matches(edit.old).count();
        assert_eq!(found, edit.times, "{name}: {:?}", edit.old);
        text = text.replace(edit.old, edit.new);
    }
    text
}

/// The folder of Lua 5.1 in the package `lua-src`, wherever cargo keeps it.
fn source_folder() -> PathBuf {
    let cargo = env::var_os("CARGO").expect("cargo sets it");
    let target = env::var_os("TARGET").expect("cargo sets it");
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked"])
        // Packages of other platforms are not needed; what is missing of the others is fetched.
        .arg("--filter-platform")
        .arg(target)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("cargo metadata writes JSON");
    let packages = metadata["packages"].as_array().expect("a list of packages");
    let package = packages.iter().find(|package| package["name"] == "lua-src");
    let manifest = package.and_then(|package| package["manifest_path"].as_str());
    let manifest = Path::new(manifest.expect("lua-src is a dependency"));
    manifest.parent().expect("a folder").join("lua-5.1.5")
}
