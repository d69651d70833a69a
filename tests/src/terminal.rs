//! A program at a terminal.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::unistd::setsid;

use crate::wait::PATIENCE;

/// A program whose standard input, output and error are a terminal of its own, so wide that no line is wrapped.
pub struct Terminal {
    keyboard: File,
    program: Child,
    /// Output that no call has waited for yet.
    screen: Vec<u8>,
}

impl Terminal {
    /// Starts a program.
    ///
    /// # Panics
    /// If the system has no terminal left, or the program does not start.
    #[allow(unsafe_code)]
    pub fn start(mut command: Command) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: 200,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(&size, None).expect("a terminal");
        for end in [&pair.master, &pair.slave] {
            let flag = FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC);
            fcntl(end, flag).expect("it is open");
        }
        let end = || pair.slave.try_clone().expect("a descriptor");
        command.stdin(end()).stdout(end()).stderr(end());
        command.env("TERM", "xterm");
        let control = || {
            setsid()?;
            // SAFETY: standard input is the terminal, and the argument is a number.
            match unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        };
        // SAFETY: the closure makes two system calls and allocates nothing.
        let command = unsafe { command.pre_exec(control) };
        let program = command.spawn().expect("it starts");
        Self {
            keyboard: File::from(pair.master),
            program,
            screen: Vec::new(),
        }
    }

    /// Presses keys.
    ///
    /// # Panics
    /// If the program has ended.
    pub fn press(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("it is still there");
    }

    /// Waits until a text is shown behind what the last call has waited for.
    ///
    /// # Panics
    /// If the program ends before, or shows nothing for [`PATIENCE`].
    #[track_caller]
    pub fn shows(&mut self, text: &str) {
        let wanted = text.as_bytes();
        loop {
            let found = self
                .screen
                .windows(wanted.len())
                .position(|at| at == wanted);
            if let Some(at) = found {
                self.screen.drain(..at + wanted.len());
                return;
            }
            let more = self.read();
            assert!(more, "no {text:?} in {}", self.screen.escape_ascii());
        }
    }

    /// Waits for the program to end: its exit code.
    ///
    /// # Panics
    /// If a signal ends it, or it shows nothing for [`PATIENCE`] and does not end.
    pub fn end(mut self) -> i32 {
        while self.read() {}
        let status = self.program.wait().expect("it was started");
        status.code().expect("it ends by itself")
    }

    /// Reads what is shown next; false if the program has ended.
    fn read(&mut self) -> bool {
        let mut buf = [0; 4096];
        loop {
            let mut polled = [PollFd::new(self.keyboard.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(PATIENCE).expect("it is short");
            let ready = poll(&mut polled, timeout).expect("it is a terminal");
            let screen = self.screen.escape_ascii();
            assert!(ready > 0, "timed out: {screen}");
            match self.keyboard.read(&mut buf) {
                Ok(0) => return false,
                Ok(n) => {
                    self.screen.extend_from_slice(&buf[..n]);
                    return true;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The other end is closed.
                Err(_) => return false,
            }
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
