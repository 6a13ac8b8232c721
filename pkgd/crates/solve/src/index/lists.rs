//! Many short lists of numbers in two arrays.

/// For each key `0..n` a sorted list of values without repetition.
#[derive(Debug, Clone, Default)]
pub struct Lists {
    starts: Vec<u32>,
    values: Vec<u32>,
}

impl Lists {
    /// The lists of the pairs (key, value) that `pairs` hands to its argument, the same ones each time it is called,
    /// values rising. Keys from `keys` on are left out.
    pub fn new(keys: u32, pairs: impl Fn(&mut dyn FnMut(u32, u32))) -> Self {
        let mut starts = vec![0_u32; keys as usize + 1];
        pairs(&mut |key, _| {
            if let Some(count) = starts.get_mut(key as usize + 1) {
                *count += 1;
            }
        });
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        let mut next = starts.clone();
        let mut values = vec![0; sum as usize];
        pairs(&mut |key, value| {
            if key < keys
                && let Some(at) = next.get_mut(key as usize)
                && let Some(slot) = values.get_mut(*at as usize)
            {
                *slot = value;
                *at += 1;
            }
        });
        Self { starts, values }
    }

    /// The values of `key`; a value that was handed over twice in a row comes once.
    pub fn of(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let at = |i: u32| self.starts.get(i as usize).copied().unwrap_or_default() as usize;
        let values = self.values.get(at(key)..at(key.saturating_add(1))).unwrap_or_default();
        let mut last = None;
        values.iter().copied().filter(move |value| last.replace(*value) != Some(*value))
    }
}
