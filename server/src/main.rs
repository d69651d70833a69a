//! `redis-server`: parses the arguments and runs the server.

use std::ffi::OsString;
use std::process::ExitCode;

use ae::event_loop::run;
use conn::tls::memory::Allocator;
use server::config::file::fatal;
use server::house::command_line::{self, Start};
use server::persist::aof;
use server::persist::check::check;
use server::sys::memory::{self, Jemalloc};
use server::sys::process;
use server::{commands, house, warning};

/// Not in the library, so that no other program gets it; AddressSanitizer has a `memcpy` of its own.
#[cfg(all(
    target_arch = "x86_64",
    target_os = "linux",
    target_env = "gnu",
    not(asan)
))]
#[path = "sys/memcpy.rs"]
mod memcpy;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    memory::assert_quantum();
    let counted = conn::tls::memory::install(Allocator {
        alloc: memory::c_alloc,
        realloc: memory::c_realloc,
        free: memory::c_free,
    });
    assert!(counted, "OpenSSL allocated before its allocator was set");
    let args = match arguments() {
        Ok(args) => args,
        Err(arg) => {
            eprintln!("The argument {} is not valid UTF-8", arg.display());
            return ExitCode::FAILURE;
        }
    };
    process::reserve_title();
    match command_line::parse(&args) {
        Start::Say(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Start::Refuse(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
        Start::CheckRdb(path) => match check(&path, &mut std::io::stdout().lock()) {
            Ok(Some(_)) => ExitCode::SUCCESS,
            Ok(None) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        },
        Start::CheckAof(order) => {
            let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout());
            match aof::check::run(&order, &mut input, &mut out) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            }
        }
        Start::RefuseOnStdout(text) => {
            println!("{text}");
            ExitCode::FAILURE
        }
        Start::Serve(config, info) => {
            if let Err(sentence) = house::start::enter(&config) {
                eprintln!("{}", fatal(&sentence));
                return ExitCode::FAILURE;
            }
            match house::start::serve(*config, info, commands::bind(), run) {
                Ok(()) => ExitCode::SUCCESS,
                Err(sentence) => {
                    warning!("{sentence}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

/// The arguments of the command line, the program's path first.
///
/// # Errors
/// One that is not valid UTF-8. With another file name in its place the server would start without its data.
fn arguments() -> Result<Vec<String>, OsString> {
    let mut given = std::env::args_os();
    let program = given.next().map(|path| path.to_string_lossy().into_owned());
    let program = program.into_iter().map(Ok);
    program.chain(given.map(OsString::into_string)).collect()
}
