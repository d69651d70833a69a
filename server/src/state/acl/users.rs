//! All users, by name and by the id that sessions hold.
//!
//! # Invariants
//! 1. The default user exists as long as the server, under [`UserId::DEFAULT`].
//! 2. `by_name` has exactly the users of the slab.
//! 3. `default_may_all` is [`User::is_unrestricted`] of the default user.

use std::collections::BTreeMap;

use data::ds::slab::{Id, Slab};

use crate::state::acl::log::AclLog;
use crate::state::acl::user::{DEFAULT_NAME, User};

/// The name of a user inside the server. That of a deleted user finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserId(Id);

impl UserId {
    /// The default user.
    pub const DEFAULT: UserId = UserId(Id {
        index: 0,
        generation: 0,
    });
}

impl Default for UserId {
    fn default() -> Self {
        UserId::DEFAULT
    }
}

/// Users and the log of refusals.
pub struct Acl {
    slab: Slab<User>,
    by_name: BTreeMap<Box<[u8]>, UserId>,
    default_may_all: bool,
    /// The log.
    pub log: AclLog,
}

impl Acl {
    /// The default user alone; `password` is `requirepass`.
    pub fn new(password: &[u8]) -> Self {
        let mut acl = Acl {
            slab: Slab::new(),
            by_name: BTreeMap::new(),
            default_may_all: true,
            log: AclLog::default(),
        };
        let mut user = User::new_default();
        user.set_password(password);
        acl.put(user);
        acl
    }

    /// A user.
    #[inline]
    pub fn get(&self, id: UserId) -> Option<&User> {
        self.slab.get(id.0)
    }

    /// The default user.
    pub fn default_user(&self) -> &User {
        self.get(UserId::DEFAULT)
            .expect("the default user always exists")
    }

    /// Whether clients need not authenticate.
    pub fn default_is_open(&self) -> bool {
        self.default_user().is_open()
    }

    /// Whether a user is the default one, and that one may do everything: the case of most servers.
    #[inline]
    pub fn is_unrestricted_default(&self, id: UserId) -> bool {
        self.default_may_all && id == UserId::DEFAULT
    }

    /// The user of a name.
    pub fn find(&self, name: &[u8]) -> Option<UserId> {
        self.by_name.get(name).copied()
    }

    /// All users in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &User> {
        self.by_name.values().filter_map(|id| self.get(*id))
    }

    /// Adds a user, or replaces the one of the same name, whose id stays.
    pub fn put(&mut self, user: User) -> UserId {
        let id = match self.find(user.name()) {
            Some(id) => {
                if let Some(known) = self.slab.get_mut(id.0) {
                    *known = user;
                }
                id
            }
            None => {
                let name = user.name().into();
                let id = UserId(self.slab.insert(user));
                self.by_name.insert(name, id);
                id
            }
        };
        self.default_may_all = self.default_user().is_unrestricted();
        id
    }

    /// Removes a user; its id, or `None` if there is none of this name.
    ///
    /// # Panics
    /// For the default user.
    pub fn remove(&mut self, name: &[u8]) -> Option<UserId> {
        assert!(name != DEFAULT_NAME, "the default user cannot be removed");
        let id = self.by_name.remove(name)?;
        self.slab.remove(id.0);
        Some(id)
    }

    /// Replaces all users by these; the default user becomes the initial one if it is not among them. All ids but that
    /// of the default user are invalid afterwards.
    pub fn replace_all(&mut self, users: Vec<User>) {
        let names: Vec<Box<[u8]>> = self.by_name.keys().cloned().collect();
        for name in names.iter().filter(|name| name[..] != *DEFAULT_NAME) {
            self.remove(name);
        }
        self.put(User::new_default());
        for user in users {
            self.put(user);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Acl, UserId};
    use crate::state::acl::user::{DEFAULT_NAME, User};

    fn names(acl: &Acl) -> Vec<String> {
        let names = acl.iter().map(|user| String::from_utf8_lossy(user.name()));
        names.map(String::from).collect()
    }

    #[test]
    fn users_are_found_by_name_and_id() {
        let mut acl = Acl::new(b"");
        assert_eq!(acl.find(DEFAULT_NAME), Some(UserId::DEFAULT));
        let bob = acl.put(User::new(b"bob", false));
        let alice = acl.put(User::new(b"alice", false));
        assert_eq!(names(&acl), ["alice", "bob", "default"]);
        assert_eq!(acl.find(b"bob"), Some(bob));
        let mut changed = User::new(b"bob", false);
        changed.enabled = true;
        assert_eq!(acl.put(changed), bob);
        assert!(acl.get(bob).is_some_and(|user| user.enabled));
        assert_eq!(acl.remove(b"bob"), Some(bob));
        assert_eq!(acl.remove(b"bob"), None);
        let carol = acl.put(User::new(b"carol", false));
        assert!(acl.get(bob).is_none(), "the id of a deleted user is reused");
        acl.replace_all(vec![User::new(b"alice", false)]);
        assert!(acl.get(alice).is_none() && acl.get(carol).is_none());
        assert_eq!(names(&acl), ["alice", "default"]);
    }

    #[test]
    fn the_default_user_is_open_without_a_password() {
        let mut acl = Acl::new(b"secret");
        assert!(!acl.default_is_open());
        acl.replace_all(Vec::new());
        assert!(acl.default_is_open());
        assert!(acl.is_unrestricted_default(UserId::DEFAULT));
        let mut user = acl.default_user().clone();
        user.enabled = false;
        user.apply(b"-get", false).expect("a rule");
        user.finish();
        let other = acl.put(User::new(b"other", false));
        assert!(!acl.is_unrestricted_default(other));
        acl.put(user);
        assert!(!acl.default_is_open() && !acl.is_unrestricted_default(UserId::DEFAULT));
        assert_eq!(acl.default_user().name(), DEFAULT_NAME);
    }
}
