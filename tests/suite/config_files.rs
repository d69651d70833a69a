//! CONFIG REWRITE and the configuration file: mode, owner, symbolic links.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use tests::client::Transport;
use tests::server::{Server, temp_dir};

#[test]
fn config_rewrite_keeps_mode_owner_and_symbolic_link() {
    for transport in Transport::ALL {
        for mode in [0o600, 0o640, 0o644] {
            let dir = temp_dir();
            let (path, link) = (dir.path().join("real.conf"), dir.path().join("redis.conf"));
            fs::write(&path, "# secrets\nrequirepass \"\"\n").expect("a file");
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("a mode");
            symlink("real.conf", &link).expect("a link");
            let before = fs::metadata(&path).expect("a file");
            let server = Server::start_with_config(&link, &[]);
            let mut client = server.client(transport);
            assert_eq!(client.text("CONFIG SET timeout 4321"), "OK");
            assert_eq!(client.text("CONFIG REWRITE"), "OK");
            assert!(link.is_symlink());
            let after = fs::metadata(&path).expect("a file");
            assert_eq!(after.permissions().mode() & 0o7777, mode);
            assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
            assert_ne!(after.ino(), before.ino(), "the file is replaced atomically");
            let text = fs::read_to_string(&link).expect("a file");
            assert!(
                text.starts_with("# secrets\n") && text.contains("timeout 4321\n"),
                "{text}"
            );
            let left = fs::read_dir(dir.path()).expect("a folder").count();
            assert_eq!(left, 2, "no temporary file is left");
        }
    }
}

#[test]
fn the_working_directory_can_be_changed() {
    let (server, folder) = (
        Server::start(&["--enable-protected-configs", "yes"]),
        temp_dir(),
    );
    let mut client = server.client(Transport::Tls);
    let path = folder.path().display();
    assert_eq!(client.text(&format!("CONFIG SET dir {path}")), "OK");
    assert_eq!(client.text("SAVE"), "OK");
    assert!(folder.path().join("dump.rdb").exists());
    let missing = client.text(&format!("CONFIG SET dir {path}/missing"));
    assert!(missing.contains("No such file or directory"), "{missing}");
    assert_eq!(client.text("CONFIG GET dir"), format!("[dir {path}]"));
}
