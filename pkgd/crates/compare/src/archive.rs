//! `ar` archives in the System V form that GNU tools write: members with time, owner and mode in front.
//! (`<ar.h>`; the manual page ar(5) of FreeBSD describes names and both name tables.)

use std::collections::BTreeMap;

use crate::content::Found;
use crate::report::Kind;
use crate::{elf, text};

const MAGIC: &[u8] = b"!<arch>\n";
/// Length of the head of a member.
const HEAD: usize = 60;
/// More members than this are not looked at: the largest library of a system has some 10,000.
const MOST_MEMBERS: usize = 1 << 17;

/// One member.
#[derive(PartialEq, Eq)]
struct Member<'a> {
    name: String,
    time: &'a [u8],
    owner: &'a [u8],
    mode: &'a [u8],
    data: &'a [u8],
}

/// `None` if either is no archive, or one that is cut short.
pub(crate) fn look(first: &[u8], second: &[u8]) -> Option<Found> {
    let (a, b) = (members(first)?, members(second)?);
    let mut parts = Vec::new();
    let names = |list: &[Member<'_>]| list.iter().map(|m| m.name.clone()).collect::<Vec<_>>();
    let (left, right) = (names(&a), names(&b));
    if left != right {
        parts.push(other_names(left, right));
    }
    let pairs = pairs(&a, &b);
    let field = |what: &str, of: &dyn Fn(&Member<'_>) -> String| {
        let differ = pairs.iter().filter(|(x, y)| of(x) != of(y));
        some(
            what,
            &differ
                .map(|(x, y)| format!("{}: {}, then {}", x.name, of(x), of(y)))
                .collect::<Vec<_>>(),
        )
    };
    parts.extend(field("time", &|m| shown(m.time)));
    parts.extend(field("owner", &|m| shown(m.owner)));
    parts.extend(field("mode", &|m| shown(m.mode)));
    let differ = pairs.iter().filter(|(x, y)| x.data != y.data);
    parts.extend(some("content", &differ.map(|(x, y)| content(x, y)).collect::<Vec<_>>()));
    if parts.is_empty() {
        parts.push("padding".to_owned());
    }
    Some(Found::new(Kind::Archive, parts.join("; ")))
}

/// "time of 3 members (first one)"; nothing where there is none.
fn some(what: &str, differ: &[String]) -> Option<String> {
    match differ {
        [] => None,
        [one] => Some(format!("{what} of {one}")),
        [one, ..] => Some(format!("{what} of {} members ({one})", differ.len())),
    }
}

fn content(one: &Member<'_>, other: &Member<'_>) -> String {
    let found = elf::look(one.data, other.data).or_else(|| text::look(one.data, other.data));
    match found {
        Some(found) => format!("{} ({})", one.name, found.what),
        None => one.name.clone(),
    }
}

fn other_names(mut left: Vec<String>, mut right: Vec<String>) -> String {
    left.sort();
    right.sort();
    let lacks = |here: &[String], there: &[String]| {
        here.iter().find(|name| there.binary_search(name).is_err()).cloned()
    };
    match (lacks(&left, &right), lacks(&right, &left)) {
        (Some(name), _) => format!("member {name} only in the first"),
        (None, Some(name)) => format!("member {name} only in the second"),
        (None, None) if left == right => "order of the members".to_owned(),
        (None, None) => "members of one name in another number".to_owned(),
    }
}

/// Members of one name; the first with the first where there are several.
fn pairs<'m, 'a>(
    a: &'m [Member<'a>],
    b: &'m [Member<'a>],
) -> Vec<(&'m Member<'a>, &'m Member<'a>)> {
    let mut by_name: BTreeMap<&str, Vec<&Member<'a>>> = BTreeMap::new();
    b.iter().rev().for_each(|member| by_name.entry(&member.name).or_default().push(member));
    a.iter().filter_map(|m| Some((m, by_name.get_mut(m.name.as_str())?.pop()?))).collect()
}

