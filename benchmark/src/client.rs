//! An event loop and its clients: connections that send a batch, wait for the replies, and repeat.
//!
//! ```text
//!   queued ──► dialing ──► idle ──issue──► waiting ──all replies──┐
//!     ▲                     ▲                                     │
//!     │                     └───────────── keep alive ────────────┤
//!     └───────────────────────────────── no keep alive ───────────┘
//! ```
//!
//! The next batch is sent as soon as the last reply to the previous one was read, without waiting
//! for a writable event: the send buffer is empty, since all earlier requests were answered. All
//! clients of a loop share one batch. What the socket does not accept is copied (`rest`), because
//! the next client puts new random numbers into the batch.
//!
//! # Invariants
//! 1. `busy` counts the clients that wait for replies. The loop stops when it is 0 and all requests
//!    were sent, or when its last client is lost.
//! 2. At most [`DIALING_AT_ONCE`] connections are being made at a time, so that the server's backlog
//!    does not overflow.
//! 3. The index of a client in `clients` is the data word of its connection.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Instant;

use ae::event_loop::{EventLoop, Host, run};
use ae::time::{Next, TimerId};
use conn::admission::HandshakeLimits;
use conn::connection::{ConnId, State};
use conn::conns::{ConnHost, Conns};
use conn::drive::process_pending;
use conn::error::{ConnError, system_reason};
use conn::resp::{Decoder, Skipped};
use conn::stream::Io;

use crate::args::Options;
use crate::cluster;
use crate::histogram::Latencies;
use crate::probe::connect_failure;
use crate::report::{self, fatal, to_stdout};
use crate::run::Target;
use crate::slots::Tag;
use crate::tally::{Snapshot, Tally};
use crate::workload::{self, Batch, Rng, Workload};

/// Maximum number of connections being made.
const DIALING_AT_ONCE: usize = 64;
/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// Milliseconds between two progress lines.
const PROGRESS_MS: u64 = 250;
/// Descriptors other than those of clients: those of the loops, the standard ones, those of the
/// resolver.
const OTHER_DESCRIPTORS: usize = 1024;

/// What all loops of a run share.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// The options.
    pub options: &'a Options,
    /// The server or cluster.
    pub target: &'a Target,
    /// The requests; `None` sends nothing.
    pub workload: Option<&'a Workload>,
    /// The counters.
    pub tally: &'a Tally,
    /// Seed of the random numbers.
    pub seed: u64,
}

/// The results of one loop.
#[derive(Debug)]
pub struct Part {
    /// Its latencies.
    pub latencies: Latencies,
    /// When the last reply was received.
    pub ended: Instant,
    /// Length of its progress line.
    pub line_len: usize,
}

struct Client {
    /// Index of the server that it is connected to.
    node: usize,
    /// Version of the tags when the batch was sent.
    seen: u64,
    /// Replies to the batch that are missing.
    pending: u64,
    /// Replies before those, to the commands that a new connection sends first.
    preceding: usize,
    sent_at: Instant,
    /// Latency of the current batch, once its first reply was received.
    latency_us: Option<u64>,
    decoder: Decoder,
    /// What the socket did not accept, and how much of it was sent since.
    rest: Vec<u8>,
    rest_sent: usize,
}

impl Client {
    fn new(now: Instant, node: usize) -> Self {
        Self {
            node,
            seen: 0,
            pending: 0,
            preceding: 0,
            sent_at: now,
            latency_us: None,
            decoder: Decoder::default(),
            rest: Vec::new(),
            rest_sent: 0,
        }
    }
}

struct Load<'a> {
    el: EventLoop<Self>,
    conns: Conns<Self>,
    job: Job<'a>,
    clients: Vec<Client>,
    queued: VecDeque<usize>,
    dialing: usize,
    busy: usize,
    lost: usize,
    batch: Batch,
    /// Tags of the servers and their version.
    tags: Vec<Option<Tag>>,
    seen: u64,
    /// What a new connection sends before its first batch, and the replies to it.
    prefix: Vec<u8>,
    preceding: usize,
    rng: Rng,
    chunk: Vec<u8>,
    latencies: Latencies,
    last: Snapshot,
    ended: Instant,
    line_len: usize,
}

