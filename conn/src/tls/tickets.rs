//! The keys that seal session tickets, and their rotation.
//!
//! A ticket holds a client's session, encrypted and authenticated with a key of the server. Whoever
//! learns that key can decrypt the traffic of every TLS 1.2 session that was resumed with it, so keys
//! are replaced from time to time. Two generations are kept: the current key seals and opens, the
//! previous one only opens, and a client that shows a ticket of the previous one gets a new ticket.
//!
//! The keys belong to a `TicketKeys`, which all contexts of a server share: a reload of certificates
//! passes it on, so tickets survive it. OpenSSL asks for a key by a callback (`on_ticket`), which
//! finds the keys in the ex-data of the context.
//!
//! ```text
//!   ticket = key name (16) · IV (16) · AES-256-CBC of the session · HMAC-SHA256 of all before it
//! ```
//!
//! # Invariants
//! 1. A key opens tickets for at least one rotation period after it has sealed its last one. A ticket ends earlier if
//!    `tls-session-cache-timeout` has passed, which by default it has.
//! 2. A key that is dropped is overwritten.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use foreign_types::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::rand::rand_bytes;
use openssl::ssl::{SslContext, SslContextBuilder, SslRef, SslVersion};
use openssl_sys as ffi;

/// Bytes of a key's name and of an IV.
const BLOCK: usize = 16;
/// Bytes of a cipher key and of an HMAC key.
const KEY: usize = 32;

/// Answers of the callback.
const REFUSED: c_int = 0;
const ACCEPTED: c_int = 1;
const ACCEPTED_RENEW: c_int = 2;
const ERROR: c_int = -1;

type Callback = unsafe extern "C" fn(
    *mut ffi::SSL,
    *mut u8,
    *mut u8,
    *mut ffi::EVP_CIPHER_CTX,
    *mut ffi::EVP_MAC_CTX,
    c_int,
) -> c_int;

/// OSSL_PARAM, which `openssl-sys` declares without fields.
#[repr(C)]
struct Param {
    key: *const c_char,
    data_type: u32,
    data: *mut c_void,
    data_size: usize,
    return_size: usize,
}

/// OSSL_PARAM_UTF8_STRING.
const UTF8_STRING: u32 = 4;

unsafe extern "C" {
    fn OPENSSL_cleanse(data: *mut c_void, len: usize);
    fn SSL_CTX_set_tlsext_ticket_key_evp_cb(
        context: *mut ffi::SSL_CTX,
        callback: Option<Callback>,
    ) -> c_int;
}

struct Key {
    name: [u8; BLOCK],
    cipher: [u8; KEY],
    mac: [u8; KEY],
}

impl Key {
    fn random() -> Result<Self, ErrorStack> {
        let mut key = Self {
            name: [0; BLOCK],
            cipher: [0; KEY],
            mac: [0; KEY],
        };
        rand_bytes(&mut key.name)?;
        rand_bytes(&mut key.cipher)?;
        rand_bytes(&mut key.mac)?;
        Ok(key)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        for secret in [&mut self.cipher, &mut self.mac] {
            // SAFETY: the array is live and as long as stated. The call is not optimised away, which
            // is what it is for.
            unsafe { OPENSSL_cleanse(secret.as_mut_ptr().cast(), secret.len()) };
        }
    }
}

struct Generations {
    current: Key,
    previous: Option<Key>,
    /// When `current` was made.
    since: Instant,
    rotations: u64,
    /// Tickets sealed.
    issued: u64,
}

/// The ticket keys of a server. Clones share them.
#[derive(Clone)]
pub(crate) struct TicketKeys(Arc<Mutex<Generations>>);

impl TicketKeys {
    /// A first key.
    ///
    /// # Errors
    /// OpenSSL has no random numbers.
    pub(crate) fn new() -> Result<Self, ErrorStack> {
        Ok(Self(Arc::new(Mutex::new(Generations {
            current: Key::random()?,
            previous: None,
            since: Instant::now(),
            rotations: 0,
            issued: 0,
        }))))
    }

    /// Makes `builder` seal and open tickets with these keys.
    ///
    /// # Errors
    /// OpenSSL is out of memory.
    pub(crate) fn install(&self, builder: &mut SslContextBuilder) -> Result<(), ErrorStack> {
        builder.set_ex_data(index()?, self.clone());
        // SAFETY: the builder's context is live, and the callback has the type that OpenSSL expects.
        unsafe { SSL_CTX_set_tlsext_ticket_key_evp_cb(builder.as_ptr(), Some(on_ticket)) };
        Ok(())
    }

    /// Replaces the current key if it is older than `period` at `now`. True if it was. Without random
    /// numbers the present key stays.
    pub(crate) fn rotate(&self, now: Instant, period: Duration) -> bool {
        let mut keys = self.lock();
        if now.saturating_duration_since(keys.since) < period {
            return false;
        }
        let Ok(fresh) = Key::random() else {
            return false;
        };
        keys.previous = Some(std::mem::replace(&mut keys.current, fresh));
        keys.since = now;
        keys.rotations += 1;
        true
    }

