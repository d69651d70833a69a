//! A value to be written into an entry: its form and its size there.

use std::borrow::Cow;
use std::sync::Arc;

use crate::util::length;
use crate::value::aggregate::{Aggregate, MAX_SIZE};
use crate::value::{EMBSTR_MAX, NewValue, Type, Value};

/// Maximum length of a text stored in its entry. A separate buffer costs 48 bytes more and two cache misses: for texts
/// of 129 to 500 bytes a GET takes 620 to 960 ns inline and 1170 to 1380 ns with a buffer. Longer texts gain less, and
/// an entry that changes its size has to move its whole text.
pub const INLINE_MAX: usize = 512;

/// Form of a value in its entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Int1 = 0,
    Int2 = 1,
    Int3 = 2,
    Int4 = 3,
    Int8 = 4,
    Embstr = 5,
    Raw = 6,
    Shared = 7,
    Aggregate = 8,
}

impl Form {
    /// The form with a number, as stored in the header.
    #[inline(always)]
    pub(super) fn of(number: u32) -> Self {
        match number {
            0 => Form::Int1,
            1 => Form::Int2,
            2 => Form::Int3,
            3 => Form::Int4,
            4 => Form::Int8,
            5 => Form::Embstr,
            6 => Form::Raw,
            7 => Form::Shared,
            _ => Form::Aggregate,
        }
    }

    /// The narrowest form for an integer.
    #[inline]
    pub(super) fn of_int(number: i64) -> Self {
        match number {
            -0x80..=0x7f => Form::Int1,
            -0x8000..=0x7fff => Form::Int2,
            -0x80_0000..=0x7f_ffff => Form::Int3,
            -0x8000_0000..=0x7fff_ffff => Form::Int4,
            _ => Form::Int8,
        }
    }

    pub(super) fn int_width(self) -> Option<usize> {
        match self {
            Form::Int1 => Some(1),
            Form::Int2 => Some(2),
            Form::Int3 => Some(3),
            Form::Int4 => Some(4),
            Form::Int8 => Some(8),
            Form::Embstr | Form::Raw | Form::Shared | Form::Aggregate => None,
        }
    }
}

/// A value to be written into an entry.
pub(super) enum Stored<'a> {
    Int(i64, Form),
    Text(Cow<'a, [u8]>, Form),
    Shared(Arc<Vec<u8>>),
    Aggregate(Aggregate),
}

impl<'a> Stored<'a> {
    pub(super) fn new(value: NewValue<'a>) -> Self {
        match value {
            NewValue::Text(text) => Self::text(Cow::Borrowed(text), false),
            NewValue::Raw(text) => Self::text(Cow::Borrowed(text), true),
            NewValue::Owned(Value::Str(text)) => Self::text(Cow::Owned(text), false),
            NewValue::Owned(Value::Raw(text)) => Self::text(Cow::Owned(text), true),
            NewValue::Owned(Value::Int(number)) => Self::int(number),
            NewValue::Aggregate(aggregate) => Stored::Aggregate(aggregate),
            NewValue::Owned(Value::Shared(buffer)) if buffer.len() <= INLINE_MAX => {
                Self::text(Cow::Owned(buffer.to_vec()), false)
            }
            NewValue::Owned(Value::Shared(mut buffer)) => {
                // Redis trims the buffer that SET takes over in the same way. A buffer that is still shared stays as
                // it is.
                if let Some(text) = Arc::get_mut(&mut buffer)
                    && text.capacity() - text.len() > text.len() / 10
                {
                    text.shrink_to_fit();
                }
                Stored::Shared(buffer)
            }
        }
    }

    pub(super) fn int(number: i64) -> Self {
        Stored::Int(number, Form::of_int(number))
    }

    pub(super) fn text(text: Cow<'a, [u8]>, raw: bool) -> Self {
        match text.len() {
            0..=EMBSTR_MAX if !raw => Stored::Text(text, Form::Embstr),
            0..=INLINE_MAX => Stored::Text(text, Form::Raw),
            _ => Stored::Shared(Arc::new(text.into_owned())),
        }
    }

    pub(super) fn form(&self) -> Form {
        match self {
            Stored::Int(_, form) | Stored::Text(_, form) => *form,
            Stored::Shared(_) => Form::Shared,
            Stored::Aggregate(_) => Form::Aggregate,
        }
    }

    pub(super) fn ty(&self) -> Type {
        match self {
            Stored::Aggregate(aggregate) => aggregate.view().ty(),
            _ => Type::String,
        }
    }

    /// Size of an entry with this value after `prefix` bytes.
    pub(super) fn size_behind(&self, prefix: usize) -> usize {
        match self {
            Stored::Int(_, form) => prefix + form.int_width().unwrap_or(0),
            Stored::Text(text, _) => prefix + length::width(text.len()) + text.len(),
            Stored::Shared(_) => aligned(prefix) + size_of::<Arc<Vec<u8>>>(),
            Stored::Aggregate(_) => aligned(prefix) + MAX_SIZE,
        }
    }
}

/// Offset of a value of form `Shared` or `Aggregate`, which must be aligned.
pub(super) fn aligned(value_at: usize) -> usize {
    value_at.next_multiple_of(8)
}
