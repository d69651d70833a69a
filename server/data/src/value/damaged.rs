//! A value that came damaged and was let in all the same, kept as the bytes that came.
//!
//! With `sanitize-dump-payload no` RESTORE looks at the frames of a payload and not at the elements inside, and so takes
//! what a full check would refuse. Redis then stops when a command meets the damage. Here the full check is made in any
//! case; what it refuses becomes such a value, which no command can look into. It can be deleted, renamed, copied, dumped
//! and given a time to live, and it reports the type and the encoding it would have.
//!
//! Invariant: nothing reads the bytes but whoever hands them on.

use crate::value::{Encoding, Type};

/// Bytes that are no sound value.
#[derive(Clone, Default)]
pub struct Damaged(Box<Parts>);

#[derive(Clone, Default)]
struct Parts {
    ty: Type,
    encoding: Encoding,
    payload: Vec<u8>,
}

impl Damaged {
    /// What claims to be of a type and an encoding; `payload` begins with the code of both.
    pub fn new(ty: Type, encoding: Encoding, payload: Vec<u8>) -> Self {
        Damaged(Box::new(Parts {
            ty,
            encoding,
            payload,
        }))
    }

    /// The type that it would be of.
    pub fn ty(&self) -> Type {
        self.0.ty
    }

    /// The code of type and encoding, and the rest, as they came.
    pub fn payload(&self) -> &[u8] {
        &self.0.payload
    }

    /// One: how many elements there would be is not to be believed.
    pub fn len(&self) -> usize {
        1
    }

    /// Whether there is nothing: never.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The encoding that it would have.
    pub fn encoding(&self) -> Encoding {
        self.0.encoding
    }

    /// Nothing to verify: nobody reads the bytes. For the same interface as the other values.
    pub fn check(&self) {}

    /// Bytes that it takes.
    pub fn memory(&self, _samples: usize) -> usize {
        size_of::<Parts>() + self.0.payload.capacity()
    }
}