    /// How often the key was replaced.
    pub(crate) fn rotations(&self) -> u64 {
        self.lock().rotations
    }

    /// How many tickets were issued.
    pub(crate) fn issued(&self) -> u64 {
        self.lock().issued
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        // Nothing panics while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a context keeps its keys.
fn index() -> Result<Index<SslContext, TicketKeys>, ErrorStack> {
    static INDEX: OnceLock<Index<SslContext, TicketKeys>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let fresh = SslContext::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| fresh))
}

/// Gives OpenSSL the key for a ticket: to seal one, or to open the one whose key has the name `name`.
unsafe extern "C" fn on_ticket(
    ssl: *mut ffi::SSL,
    name: *mut u8,
    iv: *mut u8,
    cipher: *mut ffi::EVP_CIPHER_CTX,
    mac: *mut ffi::EVP_MAC_CTX,
    is_sealing: c_int,
) -> c_int {
    // SAFETY: OpenSSL calls this with a live object, of which only a shared reference is formed.
    let ssl = unsafe { SslRef::from_ptr(ssl) };
    let context = ssl.ssl_context();
    let Some(keys) = index().ok().and_then(|index| context.ex_data(index)) else {
        return ERROR;
    };
    let mut keys = keys.lock();
    if is_sealing != 0 {
        let mut fresh = [0; BLOCK];
        if rand_bytes(&mut fresh).is_err() {
            return ERROR;
        }
        // SAFETY: OpenSSL gives room for a name and for the longest IV, which is a block.
        unsafe {
            ptr::copy_nonoverlapping(keys.current.name.as_ptr(), name, BLOCK);
            ptr::copy_nonoverlapping(fresh.as_ptr(), iv, BLOCK);
        }
        keys.issued += 1;
        // SAFETY: the contexts are OpenSSL's own, and `iv` was just filled.
        return unsafe { use_key(&keys.current, iv, cipher, mac, true, ACCEPTED) };
    }
    // SAFETY: OpenSSL gives a name of that length.
    let name = unsafe { std::slice::from_raw_parts(name, BLOCK) };
    // TLS 1.3 issues a new ticket for every resumption, since clients use each only once.
    let is_single_use = ssl.version2() == Some(SslVersion::TLS1_3);
    let (key, answer) = if keys.current.name == name && !is_single_use {
        (&keys.current, ACCEPTED)
    } else if keys.current.name == name {
        (&keys.current, ACCEPTED_RENEW)
    } else if let Some(previous) = keys.previous.as_ref().filter(|key| key.name == name) {
        (previous, ACCEPTED_RENEW)
    } else {
        return REFUSED;
    };
    // SAFETY: the contexts are OpenSSL's own, and it gives the ticket's IV.
    unsafe { use_key(key, iv, cipher, mac, false, answer) }
}

/// Sets both contexts up with `key`; `answer` if that succeeds.
///
/// # Safety
/// The contexts are live, and `iv` has a block.
unsafe fn use_key(
    key: &Key,
    iv: *const u8,
    cipher: *mut ffi::EVP_CIPHER_CTX,
    mac: *mut ffi::EVP_MAC_CTX,
    is_sealing: bool,
    answer: c_int,
) -> c_int {
    let digest = c"SHA256";
    let params = [
        Param {
            key: c"digest".as_ptr(),
            data_type: UTF8_STRING,
            data: digest.as_ptr().cast_mut().cast(),
            data_size: digest.count_bytes(),
            return_size: 0,
        },
        Param {
            key: ptr::null(),
            data_type: 0,
            data: ptr::null_mut(),
            data_size: 0,
            return_size: 0,
        },
    ];
    // SAFETY: the caller vouches for contexts and IV; keys have the lengths that AES-256 and the call
    // state; `params` ends with an entry without a key, and its string is only read.
    let done = unsafe {
        let cipher_set = ffi::EVP_CipherInit_ex(
            cipher,
            ffi::EVP_aes_256_cbc(),
            ptr::null_mut(),
            key.cipher.as_ptr(),
            iv,
            c_int::from(is_sealing),
        );
        cipher_set == 1
            && ffi::EVP_MAC_init(mac, key.mac.as_ptr(), KEY, params.as_ptr().cast()) == 1
    };
    if done { answer } else { ERROR }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_replaced_when_its_period_has_passed() {
        let keys = TicketKeys::new().expect("random numbers");
        let start = Instant::now();
        let hour = Duration::from_secs(3600);
        let name = |keys: &TicketKeys| keys.lock().current.name;
        let first = name(&keys);
        assert!(!keys.rotate(start, hour));
        assert!(keys.rotate(start + hour, hour - Duration::from_secs(1)));
        assert_eq!(
            keys.lock().previous.as_ref().map(|key| key.name),
            Some(first)
        );
        let second = name(&keys);
        assert!(!keys.rotate(start + hour, hour), "the period begins anew");
        assert!(keys.clone().rotate(start + hour * 2, hour));
        assert_eq!(
            keys.lock().previous.as_ref().map(|key| key.name),
            Some(second)
        );
        assert_ne!(name(&keys), second);
        assert_eq!(keys.rotations(), 2);
    }
}
