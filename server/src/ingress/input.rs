//! The read handler of clients: reads into the query buffer and executes the commands in it.

use conn::connection::ConnId;
use conn::stream::Io;
use words::quoted;

use crate::egress::account::account_if_limited;
use crate::egress::limits::{close_over_limit, over_output_limit};
use crate::exec::process::Flow;
use crate::exec::refuse::refuse;
use crate::exec::unblock::{release, run};
use crate::report::client_line::client_line;
use crate::server::Server;
use crate::session::auth::is_required;
use crate::session::close::{close_after_reply, close_now};
use crate::state::blocked::BlockKind;
use crate::state::client::{Client, ClientFlags, Closing, Sizes};
use crate::state::client_id::ClientId;
use crate::state::turn::KeyHash;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;
use crate::wire::request::{BATCH, Origin, Parsed, ProtocolError, Request, RequestLimits};
use crate::{verbose, warning};

/// Longer first arguments are seldom keys, and to hash them for nothing would take long.
const LIKELY_KEY: usize = 256;

/// Reads what a client has sent and executes the complete commands.
pub fn on_readable(srv: &mut Server, conn: ConnId) {
    let id = ClientId::from_word(srv.conns.data(conn));
    match read(srv, id, conn) {
        None | Some(Io::WouldBlock) => return,
        Some(Io::Done(n)) => srv.stats.input_bytes += n as u64,
        Some(Io::Eof) => {
            verbose!("Client closed connection {}", client_line(srv, id));
            return end_of_input(srv, id);
        }
        Some(Io::Failed(error)) => {
            verbose!("Reading from client: {}", error.reason());
            return close_now(srv, id);
        }
    }
    if over_query_limit(srv, id) {
        return;
    }
    process_input(srv, id);
}

/// Closes a client that will send nothing more. It still gets the replies to what it has sent in this turn, as it may with
/// TLS, where the end can arrive with the request, and those that are held. One whose socket takes none now is closed at
/// once; one that stops to take them later, by cron (`LINGER_SECONDS`).
fn end_of_input(srv: &mut Server, id: ClientId) {
    let awaits_replies = |client: &Client| {
        let is_stalled = client.flags.contains(ClientFlags::WRITE_HANDLER);
        let is_link = client.flags.contains(ClientFlags::PRIMARY) || client.is_replica();
        !client.io.out.is_empty() && !is_stalled && !is_link
    };
    if srv.clients.get(id).is_some_and(awaits_replies) {
        close_after_reply(srv, id);
    } else {
        close_now(srv, id);
    }
}

/// Reads into a client's query buffer, unless the client may not be read now.
#[inline]
pub fn read(srv: &mut Server, id: ClientId, conn: ConnId) -> Option<Io> {
    let Server {
        clients,
        conns,
        el,
        stats,
        unit,
        ..
    } = srv;
    let client = clients.get_mut(id)?;
    if !client.may_read() {
        return None;
    }
    stats.reads += 1;
    let io = conns.read(el, conn, client.io.request.space());
    if let Io::Done(n) = io {
        client.last_active = unit.now_s();
        client.io.request.filled(n);
    }
    Some(io)
}

/// Closes a client whose query buffer is over its limit.
fn over_query_limit(srv: &mut Server, id: ClientId) -> bool {
    let Some(client) = srv.clients.get(id) else {
        return true;
    };
    let (used, _) = client.io.request.sizes();
    if (used + client.io.request.argv_bytes()) as i64 <= srv.config.client_query_buffer_limit {
        return false;
    }
    warning!(
        "Closing client that reached max query buffer length: {} (qbuf initial bytes: {})",
        client_line(srv, id),
        String::from_utf8_lossy(&quoted(client.io.request.first_bytes()))
    );
    srv.stats.query_buffer_disconnects += 1;
    close_now(srv, id);
    true
}

/// Executes the complete commands of a client's query buffer.
///
/// Request and output are moved out of the slab meanwhile, so that a command may access any client, including this
/// one. What other code appends to its output meanwhile is sent after its replies.
pub fn process_input(srv: &mut Server, id: ClientId) {
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    if !client.may_run() {
        return;
    }
    let mut request = std::mem::take(&mut client.io.request);
    let out = std::mem::take(&mut client.io.out);
    let mut reply = Reply::behind(out, client.session.resp, 0);
    note_sizes(client, &request, &reply);
    client.flags.insert(ClientFlags::EXECUTING);
    let outer = srv.unit.client.replace(id);
    srv.unit.now_ms = srv.turn.tick();
    execute_all(srv, id, &mut request, &mut reply);
    srv.unit.client = outer;
    put_back(srv, id, request, reply);
}

/// Releases the commands that a pause or keys in flight have held back. Client by client, in the order in which they
/// were held back: the rest of a client's pipeline runs before the command of the next one.
pub fn release_all(srv: &mut Server, kind: BlockKind) {
    for id in srv.blocked.of_kind(kind) {
        release(srv, id);
        process_input(srv, id);
    }
}

