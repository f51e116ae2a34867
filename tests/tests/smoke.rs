//! A first look at everything together; the thorough suites are beside it.

use std::collections::BTreeMap;

use bitcask_core::{Go, Index, Memory, MergePolicy, Options, Range, Storage as _, Store};

#[test]
fn random_lives_agree_with_a_map() {
    for seed in 0..200_u64 {
        let memory = Memory::new(seed);
        let random = Memory::new(seed + 1_000_000);
        let mut model: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
        let index = if seed % 2 == 0 { Index::Hash } else { Index::Ordered };
        for life in 0..4 {
            let options = Options::default().index(index).segment_bytes(300 + seed % 500);
            let store =
                Store::open(memory.clone(), options).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
            for _ in 0..100 {
                let key = format!("k{}", random.random() % 12).into_bytes();
                match random.random() % 10 {
                    0..=4 => {
                        let value =
                            vec![(random.random() & 255) as u8; (random.random() % 90) as usize];
                        store.put(&key, &value).unwrap();
                        model.insert(key, value);
                    }
                    5..=6 => {
                        assert_eq!(store.delete(&key).unwrap(), model.remove(&key).is_some());
                    }
                    7 => {
                        if random.random() % 4 == 0 {
                            store.roll().unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                        }
                        let policy = if seed % 3 == 0 {
                            MergePolicy::default()
                        } else {
                            MergePolicy::full()
                        };
                        store
                            .merge_step(&policy, random.random() % 300)
                            .unwrap_or_else(|e| panic!("seed {seed}: {e}"));
                    }
                    8 => assert_eq!(
                        store.get(&key).unwrap().as_deref(),
                        model.get(&key).map(|v| &v[..]),
                        "seed {seed}"
                    ),
                    _ => {
                        let all: Vec<(Vec<u8>, Vec<u8>)> = store
                            .scan(Range::all())
                            .map(|e| e.unwrap())
                            .map(|e| (e.key.to_vec(), e.value.to_vec()))
                            .collect();
                        let expected: Vec<_> = model.clone().into_iter().collect();
                        assert_eq!(all, expected, "seed {seed} life {life}");
                    }
                }
            }
            if life == 2 {
                store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
                let stats = store.stats();
                let dead: u64 = stats
                    .segments
                    .iter()
                    .filter(|s| s.state == bitcask_core::SegmentState::Sealed)
                    .map(|s| s.dead_bytes)
                    .sum();
                assert_eq!(dead, 0, "seed {seed}: {stats:#?}");
            }
            let report = store.verify(&mut |_| Go::On).unwrap();
            assert!(report.is_sound(), "seed {seed}: {:?}", report.problems);
            if random.random() % 2 == 0 {
                store.close().unwrap();
            }
        }
    }
}

#[test]
fn after_a_roll_a_merge_takes_what_was_active() {
    let store = Store::open(Memory::new(1), Options::default()).unwrap();
    for _ in 0..10 {
        store.put(b"key", &[0; 1000]).unwrap();
    }
    let merge = || store.merge(&MergePolicy::full(), &mut |_| Go::On).unwrap();
    assert_eq!(merge().runs, 0, "the active segment is no input");
    assert!(store.roll().unwrap());
    assert!(!store.roll().unwrap(), "there is no record to roll");
    assert_eq!(merge().runs, 1);
    assert!(store.stats().total_bytes < 2_000);
    assert_eq!(store.get(b"key").unwrap().as_deref(), Some(&[0; 1000][..]));
}
