//! INFO: the list of sections, and composing a reply.
//!
//! To add a field, write one `info.field(…)` line in the file of its section. A field whose subject does not exist in
//! this build has the value it has on a server that does not use it.

use crate::report::info::Info;
use crate::report::{
    clients, commandstats, cpu, keyspace, memory, persistence, replication, server, stats, tls,
};
use crate::server::Server;

/// A section: the argument that selects it, its title, and its writer.
pub struct Section {
    /// Lower case.
    pub name: &'static str,
    title: &'static str,
    when: When,
    write: fn(&Server, &mut Info),
}

/// Which requests include a section without naming it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// INFO, INFO default, and those of `All`.
    Default,
    /// INFO all and INFO everything.
    All,
    /// None.
    Never,
}

static SECTIONS: &[Section] = &[
    Section {
        name: "server",
        title: "Server",
        when: When::Default,
        write: server::write,
    },
    Section {
        name: "clients",
        title: "Clients",
        when: When::Default,
        write: clients::write,
    },
    Section {
        name: "memory",
        title: "Memory",
        when: When::Default,
        write: memory::write,
    },
    Section {
        name: "persistence",
        title: "Persistence",
        when: When::Default,
        write: persistence::write,
    },
    Section {
        name: "stats",
        title: "Stats",
        when: When::Default,
        write: stats::write,
    },
    Section {
        name: "replication",
        title: "Replication",
        when: When::Default,
        write: replication::write,
    },
    Section {
        name: "cpu",
        title: "CPU",
        when: When::Default,
        write: cpu::write,
    },
    Section {
        name: "tls",
        title: "TLS",
        when: When::Default,
        write: tls::write,
    },
    Section {
        name: "modules",
        title: "Modules",
        when: When::Default,
        write: |_, _| {},
    },
    Section {
        name: "commandstats",
        title: "Commandstats",
        when: When::All,
        write: commandstats::write_calls,
    },
    Section {
        name: "errorstats",
        title: "Errorstats",
        when: When::Default,
        write: commandstats::write_errors,
    },
    Section {
        name: "latencystats",
        title: "Latencystats",
        when: When::All,
        write: commandstats::write_latency,
    },
    Section {
        name: "cluster",
        title: "Cluster",
        when: When::Default,
        write: |srv, info| info.field("cluster_enabled", u8::from(srv.cluster.is_some())),
    },
    Section {
        name: "keyspace",
        title: "Keyspace",
        when: When::Default,
        write: keyspace::write,
    },
    Section {
        name: "debug",
        title: "Debug",
        when: When::Never,
        write: stats::write_debug,
    },
];

/// The sections that a request asks for.
pub struct Wanted {
    /// Its arguments in lower case.
    words: Vec<Vec<u8>>,
}

impl Wanted {
    /// Those of INFO with these arguments; none means `default`.
    pub fn of<'a>(args: impl Iterator<Item = &'a [u8]>) -> Self {
        Self {
            words: args.map(<[u8]>::to_ascii_lowercase).collect(),
        }
    }

    fn names(&self, word: &str) -> bool {
        self.words.iter().any(|own| own == word.as_bytes())
    }

    fn includes(&self, section: &Section) -> bool {
        let all = self.names("all") || self.names("everything");
        let unnamed = match section.when {
            When::Default => all || self.words.is_empty() || self.names("default"),
            When::All => all,
            When::Never => false,
        };
        unnamed || self.names(section.name)
    }
}

/// The reply to INFO.
pub fn answer(srv: &mut Server, wanted: &Wanted) -> String {
    let is_memory = |section: &&Section| section.name == "memory";
    if SECTIONS
        .iter()
        .find(is_memory)
        .is_some_and(|memory| wanted.includes(memory))
    {
        srv.memory.refresh();
    }
    compose(srv, wanted)
}

/// All sections, for the crash report. What is sampled is that of the latest sample.
pub fn everything(srv: &Server) -> String {
    compose(srv, &Wanted::of([b"everything".as_slice()].into_iter()))
}

fn compose(srv: &Server, wanted: &Wanted) -> String {
    let mut info = Info::default();
    for section in SECTIONS.iter().filter(|section| wanted.includes(section)) {
        info.title(section.title);
        (section.write)(srv, &mut info);
    }
    info.into_text()
}
