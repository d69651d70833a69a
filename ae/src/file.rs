//! Watched descriptors, and the ready set that turns the kernel's edges into levels.
//!
//! The kernel reports once that a descriptor became readable or writable. The ready set keeps that
//! state until the user of the descriptor reports `drained`: it met would-block, or a short read
//! after which nothing can be left. A descriptor fires while `ready & interest` is not empty. Both
//! masks are kept in memory, so a change of interest costs no system call, and data that a proc left
//! unread fires again in the next turn. A missing `drained` costs a spurious call, never a hang.
//!
//! ```text
//!   edge from the kernel ──► ready bit ──────────────► fires, each turn, while interest is there too
//!                              ▲   │ drained()
//!                              └───┘ next edge
//! ```
//!
//! # Invariants
//! 1. `files` is indexed by descriptor; a slot that was never used or was forgotten has `registered
//!    == false` and no interest.
//! 2. A descriptor with `ready & interest` is in `hot`, at most once (`listed`). `hot` may hold
//!    others too; `prune` drops them.
//! 3. `closing` is sticky for the life of a registration. Once it is set a short read proves
//!    nothing: data and FIN can arrive in one edge, after which there is never another, so only
//!    would-block or end of file may drain such a descriptor.
//! 4. A generation belongs to one registration. An entry of a list that was collected earlier fires
//!    only if its generation is still current, so a descriptor that was closed and reused in the
//!    same turn does not receive the events of its predecessor.
//! 5. An entry fires only in the newest turn that collected it: if a nested turn has served a
//!    descriptor, the outer turn skips it. This keeps the guarantee of BARRIER across nested turns.
//! 6. While a descriptor is used by another thread its ready bits are taken out (`take_ready`), so
//!    the bits that are set meanwhile are new edges; `restore_ready` adds what that thread left.

use std::io;
use std::mem;
use std::os::fd::RawFd;

use bitflags::bitflags;

use crate::poller::{Edge, Poller};

bitflags! {
    /// What a descriptor is watched for, or is ready for.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Mask: u8 {
        /// Its read proc wants to run.
        const READABLE = 1;
        /// Its write proc wants to run.
        const WRITABLE = 2;
        /// The write proc runs before the read proc, never after it in one turn. For replies that
        /// must not be sent before the effects of the read proc were made durable between turns.
        const BARRIER = 4;
    }
}

/// Called when a descriptor is ready: the host, the descriptor, its data word.
pub type FileProc<S> = fn(&mut S, RawFd, u64);

/// An entry of the list of descriptors that one turn serves.
#[derive(Clone, Copy)]
pub(crate) struct Fired {
    pub(crate) fd: RawFd,
    generation: u32,
}

struct File<S> {
    read: Option<FileProc<S>>,
    write: Option<FileProc<S>>,
    data: u64,
    generation: u32,
    /// The newest turn that collected it.
    turn: u32,
    interest: Mask,
    ready: Mask,
    closing: bool,
    registered: bool,
    listed: bool,
}

impl<S> File<S> {
    const fn vacant(generation: u32) -> Self {
        Self {
            read: None,
            write: None,
            data: 0,
            generation,
            turn: 0,
            interest: Mask::empty(),
            ready: Mask::empty(),
            closing: false,
            registered: false,
            listed: false,
        }
    }

    fn is_hot(&self) -> bool {
        self.ready.intersects(self.interest)
    }
}

pub(crate) struct Files<S> {
    files: Vec<File<S>>,
    hot: Vec<RawFd>,
    setsize: usize,
}

impl<S> Files<S> {
    pub(crate) fn new(setsize: usize) -> Self {
        Self {
            files: Vec::new(),
            hot: Vec::new(),
            setsize,
        }
    }

    pub(crate) fn registered(&self) -> impl Iterator<Item = RawFd> {
        let known = self.files.iter().zip(0..);
        known.filter(|(file, _)| file.registered).map(|(_, fd)| fd)
    }

    pub(crate) fn setsize(&self) -> usize {
        self.setsize
    }

    /// Sets the bound on descriptors, unless one is watched beyond it.
    pub(crate) fn resize(&mut self, setsize: usize) -> bool {
        if self.files.iter().skip(setsize).any(|file| file.registered) {
            return false;
        }
        self.files.truncate(setsize);
        // An entry without its file would be listed a second time when the number is used again.
        let files = self.files.len();
        self.hot.retain(|&fd| (fd as usize) < files);
        self.setsize = setsize;
        true
    }

    pub(crate) fn add(
        &mut self,
        poller: &Poller,
        fd: RawFd,
        mask: Mask,
        proc: FileProc<S>,
        data: u64,
    ) -> io::Result<()> {
        let file = self.register(poller, fd)?;
        if mask.contains(Mask::READABLE) {
            file.read = Some(proc);
        }
        if mask.contains(Mask::WRITABLE) {
            file.write = Some(proc);
        }
        file.data = data;
        file.interest |= mask;
        self.list(fd);
        Ok(())
    }

