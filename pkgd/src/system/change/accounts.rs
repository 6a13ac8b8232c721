//! Numbers for the users and groups that packages name.

use std::collections::{BTreeMap, BTreeSet};

use minos_model::PackageManifest;
use minos_store::{Accounts, Installed};

/// Numbers of users and groups that packages bring lie below this one.
const END: u32 = 1000;
/// And from this one on.
const BEGIN: u32 = 100;

/// The numbers that are taken, by name, and the way to free ones.
#[derive(Debug, Default)]
pub struct Numbers {
    users: BTreeMap<String, u32>,
    groups: BTreeMap<String, u32>,
}

impl Numbers {
    /// The numbers that installed packages use, and those of the root's `/etc/passwd` and `/etc/group`: a name
    /// keeps its number as long as anybody has it.
    pub fn new(installed: &[Installed], passwd: &str, group: &str) -> Self {
        let mut numbers = Self { users: table(passwd), groups: table(group) };
        for accounts in installed.iter().map(|i| &i.package.accounts) {
            numbers.users.extend(accounts.users.iter().cloned());
            numbers.groups.extend(accounts.groups.iter().cloned());
        }
        numbers
    }

    /// The numbers of the accounts that a package names.
    pub fn of(&mut self, manifest: &PackageManifest) -> Accounts {
        let actions = &manifest.actions;
        let mut accounts = Accounts::default();
        for group in &actions.groups {
            let name = group.name.to_string();
            let number = take(&mut self.groups, &name, group.id);
            accounts.groups.push((name, number));
        }
        for user in &actions.users {
            let name = user.name.to_string();
            let number = take(&mut self.users, &name, user.id);
            accounts.users.push((name, number));
        }
        accounts
    }
}

fn take(taken: &mut BTreeMap<String, u32>, name: &str, wanted: Option<u16>) -> u32 {
    if let Some(wanted) = wanted {
        taken.insert(name.to_owned(), wanted.into());
        return wanted.into();
    }
    if let Some(number) = taken.get(name) {
        return *number;
    }
    let used: BTreeSet<u32> = taken.values().copied().collect();
    let free = (BEGIN..END).rev().find(|number| !used.contains(number)).unwrap_or(BEGIN);
    taken.insert(name.to_owned(), free);
    free
}

/// Names and numbers of a passwd or group file; lines that are none are passed over.
fn table(text: &str) -> BTreeMap<String, u32> {
    let line = |line: &str| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        Some((name.to_owned(), number.parse().ok()?))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Numbers, table, take};

    #[test]
    fn a_name_keeps_its_number_and_new_ones_are_free() {
        let numbers = Numbers::new(&[], "root:x:0:0::/:/bin/sh\nbroken\nweb:x:999:9::/:\n", "");
        assert_eq!(numbers.users, table("root:x:0:0:\nweb:x:999:"));
        let mut taken: BTreeMap<String, u32> = numbers.users;
        assert_eq!(take(&mut taken, "web", None), 999);
        assert_eq!(take(&mut taken, "mail", None), 998);
        assert_eq!(take(&mut taken, "fixed", Some(7)), 7);
        assert_eq!(take(&mut taken, "mail", None), 998);
    }
}
