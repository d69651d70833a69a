//! Values of many elements, as one kind: owned, borrowed, and by their type.
//!
//! An aggregate lies in its entry as at most [`MAX_SIZE`] bytes, an enum over thin pointers; what it points to is known to
//! the file of its type alone.

use std::fmt;

use crate::value::damaged::Damaged;
use crate::value::hash::Hash;
use crate::value::list::List;
use crate::value::set::Set;
use crate::value::stream::Stream;
use crate::value::zset::Zset;
use crate::value::{Encoding, Type};

/// Bytes that an aggregate may take in its entry, at an alignment of 8.
pub const MAX_SIZE: usize = 16;

/// A type that can be the value of a key.
pub trait Kind: Sized + Clone + Default + Send + 'static {
    /// Its type.
    const TYPE: Type;

    /// The value, if it is of this type.
    fn of(value: AggregateRef<'_>) -> Option<&Self>;

    /// The value, if it is of this type, to be changed.
    fn of_mut(value: AggregateMut<'_>) -> Option<&mut Self>;

    /// It as one of all.
    fn wrap(self) -> Aggregate;
}

/// Names the types once for all that is the same for each of them.
macro_rules! aggregates {
    ($($kind:ident),*) => {
        /// An aggregate, owned.
        #[derive(Clone)]
        pub enum Aggregate {
            $(#[doc = concat!("A value of type ", stringify!($kind), ".")] $kind($kind)),*
        }

        /// An aggregate, borrowed from its entry.
        #[derive(Clone, Copy)]
        pub enum AggregateRef<'a> {
            $(#[doc = concat!("A value of type ", stringify!($kind), ".")] $kind(&'a $kind)),*
        }

        /// An aggregate, borrowed from its entry to be changed.
        pub enum AggregateMut<'a> {
            $(#[doc = concat!("A value of type ", stringify!($kind), ".")] $kind(&'a mut $kind)),*
        }

        impl Aggregate {
            /// It, borrowed.
            pub fn view(&self) -> AggregateRef<'_> {
                match self {
                    $(Aggregate::$kind(own) => AggregateRef::$kind(own)),*
                }
            }
        }

        impl AggregateRef<'_> {
            /// Its type.
            pub fn ty(self) -> Type {
                match self {
                    $(AggregateRef::$kind(_) => Type::$kind),*
                }
            }

            /// How many elements it has.
            pub fn len(self) -> usize {
                match self {
                    $(AggregateRef::$kind(own) => own.len()),*
                }
            }

            /// Whether it has none.
            pub fn is_empty(self) -> bool {
                self.len() == 0
            }

            /// The encoding that OBJECT ENCODING names.
            pub fn encoding(self) -> Encoding {
                match self {
                    $(AggregateRef::$kind(own) => own.encoding()),*
                }
            }

            /// Bytes that it takes beyond its entry, estimated from `samples` elements; 0 looks at all.
            pub fn memory(self, samples: usize) -> usize {
                match self {
                    $(AggregateRef::$kind(own) => own.memory(samples)),*
                }
            }

            /// Verifies its structure; panics when something is wrong. For tests.
            pub fn check(self) {
                match self {
                    $(AggregateRef::$kind(own) => own.check()),*
                }
            }

            /// A copy of it.
            pub fn to_owned(self) -> Aggregate {
                match self {
                    $(AggregateRef::$kind(own) => Aggregate::$kind(own.clone())),*
                }
            }
        }

        $(
            const _: () = assert!(size_of::<$kind>() <= MAX_SIZE && align_of::<$kind>() <= 8);

            impl Kind for $kind {
                const TYPE: Type = Type::$kind;

                fn of(value: AggregateRef<'_>) -> Option<&Self> {
                    match value {
                        AggregateRef::$kind(own) => Some(own),
                        _ => None,
                    }
                }

                fn of_mut(value: AggregateMut<'_>) -> Option<&mut Self> {
                    match value {
                        AggregateMut::$kind(own) => Some(own),
                        _ => None,
                    }
                }

                fn wrap(self) -> Aggregate {
                    Aggregate::$kind(self)
                }
            }
        )*
    };
}

aggregates!(List, Set, Zset, Hash, Stream, Damaged);

impl fmt::Debug for Aggregate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl fmt::Debug for AggregateRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} of {} ({})",
            self.ty().name(),
            self.len(),
            self.encoding().name()
        )
    }
}
