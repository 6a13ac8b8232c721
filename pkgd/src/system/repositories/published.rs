//! Repositories whose publisher says what they have now: the signed index, and what is remembered of the last one.
//!
//! What was seen once is not unseen: an index older than the last one, of another repository, or none at all where
//! there was one, is refused, and so is one that has expired. Otherwise whoever holds the folder could keep a
//! machine on packages with known holes, all of them validly signed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use minos_model::{Digest, Name};
use minos_package::keys::TrustStore;
use minos_package::repository::{self, MAX_LEN, Repository};
use minos_package::{KeyId, Policy};
use minos_proto::ErrorReport;
use nix::errno::Errno;
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use super::THRESHOLD;
use crate::system::errors::on_file;
use crate::system::files;

/// Who looks at repositories, and when.
#[derive(Debug)]
pub struct Look {
    /// Whom to believe.
    pub trust: TrustStore,
    /// The time, in seconds since the Unix epoch.
    pub now_s: u64,
    /// Take packages also from an index that has expired.
    pub allow_expired: bool,
}

/// What is remembered of the last index of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// The name its publisher gave it.
    pub name: Name,
    /// When it was made: no index from before is taken any more.
    pub created: u64,
    /// Until when it may be used.
    pub expires: u64,
    /// The digest of its bytes.
    pub digest: Digest,
    /// The trusted keys that signed it: the next one needs one of them. None where an older pkgd wrote this down.
    pub keys: BTreeSet<[u8; KeyId::LEN]>,
}

/// What is remembered, by the names that repositories have on this machine.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floors(BTreeMap<String, Floor>);

/// How the file begins. One without it is of the time before keys were remembered: it begins with the number of
/// repositories and the length of the first name, which is at most 64.
const MARK: &[u8] = b"floors 2\n";

/// What was remembered before keys were.
#[derive(Deserialize)]
struct Keyless {
    name: Name,
    created: u64,
    expires: u64,
    digest: Digest,
}

impl From<Keyless> for Floor {
    fn from(Keyless { name, created, expires, digest }: Keyless) -> Self {
        Self { name, created, expires, digest, keys: BTreeSet::new() }
    }
}

/// An index that may be used.
#[derive(Debug)]
pub struct Published {
    /// What the repository has.
    pub repository: Repository,
    /// What there is to say about it.
    pub note: Option<String>,
}

impl Floors {
    /// Reads what was written; nothing where there is no file.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged: to forget what was seen would be the attack itself.
    pub fn load(path: &Path) -> Result<Self, ErrorReport> {
        let Some(bytes) = files::read(path)? else { return Ok(Self::default()) };
        let damaged = |e: postcard::Error| on_file("use", path, &e);
        if let Some(body) = bytes.strip_prefix(MARK) {
            return postcard::from_bytes(body).map_err(damaged);
        }
        let old: BTreeMap<String, Keyless> = postcard::from_bytes(&bytes).map_err(damaged)?;
        Ok(Self(old.into_iter().map(|(name, floor)| (name, floor.into())).collect()))
    }

