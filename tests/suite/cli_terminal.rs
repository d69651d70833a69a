//! redis-cli at a terminal: lines typed ahead, messages until a key, the history, and how it ends.

use std::fs;
use std::path::Path;

use tests::client::Transport;
use tests::server::{Server, temp_dir};
use tests::terminal::Terminal;
use tests::wait::until;

use crate::redis_cli::{BOTH, cli};

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";
const READING: &str = "Reading messages... (press Ctrl-C to quit or any key to type command)";

/// A prompt whose history is in a folder.
fn prompt(server: &Server, transport: Transport, folder: &Path) -> Terminal {
    let mut cli = cli(server, transport);
    cli.env("REDISCLI_HISTFILE", folder.join("history"));
    cli.env("REDISCLI_RCFILE", folder.join("preferences"));
    let mut terminal = Terminal::start(cli);
    terminal.shows("> ");
    terminal
}

/// Presses keys at the next prompt, which ends the program: its exit code.
fn leave(mut terminal: Terminal, keys: &str) -> i32 {
    terminal.shows("> ");
    terminal.press(keys);
    terminal.end()
}

#[test]
fn lines_that_are_typed_ahead_run_one_by_one() {
    for transport in BOTH {
        let server = Server::start(&[]);
        let folder = temp_dir();
        let mut terminal = prompt(&server, transport, folder.path());
        // Both lines come while the first one waits for an element.
        terminal.press("BLPOP queue 0\rSET a 1\rGET a\r");
        let mut client = server.client(Transport::Tcp);
        until("a blocked client", || {
            (client.info("blocked_clients") == "1").then_some(())
        });
        assert_eq!(client.text("LPUSH queue element"), "1");
        terminal.shows("2) \"element\"\r\n");
        terminal.shows("OK\r\n");
        terminal.shows("\"1\"\r\n");
        assert_eq!(leave(terminal, CTRL_D), 0, "{transport:?}");
    }
}

#[test]
fn messages_are_shown_until_a_key_or_ctrl_c() {
    for transport in BOTH {
        let server = Server::start(&[]);
        let folder = temp_dir();
        let mut terminal = prompt(&server, transport, folder.path());
        terminal.press("SUBSCRIBE news\r");
        terminal.shows(READING);
        let mut client = server.client(Transport::Tcp);
        assert_eq!(client.text("PUBLISH news first"), "1");
        terminal.shows("3) \"first\"\r\n");
        terminal.shows(READING);
        // The key is the first one of the line.
        terminal.press("PING\r");
        terminal.shows("(subscribed mode)> ");
        terminal.shows("2) \"\"\r\n");
        terminal.shows(READING);
        assert_eq!(client.text("PUBLISH news second"), "1");
        terminal.shows("3) \"second\"\r\n");
        terminal.shows(READING);
        terminal.press(CTRL_C);
        terminal.shows("> ");
        terminal.press("PUBLISH news third\r");
        terminal.shows("(integer) 0\r\n");
        assert_eq!(leave(terminal, CTRL_C), 0, "{transport:?}");
    }
}

#[test]
fn ctrl_c_leaves_a_monitor_for_the_prompt_but_ends_a_wait_for_a_reply() {
    let server = Server::start(&[]);
    let folder = temp_dir();
    let mut terminal = prompt(&server, Transport::Tls, folder.path());
    let mut client = server.client(Transport::Tcp);
    terminal.press("MONITOR\r");
    terminal.shows("OK\r\n");
    assert_eq!(client.text("ECHO seen"), "seen");
    terminal.shows("\"ECHO\" \"seen\"\r\n");
    terminal.press(CTRL_C);
    terminal.shows("> ");
    terminal.press("ECHO here\r");
    terminal.shows("\"here\"\r\n");
    terminal.shows("> ");
    terminal.press("BLPOP queue 0\r");
    until("a blocked client", || {
        (client.info("blocked_clients") == "1").then_some(())
    });
    terminal.press(CTRL_C);
    // As with Redis's own.
    assert_eq!(terminal.end(), 1);
}

#[test]
fn the_history_keeps_lines_but_no_passwords() {
    let server = Server::start(&[]);
    let folder = temp_dir();
    let lines = [
        "SET a 1",
        "AUTH secret",
        "ACL SETUSER joe >secret",
        "CONFIG SET requirepass secret",
        "CONFIG SET requirepass \"\"",
        "GET a",
    ];
    let mut terminal = prompt(&server, Transport::Tcp, folder.path());
    for line in lines {
        terminal.press(&format!("{line}\r"));
        terminal.shows("\r\n");
        // A reply may contain "> ".
        terminal.shows(&format!(":{}> ", server.port));
    }
    terminal.press(CTRL_D);
    assert_eq!(terminal.end(), 0);
    let history = fs::read_to_string(folder.path().join("history"));
    assert_eq!(history.expect("it is written"), "SET a 1\nGET a\n");
    // The arrow recalls the last line.
    let mut terminal = prompt(&server, Transport::Tcp, folder.path());
    terminal.press("\x1b[A\r");
    terminal.shows("\"1\"\r\n");
    assert_eq!(leave(terminal, CTRL_D), 0);
}

#[test]
fn keys_edit_the_line_as_in_redis() {
    let server = Server::start(&[]);
    let folder = temp_dir();
    let mut terminal = prompt(&server, Transport::Tcp, folder.path());
    // Ctrl-U erases what is right of the cursor as well.
    terminal.press("ECHO wrong\x01\x06\x15PING\r");
    terminal.shows("PONG\r\n");
    terminal.shows("> ");
    // Groups are the first topics of the help.
    terminal.press("help \t\r");
    terminal.shows("BITCOUNT");
    assert_eq!(leave(terminal, CTRL_D), 0);
}

#[test]
fn a_hint_ends_with_the_row() {
    let server = Server::start(&[]);
    let folder = temp_dir();
    let mut terminal = prompt(&server, Transport::Tcp, folder.path());
    let prompt = format!("127.0.0.1:{}> ", server.port);
    // The terminal has 200 columns, and the last one is not used.
    let key = |left: usize| "k".repeat(199 - left - prompt.len() - "SET  ".len());
    terminal.press(&format!("SET {} ", key("val".len())));
    terminal.shows("\x1b[90mval\x1b[0m");
    terminal.press("\r");
    terminal.shows("wrong number of arguments");
    terminal.shows("> ");
    terminal.press(&format!("SET {} value\r", key(0)));
    terminal.shows("OK\r\n");
    assert_eq!(leave(terminal, CTRL_D), 0);
}
