//! `tombolo demo`.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use crate::demo::checks::{self, Check, Verdict};
use crate::demo::federation::Federation;
use crate::demo::interrupt::Interrupt;
use crate::demo::keep;
use crate::demo::narrator::{Holds, Narrator, Voice};
use crate::demo::story::Story;

/// A whole federation on this machine: three providers, seven devices, and checks at the end
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

/// How a demo ends that could begin.
enum End {
    /// With its checks.
    Checked(Holds),
    /// Because somebody stopped it.
    Stopped,
}

/// Exit status of a program that was stopped by Ctrl-C.
const STOPPED: u8 = 130;

impl Demo {
    pub(crate) async fn run(self) -> ExitCode {
        let voice = if self.json { Voice::Error } else { Voice::Output };
        let narrator = Arc::new(Narrator::new(voice));
        let (mut interrupt, temporary) = match prepare() {
            Ok(prepared) => prepared,
            Err(error) => return self.cannot_begin(&narrator, error),
        };
        let directory = self.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
        match self.play(&narrator, &directory, &mut interrupt).await {
            Ok(End::Checked(Holds::Yes)) => ExitCode::SUCCESS,
            Ok(End::Checked(Holds::No)) => {
                if self.dir.is_none() {
                    let kept = temporary.keep();
                    let kept = kept.display();
                    narrator.line(&format!("every file of the demo is kept in {kept}"));
                }
                ExitCode::FAILURE
            }
            Ok(End::Stopped) => ExitCode::from(STOPPED),
            Err(error) => self.cannot_begin(&narrator, error),
        }
    }

    fn cannot_begin(&self, narrator: &Narrator, error: String) -> ExitCode {
        narrator.line(&format!("tombolo: {error}"));
        self.verdict(narrator, vec![Check::new("the demo begins", false, error)]);
        ExitCode::FAILURE
    }

    /// The checks for programs, if any program asked.
    fn verdict(&self, narrator: &Narrator, checks: Vec<Check>) {
        if self.json {
            let ok = checks.iter().all(|check| check.ok);
            print_json(&Verdict { ok, seconds: narrator.elapsed().as_secs_f64(), checks });
        }
    }

    async fn play(
        &self,
        narrator: &Arc<Narrator>,
        directory: &Path,
        interrupt: &mut Interrupt,
    ) -> Result<End, String> {
        narrator
            .line("Tombolo: users of three providers talk to each other, end-to-end encrypted.");
        let clients = make_directory(directory)?;
        let federation = Federation::found(directory, narrator)?;
        let mut story = Story::new(narrator.clone(), federation, clients);
        let played = tokio::select! {
            played = story.play() => played,
            () = interrupt.received() => {
                narrator.line("");
                narrator.line("Stopping …");
                story.end().await;
                return Ok(End::Stopped);
            }
        };
        let checks = judge(narrator, &story, &played).await;
        let mut ok = checks.iter().all(|check| check.ok);
        self.verdict(narrator, checks);
        if self.keep && played.is_ok() {
            keep::keep(&mut story, interrupt).await?;
        }
        for fault in story.end().await {
            narrator.line(&format!("not stopped cleanly: {fault}"));
            ok = false;
        }
        Ok(End::Checked(Holds::from(ok)))
    }
}

/// The signals are caught before there is anything to tidy up.
fn prepare() -> Result<(Interrupt, tempfile::TempDir), String> {
    let interrupt = Interrupt::listen()?;
    let temporary = tempfile::Builder::new().prefix("tombolo-demo-").tempdir();
    let temporary =
        temporary.map_err(|error| format!("no temporary directory can be made: {error}"))?;
    Ok((interrupt, temporary))
}

/// Makes the demo's directory, for its user alone; the answer is where the devices keep their files.
fn make_directory(directory: &Path) -> Result<PathBuf, String> {
    let occupied = std::fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_some());
    if occupied {
        return Err(format!("{} is not empty: choose another --dir", directory.display()));
    }
    let clients = directory.join("clients");
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let made = builder.create(&clients);
    made.map_err(|error| format!("{} cannot be made: {error}", clients.display()))?;
    Ok(clients)
}

/// Makes the checks and prints their table.
async fn judge(narrator: &Narrator, story: &Story, played: &Result<(), String>) -> Vec<Check> {
    let checks = match played {
        Ok(()) => checks::all(story).await,
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
    checks
}

#[expect(clippy::print_stdout, reason = "the one object that --json promises")]
fn print_json(verdict: &Verdict) {
    println!("{}", serde_json::to_string(verdict).expect("strings, numbers and booleans"));
}
