//! The text of `--help`.

/// Every option with what it does.
pub const TEXT: &str = "\
Usage: redis-benchmark [OPTIONS] [COMMAND ARGS...]

Sends requests over many connections at once and reports how many per second
were answered, and how soon. Without COMMAND it runs its tests one by one.

Server:
 -h <hostname>      Host name or address (default 127.0.0.1)
 -p <port>          Port (default 6379)
 -s <socket>        Unix socket, instead of host and port
 -u <uri>           All of it as redis://[[user:]password@]host[:port][/db],
                    or rediss:// for TLS
 -a <password>      Password
 --user <username>  User that the password is for
 --dbnum <db>       Database number (default 0)
 -3                 Speak RESP3
 --cluster          Distribute the load over the primaries of the cluster that the
                    server belongs to. The keys of COMMAND must contain {tag},
                    which becomes the tag of a slot of the primary it is sent to
 --enable-tracking  Have the server track the keys that are read

Load:
 -c <clients>       Connections (default 50)
 -n <requests>      Requests per test (default 100000)
 -P <numreq>        Requests per pipeline (default 1)
 -d <size>          Bytes of a value (default 3)
 -k <boolean>       0 makes a new connection for each batch (default 1)
 -r <keyspacelen>   Replace each __rand_int__ in a request by twelve digits of a
                    random number below this, a new one each time. The tests use
                    it for keys, members and scores; without -r they stay the same.
 --threads <num>    Distribute the connections over this many threads
 --seed <num>       Seed of the random numbers (default: derived from the time)
 -t <tests>         Only these tests, separated by commas, such as set,lrange_100
 -l                 Repeat the tests forever
 -I                 Idle mode: open the connections and send nothing
 -x                 Read the last argument of COMMAND from standard input

Report:
 -q                 One line per test
 --csv              One line of CSV per test
 --precision <num>  Significant digits of the latencies (default 3, at most 4)

TLS:
 --tls              Connect with TLS
 --sni <host>       Name to ask for, which the certificate must carry
 --verify-name      Fail when the certificate does not carry the address given
                    with -h. Without this option that is a warning; a host name
                    or --sni is always verified
 --cacert <file>    Certificates to trust
 --cacertdir <dir>  Directory of certificates to trust. Without both, those that
                    the system trusts
 --insecure         Trust any certificate
 --cert <file>      Certificate to show
 --key <file>       Its private key
 --tls-ciphers <list>       Ciphers of TLS 1.2 and older, separated by colons
 --tls-ciphersuites <list>  Ciphers of TLS 1.3, separated by colons

 --help             This text
 --version          The version

In the arguments of COMMAND each __data__ becomes a value of -d bytes.

Examples:
 All tests against this machine:
   $ redis-benchmark
 A million SETs to random keys, sixteen at a time:
   $ redis-benchmark -t set -n 1000000 -r 100000000 -P 16
 Any command:
   $ redis-benchmark -r 10000 -n 10000 lpush mylist __rand_int__
";
