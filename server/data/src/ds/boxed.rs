//! Boxed records as elements of a hash table: any record that contains its key.
//!
//! The entries and fields of the keyspace have layouts of their own. What the server keeps by a name that clients choose
//! (channels, patterns, tracked keys, scripts) is an ordinary struct, and this file makes a table of such structs possible.

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;

use crate::ds::table::Element;
use crate::util::hash::hash;

/// A record that contains its key. The key does not change while the record is in a table.
pub trait Keyed {
    /// The key.
    fn key(&self) -> &[u8];
}

impl Keyed for Arc<[u8]> {
    fn key(&self) -> &[u8] {
        self
    }
}

/// An owned record.
#[derive(Debug)]
pub struct Boxed<T>(pub Box<T>);

impl<T> Boxed<T> {
    /// Addresses in a table are multiples of 8, and differ from one another.
    const HAS_USABLE_ADDRESS: () = assert!(align_of::<T>() >= 8 && size_of::<T>() > 0);
}

// SAFETY: the address is that of a box: it comes from the allocator (below 2^47), is a multiple of 8 as asserted when
// `into_raw` is compiled, and stays the same from `into_raw` to `from_raw`.
unsafe impl<T: Keyed + 'static> Element for Boxed<T> {
    type Ref<'a> = &'a T;

    fn into_raw(self) -> NonNull<u8> {
        let () = Self::HAS_USABLE_ADDRESS;
        NonNull::from(Box::leak(self.0)).cast()
    }

    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        // SAFETY: by the contract of the function, the address is that of a leaked box which nobody else takes back.
        Boxed(unsafe { Box::from_raw(raw.cast::<T>().as_ptr()) })
    }

    #[inline(always)]
    unsafe fn borrow<'a>(raw: NonNull<u8>) -> &'a T {
        // SAFETY: by the contract of the function, the box lives and is not mutated during `'a`.
        unsafe { raw.cast::<T>().as_ref() }
    }

    fn hash(element: &T) -> u64 {
        hash(element.key())
    }
}
