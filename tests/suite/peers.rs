//! Third-party clients: Debian's tools, beside ours, and the `redis` crate.

use std::process::Command;

use tests::certs;
use tests::peer::program;
use tests::server::Server;

fn tls_options(server: &Server) -> Vec<String> {
    let mut options = vec![
        "-p".to_owned(),
        server.tls_port.to_string(),
        "--tls".to_owned(),
    ];
    for (option, file) in [
        ("--cert", "redis.crt"),
        ("--key", "redis.key"),
        ("--cacert", "ca.crt"),
    ] {
        options.extend([option.to_owned(), certs::file(file)]);
    }
    options
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("the program runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn redis_cli_of_debian_and_ours_work_over_tls() {
    let server = Server::start(&[]);
    let options = tls_options(&server);
    for (name, mut cli) in [
        ("theirs", program("redis-cli")),
        ("ours", Command::new(tests::binary("redis-cli"))),
    ] {
        cli.args(&options).args(["SET", name, "1"]);
        assert_eq!(output(&mut cli), "OK\n", "{name}");
    }
    let mut cli = Command::new(tests::binary("redis-cli"));
    assert_eq!(output(cli.args(&options).args(["DBSIZE"])), "2\n");
}

#[test]
fn redis_benchmark_of_debian_and_ours_work_over_tls() {
    let server = Server::start(&[]);
    let options = tls_options(&server);
    let load = ["-t", "set,get", "-n", "5000", "-P", "16", "-q", "--csv"];
    for mut benchmark in [
        program("redis-benchmark"),
        Command::new(tests::binary("redis-benchmark")),
    ] {
        let text = output(benchmark.args(&options).args(load));
        assert!(
            text.contains("\"SET\"") && text.contains("\"GET\""),
            "{text}"
        );
    }
    let mut client = server.client(tests::client::Transport::Tcp);
    let line = client.info("cmdstat_get");
    let calls = line
        .strip_prefix("calls=")
        .and_then(|rest| rest.split(',').next());
    // A benchmark client finishes its pipeline, so there may be a few more calls.
    let enough = calls.is_some_and(|calls| calls.parse::<u64>().is_ok_and(|n| n >= 10_000));
    assert!(enough, "{line}");
}

#[test]
fn the_redis_crate_works_over_tcp_and_tls() {
    let server = Server::start(&["--tls-auth-clients", "no"]);
    for url in [
        format!("redis://127.0.0.1:{}/1", server.port),
        format!("rediss://127.0.0.1:{}/1#insecure", server.tls_port),
    ] {
        let client = redis::Client::open(url.as_str()).expect("a valid address");
        let mut connection = client.get_connection().expect("it connects");
        let value = vec![7u8; 3 << 20];
        let mut pipe = redis::pipe();
        pipe.cmd("SET")
            .arg("k")
            .arg(&value)
            .ignore()
            .cmd("GET")
            .arg("k")
            .cmd("STRLEN")
            .arg("k");
        let got: (Vec<u8>, usize) = pipe.query(&mut connection).expect("replies");
        assert_eq!((got.0 == value, got.1), (true, value.len()), "{url}");
    }
}
