//! Values as MessagePack.
//!
//! A table is an array if its keys are 1 to n, in any order; an empty one is. Each value takes the shortest form. A number
//! without a fraction is an integer, any other one a float if that loses nothing.

use crate::bulk::View;
use crate::function::{Outcome, Raise};
use crate::limits::{BYTES_PER_STEP, NO_MEMORY};
use crate::reader::{Reader, Step};
use crate::stack::Stack;

/// How deep tables can be nested.
const MOST_NESTED: usize = 16;

/// `cmsgpack.pack`.
pub(super) fn pack(stack: &mut Stack<'_>) -> Outcome {
    let arguments = stack.top();
    if arguments == 0 {
        return Err(stack.fail_argument(0, b"MessagePack pack needs input."));
    }
    if !stack.reserve_as_in_c(arguments) {
        return Err(stack.fail_argument(0, b"Too many arguments for MessagePack pack."));
    }
    let mut packer = Packer {
        out: Vec::new(),
        limit: stack.output_limit(),
    };
    let mut result = Ok(());
    for argument in 1..=arguments {
        // In Redis each argument that is packed is a string on the stack, and leaves less room for nested tables.
        let done = argument - 1;
        result = if stack.reserve_as_in_c(done + 1) {
            stack.push_copy(argument as i32);
            packer.run(&mut Reader::new(stack, done))
        } else {
            Err(Error::Stack("in function mp_check"))
        };
        if result.is_err() {
            break;
        }
    }
    stack.set_top(0);
    stack.charge(packer.out.len() / BYTES_PER_STEP);
    match result {
        Ok(()) => {
            stack.push_bytes(&packer.out);
            Ok(1)
        }
        Err(error) => Err(error.raise(stack)),
    }
}

enum Error {
    Memory,
    /// No room on the stack, in this function of the original.
    Stack(&'static str),
}

impl Error {
    fn raise(self, stack: &mut Stack<'_>) -> Raise {
        match self {
            Error::Memory => stack.fail(NO_MEMORY),
            Error::Stack(place) => stack.fail_here(format!("stack overflow ({place})").as_bytes()),
        }
    }
}

struct Packer {
    out: Vec<u8>,
    limit: usize,
}

impl Packer {
    fn run(&mut self, input: &mut Reader<'_, '_>) -> Result<(), Error> {
        loop {
            if self.value(input.value())? {
                self.table(input)?;
            }
            if self.out.len() > self.limit {
                return Err(Error::Memory);
            }
            loop {
                match input.step() {
                    Step::Done => return Ok(()),
                    Step::End { .. } => {}
                    Step::Element { .. } | Step::Value => break,
                    Step::Pair { .. } => {
                        if self.value(input.key())? {
                            input.begin_key();
                            self.table(input)?;
                            continue;
                        }
                        break;
                    }
                }
            }
        }
    }

    /// Writes a value unless it is a table; whether it is one.
    fn value(&mut self, value: View<'_>) -> Result<bool, Error> {
        match value {
            View::String(text) => self.string(text)?,
            View::Boolean(value) => self.out.push(if value { 0xc3 } else { 0xc2 }),
            View::Number(number) => self.number(number),
            View::Table => return Ok(true),
            _ => self.out.push(0xc0),
        }
        Ok(false)
    }

    fn string(&mut self, text: &[u8]) -> Result<(), Error> {
        if text.len() > self.limit - self.out.len().min(self.limit) {
            return Err(Error::Memory);
        }
        match text.len() {
            len @ ..32 => self.out.push(0xa0 | len as u8),
            len @ ..0x100 => self.out.extend_from_slice(&[0xd9, len as u8]),
            len => self.len(len, 0xda),
        }
        self.out.extend_from_slice(text);
        Ok(())
    }

    /// A length in 16 bits, or in 32 bits with the next type.
    fn len(&mut self, len: usize, kind: u8) {
        match u16::try_from(len) {
            Ok(len) => {
                self.out.push(kind);
                self.out.extend_from_slice(&len.to_be_bytes());
            }
            Err(_) => {
                self.out.push(kind + 1);
                self.out.extend_from_slice(&(len as u32).to_be_bytes());
            }
        }
    }

    fn number(&mut self, number: f64) {
        const BEYOND: f64 = 9_223_372_036_854_775_808.0;
        if (-BEYOND..BEYOND).contains(&number) && number as i64 as f64 == number {
            return self.integer(number as i64);
        }
        let single = number as f32;
        if f64::from(single) == number {
            self.out.push(0xca);
            self.out.extend_from_slice(&single.to_be_bytes());
        } else {
            self.out.push(0xcb);
            self.out.extend_from_slice(&number.to_be_bytes());
        }
    }

    fn integer(&mut self, number: i64) {
        // The type, and how many of the lowest bytes follow.
        let (kind, bytes) = match number {
            -32..=127 => (number as u8, 0),
            128..=0xff => (0xcc, 1),
            0x100..=0xffff => (0xcd, 2),
            0x1_0000..=0xffff_ffff => (0xce, 4),
            0x1_0000_0000.. => (0xcf, 8),
            -0x80..=-33 => (0xd0, 1),
            -0x8000..=-0x81 => (0xd1, 2),
            -0x8000_0000..=-0x8001 => (0xd2, 4),
            ..=-0x8000_0001 => (0xd3, 8),
        };
        self.out.push(kind);
        self.out
            .extend_from_slice(&number.to_be_bytes()[8 - bytes..]);
    }

    /// Begins the current value, which is a table. One that is nested too deep is nil.
    fn table(&mut self, input: &mut Reader<'_, '_>) -> Result<(), Error> {
        if input.depth() == MOST_NESTED {
            self.out.push(0xc0);
            return Ok(());
        }
        make_room(input, 2, "in function table_is_an_array")?;
        if let Some(len) = array_len(input) {
            self.head(len, 0x90, 0xdc);
            make_room(input, 1, "in function mp_encode_lua_table_as_array")?;
            input.begin_array(len as i32);
        } else {
            make_room(input, 3, "in function mp_encode_lua_table_as_map")?;
            let mut len = 0;
            input.all_keys(|_| {
                len += 1;
                true
            });
            self.head(len, 0x80, 0xde);
            input.begin_object();
        }
        Ok(())
    }

    /// The number of elements of a container.
    fn head(&mut self, len: usize, short: u8, long: u8) {
        if len < 16 {
            self.out.push(short | len as u8);
        } else {
            self.len(len, long);
        }
    }
}

fn make_room(input: &mut Reader<'_, '_>, slots: usize, place: &'static str) -> Result<(), Error> {
    match input.make_room(slots) {
        true => Ok(()),
        false => Err(Error::Stack(place)),
    }
}

/// The length of the current value, a table, if it is an array.
fn array_len(input: &mut Reader<'_, '_>) -> Option<usize> {
    let (mut max, mut count) = (0, 0);
    let array = input.all_keys(|key| match key {
        Some(key) if key > 0.0 && f64::from(key as i32) == key => {
            max = max.max(key as usize);
            count += 1;
            true
        }
        _ => false,
    });
    (array && max == count).then_some(count)
}
