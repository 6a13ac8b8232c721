//! Repositories that are fetched from, by a real pkgd from a server of this machine: good ones, and all that goes wrong.
#![cfg(feature = "system")]

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use minos_tests::site::{Site, column, words};
use minos_tests::web::{Asked, Server, head, part};
use serde_json::Value;

/// What a server does otherwise than a good one.
#[derive(Debug, Default)]
struct Mood {
    /// It is down.
    down: bool,
    /// It knows no parts.
    whole: bool,
    /// It cuts the connection after so many bytes of a file whose name has this in it.
    cut: Option<(&'static str, usize)>,
    /// It changes the byte of such a file that is so far from its end.
    spoil: Option<(&'static str, usize)>,
    /// It waits between pieces of a kilobyte.
    slow: bool,
    /// Bytes that it has sent of such a file, as asked for.
    sent: Vec<(String, usize)>,
}

/// A folder on a server.
struct Web {
    server: Server,
    mood: Arc<Mutex<Mood>>,
}

impl Web {
    fn of(folder: PathBuf) -> Self {
        let mood = Arc::new(Mutex::new(Mood::default()));
        let shared = Arc::clone(&mood);
        let server = Server::new(move |asked, stream| answer(&folder, &shared, asked, stream));
        Self { server, mood }
    }

    fn mood(&self) -> MutexGuard<'_, Mood> {
        self.mood.lock().expect("a mood")
    }

    /// How much was sent of files with this in their name since it was asked last.
    fn sent(&self, name: &str) -> usize {
        let mut mood = self.mood();
        let (these, others) = mood.sent.drain(..).partition(|(file, _)| file.contains(name));
        mood.sent = others;
        these.iter().map(|(_, bytes): &(String, usize)| bytes).sum()
    }

    fn url(&self) -> String {
        self.server.url("minos")
    }
}

fn answer(folder: &Path, mood: &Mutex<Mood>, asked: &Asked, stream: &mut TcpStream) -> bool {
    let name = asked.path.trim_start_matches("minos/").replace("%5E", "^");
    let mut now = mood.lock().expect("a mood");
    if now.down {
        return false;
    }
    let Ok(mut file) = fs::read(folder.join(&name)) else {
        return head(stream, "404 Not Found", 0, "");
    };
    if let Some((_, back)) = now.spoil.filter(|(of, _)| name.contains(of)) {
        let at = file.len() - back;
        file[at] ^= 1;
    }
    let cut = now.cut.filter(|(of, _)| name.contains(of)).map(|(_, after)| after);
    let from = if now.whole { 0 } else { asked.from };
    let length = file.len().min(asked.last.saturating_add(1)).saturating_sub(from);
    now.sent.push((name, cut.unwrap_or(length).min(length)));
    let (whole, slow) = (now.whole, now.slow);
    drop(now);
    if slow {
        let range = format!("Content-Range: bytes {from}-{}/{}\r\n", from + length - 1, file.len());
        return head(stream, "206 Partial Content", length, &range)
            && file[from..from + length].chunks(1024).all(|bytes| {
                thread::sleep(Duration::from_millis(5));
                stream.write_all(bytes).is_ok()
            });
    }
    match cut {
        Some(after) => {
            let range =
                format!("Content-Range: bytes {from}-{}/{}\r\n", file.len() - 1, file.len());
            let _ = head(stream, "206 Partial Content", length, &range)
                && stream.write_all(&file[from..from + after.min(length)]).is_ok();
            false
        }
        None if whole => head(stream, "200 OK", file.len(), "") && stream.write_all(&file).is_ok(),
        None => part(&file, asked, stream),
    }
}

/// Bytes that cannot be made shorter.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(next).collect()
}

const BIG: usize = 3 << 20;

/// A site whose folder `pub` has packages `small` and `big`, published, on a server, and added as `net`.
fn on_the_net() -> (Site, Web) {
    let site = Site::new();
    let share = site.room.path("big/root/usr/share");
    fs::create_dir_all(&share).expect("folders");
    fs::write(share.join("noise"), noise(BIG)).expect("a file");
    site.room.pack("pub", "small", "1", "");
    site.room.pack("pub", "big", "1", "");
    site.room.json("repo publish pub --key ann.key");
    let web = Web::of(site.room.path("pub"));
    let added = site.json(&format!("repo add net {}", web.url()));
    assert_eq!(column(&added, "repositories", "packages"), ["0", "0", "2"], "{added}");
    (site, web)
}

fn cache(site: &Site, name: &str) -> PathBuf {
    site.root.path().join("repositories/fetched/net").join(name)
}

/// What a sync that does not go well says.
fn bad_sync(site: &Site) -> String {
    bad(site, "repo sync")
}

