//! Tombolo: a MIMI provider, a client and a whole federation to try, in one binary.

mod bench;
mod chat;
mod command;
mod demo;
mod plain;
mod provider_home;
mod provider_process;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Messengers that talk to each other: MIMI (More Instant Messaging Interoperability)
#[derive(Debug, Parser)]
#[command(name = "tombolo", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(command::demo::Demo),
    Chat(command::chat::Chat),
    Init(command::init::Init),
    Serve(command::serve::Serve),
    Admin(command::admin::Admin),
    Policy(command::policy::Policy),
    Inspect(command::inspect::Inspect),
    Bench(command::bench::Bench),
    #[command(name = "openapi")]
    OpenApi(command::openapi::OpenApi),
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| {
        command::inspect::answer_in_json(&error);
        error.exit()
    });
    let outcome = match arguments.command {
        Command::Demo(demo) => return demo.run().await,
        Command::Chat(chat) => chat.run().await.map_err(command::Failure::from),
        Command::Init(init) => init.run(),
        Command::Serve(serve) => serve.run().await,
        Command::Admin(admin) => admin.run().await,
        Command::Policy(policy) => return policy.run(),
        Command::Inspect(inspect) => return inspect.run(),
        Command::Bench(bench) => return bench.run().await,
        Command::OpenApi(openapi) => openapi.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.complain(),
    }
}
