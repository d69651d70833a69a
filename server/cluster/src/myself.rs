//! What this node announces about itself, and which slots it adopts at the start.

use slot::SLOTS;

use crate::action::Level;
use crate::membership;
use crate::node::{Flags, MAX_IP_LEN};
use crate::settings::Settings;
use crate::state::{Cluster, Todo};

/// Takes addresses, names and flags from the settings, which were `old` before.
pub(crate) fn announce(c: &mut Cluster, old: Option<&Settings>) {
    let settings = c.settings.clone();
    let me = c.me_mut();
    me.tcp_port = settings.tcp_port_announced();
    me.tls_port = settings.tls_port_announced();
    me.bus_port = settings.bus_port_announced();
    let old_ip = old.map_or("", |old| old.announce_ip.as_str());
    if settings.announce_ip != old_ip {
        // Empty again: the address is found out from the next connection.
        let ip = settings.announce_ip.as_str();
        let len = ip.floor_char_boundary(MAX_IP_LEN);
        me.ip = ip[..len].into();
    }
    let names = (&*me.hostname, &*me.human_name);
    let renamed = names != (&settings.announce_hostname, &settings.announce_human_name);
    me.hostname = settings.announce_hostname.into_boxed_str();
    me.human_name = settings.announce_human_name.into_boxed_str();
    let flags = me.flags;
    me.flags.set(Flags::NOFAILOVER, settings.no_failover);
    let reflagged = me.flags != flags;
    if renamed {
        c.later(Todo::SAVE);
    }
    if reflagged {
        c.later(Todo::SAVE | Todo::STATE);
    }
}

/// See [`crate::core::Cluster::adopt_keys`].
pub(crate) fn adopt_keys(c: &mut Cluster, keys_in_slot: &dyn Fn(u16) -> usize) {
    if c.me().is_replica() {
        return;
    }
    let mut changed = false;
    for slot in 0..SLOTS {
        let owner = c.owners.owner(slot);
        let explained = owner == Some(c.myself) || c.owners.importing.contains_key(&slot);
        if explained || keys_in_slot(slot) == 0 {
            continue;
        }
        changed = true;
        match owner {
            None => {
                c.log(Level::Notice, |_| {
                    format!("I have keys for unassigned slot {slot}. Taking responsibility for it.")
                });
                membership::assign(c, slot, c.myself);
            }
            Some(owner) => {
                c.log(Level::Notice, |_| {
                    format!(
                        "I have keys for slot {slot}, but the slot is assigned to another node. Setting it to importing state."
                    )
                });
                c.owners.importing.insert(slot, owner);
            }
        }
    }
    if changed {
        c.emit_save(true);
    }
}
