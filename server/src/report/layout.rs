//! Layout of the elements of a value in memory, for DEBUG LISTPACK and DEBUG QUICKLIST.

use std::fmt::Write;

use data::ds::listpack::Listpack;
use data::ds::node::Node;
use data::ds::nodes::Counted;
use data::ds::quicklist::Quicklist;
use data::value::aggregate::AggregateRef;
use data::value::hash::Hash;
use data::value::list::List;
use data::value::set::Set;
use data::value::zset::Zset;

/// Bytes shown of an element.
const SHOWN: usize = 40;

/// The listpack of a value that is encoded as one.
pub fn pack_of(value: AggregateRef<'_>) -> Option<&Listpack> {
    match value {
        AggregateRef::List(List::Packed(pack))
        | AggregateRef::Set(Set::Packed(pack))
        | AggregateRef::Hash(Hash::Packed(pack))
        | AggregateRef::Zset(Zset::Packed(pack)) => Some(pack),
        _ => None,
    }
}

/// A listpack, element by element.
pub fn listpack(out: &mut String, pack: &Listpack) {
    let _ = writeln!(
        out,
        "{{total bytes {}}} {{num entries {}}}",
        pack.bytes(),
        pack.len()
    );
    for (index, item) in pack.iter().enumerate() {
        let text = item.to_vec();
        let shown = text[..text.len().min(SHOWN)].escape_ascii();
        let more = if text.len() > SHOWN { "..." } else { "" };
        let size = Listpack::element_size(item);
        let _ = writeln!(
            out,
            "{{index: {index}, hdr+entrylen+backlen: {size}, [str]{shown}{more}}}"
        );
    }
    out.push_str("{end}\n\n");
}

/// The nodes of a list, with their elements if `full`.
pub fn quicklist(out: &mut String, list: &Quicklist, full: bool) {
    let count: usize = list.nodes().map(Counted::count).sum();
    let _ = writeln!(out, "{{count : {count}}}\n{{len : {}}}", list.node_count());
    for (index, node) in list.nodes().enumerate() {
        let (container, encoding, size) = match node {
            Node::Packed(pack) => ("PACKED", "RAW", pack.bytes()),
            Node::Plain(text) => ("PLAIN", "RAW", text.len()),
            Node::Compressed(compressed) => ("PACKED", "LZF", compressed.len),
        };
        let _ = writeln!(
            out,
            "{{quicklist node({index})\n{{container : {container}, encoding: {encoding}, size: {size}, count: {}}}",
            node.count()
        );
        if full && let Some(pack) = node.unpacked() {
            listpack(out, &pack);
        }
        out.push_str("}\n");
    }
}
