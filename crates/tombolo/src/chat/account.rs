//! `/delete-account`: the end of the account, once its password has been typed.

use std::collections::BTreeMap;

use mimi_wire::MimiUri;
use tombolo_client::secret::SecretText;
use tombolo_client::{Client, ClientError};

use crate::chat::input::Input;
use crate::chat::operation::Done;
use crate::chat::words::{short, title};
use crate::plain::one_line;

/// What is said when nothing was typed.
pub(crate) const KEPT: &str = "-- nothing is deleted";

/// What a person is to know before.
pub(crate) fn warning(user: &MimiUri) -> String {
    format!(
        "-- this deletes {}, for good: you leave your rooms, all your devices are signed out, and what \
         this one has stored is deleted, messages too. Type the password of the account to do it, or \
         nothing to keep it.",
        short(user)
    )
}

/// The line typed after the warning; `None` if it is empty.
pub(crate) fn confirmed(line: &str) -> Option<Input> {
    // A password is taken as it is, but for the end of the line.
    let password = line.trim_end_matches(['\r', '\n']);
    let typed = !password.trim().is_empty();
    typed.then(|| Input::DeleteAccount(Some(SecretText::new(password.to_owned()))))
}

pub(crate) async fn delete(client: &Client, password: &SecretText) -> Result<Done, ClientError> {
    let me = client.identity().user.clone();
    // Afterwards nobody knows what the rooms are called.
    let mut titles = BTreeMap::new();
    for room in client.rooms().await? {
        let state = client.room(&room).await?;
        titles.insert(room, title(&state, &me));
    }
    let still_in = client.delete_account(password.reveal()).await?;
    Ok(Done::End(ended(&me, &still_in, &titles)))
}

fn ended(me: &MimiUri, still_in: &[MimiUri], titles: &BTreeMap<MimiUri, String>) -> String {
    let mut lines = vec![format!("-- {} is deleted", short(me))];
    if !still_in.is_empty() {
        lines.push(
            "-- these rooms of other providers could not be left; you are listed there until somebody \
             removes you:"
                .to_owned(),
        );
    }
    lines.extend(still_in.iter().map(|room| {
        let name = titles.get(room).map_or_else(String::new, |title| one_line(title));
        format!("  {name} ({room})")
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::input::parse;

    #[test]
    fn the_password_is_typed_alone() {
        assert_eq!(parse("/delete-account"), Ok(Input::DeleteAccount(None)));
        assert!(parse("/delete-account fish").unwrap_err().contains("is asked for"));
        assert_eq!(confirmed("  \n"), None);
        let Some(Input::DeleteAccount(Some(password))) = confirmed(" fish ") else { panic!() };
        assert_eq!(password.reveal(), " fish ");
    }

    #[test]
    fn rooms_that_could_not_be_left_are_named() {
        let uri = |text: &str| MimiUri::new(text).unwrap();
        let (me, room) = (uri("mimi://b.example/u/bob"), uri("mimi://a.example/r/tea"));
        let titles = BTreeMap::from([(room.clone(), "Tea\ntime".to_owned())]);
        assert_eq!(ended(&me, &[], &titles), "-- bob@b.example is deleted");
        let told = ended(&me, std::slice::from_ref(&room), &titles);
        assert_eq!(told.lines().count(), 3, "{told}");
        assert!(told.ends_with("(mimi://a.example/r/tea)"), "{told}");
        assert!(warning(&me).contains("bob@b.example"));
    }
}