    /// Writes all of it; durable when it returns.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ErrorReport> {
        let body = postcard::to_allocvec(self).map_err(|e| on_file("make", path, &e))?;
        files::replace(path, &[MARK, &body].concat(), 0o600)
    }

    /// What is remembered of a repository.
    pub fn get(&self, repository: &str) -> Option<&Floor> {
        self.0.get(repository)
    }

    /// Forgets a repository that a person took out of the list.
    pub fn forget(&mut self, repository: &str) {
        self.0.remove(repository);
    }

    /// The index of a repository in `folder`, if it has one and may go without; remembers it.
    ///
    /// # Errors
    /// It may not be used; in words.
    pub fn look(
        &mut self,
        repository: &str,
        folder: &Path,
        look: &Look,
    ) -> Result<Option<Published>, String> {
        let floor = self.0.get(repository);
        let bytes = match read(&folder.join(repository::FILE)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound && floor.is_none() => return Ok(None),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(format!(
                    "it is gone, and there was one: fetch it again, or 'pkgctl repo remove {repository}' \
                     and add it anew if its publisher has given it up"
                ));
            }
            Err(e) if e.raw_os_error() == Some(Errno::ELOOP as i32) => {
                return Err("it is a link; the index of a repository is a regular file".to_owned());
            }
            Err(e) => return Err(e.to_string()),
        };
        let policy = Policy::Signed { trust: &look.trust, threshold: THRESHOLD };
        let (found, signers) = repository::read(&bytes, &policy).map_err(|e| e.to_string())?;
        let next = Floor {
            name: found.name.clone(),
            created: found.created,
            expires: found.expires,
            digest: Digest::of(&bytes),
            keys: signers.iter().map(|id| *id.as_bytes()).collect(),
        };
        // A clock that was set back does not make an index fresh again: it is later than all that was seen.
        let seen = self.0.values().map(|floor| floor.created).max().unwrap_or(0);
        not_of_the_future(&next, look.now_s, seen)?;
        let note = judge(&next, floor, look.now_s.max(seen), look.allow_expired)?;
        self.0.insert(repository.to_owned(), next);
        Ok(Some(Published { repository: found, note }))
    }
}

/// How far ahead of ours a publisher's clock may be, in seconds.
const AHEAD_S: u64 = 24 * 3600;

/// Refuses an index that was made later than now: remembered as seen, it would make those of all other publishers
/// expired. Where our own clock is behind what was seen, it is that which is wrong, and says nothing.
fn not_of_the_future(found: &Floor, clock_s: u64, seen: u64) -> Result<(), String> {
    if clock_s < seen || found.created <= clock_s.saturating_add(AHEAD_S) {
        return Ok(());
    }
    let ahead = span(found.created - clock_s);
    Err(format!(
        "it says that it was made {ahead} from now: set this machine's clock, or have its publisher set theirs and publish again"
    ))
}

/// Whether an index may follow the last one. Something to be told, or why not.
fn judge(
    found: &Floor,
    last: Option<&Floor>,
    now_s: u64,
    allow_expired: bool,
) -> Result<Option<String>, String> {
    if let Some(last) = last {
        if found.name != last.name {
            return Err(format!(
                "it is of the repository '{}', and was of '{}': somebody exchanged them",
                found.name, last.name
            ));
        }
        if !last.keys.is_empty() && last.keys.is_disjoint(&found.keys) {
            return Err(format!(
                "it is signed by {}, and the last one was by {}: a key that is trusted for other packages may not take a \
                 repository over. Fetch one that is also signed by the key of before; if the publisher has a new key, \
                 'pkgctl repo remove' and 'pkgctl repo add' begin anew",
                ids(&found.keys),
                ids(&last.keys)
            ));
        }
        if found.created <= last.created && found.digest != last.digest {
            let age = last.created - found.created;
            return Err(format!(
                "it is {} older than the one seen before: somebody went back; fetch it again",
                span(age)
            ));
        }
    }
    let Some(late) = now_s.checked_sub(found.expires) else { return Ok(None) };
    let expired = format!("it expired {} ago", span(late));
    match allow_expired {
        true => Ok(Some(format!("{expired}: there may be newer packages that are kept back"))),
        false => Err(format!(
            "{expired}: fetch it again; 'pkgctl repo sync --allow-expired' takes it as it is"
        )),
    }
}

/// Keys for people.
fn ids(keys: &BTreeSet<[u8; KeyId::LEN]>) -> String {
    let ids: Vec<String> = keys.iter().map(|id| KeyId::from_bytes(*id).to_string()).collect();
    ids.join(" and ")
}

