//! The role tables of room-policy Appendix A, row by row, and the one of direct messages.

/// A row: index, name, the row it includes, its own capabilities, minimum and maximum number of
/// participants, minimum and maximum number of active ones, authorized role changes.
pub(crate) type Row = (
    u32,
    &'static str,
    Option<u32>,
    &'static [u16],
    (u32, Option<u32>),
    (u32, Option<u32>),
    &'static [(u32, &'static [u32])],
);

/// A.1; canRevokeVoice and canGrantVoice have no code (AMB-PRE-1).
pub(crate) const COOPERATIVE: &[Row] = &[
    (0, "no_role", None, &[], (0, None), (0, Some(0)), &[]),
    (1, "banned", None, &[], (0, None), (0, Some(0)), &[]),
    (
        2,
        "ordinary_user",
        None,
        &[
            0x0000, 0x0001, 0x0002, 0x0003, 0x0006, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104, 0x0105,
            0x0107, 0x0109, 0x010a, 0x010c, 0x010d, 0x010e, 0x0200, 0x0202, 0x0201, 0x0203, 0x0204,
            0x0206, 0x0205, 0x0207, 0x0208, 0x0209, 0x020a, 0x020b, 0x0300, 0x0302, 0x0303, 0x0304,
            0x0380, 0x0381, 0x0382, 0x0383,
        ],
        (0, None),
        (0, None),
        &[(0, &[2]), (2, &[0])],
    ),
    (
        3,
        "group_admin",
        Some(2),
        &[0x000a, 0x000b, 0x000c, 0x000f, 0x010b, 0x010f, 0x0301],
        (1, None),
        (0, None),
        &[(0, &[1, 2, 3]), (1, &[0, 2, 3]), (2, &[0, 1, 3]), (3, &[0, 1, 2])],
    ),
    (
        4,
        "super_admin",
        Some(3),
        &[0x0502, 0x0504, 0x0501],
        (0, None),
        (0, None),
        &[
            (0, &[1, 2, 3, 4]),
            (1, &[0, 2, 3, 4]),
            (2, &[0, 1, 3, 4]),
            (3, &[0, 1, 2, 4]),
            (4, &[0, 1, 2, 3]),
        ],
    ),
    (
        5,
        "policy_enforcer",
        None,
        &[0x0001, 0x000f, 0x000a, 0x000b, 0x0503, 0x0504, 0x0600, 0x0501, 0x0601],
        (1, Some(2)),
        (0, Some(0)),
        &[(0, &[1]), (1, &[0]), (2, &[0, 1]), (3, &[0, 1]), (4, &[0, 1])],
    ),
];

/// A.2.
pub(crate) const STRICT: &[Row] = &[
    (0, "no_role", None, &[0x0009], (0, None), (0, Some(0)), &[(0, &[2])]),
    (1, "banned", None, &[], (0, None), (0, Some(0)), &[]),
    (
        2,
        "ordinary_user",
        None,
        &[
            0x0002, 0x0005, 0x0003, 0x0006, 0x0010, 0x0100, 0x0101, 0x0102, 0x0103, 0x0105, 0x0107,
            0x0109, 0x010a, 0x010c, 0x010d, 0x0200, 0x0202, 0x0201, 0x0203, 0x0204, 0x0206, 0x0205,
            0x0207, 0x0208, 0x0209, 0x020a, 0x020b, 0x0380, 0x0381, 0x0382, 0x0383,
        ],
        (0, None),
        (0, None),
        &[(0, &[2]), (2, &[0])],
    ),
    (
        3,
        "group_admin",
        Some(2),
        &[
            0x0000, 0x0001, 0x000a, 0x000b, 0x000c, 0x000f, 0x0007, 0x0008, 0x0108, 0x010b, 0x010e,
            0x010f, 0x0301, 0x0300, 0x0302, 0x0303, 0x0304,
        ],
        (1, None),
        (0, None),
        &[(0, &[1, 2, 3]), (1, &[0, 2, 3]), (2, &[0, 1, 3]), (3, &[0, 1, 2])],
    ),
    (
        4,
        "super_admin",
        Some(3),
        &[0x0502, 0x0503, 0x0504, 0x0501, 0x0601],
        (0, None),
        (0, None),
        &[
            (0, &[1, 2, 3, 4]),
            (1, &[0, 2, 3, 4]),
            (2, &[0, 1, 3, 4]),
            (3, &[0, 1, 2, 4]),
            (4, &[0, 1, 2, 3]),
        ],
    ),
    (
        5,
        "policy_enforcer",
        None,
        &[0x0001, 0x000f, 0x000a, 0x000b, 0x0503, 0x0504, 0x0600, 0x0501, 0x0601],
        (1, Some(2)),
        (0, Some(0)),
        &[(0, &[1]), (1, &[0]), (2, &[0, 1]), (3, &[0, 1]), (4, &[0, 1])],
    ),
];

