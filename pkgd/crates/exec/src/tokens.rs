//! Who has how many job tokens: the accounts of the [jobserver](crate::jobserver), without files or clock.
//!
//! A token is the right to run one job. Every step holds one for itself as long as it runs, which GNU make
//! calls the implicit token; further ones are lent and come back. Their sum never changes, whatever a step
//! does: what it writes into its pipe beyond what it was lent counts for nothing.

use std::collections::BTreeMap;
use std::time::Duration;

/// How long a step that left a token lying is thought to have no use for more. Then it is asked again, by
/// giving it one.
const REST: Duration = Duration::from_secs(1);

/// Names an account.
pub type Id = u64;

/// All tokens.
#[derive(Debug)]
pub struct Ledger {
    free: usize,
    accounts: BTreeMap<Id, Account>,
    next: Id,
}

#[derive(Debug)]
struct Account {
    /// Tokens in its pipe or in use, its own one apart.
    lent: usize,
    /// The most it may be lent.
    most: usize,
    /// Until then it is not thought to want more.
    rests: Duration,
}

impl Ledger {
    /// `total` tokens, all of them free.
    pub fn new(total: usize) -> Self {
        Self { free: total, accounts: BTreeMap::new(), next: 0 }
    }

    /// Tokens nobody has.
    pub fn free(&self) -> usize {
        self.free
    }

    /// Steps that run.
    pub fn steps(&self) -> usize {
        self.accounts.len()
    }

    /// Takes the token a step holds for itself, where one is free, and opens an account for up to `most`
    /// further ones.
    pub fn open(&mut self, most: usize) -> Option<Id> {
        self.free = self.free.checked_sub(1)?;
        let id = self.next;
        self.next += 1;
        self.accounts.insert(id, Account { lent: 0, most, rests: Duration::ZERO });
        Some(id)
    }

    /// Takes back all that a step has. Those it did not return are free too: whoever held them is dead.
    pub fn close(&mut self, id: Id) {
        self.free += self.accounts.remove(&id).map_or(0, |account| account.lent + 1);
    }

    /// `bytes` were found lying in the step's pipe. A step that leaves tokens lying when it was not just
    /// woken by them needs no more.
    pub fn found(&mut self, id: Id, bytes: usize, idle: bool, now: Duration) {
        let Some(account) = self.accounts.get_mut(&id) else { return };
        let back = bytes.min(account.lent);
        account.lent -= back;
        self.free += back;
        if idle && bytes > 0 {
            account.rests = now + REST;
        }
    }

    /// Lends what is free but for `keep` tokens: first to steps that use all they have, then to any; each
    /// time to the one that has least. The result says who got how many.
    pub fn deal(&mut self, keep: usize, now: Duration) -> BTreeMap<Id, usize> {
        let mut dealt = BTreeMap::new();
        while self.free > keep {
            let open = self.accounts.iter_mut().filter(|(_, account)| account.lent < account.most);
            let Some((id, account)) = open.min_by_key(|(_, a)| (a.rests > now, a.lent)) else {
                break;
            };
            account.lent += 1;
            self.free -= 1;
            *dealt.entry(*id).or_default() += 1;
        }
        dealt
    }

    /// `count` tokens that were dealt did not fit into the step's pipe.
    pub fn undo(&mut self, id: Id, count: usize) {
        if let Some(account) = self.accounts.get_mut(&id) {
            let back = count.min(account.lent);
            account.lent -= back;
            self.free += back;
        }
    }

