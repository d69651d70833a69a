//! DEBUG PROTOCOL: a reply of each type, for tests of clients.

use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, PUSH_NEEDS_RESP3};
use crate::wire::reply::Resp;

/// The reply of DEBUG PROTOCOL DOUBLE, which tests of clients expect.
#[expect(clippy::approx_constant, reason = "it is this number, not pi")]
const SAMPLE_DOUBLE: f64 = 3.141;

pub(super) fn protocol(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let reply = &mut *cx.reply;
    match argv[2].to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.int(12345),
        b"double" => reply.double(SAMPLE_DOUBLE),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|n| reply.int(n));
        }
        b"map" => {
            reply.map(3);
            for n in 0..3 {
                reply.int(n);
                reply.boolean(n == 1);
            }
        }
        b"attrib" => {
            if reply.resp == Resp::V3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.int(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" => {
            if reply.resp == Resp::V2 {
                return Err(PUSH_NEEDS_RESP3);
            }
            reply.bulk(b"Some real reply following the push reply");
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.int(42);
        }
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        b"bignum" => reply.big_number(b"1234567999999999999999999999999999999"),
        b"verbatim" => reply.verbatim(b"txt", b"This is a verbatim\nstring"),
        _ => {
            return Err(Fault::new(
                "ERR Wrong protocol type name. Please use one of the following: \
                 string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
            ));
        }
    }
    Ok(())
}
