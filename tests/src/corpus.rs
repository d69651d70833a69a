//! Inputs for the fuzz targets: small files in `tests/fuzz/TARGET`, each named by what it is, and what becomes of them
//! by a few random changes. With the same seed the changes are the same.

use std::fs;

use data::util::rand::Rng;

/// No input grows beyond this, in bytes: all of them together must be cheap.
const MAX_LEN: usize = 80_000;

/// The inputs of one target.
pub struct Corpus {
    /// Name and content of each file, by name.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Corpus {
    /// Reads the files of a target.
    ///
    /// # Panics
    /// There are none.
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

    /// Runs `target` over every file, and over `mutants` changed ones. A failure names the input.
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

    /// One of the files after one to four changes.
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
            // A bit flips.
            0 | 1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.below(8);
                }
            }
            // It goes on as another file does.
            2 => {
                let other = self.pick(rng);
                let from = rng.below(other.len() as u64 + 1) as usize;
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
            // It ends early.
            3 => bytes.truncate(at),
            // A piece comes several times.
            4 => {
                let end = (at + rng.below(16) as usize).min(bytes.len());
                let piece = bytes[at..end].repeat(1 + rng.below(8) as usize);
                bytes.splice(at..at, piece);
            }
            // A byte that was not there.
            _ => bytes.insert(at, rng.next_u64() as u8),
        }
    }
}

/// Tells, when a target panics, on which input.
struct Named<'a>(&'a str, &'a [u8]);

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let shown = &self.1[..self.1.len().min(2000)];
            eprintln!("--- the input was {}: {}", self.0, shown.escape_ascii());
        }
    }
}
