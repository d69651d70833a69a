//! The certificates of the authorities that are trusted.
//!
//! Those of a file are read once, and what is trusted, described and part of the digest is the same text. Those of a directory
//! are looked up by OpenSSL, under their hashed names, when it verifies a peer; here they are read for the digest and the
//! description.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use openssl::sha::Sha256;
use openssl::ssl::SslContextBuilder;
use openssl::x509::X509;

use crate::error::ConnError;
use crate::tls::file::{certificates, entries, failure, read, refusal};
use crate::tls::info::{CertInfo, CertRole};

/// The authorities that a file and a directory name.
pub(super) struct Trusted {
    file: Option<String>,
    dir: Option<String>,
    /// Those of the file.
    certs: Vec<X509>,
    content: Vec<u8>,
    /// The directory's files, under their paths.
    dir_files: BTreeMap<PathBuf, DirFile>,
}

/// A file of the directory. One that cannot be read has no content, and OpenSSL does not trust it either; what is not a
/// certificate is no error.
struct DirFile {
    content: Vec<u8>,
    certs: Vec<X509>,
}

impl Trusted {
    /// Reads them.
    ///
    /// # Errors
    /// A sentence that names the file or the directory.
    pub(super) fn load(file: Option<&str>, dir: Option<&str>) -> Result<Self, ConnError> {
        let content = file.map_or(Ok(Vec::new()), read)?;
        let certs = match file {
            Some(file) => certificates(file, &content)?,
            None => Vec::new(),
        };
        let mut dir_files = BTreeMap::new();
        for path in dir.map_or(Ok(Vec::new()), entries)? {
            refuse_pipe(&path)?;
            if path.is_file() {
                let content = read(&path).unwrap_or_default();
                let certs = X509::stack_from_pem(&content).unwrap_or_default();
                dir_files.insert(path, DirFile { content, certs });
            }
        }
        Ok(Self {
            file: file.map(str::to_owned),
            dir: dir.map(str::to_owned),
            certs,
            content,
            dir_files,
        })
    }

    /// Has a context trust them.
    pub(super) fn install(&self, builder: &mut SslContextBuilder) -> Result<(), ConnError> {
        for cert in &self.certs {
            let added = builder.cert_store_mut().add_cert(cert.clone());
            added.map_err(|stack| failure(self.file.as_deref().unwrap_or_default(), &stack))?;
        }
        let Some(dir) = self.dir.as_deref() else {
            return Ok(());
        };
        builder
            .load_verify_locations(None, Some(Path::new(dir)))
            .map_err(|stack| failure(dir, &stack))
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<&X509> {
        let of_dir = self.dir_files.values().flat_map(|file| &file.certs);
        self.certs.iter().chain(of_dir).collect()
    }

    /// Adds the trusted certificates to a digest, which does not depend on where they are and when they were written.
    pub(super) fn digest(&self, digest: &mut Sha256) {
        digest.update(&self.content);
        let contents: BTreeSet<&Vec<u8>> =
            self.dir_files.values().map(|file| &file.content).collect();
        for content in contents {
            digest.update(content);
        }
    }

    /// Describes them.
    pub(super) fn describe(&self) -> Vec<CertInfo> {
        let describe = |file: &str, certs: &[X509]| -> Vec<CertInfo> {
            let info = |cert: &X509| CertInfo::new(CertRole::Ca, file, cert);
            certs.iter().map(info).collect()
        };
        let mut infos = describe(self.file.as_deref().unwrap_or_default(), &self.certs);
        // A link may be the hashed name of a file next to it, or the only way to a file elsewhere: each
        // file is described once, under its own path.
        let target = |(path, file)| Some((fs::canonicalize(path).ok()?, file));
        let targets: BTreeMap<PathBuf, &DirFile> =
            self.dir_files.iter().filter_map(target).collect();
        for (path, file) in targets {
            infos.extend(describe(&path.display().to_string(), &file.certs));
        }
        infos
    }
}

/// Refuses a pipe that OpenSSL would find: it opens what has a hashed name when it verifies a peer, on the thread of
/// the loop, and waits for somebody who writes to it.
fn refuse_pipe(path: &Path) -> Result<(), ConnError> {
    let is_pipe = fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo());
    let name = path.file_name().unwrap_or_default();
    if is_pipe && is_hashed(name.as_bytes()) {
        let path = path.display().to_string();
        return Err(refusal(&path, "a pipe in the place of a certificate"));
    }
    Ok(())
}

/// Whether a name is one under which OpenSSL looks for certificates or revocation lists: `1a2b3c4d.0`, `1a2b3c4d.r0`.
fn is_hashed(name: &[u8]) -> bool {
    let (hash, rest) = name.split_at(name.len().min(8));
    hash.len() == 8 && hash.iter().all(u8::is_ascii_hexdigit) && rest.first() == Some(&b'.')
}