/// A.3, with AMB-PRE-2: the speaker includes the attendee, the moderator the speaker.
pub(crate) const MODERATED: &[Row] = &[
    (0, "no_role", None, &[0x0009], (0, None), (0, None), &[(0, &[2, 3])]),
    (1, "banned", None, &[], (0, None), (0, Some(0)), &[]),
    (
        2,
        "guest",
        None,
        &[0x0006, 0x0101, 0x0102, 0x0105, 0x0107, 0x020a, 0x020b, 0x0204, 0x0206, 0x0205],
        (0, None),
        (0, None),
        &[(0, &[2]), (2, &[0])],
    ),
    (
        3,
        "attendee",
        Some(2),
        &[0x0002, 0x0005, 0x0003, 0x0010, 0x0103, 0x010d, 0x0207, 0x0380, 0x0381, 0x0383],
        (0, None),
        (0, None),
        &[(0, &[3]), (3, &[0])],
    ),
    (
        4,
        "speaker",
        Some(3),
        &[0x0100, 0x0109, 0x010a, 0x010c, 0x0200, 0x0202, 0x0201, 0x0203, 0x0208, 0x0209],
        (0, None),
        (0, None),
        &[(0, &[4]), (4, &[0])],
    ),
    (
        5,
        "moderator",
        Some(4),
        &[
            0x0000, 0x0001, 0x000a, 0x000b, 0x000c, 0x000f, 0x0007, 0x0008, 0x0108, 0x010b, 0x010e,
            0x010f, 0x0300, 0x0302, 0x0303, 0x0304,
        ],
        (1, None),
        (0, None),
        &[
            (0, &[1, 2, 3, 4, 5]),
            (1, &[0, 2, 3, 4, 5]),
            (2, &[0, 1, 3, 4, 5]),
            (3, &[0, 1, 2, 4, 5]),
            (4, &[0, 1, 2, 3, 5]),
            (5, &[0, 1, 2, 3, 4]),
        ],
    ),
    (
        6,
        "super_admin",
        Some(5),
        &[0x0301, 0x0502, 0x0503, 0x0504, 0x0501, 0x0601],
        (0, None),
        (0, None),
        &[
            (0, &[1, 2, 3, 4, 5, 6]),
            (1, &[0, 2, 3, 4, 5, 6]),
            (2, &[0, 1, 3, 4, 5, 6]),
            (3, &[0, 1, 2, 4, 5, 6]),
            (4, &[0, 1, 2, 3, 5, 6]),
            (5, &[0, 1, 2, 3, 4, 6]),
            (6, &[0, 1, 2, 3, 4, 5]),
        ],
    ),
    (
        7,
        "policy_enforcer",
        None,
        &[0x0001, 0x000f, 0x000a, 0x000b, 0x0503, 0x0504, 0x0600, 0x0501, 0x0601],
        (1, Some(2)),
        (0, Some(0)),
        &[
            (0, &[1]),
            (1, &[0]),
            (2, &[0, 1]),
            (3, &[0, 1]),
            (4, &[0, 1]),
            (5, &[0, 1]),
            (6, &[0, 1]),
        ],
    ),
];

