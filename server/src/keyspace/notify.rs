//! Keyspace events: what happens to keys as Pub/Sub messages, for those who asked for it by `notify-keyspace-events`.
//!
//! | channel | message | asked for by |
//! |---|---|---|
//! | `__keyspace@<db>__:<key>` | the event | `K` |
//! | `__keyevent@<db>__:<event>` | the key | `E` |
//!
//! An event is published at the moment of the change, in this order, while the command is still executed.

use crate::config::values::EventClasses;
use crate::egress::publish::publish;
use crate::server::Server;

/// Publishes an event, if somebody has asked for its class.
#[inline]
pub fn notify(srv: &mut Server, class: EventClasses, event: &'static str, db: usize, key: &[u8]) {
    if srv.config.notify_keyspace_events.intersects(class) {
        publish_event(srv, event, db, key);
    }
}

#[cold]
fn publish_event(srv: &mut Server, event: &'static str, db: usize, key: &[u8]) {
    if srv.pubsub.is_silent() {
        return;
    }
    let asked = srv.config.notify_keyspace_events;
    if asked.contains(EventClasses::KEYSPACE) {
        let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
        publish(srv, &channel, event.as_bytes());
    }
    if asked.contains(EventClasses::KEYEVENT) {
        let channel = format!("__keyevent@{db}__:{event}");
        publish(srv, channel.as_bytes(), key);
    }
}

/// A key was created.
#[inline]
pub fn created(srv: &mut Server, db: usize, key: &[u8]) {
    notify(srv, EventClasses::NEW, "new", db, key);
}

/// A key that a command wanted to read does not exist.
#[inline]
pub fn missed(srv: &mut Server, db: usize, key: &[u8]) {
    notify(srv, EventClasses::KEY_MISS, "keymiss", db, key);
}
