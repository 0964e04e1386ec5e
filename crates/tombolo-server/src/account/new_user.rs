//! A new account, whoever asks for it: the admin API, or the operator while no server runs.

use mimi_provider::{Reject, account};
use mimi_wire::room::claim_name::{NamedClaim, NotAClaim};
use mimi_wire::{Domain, MimiUri};
use tombolo_store::{Commit, Store, StoreError};

use super::password::{self, Password, Passwords};

/// An account that has been made.
#[derive(Debug)]
pub(crate) struct NewUser {
    /// The user.
    pub(crate) user: MimiUri,
    /// The password, if it was made up here.
    pub(crate) generated: Option<Password>,
}

/// Makes an account; without a password, one is made up.
pub(crate) async fn new_user(
    store: &dyn Store,
    passwords: &Passwords,
    own: &Domain,
    name: &str,
    given: Option<Password>,
    claims: Vec<NamedClaim>,
    now_ms: u64,
) -> Result<NewUser, Reject> {
    // A name that is taken or impossible is refused before the long work of hashing.
    let user = account::user_uri(own, name)?;
    let taken = || Reject::Conflict(format!("{user} exists already"));
    if store.account(&user).await.map_err(storage_failed)?.is_some() {
        return Err(taken());
    }
    let generated = given.is_none().then(password::generate);
    let password = given.or_else(|| generated.clone()).expect("given or generated");
    let hash = passwords.hash(password).await?;
    let transition = account::new_account(own, name, Some(hash), claims, now_ms)?;
    let commit = Commit { expect: transition.expect, changes: transition.changes };
    match store.commit(commit).await {
        Ok(_) => Ok(NewUser { user: transition.reply, generated }),
        Err(StoreError::Conflict(_)) => Err(taken()),
        Err(error) => Err(storage_failed(error)),
    }
}

/// Changes what the certificates of an account claim: those of devices that register from now on.
pub(crate) async fn set_claims(
    store: &dyn Store,
    own: &Domain,
    name: &str,
    claims: Vec<NamedClaim>,
) -> Result<MimiUri, Reject> {
    let user = account::user_uri(own, name)?;
    let known = store.account(&user).await.map_err(storage_failed)?;
    let known = known.ok_or_else(|| Reject::Unknown(format!("there is no user {user}")))?;
    let transition = account::set_claims(&known, claims)?;
    let commit = Commit { expect: transition.expect, changes: transition.changes };
    store.commit(commit).await.map_err(storage_failed)?;
    Ok(transition.reply)
}

/// Claims as an operator writes them.
pub(crate) fn read_claims(claims: &[String]) -> Result<Vec<NamedClaim>, Reject> {
    let claim = |text: &String| text.parse().map_err(|error: NotAClaim| error.to_string());
    claims.iter().map(claim).collect::<Result<_, _>>().map_err(Reject::Malformed)
}

fn storage_failed(error: StoreError) -> Reject {
    Reject::Internal(error.to_string())
}