/// A.4, as printed (AMB-PRE-4).
pub(crate) const MULTI_ORGANIZATION: &[Row] = &[
    (0, "no_role", None, &[], (0, None), (0, Some(0)), &[]),
    (1, "banned", None, &[], (0, None), (0, Some(0)), &[]),
    (2, "org_a_user", Some(3), &[0x0010, 0x0005], (0, None), (0, None), &[(0, &[2]), (2, &[0])]),
    (
        3,
        "org_b_user",
        None,
        &[
            0x0006, 0x0002, 0x0003, 0x0100, 0x0101, 0x0102, 0x0103, 0x010d, 0x0105, 0x0107, 0x0109,
            0x0208, 0x0209, 0x020a, 0x020b, 0x0204, 0x0206, 0x0205, 0x0207, 0x0380, 0x0381, 0x0383,
        ],
        (0, None),
        (0, None),
        &[(0, &[3]), (3, &[0])],
    ),
    (4, "org_c_user", Some(3), &[], (0, None), (0, None), &[(0, &[4]), (4, &[0])]),
    (
        5,
        "org_a_admin",
        Some(6),
        &[0x0010, 0x0005],
        (0, None),
        (0, None),
        &[(0, &[2, 5]), (2, &[0, 1, 5]), (5, &[0, 1, 2])],
    ),
    (
        6,
        "org_b_admin",
        Some(3),
        &[0x010a, 0x010c, 0x0200, 0x0202, 0x0201, 0x0203, 0x0000, 0x0001, 0x000a, 0x000c, 0x000f],
        (1, Some(3)),
        (1, None),
        &[(0, &[3, 6]), (3, &[0, 1, 6]), (6, &[0, 1, 3])],
    ),
    (
        7,
        "org_c_admin",
        Some(6),
        &[],
        (1, Some(3)),
        (1, None),
        &[(0, &[4, 7]), (4, &[0, 1, 7]), (7, &[0, 1, 4])],
    ),
    (
        8,
        "super_admin",
        Some(5),
        &[
            0x000b, 0x0108, 0x010b, 0x010e, 0x010f, 0x0301, 0x0300, 0x0302, 0x0303, 0x0304, 0x0502,
            0x0503, 0x0504, 0x0501, 0x0601,
        ],
        (1, None),
        (1, None),
        &[
            (0, &[1, 2, 3, 4, 5, 6, 7, 8]),
            (1, &[0, 2, 3, 4, 5, 6, 7, 8]),
            (2, &[0, 1, 5, 8]),
            (3, &[0, 1, 6]),
            (4, &[0, 1, 7]),
            (5, &[0, 1, 2, 8]),
            (6, &[0, 1, 3]),
            (7, &[0, 1, 4]),
            (8, &[0, 1, 2, 5]),
        ],
    ),
    (
        9,
        "policy_enforcer",
        None,
        &[0x0001, 0x000f, 0x000a, 0x000b, 0x0503, 0x0504, 0x0600, 0x0501, 0x0601],
        (1, Some(2)),
        (0, Some(0)),
        &[
            (0, &[1]),
            (1, &[0]),
            (3, &[0, 1]),
            (4, &[0, 1]),
            (5, &[0, 1]),
            (6, &[0, 1]),
            (7, &[0, 1]),
            (8, &[0, 1]),
        ],
    ),
];

/// AMB-POL-42: all message, asset and own-client capabilities, nothing about others. Whether a
/// table of ours names more (own name, calls) makes no difference to a change. TOM-126: the hub
/// kicks, and does nothing else.
pub(crate) const DIRECT: &[Row] = &[
    (
        2,
        "participant",
        None,
        &[
            0x0002, 0x0003, 0x0100, 0x0101, 0x0102, 0x0103, 0x0104, 0x0105, 0x0106, 0x0107, 0x0108,
            0x0109, 0x010a, 0x010b, 0x010c, 0x010d, 0x010e, 0x010f, 0x0200, 0x0201, 0x0202, 0x0203,
            0x0204, 0x0205, 0x0206, 0x0207, 0x0208, 0x0209, 0x020a, 0x020b,
        ],
        (0, None),
        (0, None),
        &[],
    ),
    (3, "policy_enforcer", None, &[0x000c], (0, Some(0)), (0, Some(0)), &[]),
];