impl Host for Load<'_> {
    fn el(&mut self) -> &mut EventLoop<Self> {
        &mut self.el
    }
}

impl ConnHost for Load<'_> {
    fn conns(&mut self) -> &mut Conns<Self> {
        &mut self.conns
    }

    fn io(&mut self) -> (&mut EventLoop<Self>, &mut Conns<Self>) {
        (&mut self.el, &mut self.conns)
    }
}

/// Runs the `index`-th loop of a job until it ends. The first one shows the progress.
pub fn drive(job: Job<'_>, index: usize) -> Part {
    let mut load = Load::new(job, index);
    if index == 0 && !job.options.csv {
        load.el.add_timer(PROGRESS_MS, on_progress, 0);
    }
    load.dial();
    if !load.clients.is_empty() {
        run(&mut load);
    }
    let ids: Vec<ConnId> = load.conns.ids().collect();
    for id in ids {
        load.conns.close(&mut load.el, id);
    }
    Part {
        latencies: load.latencies,
        ended: load.ended,
        line_len: load.line_len,
    }
}

impl<'a> Load<'a> {
    fn new(job: Job<'a>, index: usize) -> Self {
        let options = job.options;
        let loops = options.threads.max(1);
        let count = options.clients / loops + usize::from(index < options.clients % loops);
        let mut el = match EventLoop::new(options.clients + OTHER_DESCRIPTORS) {
            Ok(el) => el,
            Err(error) => fatal(format!(
                "Could not create an event loop: {}",
                system_reason(&error)
            )),
        };
        el.set_before_sleep(before_sleep);
        let request = job.workload.map_or(&[][..], |workload| &workload.request);
        let (prefix, preceding) = workload::prefix(options);
        let batch = Batch::new(request, options.pipeline, options.keyspace);
        let (mut tags, mut seen) = (Vec::new(), 0);
        if let Some(cluster) = &job.target.cluster {
            cluster.update(&mut seen, &mut tags);
        }
        let nodes = 0..job.target.endpoints.len();
        let nodes: Vec<usize> = nodes
            .filter(|&node| !batch.is_tagged() || tags.get(node) != Some(&None))
            .collect();
        let node = |number: usize| match nodes.len() {
            0 => fatal(cluster::NO_SLOTS),
            count => nodes[(index + number * loops) % count],
        };
        Self {
            el,
            conns: Conns::new(HandshakeLimits::default()),
            job,
            clients: (0..count)
                .map(|number| Client::new(job.tally.began, node(number)))
                .collect(),
            queued: (0..count).collect(),
            dialing: 0,
            busy: 0,
            lost: 0,
            batch,
            tags,
            seen,
            prefix,
            preceding,
            rng: Rng::new(job.seed.wrapping_add(index as u64)),
            chunk: vec![0; CHUNK],
            latencies: Latencies::new(options.precision),
            last: job.tally.start(),
            ended: job.tally.began,
            line_len: 0,
        }
    }

    /// Starts connections, up to the maximum number at a time.
    fn dial(&mut self) {
        while self.dialing < DIALING_AT_ONCE
            && let Some(index) = self.queued.pop_front()
        {
            let endpoint = &self.job.target.endpoints[self.clients[index].node];
            let begun = endpoint.connect(&mut self.el, &mut self.conns, on_connect, index as u64);
            if let Err(error) = begun {
                fatal(connect_failure(&endpoint.place, &error));
            }
            self.dialing += 1;
        }
        self.stop_if_done();
    }

