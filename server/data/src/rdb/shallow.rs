//! Shallow check: accepts payloads whose frames are valid although the deep check refused them.
//!
//! Frames are the encodings of strings and numbers, and for a listpack its size, its terminator and that it is not
//! empty. All other encodings are always checked fully; ziplists, intsets and values written element by element have
//! no shallow check.

use crate::ds::listpack;
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::stream::Reader;
use crate::rdb::{container, ty};
use crate::value::damaged::Damaged;
use crate::value::{Encoding, Type};

/// The value of a payload that the deep check refused; `None` if its frames are invalid too.
pub fn read(body: &[u8]) -> Option<Damaged> {
    let mut cursor = Cursor::new(body);
    let ty = cursor.u8().ok()?;
    let (kind, encoding) = match ty {
        ty::SET_LISTPACK => (Type::Set, Encoding::Listpack),
        ty::HASH_LISTPACK => (Type::Hash, Encoding::Listpack),
        ty::ZSET_LISTPACK => (Type::Zset, Encoding::Listpack),
        ty::LIST_QUICKLIST_2 => (Type::List, Encoding::Quicklist),
        ty::STREAM_LISTPACKS | ty::STREAM_LISTPACKS_2 | ty::STREAM_LISTPACKS_3 => {
            (Type::Stream, Encoding::Stream)
        }
        _ => return None,
    };
    let passed = match kind {
        Type::List => list(&mut cursor),
        Type::Stream => stream(&mut cursor, ty),
        _ => cursor.text().map(|pack| has_frame(&pack)),
    };
    let whole = passed.is_ok_and(|sound| sound) && cursor.left() == 0;
    whole.then(|| Damaged::new(kind, encoding, body.to_vec()))
}

/// Whether the frame of a listpack is valid and it is not empty.
fn has_frame(pack: &[u8]) -> bool {
    let says_empty = pack.get(4..6) == Some(&[0, 0]);
    listpack::has_frame(pack) && pack.len() > listpack::FRAME && !says_empty
}

fn list(cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
    let count = cursor.length()?;
    for _ in 0..count {
        let form = cursor.length()?;
        let bytes = cursor.text()?;
        let sound = match form {
            container::PLAIN => !bytes.is_empty(),
            container::PACKED => has_frame(&bytes),
            _ => false,
        };
        if !sound {
            return Ok(false);
        }
    }
    Ok(count > 0)
}

fn stream(cursor: &mut Cursor<'_>, ty: u8) -> Result<bool, Stop> {
    let mut reader = Reader::of_frames(ty);
    while reader.step(cursor)?.is_none() {}
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::value::Type;

    #[test]
    fn shallow_check_inspects_only_frames() {
        // Claims two elements but contains half of one.
        let pack = [9, 0, 0, 0, 2, 0, 0x85, b'a', 0xff];
        let body = |ty: u8, pack: &[u8]| [&[ty, pack.len() as u8], pack].concat();
        for (ty, kind) in [(16, Type::Hash), (17, Type::Zset), (20, Type::Set)] {
            let kept = read(&body(ty, &pack)).expect("its frame is sound");
            assert_eq!(kept.ty(), kind);
            assert_eq!(kept.payload(), body(ty, &pack));
        }
        let list = [&[18, 1, 2, 9][..], &pack].concat();
        assert_eq!(read(&list).map(|kept| kept.ty()), Some(Type::List));
        let (mut longer, mut open, mut none) = (pack, pack, pack);
        (longer[0], open[8], none[4]) = (10, 0xfe, 0);
        for broken in [longer, open, none] {
            assert!(read(&body(16, &broken)).is_none());
        }
        // Trailing bytes are refused, and other encodings have no frames.
        assert!(read(&[body(16, &pack), vec![0]].concat()).is_none());
        assert!(read(&body(13, &pack)).is_none());
    }
}
