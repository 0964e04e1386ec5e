//! `init`, `serve` and `admin` as their user meets them: real processes, exit codes, signals.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use ports::free_port;

mod ports;

/// How long a provider may take to start or to stop here.
const PATIENCE: Duration = Duration::from_secs(20);

/// A provider that `init` made, and its process while it runs.
struct Provider {
    home: tempfile::TempDir,
    client_port: u16,
    process: Option<Child>,
}

impl Provider {
    fn init() -> Self {
        let home = tempfile::tempdir().unwrap();
        let ports = [free_port(), free_port(), free_port()];
        let arguments = ["init", "a.example", "--dir", ".", "--federation-port"];
        let output = tombolo(home.path())
            .args(arguments)
            .arg(ports[0].to_string())
            .args(["--client-port", &ports[1].to_string()])
            .args(["--admin-port", &ports[2].to_string()])
            .output()
            .unwrap();
        assert_success(&output);
        let told = text(&output.stdout);
        assert!(told.contains("tombolo serve --config"), "{told}");
        let chat = format!("--connect 127.0.0.1:{} --roots dev-ca/ca.pem --user alice", ports[1]);
        assert!(told.contains(&chat), "{told}");
        Self { home, client_port: ports[1], process: None }
    }

    fn config(&self) -> PathBuf {
        self.home.path().join("tombolo.toml")
    }

    fn start(&mut self) {
        self.start_with(&[]);
    }

    fn start_with(&mut self, arguments: &[&str]) {
        let mut process = tombolo(self.home.path());
        let process = process.arg("serve").args(arguments).stdin(Stdio::piped());
        let process = process.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.process = Some(process.spawn().unwrap());
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.client_port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "it does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal; the exit status and what was logged.
    fn stop(&mut self, signal: &str) -> Output {
        let process = self.process.take().unwrap();
        signal_to(&process, signal);
        process.wait_with_output().unwrap()
    }

    fn admin(&self, arguments: &[&str], input: &str) -> Output {
        let mut admin = tombolo(self.home.path());
        admin.arg("admin").args(arguments).stdin(Stdio::piped());
        let mut child = admin.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

fn tombolo(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tombolo"));
    command.current_dir(directory).env_remove("RUST_LOG");
    command
}

fn signal_to(process: &Child, signal: &str) {
    let id = process.id().to_string();
    assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
}

fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

#[test]
fn a_provider_is_made_run_operated_and_stopped() {
    let mut provider = Provider::init();
    assert_success(&provider.admin(&["user", "add", "alice"], ""));
    provider.start();
    let added = provider.admin(&["user", "add", "bob", "--password-stdin"], "correct horse\n");
    assert_success(&added);
    assert_eq!(
        text(&added.stdout),
        "Added mimi://a.example/u/bob\n",
        "a given password is not shown"
    );
    let listed = text(&provider.admin(&["user", "list"], "").stdout);
    assert!(listed.contains("/u/alice") && listed.contains("/u/bob"), "{listed}");
    let status = text(&provider.admin(&["status"], "").stdout);
    assert!(status.starts_with("a.example runs: 2 users, 0 rooms\n"), "{status}");

    for signal in ["TERM", "INT"] {
        let ended = provider.stop(signal);
        assert_eq!(ended.status.code(), Some(0), "{signal}");
        let log = text(&ended.stderr);
        for line in ["provider started domain=a.example", "client listener address=", "stopped"] {
            assert!(log.contains(line), "{line}: {log}");
        }
        provider.start();
    }
}

#[test]
fn a_certificate_is_read_again_on_request() {
    let mut provider = Provider::init();
    provider.start();
    let process = provider.process.as_mut().unwrap();
    let log = BufReader::new(process.stderr.take().unwrap());
    signal_to(process, "HUP");
    let (said, hears) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in log.lines().map_while(Result::ok) {
            if line.contains("the certificate is read again") {
                let _ = said.send(());
            }
        }
    });
    hears.recv_timeout(Duration::from_secs(60)).unwrap();
    assert!(provider.stop("TERM").status.success());
}

#[test]
fn what_does_not_work_is_said_with_an_exit_code() {
    let provider = Provider::init();
    let failed = |output: &Output, code: i32, message: &str| {
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        let told = text(&output.stderr);
        assert!(told.contains(message), "{told}");
        assert!(!told.contains("panicked"), "{told}");
    };
    let again = tombolo(provider.home.path()).args(["init", "a.example", "--dir", "."]).output();
    failed(&again.unwrap(), 1, "exists already and is not replaced");
    failed(&provider.admin(&["status"], ""), 1, "does not run: start it with `tombolo serve`");
    let empty = provider.admin(&["user", "add", "bob", "--password-stdin"], "\n");
    failed(&empty, 2, "standard input holds no password");
    let short = provider.admin(&["user", "add", "bob", "--password-stdin"], "short\n");
    failed(&short, 1, "tombolo: a password has 8 to 1024 octets, not 5");
    let odd = provider.admin(&["user", "add", "al/ice"], "");
    assert_eq!(odd.status.code(), Some(1));
    let domain = tombolo(provider.home.path()).args(["init", "A.example"]).output().unwrap();
    failed(&domain, 2, "not a canonical MIMI identifier");
    let missing = tombolo(provider.home.path()).args(["serve", "--config", "none.toml"]).output();
    failed(&missing.unwrap(), 2, "`tombolo init` writes one");
    let nothing = tombolo(provider.home.path()).arg("serv").output().unwrap();
    assert_eq!(nothing.status.code(), Some(2));
}

#[test]
fn every_error_of_a_configuration_is_shown_at_once() {
    let provider = Provider::init();
    let written = std::fs::read_to_string(provider.config()).unwrap();
    let broken = written
        .replace("domain = \"a.example\"", "domain = \"A\"")
        .replace("[log]", "[lgo]")
        .replace("unknown_peers = \"allow\"", "unknown_peers = \"ask\"");
    std::fs::write(provider.config(), broken).unwrap();
    let output = tombolo(provider.home.path()).arg("serve").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(told.contains("tombolo.toml has 3 errors:"), "{told}");
    for part in ["domain = \"A\"", "did you mean \"log\"?", "must be \"allow\" or \"block\""] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_second_provider_on_the_same_data_is_refused() {
    let mut provider = Provider::init();
    provider.start();
    let second = tombolo(provider.home.path()).arg("serve").output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let told = text(&second.stderr);
    assert!(told.contains("is in use by another process"), "{told}");
}

#[test]
fn the_end_of_input_stops_a_provider_that_waits_for_it() {
    let mut provider = Provider::init();
    provider.start_with(&["--until-input-ends"]);
    let mut process = provider.process.take().unwrap();
    drop(process.stdin.take());
    let ended = process.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{}", text(&ended.stderr));
    assert!(text(&ended.stderr).contains("stopped"), "{}", text(&ended.stderr));
}