    /// Sends the next batch of an idle client; `is_new` if nothing was sent over its connection yet.
    fn issue(&mut self, index: usize, id: ConnId, is_new: bool) {
        let options = self.job.options;
        if !self.take_tag(index, id) {
            return;
        }
        if !self.job.tally.claim(options.pipeline as u64) {
            return self.stop_if_done();
        }
        self.busy += 1;
        self.batch.randomize(&mut self.rng);
        let client = &mut self.clients[index];
        client.pending = options.pipeline as u64;
        client.latency_us = None;
        client.sent_at = Instant::now();
        let bytes = self.batch.bytes();
        let prefix: &[u8] = if is_new { &self.prefix } else { &[] };
        let io = if prefix.is_empty() {
            self.conns.write(&mut self.el, id, bytes)
        } else {
            client.preceding = self.preceding;
            let pieces = [IoSlice::new(prefix), IoSlice::new(bytes)];
            self.conns.write_vectored(&mut self.el, id, &pieces)
        };
        let taken = match io {
            Io::Done(n) => n,
            Io::WouldBlock | Io::Eof => 0,
            Io::Failed(error) => return self.lose(id, &error),
        };
        if taken < prefix.len() + bytes.len() {
            client.rest_sent = 0;
            client.rest.clear();
            client
                .rest
                .extend_from_slice(prefix.get(taken..).unwrap_or_default());
            client
                .rest
                .extend_from_slice(&bytes[taken.saturating_sub(prefix.len())..]);
            self.conns
                .set_write_handler(&mut self.el, id, Some(on_write), false);
        }
        // The loop sends what is left, and the next read finds a failure.
        let _ = self.conns.flush(&mut self.el, id);
    }

    /// Sets the tag for the server of a client; false if that has no slot any more, and the client goes to another one.
    fn take_tag(&mut self, index: usize, id: ConnId) -> bool {
        let (Some(cluster), true) = (&self.job.target.cluster, self.batch.is_tagged()) else {
            return true;
        };
        cluster.update(&mut self.seen, &mut self.tags);
        let client = &mut self.clients[index];
        client.seen = self.seen;
        if let Some(tag) = self.tags[client.node] {
            self.batch.set_tag(tag);
            return true;
        }
        let Some(node) = self.tags.iter().position(Option::is_some) else {
            fatal(cluster::NO_SLOTS);
        };
        client.node = node;
        client.decoder = Decoder::default();
        self.conns.close(&mut self.el, id);
        self.queued.push_back(index);
        self.dial();
        false
    }

    /// Counts the replies in what a client has read into `chunk`.
    fn take_replies(&mut self, index: usize, id: ConnId, len: usize) {
        let client = &mut self.clients[index];
        // Measured before the replies are parsed, which is not part of the latency.
        let latency_us = *client
            .latency_us
            .get_or_insert_with(|| client.sent_at.elapsed().as_micros() as u64);
        let mut input = &self.chunk[..len];
        let mut replies = 0;
        loop {
            match client.decoder.skip_in(&mut input) {
                Ok(Some(Skipped::Reply)) if client.preceding > 0 => client.preceding -= 1,
                Ok(Some(Skipped::Reply)) => replies += 1,
                Ok(Some(Skipped::Push)) => {}
                Ok(Some(Skipped::Error(text))) => {
                    refused(self.job, client, self.batch.is_tagged(), &text);
                    replies += 1;
                }
                Ok(None) => break,
                Err(error) => fatal(format!("Error: {error}")),
            }
        }
        // Some commands have more than one reply (SUBSCRIBE); the surplus ones are not counted.
        let replies = client.pending.min(replies);
        if replies == 0 {
            return;
        }
        client.pending -= replies;
        let wanted = self.job.tally.finish(replies, latency_us);
        self.latencies.record(latency_us, wanted);
        if client.pending == 0 {
            self.finish_batch(index, id);
        }
    }

    fn finish_batch(&mut self, index: usize, id: ConnId) {
        self.busy -= 1;
        if self.job.options.keep_alive != 0 {
            return self.issue(index, id, false);
        }
        self.conns.close(&mut self.el, id);
        self.clients[index].decoder = Decoder::default();
        if !self.job.tally.is_issued() {
            self.queued.push_back(index);
        }
        self.dial();
    }

    /// Drops a connection that failed during a write. The other ones continue.
    fn lose(&mut self, id: ConnId, error: &ConnError) {
        if error.reason() != "Broken pipe" {
            eprintln!("Error writing to the server: {}", error.reason());
        }
        self.conns.close(&mut self.el, id);
        self.busy -= 1;
        self.lost += 1;
        if self.job.tally.lose_one() == 0 {
            fatal("All clients disconnected... aborting.");
        }
        self.stop_if_done();
    }