fn members(bytes: &[u8]) -> Option<Vec<Member<'_>>> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let mut long_names: &[u8] = &[];
    let mut members = Vec::new();
    while !rest.is_empty() {
        if members.len() == MOST_MEMBERS {
            return None;
        }
        let (head, after) = rest.split_first_chunk::<HEAD>()?;
        let size: usize = std::str::from_utf8(&head[48..58]).ok()?.trim_end().parse().ok()?;
        let (data, after) = (head[58..] == *b"`\n").then(|| after.split_at_checked(size))??;
        // Members begin at even places.
        rest = if size % 2 == 1 { after.get(1..).unwrap_or_default() } else { after };
        let raw = head[..16].trim_ascii_end();
        if raw == b"//" {
            long_names = data;
        }
        let (time, owner, mode) = (&head[16..28], &head[28..40], &head[40..48]);
        members.push(Member { name: name(raw, long_names), time, owner, mode, data });
    }
    Some(members)
}

/// `name/`, `/` and `//` for the tables, `/N` for a name at N of the table of long names.
fn name(raw: &[u8], long_names: &[u8]) -> String {
    match raw {
        b"/" | b"/SYM64/" => return "the symbol table".to_owned(),
        b"//" => return "the table of names".to_owned(),
        _ => {}
    }
    let long = raw.strip_prefix(b"/").and_then(|number| {
        let at: usize = std::str::from_utf8(number).ok()?.parse().ok()?;
        let rest = long_names.get(at..)?;
        // Names are short; a table without ends must not be copied for each of its members.
        let rest = &rest[..rest.len().min(256)];
        rest.split(|byte| *byte == b'\n').next()
    });
    let name = long.unwrap_or(raw);
    String::from_utf8_lossy(name.strip_suffix(b"/").unwrap_or(name)).into_owned()
}

fn shown(field: &[u8]) -> String {
    String::from_utf8_lossy(field).split_whitespace().collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::look;

    fn member(name: &str, time: u32, data: &str) -> String {
        let pad = if data.len() % 2 == 1 { "\n" } else { "" };
        format!("{name:<16}{time:<12}0     0     100644  {:<10}`\n{data}{pad}", data.len())
    }

    fn told(first: &[String], second: &[String]) -> String {
        let archive = |members: &[String]| format!("!<arch>\n{}", members.concat()).into_bytes();
        look(&archive(first), &archive(second)).unwrap().what
    }

    #[test]
    fn times_order_and_content_are_told_apart() {
        let first = [member("a.o/", 0, "one"), member("b.o/", 0, "two")];
        let times = [member("a.o/", 5, "one"), member("b.o/", 5, "two")];
        assert_eq!(told(&first, &times), "time of 2 members (a.o: 0, then 5)");
        let swapped = [first[1].clone(), first[0].clone()];
        assert_eq!(told(&first, &swapped), "order of the members");
        let content = [member("a.o/", 0, "one"), member("b.o/", 0, "2.")];
        assert_eq!(told(&first, &content), r#"content of b.o (line 1: "two", then "2.")"#);
        assert_eq!(told(&first, &first[..1]), "member b.o only in the first");
        let twice = [first[0].clone(), first[0].clone()];
        assert_eq!(told(&first[..1], &twice), "members of one name in another number");
    }

    #[test]
    fn long_names_are_found() {
        let table = member("//", 0, "a_rather_long_name.o/\nanother_long_name.o/\n");
        let list = |data: &str| [table.clone(), member("/22", 0, data)];
        assert_eq!(
            told(&list("x"), &list("y")),
            r#"content of another_long_name.o (line 1: "x", then "y")"#
        );
    }

    #[test]
    fn what_is_cut_short_is_no_archive() {
        let whole = format!("!<arch>\n{}", member("a.o/", 0, "data")).into_bytes();
        assert!(look(&whole, &whole[..whole.len() - 1]).is_none());
        assert!(look(&whole, b"!<arch>\njunk").is_none());
    }
}
