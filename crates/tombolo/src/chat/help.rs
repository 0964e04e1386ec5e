//! What `/help` says.

/// The commands.
pub(crate) const HELP: &str = "\
Just type to write. Messages have numbers N; commands take them.
Messages
  /reply N TEXT      answer message N
  /react N EMOJI     react to message N
  /edit N TEXT       change your message N
  /delete N          take message N back
  /versions N        what message N said before it was edited
  /plain TEXT        write TEXT exactly as it stands; else *this* is
                     Markdown, and @bob@b.example a mention
  /who read N        who has received and read your message N
  /expire 30m        what you write here is gone so long after it is read
                     (45s, 12h, 7d; off; default is as the room suggests)
  /in TOPIC TEXT     write in a topic (one word), new or not
  /topic N TOPIC     put message N under a topic; `-` takes it out
  /file PATH         send a file, encrypted
  /save N [PATH]     save the file of message N
  /downloads WAY…    by which ways files may come, the best first:
                     oblivious, hub, direct; alone it says which do
  /report N [NOTE]   report message N to the moderators of the room's provider
  /history           show the room's messages again
Rooms
  /new NAME          create a room; NAME PRESET for other rules than
                     cooperative: strict, moderated, multi-organization;
                     NAME policy FILE for rules of your own
  /direct USER       talk to one person alone (also /dm)
  /subroom NAME USER…  a room for some of this one's people
  /rooms             rooms on this device
  /room N            open room N of /rooms
  /join ROOM         come in with this device, or by a LINK;
                     ROOM as N where there is a choice of roles
  /leave             leave the room for good
The room and its people
  /who               who is in the room
  /role              your role here and what it lets you do; takes the role
                     that your certificate offers, if there is one
  /role USER ROLE    give a role, by its name or number
  /add USER          add a user, or bring a kicked one back
  /kick USER         remove a user's devices; the user keeps the role
  /remove USER       remove a user
  /ban USER          ban a user
  /unban USER [ROLE] lift a ban
  /link              make a link into the room; all of it is optional:
                     /link guest uses 5 for 7d (or 12h, 30m)
  /links             list the links into the room
  /unlink N          take link N back
  /rename NAME       rename the room
  /subject TEXT      say what the room is about now; also
                     /describe TEXT, /mood TEXT, /avatar URI; `-` says nothing
  /policy            show who may do what
  /policy FILE       change who may do what, by a policy file
  /policy save FILE  write the room's policy to a file
  /evidence [FILE]   show why a room is frozen, or write the proof to a file
People
  /ask USER          ask to be allowed contact; needed before /add and /direct;
                     `/ask USER here` for the open room only
  /unask USER        take that back
  /accept USER       let a user contact you (`here`: in the open room only)
  /decline USER      do not, now and later; the user is not told
  /block USER        the same for somebody who has not asked
  /contacts          who asks, who is asked, who may and who may not
  /find USER         look for a user (/find alone tells more)
  /receipts off      nobody sees what you have read (on; delivered)
  /devices           your devices; /signout N or /signout others ends them
  /delete-account    delete your account with all its devices, for good
  /profile           how others find you (/profile ? tells more)
  /quit              close the chat (Ctrl-D)
USER is written as bob@b.example, ROOM as mimi://b.example/r/lounge.
Times are UTC.";

#[cfg(test)]
mod tests {
    use super::HELP;
    use crate::chat::input::parse;

    #[test]
    fn every_command_in_it_exists() {
        let words = HELP.split_whitespace().filter_map(|word| word.strip_prefix('/'));
        for word in words {
            let command = word.trim_end_matches([')', ',', ';']);
            let known = match parse(&format!("/{command}")) {
                Ok(_) => true,
                Err(hint) => !hint.contains("is no command"),
            };
            assert!(known, "/{command}");
        }
        assert!(HELP.lines().all(|line| line.chars().count() < 80));
    }
}
