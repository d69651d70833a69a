//! Inputs for the fuzz targets: small files in `tests/fuzz/TARGET`, each named after what it contains, and random
//! mutations of them. The same seed gives the same mutations.

use std::fs;

use data::util::rand::Rng;

/// No input grows beyond this size, in bytes, so that a run stays cheap.
const MAX_LEN: usize = 80_000;

/// The seed inputs of one target.
pub struct Corpus {
    /// Name and content of each file, sorted by name.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Corpus {
    /// Reads the files of a target.
    ///
    /// # Panics
    /// If there are none.
    pub fn load(target: &str) -> Self {
        let folder = crate::root().join("tests/fuzz").join(target);
        let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| {
                let path = entry.expect("readable").path();
                let name = path
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                (name, fs::read(&path).expect("readable"))
            })
            .collect();
        assert!(!files.is_empty(), "no inputs in {}", folder.display());
        files.sort();
        Corpus { files }
    }

    /// Runs `target` over every file and over `mutants` mutated ones. If it panics, the input is printed.
    pub fn run(&self, seed: u64, mutants: usize, mut target: impl FnMut(&[u8], &mut Rng)) {
        let mut rng = Rng::new(seed);
        for (name, bytes) in &self.files {
            let _named = Named(name, bytes);
            target(bytes, &mut rng);
        }
        for _ in 0..mutants {
            let bytes = self.mutant(&mut rng);
            let _named = Named("a mutant", &bytes);
            target(&bytes, &mut rng);
        }
    }

    fn pick(&self, rng: &mut Rng) -> &[u8] {
        &self.files[rng.below(self.files.len() as u64) as usize].1
    }

    /// A file with one to four mutations.
    fn mutant(&self, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.pick(rng).to_vec();
        for _ in 0..=rng.below(4) {
            self.change(&mut bytes, rng);
        }
        bytes.truncate(MAX_LEN);
        bytes
    }

    fn change(&self, bytes: &mut Vec<u8>, rng: &mut Rng) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(6) {
            // Flip a bit.
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
            // Splice in the tail of another file.
            2 => {
                let other = self.pick(rng);
                let from = rng.below(other.len() as u64 + 1) as usize;
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            // Truncate.
            3 => bytes.truncate(at),
            // Repeat a piece.
            4 => {
                let end = (at + rng.below(16) as usize).min(bytes.len());
                let piece = bytes[at..end].repeat(1 + rng.below(8) as usize);
                bytes.splice(at..at, piece);
            }
            // Insert a byte.
            _ => bytes.insert(at, rng.next_u64() as u8),
        }
    }
}

/// Prints the input if the target panics on it.
struct Named<'a>(&'a str, &'a [u8]);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = &self.1[..self.1.len().min(2000)];
            eprintln!("--- the input was {}: {}", self.0, shown.escape_ascii());
        }
    }
}