/// A length of time for people.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The file's bytes. No link is followed, and nothing that is no file is waited for.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    // One more than any may have, so that the reader sees that it is too long.
    file.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use minos_package::SecretKey;
    use minos_package::keys::TrustStore;
    use minos_package::repository::{FILE, Repository, write};

    use super::{Floors, Look, judge};

    const DAY: u64 = 86_400;

    fn key() -> SecretKey {
        SecretKey::from_seed(&[7; 32], "test").unwrap()
    }

    /// Trusted as well, for packages of somebody else.
    fn other_key() -> SecretKey {
        SecretKey::from_seed(&[8; 32], "other").unwrap()
    }

    fn look(now_s: u64, allow_expired: bool) -> Look {
        let mut trust = TrustStore::default();
        trust.trust(key().public().clone()).unwrap();
        trust.trust(other_key().public().clone()).unwrap();
        Look { trust, now_s, allow_expired }
    }

    fn publish(folder: &Path, name: &str, created: u64, expires: u64) {
        publish_by(folder, name, (created, expires), &[key()]);
    }

    fn publish_by(folder: &Path, name: &str, (created, expires): (u64, u64), keys: &[SecretKey]) {
        let name = name.parse().unwrap();
        let repository = Repository { name, created, expires, packages: Vec::new() };
        fs::write(folder.join(FILE), write(&repository, keys).unwrap()).unwrap();
    }

    /// Whoever had one of the trusted keys could say what any repository has.
    #[test]
    fn a_repository_stays_with_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let mut floors = Floors::default();
        let mut see = |created: u64, keys: &[SecretKey]| {
            publish_by(folder.path(), "site", (created * DAY, 90 * DAY), keys);
            floors.look("site", folder.path(), &look(20 * DAY, false))
        };
        see(1, &[key()]).unwrap().unwrap();
        let why = see(2, &[other_key()]).unwrap_err();
        let ids = [key(), other_key()].map(|key| key.public().id().to_string());
        assert!(ids.iter().all(|id| why.contains(id)), "{why}");
        assert!(why.contains("'pkgctl repo remove'"), "{why}");
        // With both signatures it goes from one key to the next.
        see(3, &[key(), other_key()]).unwrap().unwrap();
        see(4, &[other_key()]).unwrap().unwrap();
        see(5, &[key()]).unwrap_err();
        floors.forget("site");
        floors.look("site", folder.path(), &look(20 * DAY, false)).unwrap().expect("begun anew");
    }

    /// What was seen before keys were remembered stays seen; the next index brings its keys.
    #[test]
    fn a_record_without_keys_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("floors");
        publish(folder.path(), "site", 10 * DAY, 20 * DAY);
        let mut floors = Floors::default();
        floors.look("site", folder.path(), &look(11 * DAY, false)).unwrap().unwrap();
        let floor = floors.get("site").unwrap();
        let old = std::collections::BTreeMap::from([(
            "site",
            (floor.name.clone(), floor.created, floor.expires, floor.digest),
        )]);
        fs::write(&record, postcard::to_allocvec(&old).unwrap()).unwrap();
        let mut read = Floors::load(&record).unwrap();
        assert!(read.get("site").unwrap().keys.is_empty());
        publish(folder.path(), "site", 9 * DAY, 20 * DAY);
        read.look("site", folder.path(), &look(11 * DAY, false)).unwrap_err();
        publish(folder.path(), "site", 12 * DAY, 20 * DAY);
        read.look("site", folder.path(), &look(13 * DAY, false)).unwrap().unwrap();
        assert!(!read.get("site").unwrap().keys.is_empty());
    }

    #[test]
    fn pitfall_3_no_index_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut floors = Floors::default();
        let mut see = |now: u64| floors.look("site", folder.path(), &look(now, true));
        assert!(see(0).unwrap().is_none(), "a folder without index is one of its packages");
        publish(folder.path(), "site", 10 * DAY, 20 * DAY);
        let old = fs::read(folder.path().join(FILE)).unwrap();
        see(11 * DAY).unwrap().unwrap();
        see(11 * DAY).unwrap().expect("the same one again");
        publish(folder.path(), "site", 12 * DAY, 20 * DAY);
        see(13 * DAY).unwrap().unwrap();
        fs::write(folder.path().join(FILE), old).unwrap();
        let why = see(13 * DAY).unwrap_err();
        assert!(why.contains("2 days") || why.contains("48 h"), "{why}");
        publish(folder.path(), "site", 12 * DAY, 90 * DAY);
        assert!(see(13 * DAY).unwrap_err().contains("went back"), "another one of the same time");
        publish(folder.path(), "other", 13 * DAY, 90 * DAY);
        assert!(see(13 * DAY).unwrap_err().contains("exchanged"));
        fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(see(13 * DAY).unwrap_err().contains("it is gone"), "and so is none at all");
        publish(folder.path(), "site", 14 * DAY, 90 * DAY);
        see(14 * DAY).unwrap().expect("a later one is taken, after all that");
    }

    #[test]
    fn pitfall_3_no_index_is_frozen() {
        let folder = tempfile::tempdir().unwrap();
        let mut floors = Floors::default();
        publish(folder.path(), "site", 10 * DAY, 20 * DAY);
        let mut see = |now, allow| floors.look("site", folder.path(), &look(now, allow));
        assert_eq!(see(20 * DAY - 1, false).unwrap().unwrap().note, None);
        let why = see(25 * DAY, false).unwrap_err();
        assert!(why.contains("expired 5 days ago") && why.contains("--allow-expired"), "{why}");
        let note = see(25 * DAY, true).unwrap().unwrap().note.unwrap();
        assert!(note.contains("kept back"), "{note}");
        // The clock is set back; another repository has been seen to be later.
        let other = tempfile::tempdir().unwrap();
        publish(other.path(), "other", 30 * DAY, 90 * DAY);
        floors.look("other", other.path(), &look(0, false)).unwrap().unwrap();
        let why = floors.look("site", folder.path(), &look(11 * DAY, false)).unwrap_err();
        assert!(why.contains("expired 10 days ago"), "{why}");
    }

    #[test]
    fn what_was_seen_outlives_the_program_and_a_damaged_record_is_not_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let record = folder.path().join("floors");
        let mut floors = Floors::load(&record).unwrap();
        publish(folder.path(), "site", 10 * DAY, 20 * DAY);
        floors.look("site", folder.path(), &look(11 * DAY, false)).unwrap().unwrap();
        floors.save(&record).unwrap();
        assert_eq!(Floors::load(&record).unwrap(), floors);
        let floor = floors.get("site").unwrap();
        assert_eq!(judge(floor, Some(floor), 11 * DAY, false), Ok(None));
        fs::write(&record, b"\xff").unwrap();
        Floors::load(&record).unwrap_err();
    }

    /// One publisher whose clock was years ahead made the indexes of all others expired, for good.
    #[test]
    fn an_index_of_the_future_is_refused_and_spoils_no_other() {
        let (ahead, site) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        publish(ahead.path(), "ahead", 1000 * DAY, 1010 * DAY);
        publish(site.path(), "site", 10 * DAY, 20 * DAY);
        let mut floors = Floors::default();
        let why = floors.look("ahead", ahead.path(), &look(11 * DAY, true)).unwrap_err();
        assert!(why.contains("from now") && why.contains("clock"), "{why}");
        floors.look("site", site.path(), &look(11 * DAY, false)).unwrap().unwrap();
        // A publisher somewhat ahead is none of the future; a clock of ours that was set back judges nobody.
        publish(ahead.path(), "ahead", 11 * DAY + 3600, 20 * DAY);
        floors.look("ahead", ahead.path(), &look(11 * DAY, false)).unwrap().unwrap();
        publish(ahead.path(), "ahead", 14 * DAY, 20 * DAY);
        floors.look("ahead", ahead.path(), &look(DAY, false)).unwrap().unwrap();
    }

    #[test]
    fn what_stands_in_the_place_of_an_index_is_not_followed() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        publish(other.path(), "site", 10 * DAY, 20 * DAY);
        std::os::unix::fs::symlink(other.path().join(FILE), folder.path().join(FILE)).unwrap();
        let mut floors = Floors::default();
        let why = floors.look("site", folder.path(), &look(11 * DAY, false)).unwrap_err();
        assert!(why.contains("it is a link"), "{why}");
        fs::remove_file(folder.path().join(FILE)).unwrap();
        nix::unistd::mkfifo(&folder.path().join(FILE), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let why = floors.look("site", folder.path(), &look(11 * DAY, false)).unwrap_err();
        assert!(why.contains("no file"), "{why}");
    }
}
