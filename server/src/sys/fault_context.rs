//! What the kernel tells a handler about the signal of a crash: its cause, the instruction, the registers.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::fmt::Write;

/// The lines that say what happened, and a block of registers, which is empty on machines other than x86-64.
///
/// # Safety
/// The pointers are those that the kernel passes to a handler with `SA_SIGINFO`.
pub unsafe fn describe(
    signal: c_int,
    info: *const libc::siginfo_t,
    context: *const libc::ucontext_t,
) -> (Vec<String>, String) {
    // SAFETY: by the caller's promise both are valid while the handler runs.
    let (info, context) = unsafe { (&*info, &*context) };
    let mut lines = vec![format!(
        "Redis {} crashed by signal: {signal}, si_code: {}",
        env!("CARGO_PKG_VERSION"),
        info.si_code
    )];
    if matches!(signal, libc::SIGSEGV | libc::SIGBUS) {
        // SAFETY: the kernel fills in the address for these signals.
        let address = unsafe { info.si_addr() };
        lines.push(format!("Accessing address: {address:p}"));
    }
    if matches!(info.si_code, libc::SI_USER | libc::SI_TKILL) {
        // SAFETY: the kernel fills in the sender for signals of a process.
        let (pid, uid) = unsafe { (info.si_pid(), info.si_uid()) };
        lines.push(format!("Killed by PID: {pid}, UID: {uid}"));
    }
    lines.extend(machine::instruction(context));
    (lines, machine::registers(context))
}

#[cfg(target_arch = "x86_64")]
mod machine {
    use super::Write;
    use libc::{
        REG_CSGSFS, REG_EFL, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15,
        REG_RAX, REG_RBP, REG_RBX, REG_RCX, REG_RDI, REG_RDX, REG_RIP, REG_RSI, REG_RSP,
    };

    /// In the order and with the names of Redis's report, two on a line.
    const REGISTERS: [(&str, libc::c_int); 18] = [
        ("RAX", REG_RAX),
        ("RBX", REG_RBX),
        ("RCX", REG_RCX),
        ("RDX", REG_RDX),
        ("RDI", REG_RDI),
        ("RSI", REG_RSI),
        ("RBP", REG_RBP),
        ("RSP", REG_RSP),
        ("R8 ", REG_R8),
        ("R9 ", REG_R9),
        ("R10", REG_R10),
        ("R11", REG_R11),
        ("R12", REG_R12),
        ("R13", REG_R13),
        ("R14", REG_R14),
        ("R15", REG_R15),
        ("RIP", REG_RIP),
        ("EFL", REG_EFL),
    ];

    pub fn instruction(context: &libc::ucontext_t) -> Option<String> {
        let at = context.uc_mcontext.gregs[REG_RIP as usize];
        Some(format!("Crashed running the instruction at: {at:#x}"))
    }

    pub fn registers(context: &libc::ucontext_t) -> String {
        let value = |register: libc::c_int| context.uc_mcontext.gregs[register as usize];
        let mut text = String::new();
        for pair in REGISTERS.chunks(2) {
            let pair = pair
                .iter()
                .map(|&(name, register)| format!("{name}:{:016x}", value(register)));
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{}", pair.collect::<Vec<_>>().join(" "));
        }
        let _ = writeln!(text, "CSGSFS:{:016x}", value(REG_CSGSFS));
        text
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod machine {
    pub fn instruction(_: &libc::ucontext_t) -> Option<String> {
        None
    }

    pub fn registers(_: &libc::ucontext_t) -> String {
        String::new()
    }
}
