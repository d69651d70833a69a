//! Values with elements (all types but string) as one type: owned, borrowed, and by their type code.
//!
//! An aggregate is stored in its entry in at most [`MAX_SIZE`] bytes, as an enum over thin pointers; only the module
//! of its type knows what it points to.

use std::fmt;

use crate::ds::relocation::Relocator;
use crate::value::damaged::Damaged;
use crate::value::hash::Hash;
use crate::value::list::List;
use crate::value::set::Set;
use crate::value::stream::Stream;
use crate::value::zset::Zset;
use crate::value::{Encoding, Type};

/// Maximum size of an aggregate in its entry, with an alignment of 8.
pub const MAX_SIZE: usize = 16;

/// A type of aggregate.
pub trait Kind: Sized + Clone + Default + Send + 'static {
    /// Its type code.
    const TYPE: Type;

    /// The value, if it is of this type.
    fn of(value: AggregateRef<'_>) -> Option<&Self>;

    /// The value for modification, if it is of this type.
    fn of_mut(value: AggregateMut<'_>) -> Option<&mut Self>;

    /// Wraps the value in the enum of all types.
    fn wrap(self) -> Aggregate;
}

/// Lists the types once and generates everything that is the same for each of them.
macro_rules! aggregates {
    ($($kind:ident),*) => {
        /// An owned aggregate.
        #[derive(Clone)]
        pub enum Aggregate {
            $(#[doc = concat!("A value of type ", stringify!($kind), ".")] $kind($kind)),*
        }

        /// An aggregate borrowed from its entry.
        #[derive(Clone, Copy)]
        pub enum AggregateRef<'a> {
            $(#[doc = concat!("A value of type ", stringify!($kind), ".")] $kind(&'a $kind)),*
        }

        /// An aggregate mutably borrowed from its entry.
        pub enum AggregateMut<'a> {
            $(#[doc = concat!("A value of type ", stringify!($kind), ".")] $kind(&'a mut $kind)),*
        }

        impl Aggregate {
            /// Borrows the aggregate.
            pub fn view(&self) -> AggregateRef<'_> {
                match self {
                    $(Aggregate::$kind(own) => AggregateRef::$kind(own)),*
                }
            }
        }

        impl AggregateRef<'_> {
            /// Its type code.
            pub fn ty(self) -> Type {
                match self {
                    $(AggregateRef::$kind(_) => Type::$kind),*
                }
            }

            /// Number of elements.
            pub fn len(self) -> usize {
                match self {
                    $(AggregateRef::$kind(own) => own.len()),*
                }
            }

            /// Whether it has no elements.
            pub fn is_empty(self) -> bool {
                self.len() == 0
            }

            /// The encoding that OBJECT ENCODING reports.
            pub fn encoding(self) -> Encoding {
                match self {
                    $(AggregateRef::$kind(own) => own.encoding()),*
                }
            }

            /// Memory beyond the entry, estimated from `samples` elements; 0 visits all of them.
            pub fn memory(self, samples: usize) -> usize {
                match self {
                    $(AggregateRef::$kind(own) => own.memory(samples)),*
                }
            }

            /// Verifies the structure; panics on a violation. For tests.
            pub fn check(self) {
                match self {
                    $(AggregateRef::$kind(own) => own.check()),*
                }
            }

            /// A deep copy.
            pub fn to_owned(self) -> Aggregate {
                match self {
                    $(AggregateRef::$kind(own) => Aggregate::$kind(own.clone())),*
                }
            }
        }

        impl AggregateMut<'_> {
            /// Moves the allocations of about `count` elements from `cursor` on, 0 being the beginning. Returns the next
            /// cursor, 0 at the end. A cursor of another value is harmless.
            pub fn relocate(self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
                match self {
                    $(AggregateMut::$kind(own) => own.relocate(cursor, count, relocator)),*
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