/// What these words say where a repository cannot be used as it should.
#[track_caller]
fn bad(site: &Site, words: &str) -> String {
    let synced = site.room.pkgctl(&format!("{} {words} --json", site.at));
    assert_eq!(synced.status.code(), Some(9), "{synced:?}");
    String::from_utf8_lossy(&synced.stdout).into_owned()
}

/// Without the places where a line was broken.
fn words_of(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn available(site: &Site) -> Vec<String> {
    column(&site.json("list --available"), "packages", "package")
}

fn installed(site: &Site) -> Vec<String> {
    column(&site.json("list"), "packages", "package")
}

#[test]
fn heads_are_fetched_by_a_sync_and_the_rest_when_it_is_installed() {
    let (site, web) = on_the_net();
    let whole = fs::metadata(site.room.path("pub/big-1-1.noarch.mpk")).expect("it").len();
    assert!(web.sent("big") < 100_000, "its head");
    assert_eq!(web.server.connections(), 1);
    // All that a package says of itself is known without the rest of it.
    assert_eq!(available(&site), ["big", "small"]);
    assert_eq!(words(&site.json("info big")["package"]), "big");
    assert!(site.json("files big").to_string().contains("usr/share/noise"));
    assert!(site.json("owner --available /usr/share/noise").to_string().contains("big"));
    assert_eq!(web.sent("big"), 0);

    site.change("install small");
    assert_eq!(web.sent("big"), 0, "nobody asked for it");
    let look = site.json("install big --dry-run");
    let fetch = look["fetch"].as_u64().expect("what is to be fetched");
    assert!(fetch > BIG as u64 && fetch <= whole, "{look}");
    site.change("install big");
    assert_eq!(installed(&site), ["big", "small"]);
    let there = site.root.path().join("current/usr/share/noise");
    assert_eq!(fs::read(there).expect("it"), noise(BIG));
    site.json("verify");
    // What is in the store is not kept twice.
    let file = cache(&site, "big-1-1.noarch.mpk").metadata().expect("its head");
    assert!(file.len() == whole && file.blocks() * 512 < 100_000, "{file:?}");

    web.sent("");
    site.json("repo sync");
    assert_eq!(web.sent("mpk"), 0, "nothing is new");
    // A new version: its head comes, the old one goes.
    fs::remove_file(site.room.path("pub/small-1-1.noarch.mpk")).expect("gone");
    site.room.pack("pub", "small", "2", "");
    site.room.json("repo publish pub --key ann.key");
    site.json("repo sync");
    assert!(!cache(&site, "small-1-1.noarch.mpk").exists());
    site.change("upgrade");
    assert_eq!(column(&site.json("list"), "packages", "version"), ["1-1", "2-1"]);
    // The root and the store have one file: where it is damaged the store has nothing to put back, and it is fetched.
    fs::write(site.root.path().join("current/usr/share/noise"), "damaged").expect("damaged");
    site.json("verify --repair");
    assert!(web.sent("big") > BIG);
    site.json("verify");
    let file = cache(&site, "big-1-1.noarch.mpk").metadata().expect("its head");
    assert!(file.blocks() * 512 < 100_000, "{file:?}");
    site.json("repo remove net");
    assert!(!cache(&site, "").exists());
}

#[test]
fn a_server_without_parts_serves_as_well() {
    let (site, web) = on_the_net();
    web.mood().whole = true;
    site.change("install big small");
    site.json("verify");
    site.json("repo sync");
}

#[test]
fn what_was_cut_off_goes_on_and_nothing_was_changed() {
    let (site, web) = on_the_net();
    site.change("install small");
    web.mood().cut = Some(("big", 1 << 20));
    let said = site.refused("install big --yes", 7);
    assert!(said.contains("big-1-1.noarch cannot be fetched"), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
    assert_eq!(installed(&site), ["small"]);
    assert_eq!(site.json("generations")["current"], 1);
    assert!(fs::metadata(cache(&site, "big-1-1.noarch.mpk.rest")).expect("it").len() > 900_000);
    web.mood().cut = None;
    web.sent("");
    site.change("install big");
    let sent = web.sent("big");
    assert!(sent < BIG - 900_000, "{sent} bytes: not all of it again");
    site.json("verify");
}

/// The same where it is pkgd that is cut off.
#[test]
fn a_killed_pkgd_goes_on_where_its_fetching_ended() {
    let (mut site, web) = on_the_net();
    web.mood().slow = true;
    let rest = cache(&site, "big-1-1.noarch.mpk.rest");
    let at = site.at.clone();
    let room = site.room.path("");
    let asked = thread::spawn(move || {
        let mut pkgctl = std::process::Command::new(minos_tests::artefacts::binary("pkgctl"));
        pkgctl.args(at.split(' ')).args(["install", "big", "--yes"]).current_dir(room).output()
    });
    let came = || fs::metadata(&rest).map_or(0, |meta| meta.len());
    assert!((0..1500).any(|_| came() > 200_000 || {
        thread::sleep(Duration::from_millis(20));
        false
    }));
    site.daemon.kill();
    asked.join().expect("it ends").expect("it ran");
    web.mood().slow = false;
    web.sent("");
    site.daemon = site.root.start();
    assert_eq!(available(&site), ["big", "small"], "without a sync");
    site.change("install big");
    assert!(web.sent("big") < BIG - 100_000, "not all of it again");
    site.json("verify");
}

/// Whoever stands between changes what he likes.
#[test]
fn pitfall_1_nothing_but_what_was_signed_is_installed() {
    let (site, web) = on_the_net();
    // A byte of the content.
    web.mood().spoil = Some(("big", 1000));
    let said = site.refused("install big --yes", 7);
    assert!(words_of(&said).contains("is not what was signed"), "{said}");
    assert_eq!(fs::metadata(cache(&site, "big-1-1.noarch.mpk.rest")).expect("it").len(), 0);
    assert_eq!(installed(&site), Vec::<String>::new());
    web.mood().spoil = None;
    site.change("install big");
    site.json("verify");
    // A byte of a head, of one that is new: it is not offered, and the next sync gets the right one.
    site.room.pack("pub", "third", "1", "");
    site.room.json("repo publish pub --key ann.key");
    let long = fs::metadata(site.room.path("pub/third-1-1.noarch.mpk")).expect("it").len();
    for at in [9, 50, 110, 200] {
        web.mood().spoil = Some(("third", usize::try_from(long).expect("short") - at));
        let said = bad_sync(&site);
        assert!(said.contains("third-1-1.noarch.mpk"), "byte {at}: {said}");
        assert_eq!(available(&site), ["big", "small"], "byte {at}");
    }
    // A byte of the index.
    web.mood().spoil = Some(("repository.mri", 1));
    let said = bad_sync(&site);
    assert!(said.contains("the index was changed"), "{said}");
    web.mood().spoil = None;
    site.json("repo sync");
    assert_eq!(available(&site), ["big", "small", "third"]);
}

/// An old index is as good as a changed one.
#[test]
fn pitfall_3_an_index_of_before_is_refused_over_the_network_too() {
    let (site, _web) = on_the_net();
    let index = site.room.path("pub/repository.mri");
    let old = fs::read(&index).expect("an index");
    site.room.pack("pub", "third", "1", "");
    site.room.json("repo publish pub --key ann.key");
    site.json("repo sync");
    fs::write(&index, old).expect("set back");
    let said = bad_sync(&site);
    assert!(said.contains("somebody went back"), "{said}");
    assert_eq!(available(&site), Vec::<String>::new());
}

#[test]
fn a_server_that_is_down_costs_nothing_that_is_here() {
    let (site, web) = on_the_net();
    site.change("install small");
    web.mood().down = true;
    let said = bad_sync(&site);
    assert!(said.contains("what it had when it was fetched last is offered"), "{said}");
    assert_eq!(available(&site), ["big", "small"]);
    site.json("verify");
    let said = site.refused("install big --yes", 7);
    assert!(said.contains(&web.url()), "the address is named: {said}");
    assert_eq!(installed(&site), ["small"]);
    // One that was never reached.
    let said = bad(&site, "repo add other http://127.0.0.1:1/x");
    assert!(said.contains("was not fetched yet"), "{said}");
    site.json("repo remove other");
    // A folder on a server that nobody has published.
    let bare = Web::of(site.room.path("site"));
    let said = bad(&site, &format!("repo add other {}", bare.url()));
    assert!(said.contains("'pkgctl repo publish'"), "{said}");
}

/// The first of several that has it serves; one that has something else is passed over.
#[test]
fn of_several_addresses_any_will_do() {
    let (site, good) = on_the_net();
    let other = Web::of(site.room.path("pub"));
    let both = format!("repo add net {} {}", other.url(), good.url());
    other.mood().down = true;
    site.json(&both);
    site.change("install small");
    other.mood().down = false;
    other.mood().spoil = Some(("big", 1000));
    site.change("install big");
    assert!(other.sent("big") > BIG && good.sent("big") > BIG);
    site.json("verify");
    let listed = site.json("repo list");
    let places = column(&listed, "repositories", "place");
    assert_eq!(places[2], format!("{} {}", other.url(), good.url()), "{listed}");
}

#[test]
fn what_is_no_address_is_refused() {
    let site = Site::new();
    for place in ["https://example.org/x", "http://", "http://a/?b", "ftp://a/b", "http://a folder"]
    {
        let said = site.refused(&format!("repo add net {place}"), 2);
        assert!(said.contains("repo add") || said.contains("http"), "{place}: {said}");
    }
    let listed: Value = site.json("repo list");
    assert_eq!(column(&listed, "repositories", "repository"), ["local", "site"]);
    site.refused("repo add net ./site http://example.org/x", 2);
}
