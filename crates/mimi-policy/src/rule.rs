//! The rules of the judge: each has a stable name, the requirement it enforces, and words for it.

/// Defines the rules and, from the same lines, their ids, names and words.
macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $id:literal, $name:literal, $phrase:literal;)*) => {
        /// The rules of the judge. Names and requirement ids are stable; others log and count them.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Rule {
            $($(#[$doc])* $rule,)*
        }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$rule),*];

            /// The requirement the rule enforces; several rules may share one.
            pub fn id(self) -> &'static str {
                match self {
                    $(Self::$rule => $id,)*
                }
            }

            /// The rule's own name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$rule => $name,)*
                }
            }

            /// What was tried, to stand after "may not" and before the target.
            pub(crate) fn phrase(self) -> &'static str {
                match self {
                    $(Self::$rule => $phrase,)*
                }
            }
        }
    };
}

rules! {
    // Who speaks.
    /// The change was written against another epoch.
    Stale = "PROTO-UPD-9", "stale", "change the room";
    /// The sender is no client of a participant.
    UnknownSender = "PROTO-ST-8", "unknown-sender", "change the room";
    /// No preauthorization entry matches an external sender.
    NotPreauthorized = "POLICY-PRE-4", "not-preauthorized", "change the room";
    /// Only clients commit; servers propose.
    OnlyClientsCommit = "PROTO-ST-7", "only-clients-commit", "commit";
    /// The sender is being removed or banned: it may only remove its own clients.
    Restricted = "PROTO-UPD-4", "restricted", "change the room";

    // The form of a change.
    /// Participants are users, by name or pseudonym.
    ParticipantIsUser = "PROTO-PL-1", "participant-is-user", "list";
    /// One change of the participant list per user and commit.
    UserTouchedTwice = "PROTO-PL-4", "user-touched-twice", "do several things at once to";
    /// A user is listed once.
    AlreadyListed = "PROTO-PL-4", "already-listed", "add";
    /// Indices name entries of the epoch's list.
    IndexInList = "PROTO-PL-5", "index-in-list", "change";
    /// Roles of participants are defined, and not 0.
    RoleDefined = "PROTO-PL-5", "role-defined", "assign";
    /// A role change changes the role.
    RoleUnchanged = "PROTO-PL-5", "role-unchanged", "change the role of";
    /// The list has room for this many participants.
    ListFull = "PROTO-PL-5", "list-full", "add participants";
    /// A leaf is removed at most once, and it is there.
    RemovedLeaf = "PROTO-UPD-10", "removed-leaf", "remove";
    /// A client is in the group once.
    ClientOnce = "PROTO-UPD-10", "client-once", "add";
    /// An external commit brings exactly its own client.
    ExternalCommitShape = "PROTO-UPD-10", "external-commit-shape", "join";
    /// A joiner changes nothing but what concerns itself.
    JoinerOnlyItself = "PROTO-UPD-10", "joiner-only-itself", "change";
    /// Proposals the room does not know or does not take.
    UnknownProposal = "PROTO-UPD-10", "unknown-proposal", "propose";
    /// One update or one removal per component and commit, of what is there.
    ComponentOnce = "PROTO-ST-6", "component-once", "change";
    /// Some components can only be replaced.
    ComponentRequired = "PROTO-ST-6", "component-required", "remove";

    // Adding.
    /// Another user may be added to the list, or clients of it to the group.
    AddParticipant = "POLICY-CAP-ADD-1", "add-participant", "add";
    /// Own clients may be added.
    AddOwnClient = "POLICY-CAP-ADD-2", "add-own-client", "add";
    /// Anybody may join.
    OpenJoin = "POLICY-CAP-ADD-3", "open-join", "join as";
    /// Holders of certain credentials may join.
    PreauthorizedJoin = "POLICY-CAP-ADD-4", "preauthorized-join", "join as";
    /// Holders of a code may join.
    JoinByCode = "POLICY-CAP-ADD-5", "join-by-code", "join by code as";
    /// A client's user is listed before or with it.
    ListedFirst = "PROTO-UPD-2", "listed-first", "add";

    // Removing.
    /// Another user may be removed from the list, with all clients.
    RemoveParticipant = "POLICY-CAP-REM-1", "remove-participant", "remove";
    /// Own clients may be removed.
    RemoveOwnClient = "POLICY-CAP-REM-2", "remove-own-client", "remove";
    /// Somebody else commits the removal of a client.
    CommitOwnRemoval = "POLICY-CAP-REM-2", "commit-own-removal", "commit the removal of";
    /// A participant may leave, with all clients.
    Leave = "POLICY-CAP-REM-3", "leave", "leave";
    /// Clients of others may be removed while their user stays listed.
    Kick = "POLICY-CAP-REM-4", "kick", "remove";
    /// Whoever is removed or banned keeps no client.
    ClientsLeftBehind = "PROTO-UPD-3", "clients-left-behind", "remove or ban";

    // Roles of participants.
    /// Another user's role may be changed.
    ChangeUserRole = "POLICY-CAP-ROLE-1", "change-user-role", "change the role of";
    /// The own role may be changed to the preauthorized one.
    ChangeOwnRole = "POLICY-CAP-ROLE-2", "change-own-role", "change their own role";
    /// Another user may be banned.
    Ban = "POLICY-CAP-ROLE-3", "ban", "ban";
    /// A ban may be lifted.
    Unban = "POLICY-CAP-ROLE-4", "unban", "lift the ban of";

    // Metadata.
    /// A field may be changed by holders of its capability.
    ChangeMetadata = "POLICY-CAP-META-1", "change-metadata", "change";
    /// The room's URI never changes, its avatar is an https URI.
    MetadataValue = "PROTO-RM-2", "metadata-value", "set";
    /// One metadata update per commit.
    MetadataOnce = "PROTO-RM-1", "metadata-once", "change";

    // Definitions and policies.
    /// The role definitions may be changed.
    ChangeRoleDefinitions = "POLICY-CAP-POL-1", "change-role-definitions", "change";
    /// The preauthorization list may be changed.
    ChangePreauth = "POLICY-CAP-POL-1", "change-preauth", "change";
    /// The base policy may be changed.
    ChangeBasePolicy = "POLICY-CAP-POL-1", "change-base-policy", "change";
    /// The group may be closed in favour of a new one.
    ReInit = "POLICY-CAP-POL-1", "reinit", "move the room to";
    /// Operational policy and group context extensions may be changed.
    ChangeOperationalPolicy = "POLICY-CAP-RES-1", "change-operational-policy", "change";
    /// Join links may be made, or taken back.
    ChangeJoinLinks = "POLICY-CAP-RES-1", "change-join-links", "change";
    /// Links that are removed are there, once each.
    JoinLinkPresent = "PROTO-ST-6", "join-link-present", "remove";
    /// Where links are made on request, one is kept at most.
    JoinLinkKept = "POLICY-JL-1", "join-link-kept", "add";
    /// Links and their policy can be read.
    JoinLinkPolicy = "POLICY-JL-1", "join-link-policy", "set";
    /// Receipts are optional, required or forbidden.
    StatusPolicy = "POLICY-STAT-1", "status-policy", "set";
    /// Detecting links is never required, a proxy to be used is named.
    LinkPreviewPolicy = "POLICY-LP-1", "link-preview-policy", "set";
    /// The default way to download is allowed, assets at the hub are at the hub.
    AssetPolicy = "POLICY-AS-1", "asset-policy", "set";
    /// Required logging has a client, and each provider one at most.
    LoggingPolicy = "POLICY-LOG-1", "logging-policy", "set";
    /// Those who share history have a role in which they can.
    HistoryPolicy = "POLICY-HIST-1", "history-policy", "set";
    /// Local bots have role 0, others one that is defined.
    BotPolicy = "POLICY-BOT-1", "bot-policy", "set";
    /// Minimum, default and maximum of an expiry ascend.
    ExpirationPolicy = "POLICY-EXPR-1", "expiration-policy", "set";
    /// Operational parameters do not contradict each other.
    OperationalPolicy = "POLICY-OP-2", "operational-policy", "set";
    /// The room takes external commits.
    ExternalCommits = "POLICY-OP-2", "external-commits", "join";
    /// The room takes proposals of those who are not in the group.
    ExternalProposals = "POLICY-OP-2", "external-proposals", "change the room";
    /// Any other component may be changed.
    ChangeOtherPolicy = "POLICY-CAP-RES-1", "change-other-policy", "change";
    /// Role indices are unique, role 0 is nobody's.
    RoleIndices = "POLICY-ROLE-1", "role-indices", "define";
    /// Roles in use stay defined.
    RoleInUse = "POLICY-ROLE-1", "role-in-use", "drop";
    /// Role definitions never change together with the participant list.
    RolesApartFromList = "POLICY-ROLE-3", "roles-apart-from-list", "change";
    /// The minimums of a role are not over its maximums.
    RoleConstraints = "POLICY-ROLE-2", "role-constraints", "define";
    /// `canOpenJoin` belongs to role 0.
    OpenJoinElsewhere = "POLICY-CAP-ADD-3", "open-join-elsewhere", "define";
    /// Preauthorization entries name defined roles other than 0 and 1.
    PreauthRole = "POLICY-PRE-2", "preauth-role", "preauthorize for";
    /// The preauthorization list changes together with removals at most.
    PreauthApartFromList = "POLICY-PRE-3", "preauth-apart-from-list", "change";
    /// A parent is named if and only if the room depends on one.
    ParentRoom = "POLICY-BASE-3", "parent-room", "set";
    /// The base policy lists the policy components present.
    PolicyComponentListed = "POLICY-BASE-9", "policy-component-listed", "use";

    /// In a dependent room only participants of the parent take part.
    InParent = "POLICY-BASE-3", "in-parent", "bring in";

    // The room after the change.
    /// In a fixed-membership room nobody comes and nobody goes.
    FixedMembership = "POLICY-BASE-1", "fixed-membership", "add or remove";
    /// One client per user where `multi_device` is false.
    SingleDevice = "POLICY-BASE-4", "single-device", "add a second client of";
    /// At most `max_clients` leaves.
    MaximumClients = "POLICY-BASE-5", "maximum-clients", "add clients";
    /// At most `max_users` participants that are not banned.
    MaximumUsers = "POLICY-BASE-5", "maximum-users", "add participants";
    /// Pseudonyms take part only where they are allowed.
    Pseudonyms = "POLICY-BASE-6", "pseudonyms", "add the pseudonym";
    /// Every client's user is listed.
    UnlistedClient = "PROTO-ST-8", "unlisted-client", "bring in a client of";
    /// Whoever is banned has no client.
    BannedClient = "PROTO-UPD-3", "banned-client", "keep or add clients of";
    /// A role keeps its minimum of participants.
    MinimumParticipants = "POLICY-ROLE-2", "minimum-participants", "take participants out of";
    /// A role takes no more participants than its maximum.
    MaximumParticipants = "POLICY-ROLE-2", "maximum-participants", "put participants into";
    /// A role keeps its minimum of active participants.
    MinimumActive = "POLICY-ROLE-2", "minimum-active", "take active participants out of";
    /// A role takes no more active participants than its maximum.
    MaximumActive = "POLICY-ROLE-2", "maximum-active", "put active participants into";

    // What the operator of a hub allows (arch section 4.4, AMB-POL-16).
    /// The room's roles are those of a preset the operator offers, or ones of its own.
    AllowedPreset = "ARCH-3", "allowed-preset", "use";
    /// A room may hold this many participants.
    AllowedUsers = "ARCH-3", "allowed-users", "have";
    /// A room may hold this many clients.
    AllowedClients = "ARCH-3", "allowed-clients", "have";
    /// A room may outlive its group.
    AllowedPersistence = "ARCH-3", "allowed-persistence", "have";
    /// A room may be found by search.
    AllowedDiscovery = "ARCH-3", "allowed-discovery", "have";
    /// Pseudonyms may take part.
    AllowedPseudonyms = "ARCH-3", "allowed-pseudonyms", "have";
    /// A room may be open to everybody.
    AllowedOpenJoin = "ARCH-3", "allowed-open-join", "have";
    /// A room may be joined by code.
    AllowedJoinCodes = "ARCH-3", "allowed-join-codes", "have";
    /// A room may let people in by their credentials.
    AllowedPreauth = "ARCH-3", "allowed-preauth", "have";
    /// A join link may be good for this long.
    AllowedLinkLifetime = "ARCH-3", "allowed-link-lifetime", "have";

    // Messages.
    /// Senders are participants with a client.
    SenderActive = "PROTO-SUB-2", "sender-active", "send messages";
    /// A role must allow some kind of message.
    SendMessages = "POLICY-CAP-MSG-1", "send-messages", "send messages";
    /// A role must allow this kind of message.
    MessageKind = "POLICY-CAP-MSG-2", "message-kind", "send";
    /// A role must allow what its holder does with what it received.
    OwnUse = "POLICY-CAP-MSG-2", "own-use", "use";
    /// What others wrote is theirs, unless the role says otherwise.
    OthersMessage = "CONTENT-EDIT-1", "others-message", "change";
}

#[cfg(test)]
mod tests;