    pub(crate) fn remove(&mut self, fd: RawFd, mask: Mask) {
        let Some(file) = self.get_mut(fd) else { return };
        // A barrier is a property of the write direction and goes with it.
        let gone = if mask.contains(Mask::WRITABLE) {
            mask | Mask::BARRIER
        } else {
            mask
        };
        file.interest.remove(gone);
    }

    pub(crate) fn set_mask(&mut self, fd: RawFd, mask: Mask) {
        let Some(file) = self.get_mut(fd) else { return };
        file.interest = mask;
        self.list(fd);
    }

    pub(crate) fn forget(&mut self, poller: &Poller, fd: RawFd) {
        let Some(file) = self.get_mut(fd) else { return };
        let (generation, listed) = (file.generation.wrapping_add(1), file.listed);
        *file = File {
            listed,
            ..File::vacant(generation)
        };
        // It fails only if the descriptor was closed first; then the kernel has removed it already.
        let _ = poller.remove(fd);
    }

    pub(crate) fn mask(&self, fd: RawFd) -> Mask {
        self.get(fd).map_or(Mask::empty(), |file| file.interest)
    }

    pub(crate) fn ready(&self, fd: RawFd) -> Mask {
        self.get(fd).map_or(Mask::empty(), |file| file.ready)
    }

    pub(crate) fn is_closing(&self, fd: RawFd) -> bool {
        self.get(fd).is_some_and(|file| file.closing)
    }

    pub(crate) fn drained(&mut self, fd: RawFd, mask: Mask) {
        if let Some(file) = self.get_mut(fd) {
            file.ready.remove(mask);
        }
    }

    /// Takes the ready bits of `fd` out, for a user that is about to work without this loop.
    pub(crate) fn take_ready(&mut self, fd: RawFd) -> Mask {
        let Some(file) = self.get_mut(fd) else {
            return Mask::empty();
        };
        mem::replace(&mut file.ready, Mask::empty())
    }

    /// Adds ready bits that `take_ready` took out and that are still valid.
    pub(crate) fn restore_ready(&mut self, fd: RawFd, mask: Mask) {
        if let Some(file) = self.get_mut(fd) {
            file.ready |= mask & (Mask::READABLE | Mask::WRITABLE);
            self.list(fd);
        }
    }

    /// Records an edge that the kernel reported.
    pub(crate) fn notice(&mut self, edge: &Edge) {
        let Some(file) = self.get_mut(edge.fd) else {
            return;
        };
        if file.generation != edge.generation {
            return;
        }
        file.ready |= edge.ready;
        file.closing |= edge.closing;
        self.list(edge.fd);
    }

    /// Drops descriptors that no longer fire from the ready set. True if any are left, in which case
    /// the loop must not sleep.
    pub(crate) fn prune(&mut self) -> bool {
        let files = &mut self.files;
        self.hot.retain(|&fd| {
            let Some(file) = files.get_mut(fd as usize) else {
                return false;
            };
            file.listed = file.is_hot();
            file.listed
        });
        !self.hot.is_empty()
    }

    /// Fills `list` with the descriptors that fire in `turn`, the longest in the ready set first.
    pub(crate) fn collect(&mut self, turn: u32, list: &mut Vec<Fired>) {
        for &fd in &self.hot {
            if let Some(file) = self.files.get_mut(fd as usize) {
                file.turn = turn;
                list.push(Fired {
                    fd,
                    generation: file.generation,
                });
            }
        }
    }

    /// The proc to call for `fired` in `direction`, if it is still the same registration, still
    /// ready and still of interest.
    pub(crate) fn due(
        &self,
        fired: Fired,
        turn: u32,
        direction: Mask,
    ) -> Option<(FileProc<S>, u64)> {
        let file = self.get(fired.fd)?;
        if file.generation != fired.generation
            || file.turn != turn
            || !(file.ready & file.interest).contains(direction)
        {
            return None;
        }
        let proc = if direction == Mask::READABLE {
            file.read
        } else {
            file.write
        };
        proc.map(|proc| (proc, file.data))
    }

    fn get(&self, fd: RawFd) -> Option<&File<S>> {
        self.files
            .get(usize::try_from(fd).ok()?)
            .filter(|file| file.registered)
    }

    fn get_mut(&mut self, fd: RawFd) -> Option<&mut File<S>> {
        self.files
            .get_mut(usize::try_from(fd).ok()?)
            .filter(|file| file.registered)
    }

    fn register(&mut self, poller: &Poller, fd: RawFd) -> io::Result<&mut File<S>> {
        let index = usize::try_from(fd).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
        if index >= self.setsize {
            return Err(io::Error::from_raw_os_error(libc::ERANGE));
        }
        if index >= self.files.len() {
            let room = (index + 1).next_power_of_two().min(self.setsize);
            self.files.resize_with(room, || File::vacant(0));
        }
        let file = &mut self.files[index];
        if !file.registered {
            poller.add(fd, file.generation)?;
            file.registered = true;
        }
        Ok(file)
    }

    fn list(&mut self, fd: RawFd) {
        let file = &mut self.files[fd as usize];
        if file.is_hot() && !file.listed {
            file.listed = true;
            self.hot.push(fd);
        }
    }
}
