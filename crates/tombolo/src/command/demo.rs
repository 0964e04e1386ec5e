//! `tombolo demo`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::demo::checks::{self, Check, Verdict};
use crate::demo::federation::Federation;
use crate::demo::keep;
use crate::demo::narrator::{Narrator, Voice};
use crate::demo::story::Story;

/// A whole federation on this machine: three providers, six devices, and checks at the end
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  tombolo demo                 play the story, print the checks
  tombolo demo --json          the checks as one JSON object; the story on standard error
  tombolo demo --keep          leave the federation running and print how to join it")]
pub(crate) struct Demo {
    /// End after the checks, with exit status 1 if one fails (what happens without --keep anyway)
    #[arg(long, conflicts_with = "keep")]
    exit: bool,
    /// Print one JSON object on standard output, everything else on standard error
    #[arg(long)]
    json: bool,
    /// Leave the federation running and print the commands to join it from other terminals
    #[arg(long)]
    keep: bool,
    /// Keep every file here instead of in a temporary directory; must not exist or be empty
    #[arg(long, value_name = "DIRECTORY")]
    dir: Option<PathBuf>,
}

impl Demo {
    pub(crate) async fn run(self) -> ExitCode {
        let voice = if self.json { Voice::Error } else { Voice::Output };
        let narrator = Arc::new(Narrator::new(voice));
        let temporary = match tempfile::Builder::new().prefix("tombolo-demo-").tempdir() {
            Ok(temporary) => temporary,
            Err(error) => {
                narrator.line(&format!("no temporary directory can be made: {error}"));
                return ExitCode::FAILURE;
            }
        };
        let directory = self.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
        let checks = match self.play(&narrator, &directory).await {
            Ok(checks) => checks,
            Err(error) => vec![Check::new("the demo starts", false, error)],
        };
        let ok = checks.iter().all(|check| check.ok);
        let seconds = narrator.elapsed().as_secs_f64();
        if self.json {
            print_json(&Verdict { ok, seconds, checks });
        }
        if ok {
            return ExitCode::SUCCESS;
        }
        if self.dir.is_none() {
            let kept = temporary.keep();
            narrator.line(&format!("every file of the demo is kept in {}", kept.display()));
        }
        ExitCode::FAILURE
    }

    async fn play(&self, narrator: &Arc<Narrator>, directory: &Path) -> Result<Vec<Check>, String> {
        narrator
            .line("Tombolo: users of three providers talk to each other, end-to-end encrypted.");
        let clients = directory.join("clients");
        let occupied =
            std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
        if occupied {
            return Err(format!("{} is not empty: choose another --dir", directory.display()));
        }
        std::fs::create_dir_all(&clients)
            .map_err(|error| format!("{} cannot be made: {error}", clients.display()))?;
        let mut federation = Federation::found(directory, narrator)?;
        narrator.act("Three providers, each a process of its own");
        federation.start_all().await?;
        let mut story = Story::new(narrator.clone(), federation, clients);
        let played = tokio::select! {
            played = story.play() => played,
            _ = tokio::signal::ctrl_c() => Err("stopped by Ctrl-C".to_owned()),
        };
        let mut checks = match &played {
            Ok(()) => checks::all(&story).await,
            Err(error) => {
                let mut checks = story.checks.clone();
                checks.push(Check::new("the story is played to its end", false, error.clone()));
                checks
            }
        };
        checks::print(narrator, &checks);
        let seconds = narrator.elapsed().as_secs_f64();
        let failed = checks.iter().filter(|check| !check.ok).count();
        narrator.line("");
        narrator.line(&format!("{} checks, {failed} failed, {seconds:.1} s", checks.len()));
        if self.keep && played.is_ok() {
            keep::keep(&mut story).await?;
        }
        let faults = story.end().await;
        if !faults.is_empty() {
            checks.push(Check::new("every provider stops cleanly", false, faults.join("; ")));
        }
        Ok(checks)
    }
}

#[expect(clippy::print_stdout, reason = "the one object that --json promises")]
fn print_json(verdict: &Verdict) {
    println!("{}", serde_json::to_string(verdict).expect("strings, numbers and booleans"));
}