    /// Stops the loop if all requests were answered, or all clients are lost.
    fn stop_if_done(&mut self) {
        let is_done = self.job.workload.is_some() && self.busy == 0 && self.job.tally.is_issued();
        if is_done || self.lost == self.clients.len() {
            self.ended = Instant::now();
            self.el.stop();
        }
    }
}

/// Acts on an error reply: only one about slots is a reason to continue.
fn refused(job: Job<'_>, client: &Client, is_tagged: bool, text: &[u8]) {
    let shown = String::from_utf8_lossy(text);
    let Some(cluster) = &job.target.cluster else {
        fatal(format!("Error from server: {shown}"));
    };
    let place = &job.target.endpoints[client.node].place;
    let Some(change) = cluster::change(text).filter(|_| is_tagged) else {
        fatal(format!("Error from server {place}: {shown}"));
    };
    if change == cluster::Change::Down {
        eprintln!("Error from server {place}: {shown}.");
    }
    if let Err(sentence) = cluster.follow(job.options, client.node, change, client.seen) {
        fatal(sentence);
    }
}

fn before_sleep(s: &mut Load<'_>) {
    let has_more = process_pending(s);
    s.el.set_dont_wait(has_more);
}

fn on_connect(s: &mut Load<'_>, id: ConnId) {
    s.dialing -= 1;
    if s.conns.state(id) != State::Connected {
        match s.conns.error(id) {
            // The probe was connected, so this is a server that accepts no more connections, or has
            // ended. Redis's own redis-benchmark reports that as "Error", which scripts look for.
            Some(error) => {
                let error = ConnError::new(error.step(), format!("Error: {}", error.reason()));
                let node = s.clients[s.conns.data(id) as usize].node;
                fatal(connect_failure(&s.job.target.endpoints[node].place, &error))
            }
            None => fatal("Error: Server closed the connection"),
        }
    }
    s.conns.set_read_handler(&mut s.el, id, Some(on_read));
    if s.job.workload.is_some() {
        let index = s.conns.data(id) as usize;
        s.issue(index, id, true);
    }
    s.dial();
}

fn on_read(s: &mut Load<'_>, id: ConnId) {
    let index = s.conns.data(id) as usize;
    match s.conns.read(&mut s.el, id, &mut s.chunk) {
        Io::Done(len) => s.take_replies(index, id, len),
        Io::WouldBlock => {}
        Io::Eof => fatal("Error: Server closed the connection"),
        Io::Failed(error) => fatal(format!("Error: {}", error.reason())),
    }
}

/// Sends what the socket did not accept before.
fn on_write(s: &mut Load<'_>, id: ConnId) {
    let index = s.conns.data(id) as usize;
    let client = &mut s.clients[index];
    match s
        .conns
        .write(&mut s.el, id, &client.rest[client.rest_sent..])
    {
        Io::Done(n) => client.rest_sent += n,
        Io::WouldBlock | Io::Eof => {}
        Io::Failed(error) => return s.lose(id, &error),
    }
    if client.rest_sent == client.rest.len() {
        s.conns.set_write_handler(&mut s.el, id, None, false);
    }
    let _ = s.conns.flush(&mut s.el, id);
}

fn on_progress(s: &mut Load<'_>, _timer: TimerId, _data: u64) -> Next {
    let tally = s.job.tally;
    let Some(workload) = s.job.workload else {
        to_stdout(|out| report::idle_progress(out, tally.live()));
        return Next::In(PROGRESS_MS);
    };
    let now = tally.now();
    let (rps, ms) = now.since(&tally.start());
    let (rps_now, ms_now) = now.since(&s.last);
    s.last = now;
    let (rates, means) = ((rps_now, rps), (ms_now, ms));
    let len = s.line_len;
    let printed = to_stdout(|out| report::progress(out, &workload.title, rates, means, len));
    s.line_len = printed.unwrap_or(len);
    Next::In(PROGRESS_MS)
}
