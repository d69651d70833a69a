//! The manifest of the append-only file on disk.
//!
//! It is replaced as a whole: a complete new file is synced and renamed over the old one, and then the directory is synced.
//! At any moment the directory holds one complete manifest or none.
//!
//! All paths are relative to the working directory. The errors are Redis's log lines; the caller logs them, or exits with
//! them.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::state::aof::manifest::{Invalid, Manifest, manifest_name, temp_manifest_name};
use crate::sys::directory;
use crate::sys::host::reason;
use crate::{debug, warning};

/// Permissions of the directory, before the process's mask applies.
const DIRECTORY_MODE: u32 = 0o755;

/// Reads the manifest of the append-only files `file` (`appendfilename`) in `dir` (`appenddirname`). Without one the
/// result is empty.
///
/// # Errors
/// The reason why the server cannot start. Where it was found has been logged.
pub fn load(dir: &str, file: &str) -> Result<Manifest, String> {
    if !Path::new(dir).is_dir() {
        debug!("The AOF directory {dir} doesn't exist");
        return Ok(Manifest::default());
    }
    let name = manifest_name(file);
    let path = Path::new(dir).join(&name);
    // Any other error must end the server: without its manifest it would start empty and overwrite the files.
    if matches!(path.try_exists(), Ok(false)) {
        debug!("The AOF manifest file {name} doesn't exist");
        return Ok(Manifest::default());
    }
    read(&path)
}

/// Reads a manifest.
///
/// # Errors
/// The reason. Where it was found has been logged.
pub fn read(path: &Path) -> Result<Manifest, String> {
    let text = fs::read(path).map_err(|error| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        format!(
            "Fatal error: can't open the AOF manifest file {name} for reading: {}",
            reason(&error)
        )
    })?;
    Manifest::parse(&text).map_err(|invalid| describe(&invalid))
}

/// Logs where a manifest is invalid; returns why.
fn describe(invalid: &Invalid) -> String {
    warning!("\n*** FATAL AOF MANIFEST FILE ERROR ***\n");
    if let Some((number, line)) = &invalid.line {
        warning!("Reading the manifest file, at line {number}\n");
        warning!(">>> '{line}'\n");
    }
    format!("{}\n", invalid.reason)
}

/// Creates the directory of append-only files if it does not exist, and syncs its parent: otherwise a crash would lose the
/// directory with everything that is synced in it later.
///
/// # Errors
/// A sentence.
pub fn make_directory(dir: &str) -> Result<(), String> {
    let made = match DirBuilder::new().mode(DIRECTORY_MODE).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if Path::new(dir).is_dir() {
                Ok(())
            } else {
                Err("Not a directory".to_owned())
            }
        }
        made => made
            .and_then(|()| directory::sync(directory::parent(Path::new(dir))))
            .map_err(|error| reason(&error)),
    };
    made.map_err(|why| format!("Can't open or create append-only dir {dir}: {why}"))
}

/// Why a manifest was not written.
#[derive(Debug)]
pub struct Unsaved {
    /// The reason.
    pub sentence: String,
    /// The new manifest has replaced the old one, but may not be durable: the files of both must stay.
    pub is_replaced: bool,
}

impl From<Unsaved> for String {
    fn from(unsaved: Unsaved) -> Self {
        unsaved.sentence
    }
}

/// Writes the manifest if it differs from the one on disk, which it replaces.
///
/// # Errors
/// See [`Unsaved`]; `manifest` stays dirty.
pub fn save(dir: &str, file: &str, manifest: &mut Manifest) -> Result<(), Unsaved> {
    if !manifest.dirty {
        return Ok(());
    }
    replace(dir, file, &manifest.encode())?;
    manifest.dirty = false;
    Ok(())
}

fn replace(dir: &str, file: &str, text: &str) -> Result<(), Unsaved> {
    let unsaved = |is_replaced| {
        move |sentence| Unsaved {
            sentence,
            is_replaced,
        }
    };
    rename_over(dir, file, text).map_err(unsaved(false))?;
    sync_directory(dir).map_err(unsaved(true))
}

