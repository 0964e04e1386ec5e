//! A device of the soak: a process of its own with the SDK and a file, which does as it is told and
//! says what it shows. It may be killed in the middle of anything.

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mimi_policy::preset::Preset;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinSet;
use tombolo_client::{Client, ClientError, ClientEvent, ProviderAddress, Registration, RoomStatus};

use super::super::federation::PASSWORD;
use super::words::{Answer, Failure, Intent, Line, Order, Shown, What, Wish};

/// Between two attempts to register at a provider that does not answer.
const REGISTER_PAUSE: Duration = Duration::from_millis(200);

/// One device of a soak, told what to do on standard input
#[derive(Args, Clone, Debug)]
pub(crate) struct SoakDevice {
    #[arg(long)]
    pub(super) provider: String,
    #[arg(long)]
    pub(super) connect: SocketAddr,
    #[arg(long)]
    pub(super) roots: PathBuf,
    #[arg(long)]
    pub(super) user: String,
    #[arg(long)]
    pub(super) device: String,
    #[arg(long)]
    pub(super) store: PathBuf,
}

impl SoakDevice {
    /// The same as arguments of the program.
    pub(super) fn arguments(&self) -> Vec<std::ffi::OsString> {
        let mut arguments: Vec<std::ffi::OsString> = vec!["bench".into(), "soak-device".into()];
        let connect = self.connect.to_string();
        let named: [(&str, &std::ffi::OsStr); 6] = [
            ("--provider", self.provider.as_ref()),
            ("--connect", connect.as_ref()),
            ("--roots", self.roots.as_ref()),
            ("--user", self.user.as_ref()),
            ("--device", self.device.as_ref()),
            ("--store", self.store.as_ref()),
        ];
        for (name, value) in named {
            arguments.extend([name.into(), value.to_owned()]);
        }
        arguments
    }

    /// Runs until it is told to close, or its input ends.
    pub(crate) async fn run(self) -> Result<(), String> {
        let filter = tracing_subscriber::EnvFilter::new("info");
        let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
        subscriber.with_ansi(false).init();
        let client = self.open().await.map_err(|error| error.to_string())?;
        let events = client.subscribe();
        say(&Line::Ready(client.identity().user.clone()))?;
        let client = Arc::new(client);
        let telling = tokio::spawn(tell(events));
        let mut lines = typed();
        let mut under_way = JoinSet::new();
        let mut close = None;
        while let Some(line) = lines.recv().await {
            let Order { number, wish } =
                serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
            if matches!(wish, Wish::Close) {
                close = Some(number);
                break;
            }
            under_way.spawn(carry_out(client.clone(), number, wish));
        }
        // Their callers do not hear of them any more; what was begun goes on at the next start.
        under_way.shutdown().await;
        let client = Arc::into_inner(client).ok_or("the device is still in use")?;
        client.close().await.map_err(|error| error.to_string())?;
        telling.await.map_err(|error| error.to_string())?;
        close.map_or(Ok(()), |number| say(&Line::Done { number, answer: Answer::Nothing }))
    }

    /// Opens the device, registering it if that has not come through yet.
    async fn open(&self) -> Result<Client, ClientError> {
        if self.store.exists() {
            match Client::open(&self.store).await {
                Err(ClientError::NotRegistered) => {}
                opened => return opened,
            }
        }
        let pem = std::fs::read_to_string(&self.roots);
        let pem = pem.map_err(|error| ClientError::Other(error.to_string()))?;
        loop {
            let registration = Registration {
                provider: ProviderAddress {
                    url: self.provider.clone(),
                    resolve: Some(self.connect),
                    roots_pem: Some(pem.clone()),
                },
                user: self.user.clone(),
                password: PASSWORD.to_owned(),
                device: self.device.clone(),
            };
            match Client::register(&self.store, registration).await {
                Err(error @ ClientError::Unreachable(_)) => {
                    tracing::info!(%error, "registers again");
                    tokio::time::sleep(REGISTER_PAUSE).await;
                }
                registered => return registered,
            }
        }
    }
}

/// What is typed, line by line, until the input ends. A thread: reads of a terminal or pipe block.
fn typed() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

async fn carry_out(client: Arc<Client>, number: u64, wish: Wish) {
    let line = match attempt(&client, wish).await {
        Ok(answer) => Line::Done { number, answer },
        Err(error) => Line::Failed { number, failure: failure(&error) },
    };
    // Nobody to tell when the soak has gone away.
    let _ = say(&line);
}

async fn attempt(client: &Client, wish: Wish) -> Result<Answer, ClientError> {
    match wish {
        Wish::Consent(user) => client.grant_consent(&user).await.map(|()| Answer::Nothing),
        Wish::Create(name) => {
            client.create_room(&name, Preset::Cooperative).await.map(Answer::Room)
        }
        Wish::Add { room, user } => client.add_user(&room, &user).await.map(|()| Answer::Nothing),
        Wish::Join(room) => client.join_room(&room).await.map(|()| Answer::Nothing),
        Wish::Leave(room) => client.leave_room(&room).await.map(|()| Answer::Nothing),
        Wish::Send { room, text } => client.send_text(&room, &text).await.map(|_| Answer::Nothing),
        Wish::Show { room, what } => {
            let state = client.room(&room).await?;
            let texts = state.messages.into_iter().filter_map(|message| message.text);
            let texts = texts.filter(|_| what == What::Everything);
            Ok(Answer::Shown(Shown {
                status: format!("{:?}", state.status),
                epoch: state.epoch,
                texts: texts.collect(),
            }))
        }
        Wish::Close => Ok(Answer::Nothing),
    }
}

fn failure(error: &ClientError) -> Failure {
    let why = error.to_string();
    match error {
        ClientError::Unreachable(_) | ClientError::Storage(_) => Failure::Unknown(why),
        // It left meanwhile, and no longer looks what became of what was on its way.
        ClientError::NotInRoom(_) => Failure::Unknown(why),
        _ => Failure::Refused(why),
    }
}

/// Says what the device shows, until it is closed.
async fn tell(mut events: broadcast::Receiver<ClientEvent>) {
    loop {
        let line = match events.recv().await {
            Ok(ClientEvent::Message { room, message }) => {
                Line::Message { room, text: message.text.unwrap_or_default() }
            }
            Ok(ClientEvent::Left { room, status }) => {
                let intent = match status {
                    RoomStatus::Left => Intent::Meant,
                    _ => Intent::NotMeant,
                };
                Line::Left { room, status: format!("{status:?}"), intent }
            }
            Ok(ClientEvent::Missed { room, .. }) => Line::Missed(room),
            Ok(_) => continue,
            Err(broadcast::error::RecvError::Lagged(count)) => Line::Untold(count),
            Err(broadcast::error::RecvError::Closed) => return,
        };
        if say(&line).is_err() {
            return;
        }
    }
}

/// One line, whole: a kill comes before it or after it.
fn say(line: &Line) -> Result<(), String> {
    let mut text = serde_json::to_string(line).map_err(|error| error.to_string())?;
    text.push('\n');
    let mut output = io::stdout().lock();
    let said = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    said.map_err(|error| error.to_string())
}
