//! The stored bytes of every row of packages and generations.

use minos_model::Digest;
use serde::Serialize;

use super::{
    GenerationRow, HoldRow, IntentRow, MarkRow, Member, Outcome, OwnFile, OwnKind, OwnRow,
    PackageChange, Reason, TransactionKind, TransactionRow,
};
use crate::fs::Attributes;
use crate::objects::ObjectId;
use crate::packages::{Accounts, ConfigFile, Node, PackageRow, PathRow};

fn golden(row: &impl Serialize) -> String {
    Digest::of(&postcard::to_extend(row, Vec::new()).unwrap()).short()
}

fn object() -> ObjectId {
    let xattrs = vec![("user.a".to_owned(), vec![1])];
    let attributes = Attributes { mode: 0o4755, uid: 7, gid: 300, xattrs };
    ObjectId { digest: Digest::of(b"abc"), attributes }
}

fn nodes() -> Vec<Option<Node>> {
    vec![
        None,
        Some(Node::Directory(Attributes::root(0o755))),
        Some(Node::File { object: object(), size: 3 }),
        Some(Node::Symlink { target: b"to".to_vec(), uid: 1, gid: 2 }),
    ]
}

fn package() -> PackageRow {
    let path = "etc/a".parse().unwrap();
    PackageRow {
        number: 1,
        digest: Digest::of(b"abc"),
        name: "a".parse().unwrap(),
        version: "1:2.0-3".parse().unwrap(),
        size: 4,
        files: 5,
        accounts: Accounts { users: vec![("u".into(), 6)], groups: vec![("g".into(), 7)] },
        config: vec![ConfigFile { path, object: object(), size: 8 }],
        sonames: vec!["s".to_owned()],
        needs: vec!["n".to_owned()],
        added_ms: 9,
    }
}

fn transactions() -> Vec<TransactionRow> {
    let kinds = [TransactionKind::Change, TransactionKind::Switch, TransactionKind::Collect];
    let ends =
        [Outcome::Done, Outcome::Completed, Outcome::TakenBack { why: "because".to_owned() }];
    let row = |(kind, outcome)| TransactionRow {
        number: 1,
        intent: IntentRow {
            kind,
            from: 2,
            to: 3,
            at_ms: 4,
            makes_root: true,
            peer: Some((5, 6)),
            note: "note".to_owned(),
        },
        outcome,
        finished_ms: 7,
        changes: vec![PackageChange {
            name: "a".parse().unwrap(),
            from: None,
            to: Some("1-1".parse().unwrap()),
        }],
    };
    kinds.into_iter().zip(ends).map(row).collect()
}

/// A digest that differs here means that rows already on disks can no longer be read: put the old form
/// back, or raise the schema version and write a migration. Never just change the digest.
#[test]
fn stored_bytes_of_every_row_stay_the_same() {
    let members = [Reason::Asked, Reason::Dependency].map(|reason| Member { package: 1, reason });
    let generation = GenerationRow {
        number: 1,
        parent: Some(2),
        created_ms: 3,
        note: "note".to_owned(),
        members: members.to_vec(),
        asked: vec!["zlib>=1.3".to_owned()],
    };
    let kinds = [OwnKind::Config, OwnKind::New, OwnKind::Trigger, OwnKind::Config];
    let own = kinds.into_iter().zip(nodes());
    let own = own.map(|(kind, node)| OwnFile { path: b"p".to_vec(), kind, node }).collect();
    let paths = [
        PathRow::File { owner: "a".parse().unwrap(), link: true },
        PathRow::Directory { owners: 2, attributes: Attributes::root(0o700) },
    ];
    let found = [
        golden(&generation),
        golden(&OwnRow { files: own }),
        golden(&MarkRow { pinned: Some("p".to_owned()), proven_ms: Some(1) }),
        golden(&package()),
        golden(&paths),
        golden(&HoldRow { note: "n".to_owned(), at_ms: 1 }),
        golden(&transactions()),
    ];
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 7] = [
    "4379b6c085f3",
    "2ef5bfb9e26f",
    "8806ef2f76d4",
    "2c2126be470d",
    "4ff4720d6310",
    "f8b8bd92749e",
    "f8398e5080e2",
];