/// Goes on with the input of clients that were unblocked.
pub fn process_resumed(srv: &mut Server) {
    while !srv.blocked.resumed.is_empty() {
        for id in std::mem::take(&mut srv.blocked.resumed) {
            process_input(srv, id);
        }
    }
}

fn execute_all(srv: &mut Server, id: ClientId, request: &mut Request, reply: &mut Reply) {
    loop {
        // What was parsed ahead is handed out without asking for limits.
        if !request.hand_out() {
            let Some(client) = srv.clients.get(id) else {
                return;
            };
            let limits = RequestLimits {
                max_bulk: srv.config.proto_max_bulk_len,
                unauthenticated: is_required(srv, &client.session),
                origin: Origin::Client,
            };
            match request.parse(limits) {
                Ok(Parsed::Command) => {
                    let db = client.session.db;
                    prefetch(srv, db, request);
                }
                Ok(Parsed::Nothing) => continue,
                Ok(Parsed::Incomplete) => return,
                Err(error) => return protocol_error(srv, id, &error, reply),
            }
        }
        srv.turn.key_hash = request.key_hash().map_or(KeyHash::NONE, KeyHash::of);
        if run(srv, id, &request.argv, reply) == Flow::Stop {
            return;
        }
    }
}

/// Prefetches the keys of a new batch of a pipeline together, so that their cache misses overlap; those of a single command
/// overlap with its checks. The hashes are kept for the commands.
pub fn prefetch(srv: &mut Server, db: usize, request: &mut Request) {
    if !request.is_batch() {
        return prefetch_one(srv, db, request);
    }
    let mut keys: [&[u8]; BATCH] = [&[]; BATCH];
    let mut count = 0;
    for (slot, key) in keys.iter_mut().zip(request.batch_keys()) {
        *slot = key;
        count += 1;
    }
    if keys.iter().all(|key| key.is_empty()) {
        return;
    }
    let db = &srv.keys.dbs[db].db;
    let hashes = &mut srv.turn.hashes;
    hashes.clear();
    db.hash_batch(&keys[..count], hashes);
    hashes.iter().for_each(|&hash| db.prefetch_line(hash));
    hashes.iter().for_each(|&hash| db.prefetch_entry(hash));
    request.set_key_hashes(hashes);
}

#[inline]
fn prefetch_one(srv: &Server, db: usize, request: &mut Request) {
    if request.argv.len() < 2 || !(1..=LIKELY_KEY).contains(&request.argv[1].len()) {
        return;
    }
    let db = &srv.keys.dbs[db].db;
    let hash = db.hash(&request.argv[1]);
    db.prefetch_head(hash);
    request.set_key_hashes(&[hash]);
}

fn put_back(srv: &mut Server, id: ClientId, mut request: Request, mut reply: Reply) {
    let Server { clients, conns, .. } = srv;
    let Some(client) = clients.get_mut(id) else {
        return;
    };
    client.flags.remove(ClientFlags::EXECUTING);
    if client.closing == Closing::No {
        request.compact();
        // A client without TCP_NODELAY holds the rest back until the first part is acknowledged.
        if request.is_incomplete()
            && let Some(conn) = client.conn
        {
            conns.want_ack(conn);
        }
    } else {
        request.clear();
    }
    client.io.request = request;
    if !client.io.out.is_empty() {
        reply.out.append(std::mem::take(&mut client.io.out));
    }
    client.reply_peak = client
        .reply_peak
        .max(reply.out.len().min(client.reply_size));
    client.io.out = reply.out;
    if client.io.out.is_empty() {
        // A client with output is accounted for when it is flushed.
        return account_if_limited(srv, id);
    }
    clients.queue_write(id);
    if over_output_limit(srv, id) {
        close_over_limit(srv, id);
    }
}

/// Remembers the sizes of what is moved to the stack.
fn note_sizes(client: &mut Client, request: &Request, reply: &Reply) {
    let (qbuf, qbuf_free) = request.sizes();
    // With the arguments parsed so far: otherwise cron would shrink the buffer of a long request right after it.
    client.qbuf_peak = client.qbuf_peak.max(request.pending());
    client.sizes = Sizes {
        qbuf,
        qbuf_free,
        argv: request.argv_bytes(),
        list: request.list_bytes(),
        out: reply.out.memory_beyond(client.reply_size),
        ..client.sizes
    };
}

fn protocol_error(srv: &mut Server, id: ClientId, error: &ProtocolError, reply: &mut Reply) {
    verbose!(
        "Protocol error ({}) from client: {}",
        error.0,
        client_line(srv, id)
    );
    reply.muted = srv.clients.get(id).is_some_and(Client::is_muted);
    refuse(
        srv,
        reply,
        &Fault::new(format!("ERR Protocol error: {}", error.0)),
    );
    close_after_reply(srv, id);
}
