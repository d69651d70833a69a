//! One-shot mode: the command of the command line, and `--eval`.

use std::fs;
use std::io::{Read, stdin};
use std::path::Path;

use conn::error::system_reason;
use words::unquote;

use crate::issue::issue;
use crate::options::{Options, Stdin};
use crate::out::{Exit, complain, fail, print};
use crate::session::Session;

/// Runs the command of the command line.
///
/// # Errors
/// It could not be run; a message was printed.
pub fn run(session: &mut Session, options: &Options) -> Result<(), Exit> {
    let mut argv = options.command.clone();
    if options.quoted_input {
        let words: Option<Vec<_>> = argv.iter().map(|word| unquote(word)).collect();
        let Some(words) = words else {
            print("Invalid quoted string\n");
            return Err(Exit(1));
        };
        argv = words;
    }
    let argv = with_stdin(options, argv)?;
    issue(session, &argv, options.repeat, options.interval)?;
    while session.subscribed {
        match session.receive() {
            Ok(message) => print(session.format.reply(&message, false)),
            Err(failure) => return fail(session.describe(&failure)),
        }
    }
    Ok(())
}

/// The command with the argument that comes from standard input.
///
/// # Errors
/// There is no place for it, or it could not be read; a message was printed.
pub fn with_stdin(options: &Options, mut argv: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, Exit> {
    match &options.stdin {
        Stdin::Unread => {}
        Stdin::Last => argv.push(read_stdin()?),
        Stdin::Tag(tag) => match argv.iter_mut().find(|word| *word == tag) {
            Some(word) => *word = read_stdin()?,
            None => return fail("Using -X option but stdin tag not match."),
        },
    }
    Ok(argv)
}

/// Runs the script in a file. The words up to a lone comma are keys, the ones after it arguments.
///
/// # Errors
/// It could not be read or run; a message was printed.
pub fn eval(session: &mut Session, options: &Options, path: &Path) -> Result<(), Exit> {
    session.connect_or_exit()?;
    let argv = script(options, path)?;
    issue(session, &argv, options.repeat, options.interval)
}

/// The EVAL of the script in a file.
///
/// # Errors
/// It could not be read; a message was printed.
pub fn script(options: &Options, path: &Path) -> Result<Vec<Vec<u8>>, Exit> {
    let script = match fs::read(path) {
        Ok(script) => script,
        Err(error) => {
            return fail(format!(
                "Can't open file '{}': {}",
                path.display(),
                system_reason(&error)
            ));
        }
    };
    let comma = options.command.iter().position(|word| word == b",");
    let keys = comma.unwrap_or(options.command.len());
    let mut argv = vec![b"EVAL".to_vec(), script, keys.to_string().into_bytes()];
    let words = options.command.iter().enumerate();
    argv.extend(
        words
            .filter(|&(at, _)| Some(at) != comma)
            .map(|(_, word)| word.clone()),
    );
    Ok(argv)
}

fn read_stdin() -> Result<Vec<u8>, Exit> {
    let mut text = Vec::new();
    match stdin().lock().read_to_end(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => {
            complain(format!(
                "Reading from standard input: {}",
                system_reason(&error)
            ));
            Err(Exit(1))
        }
    }
}
