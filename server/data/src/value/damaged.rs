//! A value from a corrupt payload that was accepted without a deep check, kept as the original bytes.
//!
//! With `sanitize-dump-payload no`, RESTORE inspects the frames of a payload but not the elements inside, so it
//! accepts payloads that a deep check refuses; Redis then crashes when a command reads the corrupt part. Here the deep
//! check always runs, and what it refuses becomes such a value, which no command can read. It can be deleted, renamed,
//! copied, dumped and given an expiry, and it reports the type and the encoding that it claims.
//!
//! Invariant: the bytes are never interpreted, only copied to a DUMP or an RDB file.

use crate::ds::relocation::{Relocator, relocate_box, relocate_vec};
use crate::value::{Encoding, Type};

/// The bytes of a corrupt value.
#[derive(Clone, Default)]
pub struct Damaged(Box<Parts>);

#[derive(Clone, Default)]
struct Parts {
    ty: Type,
    encoding: Encoding,
    payload: Vec<u8>,
}

impl Damaged {
    /// A value that claims to have a type and an encoding; `payload` begins with the type code of the RDB format.
    pub fn new(ty: Type, encoding: Encoding, payload: Vec<u8>) -> Self {
        Damaged(Box::new(Parts {
            ty,
            encoding,
            payload,
        }))
    }

    /// The type that it claims.
    pub fn ty(&self) -> Type {
        self.0.ty
    }

    /// The RDB type code and the rest of the payload, unchanged.
    pub fn payload(&self) -> &[u8] {
        &self.0.payload
    }

    /// Always 1: the claimed number of elements cannot be trusted.
    pub fn len(&self) -> usize {
        1
    }

    /// Always false.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The encoding that it claims.
    pub fn encoding(&self) -> Encoding {
        self.0.encoding
    }

    /// Moves the allocations. Returns 0: it is done at once.
    pub fn relocate(&mut self, _cursor: u64, _count: usize, relocator: &mut dyn Relocator) -> u64 {
        relocate_box(&mut self.0, relocator, Parts::default);
        relocate_vec(&mut self.0.payload, relocator);
        0
    }

    /// Does nothing, since the bytes are never interpreted; exists for the common interface of aggregates.
    pub fn check(&self) {}

    /// Size of the payload.
    pub fn memory(&self, _samples: usize) -> usize {
        size_of::<Parts>() + self.0.payload.capacity()
    }
}