    /// The steps from which the next token that comes back should go to somebody else: all that have any
    /// when a step `waits` to start, else those that have at least two more than one that wants some.
    pub fn rich(&self, waits: bool, now: Duration) -> Vec<Id> {
        let poorest = self.accounts.values().filter(|a| a.lent < a.most && a.rests <= now);
        let line = match poorest.map(|account| account.lent).min() {
            _ if waits => 1,
            Some(poorest) => poorest + 2,
            None => return Vec::new(),
        };
        let rich = self.accounts.iter().filter(|(_, account)| account.lent >= line);
        rich.map(|(id, _)| *id).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::{
        Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };

    use super::{Ledger, REST};

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn one_step_gets_all_and_two_share() {
        let mut ledger = Ledger::new(5);
        let first = ledger.open(9).unwrap();
        assert_eq!(ledger.deal(0, NOW)[&first], 4);
        assert_eq!(ledger.open(9), None, "a step needs a token to start with");
        assert_eq!(ledger.rich(true, NOW), [first]);
        ledger.found(first, 4, false, NOW);
        let second = ledger.open(9).unwrap();
        let dealt = ledger.deal(0, NOW);
        assert_eq!((dealt[&first], dealt[&second]), (2, 1));
        assert!(ledger.rich(false, NOW).is_empty(), "one more than the other is fair enough");
        ledger.close(first);
        assert_eq!(ledger.deal(0, NOW)[&second], 3);
    }

    #[test]
    fn what_a_step_leaves_lying_goes_to_one_that_works() {
        let mut ledger = Ledger::new(4);
        let (lazy, busy) = (ledger.open(3).unwrap(), ledger.open(3).unwrap());
        ledger.deal(0, NOW);
        ledger.found(lazy, 1, true, NOW);
        assert_eq!(ledger.deal(0, NOW)[&busy], 1);
        assert!(ledger.rich(false, NOW).is_empty());
        // After a rest it is asked again.
        assert_eq!(ledger.rich(false, NOW + REST), [busy]);
        ledger.found(busy, 1, false, NOW + REST);
        assert_eq!(ledger.deal(0, NOW + REST)[&lazy], 1);
    }

    #[test]
    fn limits_of_recipes_hold_and_the_rest_stays_free() {
        let mut ledger = Ledger::new(8);
        let single = ledger.open(0).unwrap();
        let double = ledger.open(1).unwrap();
        let dealt = ledger.deal(0, NOW);
        assert_eq!((dealt.get(&single), dealt[&double], ledger.free()), (None, 1, 5));
    }

    #[derive(Debug, Clone)]
    enum Act {
        Open(usize),
        Close(usize),
        Found(usize, usize, bool),
        Deal(usize),
        Undo(usize, usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            (0usize..5).prop_map(Act::Open),
            (0usize..4).prop_map(Act::Close),
            (0usize..4, 0usize..100, any::<bool>()).prop_map(|(s, n, i)| Act::Found(s, n, i)),
            (0usize..3).prop_map(Act::Deal),
            (0usize..4, 0usize..9).prop_map(|(s, n)| Act::Undo(s, n)),
        ]
    }

    proptest! {
        /// Whatever steps do, also one that floods its pipe: no token is made, none is lost.
        #[test]
        fn tokens_are_neither_made_nor_lost(
            total in 1usize..9, acts in prop::collection::vec(act(), 0..60))
        {
            let mut ledger = Ledger::new(total);
            let mut open = Vec::new();
            for (tick, act) in acts.into_iter().enumerate() {
                let now = Duration::from_millis(300 * tick as u64);
                let pick = |at: usize| open.get(at).copied().unwrap_or(u64::MAX);
                match act {
                    Act::Open(most) => open.extend(ledger.open(most)),
                    Act::Close(at) if at < open.len() => ledger.close(open.remove(at)),
                    Act::Close(_) => {}
                    Act::Found(at, bytes, idle) => ledger.found(pick(at), bytes, idle, now),
                    Act::Deal(keep) => drop(ledger.deal(keep, now)),
                    Act::Undo(at, count) => ledger.undo(pick(at), count),
                }
                let held: usize = ledger.accounts.values().map(|a| a.lent + 1).sum();
                prop_assert_eq!(ledger.free + held, total);
                prop_assert!(ledger.accounts.values().all(|a| a.lent <= a.most));
            }
            open.into_iter().for_each(|id| ledger.close(id));
            prop_assert_eq!(ledger.free(), total);
        }
    }
}