/// Writes a new file and renames it over the old one.
fn rename_over(dir: &str, file: &str, text: &str) -> Result<(), String> {
    let (name, temp) = (manifest_name(file), temp_manifest_name(file));
    let (path, temp_path) = (Path::new(dir).join(&name), Path::new(dir).join(&temp));
    let mut out = File::create(&temp_path).map_err(|error| {
        let why = reason(&error);
        format!("Can't open the AOF manifest file {temp}: {why}")
    })?;
    let renamed = out
        .write_all(text.as_bytes())
        .map_err(|error| {
            let why = reason(&error);
            format!("Error trying to write the temporary AOF manifest file {temp}: {why}")
        })
        .and_then(|()| {
            out.sync_all().map_err(|error| {
                let why = reason(&error);
                format!("Fail to fsync the temp AOF file {temp}: {why}.")
            })
        })
        .and_then(|()| {
            fs::rename(&temp_path, &path).map_err(|error| {
                let why = reason(&error);
                format!(
                    "Error trying to rename the temporary AOF manifest file {temp} into {name}: {why}"
                )
            })
        });
    if renamed.is_err() {
        let _ = fs::remove_file(&temp_path);
    }
    renamed
}

/// Syncs the directory of append-only files.
///
/// # Errors
/// A sentence.
pub fn sync_directory(dir: &str) -> Result<(), String> {
    directory::sync(Path::new(dir))
        .map_err(|error| format!("Fail to fsync AOF directory {dir}: {}.", reason(&error)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{load, make_directory, save};
    use crate::state::aof::manifest::Manifest;

    /// A folder that is removed at the end of the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let name = format!("aof-manifest-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            Folder(path)
        }

        fn dir(&self) -> &str {
            self.0.to_str().expect("UTF-8")
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn some() -> Manifest {
        let mut manifest = Manifest::default();
        manifest.next_base("a", true);
        manifest.next_incr("a");
        manifest
    }

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = Folder::new("saved");
        let dir = folder.dir();
        assert_eq!(load(dir, "a"), Ok(Manifest::default()));
        for _ in 0..2 {
            assert_eq!(make_directory(dir), Ok(()));
        }
        assert_eq!(load(dir, "a"), Ok(Manifest::default()));
        let mut manifest = some();
        assert!(save(dir, "a", &mut manifest).is_ok());
        assert!(!manifest.dirty);
        assert_eq!(load(dir, "a"), Ok(manifest.clone()));
        let names: Vec<_> = fs::read_dir(dir).expect("there").collect();
        assert_eq!(names.len(), 1, "{names:?}");
        // A clean manifest is not written again.
        fs::remove_file(folder.0.join("a.manifest")).expect("there");
        assert!(save(dir, "a", &mut manifest).is_ok());
        assert!(!folder.0.join("a.manifest").exists());
    }

    #[test]
    fn failures_are_told_and_keep_the_old_file() {
        let folder = Folder::new("failures");
        let dir = folder.dir();
        let mut manifest = some();
        let told = save(dir, "a", &mut manifest);
        let expected =
            "Can't open the AOF manifest file temp-a.manifest: No such file or directory";
        assert_eq!(told.map_err(String::from), Err(expected.to_owned()));
        fs::create_dir_all(folder.0.join("a.manifest/x")).expect("free");
        let expected = "Error trying to rename the temporary AOF manifest file temp-a.manifest into a.manifest: \
                        Is a directory";
        let told = save(dir, "a", &mut manifest);
        assert_eq!(told.map_err(String::from), Err(expected.to_owned()));
        assert!(manifest.dirty);
        assert!(!folder.0.join("temp-a.manifest").exists());
        fs::write(folder.0.join("b.manifest"), "\n").expect("free");
        let expected = "Invalid AOF manifest file format\n";
        assert_eq!(load(dir, "b"), Err(expected.to_owned()));
        let expected =
            format!("Can't open or create append-only dir {dir}/b.manifest: Not a directory");
        assert_eq!(make_directory(&format!("{dir}/b.manifest")), Err(expected));
    }
}
