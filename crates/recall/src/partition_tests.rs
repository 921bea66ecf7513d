use core_types::embeddings::SpaceId;
use core_types::{AgentId, Timestamp};
use uuid::Uuid;

use super::*;

const DIMENSION: usize = 64;

/// Numbers that look like chance (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// Around 0, nearly normal.
    #[expect(clippy::cast_precision_loss, reason = "chance")]
    fn number(&mut self) -> f32 {
        (0..4).map(|_| (self.next() >> 40) as f32 / (1_u64 << 24) as f32 - 0.5).sum()
    }
}

/// A vector of one of 50 clusters that all point a little the same way, as those of real models do.
fn vector(number: u64) -> Vec<f32> {
    let (mut cluster, mut own) = (Chance(number % 50), Chance(number.wrapping_mul(7_919) + 1));
    let vector: Vec<f32> = (0..DIMENSION).map(|_| 0.4 + cluster.number() + own.number() * 0.6).collect();
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.iter().map(|number| number / length).collect()
}

fn id(number: u64) -> MemoryId {
    MemoryId::new(Uuid::from_u64_pair(0, number))
}

/// Every tenth is in room 1, every hundredth a fact, and each a second later.
fn row(number: u64) -> VectorRow {
    VectorRow {
        number: i64::try_from(number).unwrap(),
        memory: id(number),
        agent: AgentId::new(Uuid::from_u64_pair(1, 1)),
        space: SpaceId(1),
        table: if number.is_multiple_of(100) { "facts" } else { "messages" }.to_owned(),
        room: room(u64::from(number.is_multiple_of(10))),
        world: Some(WorldId::new(Uuid::from_u64_pair(4, number % 2))),
        entity: EntityId::new(Uuid::from_u64_pair(3, number % 3)),
        created_at: Timestamp::from_millis(i64::try_from(number).unwrap() * 1_000),
        vector: Quantised::of(&vector(number)),
    }
}

fn room(number: u64) -> RoomId {
    RoomId::new(Uuid::from_u64_pair(2, number))
}

fn partition(rows: u64) -> Partition {
    let mut partition = Partition::new(DIMENSION);
    (1..=rows).for_each(|number| partition.push(row(number)));
    partition
}

/// The nearest by all digits among those that pass.
fn exact(query: &[f32], passing: impl Iterator<Item = u64>, limit: usize) -> Vec<MemoryId> {
    let cosine = |number: u64| vector(number).iter().zip(query).map(|(one, other)| one * other).sum::<f32>();
    let mut all: Vec<(f32, u64)> = passing.map(|number| (cosine(number), number)).filter(|(cosine, _)| *cosine > 0.0).collect();
    all.sort_by(|one, other| other.0.total_cmp(&one.0));
    all.into_iter().take(limit).map(|(_, number)| id(number)).collect()
}

fn share(found: &[(MemoryId, f64)], expected: &[MemoryId]) -> f64 {
    let both = found.iter().filter(|(id, _)| expected.contains(id)).count();
    f64::from(u32::try_from(both).unwrap()) / f64::from(u32::try_from(expected.len()).unwrap())
}

#[test]
fn the_nearest_are_found_among_many_and_among_few() {
    let partition = partition(20_000);
    assert!(partition.centre.is_some());
    let mut shares = Vec::new();
    for question in 0..20 {
        let query = vector(1_000_003 + question);
        let found = partition.nearest(&query, &MemoryFilter::default(), None, 10);
        assert!(found.is_sorted_by(|one, other| one.1 >= other.1), "{found:?}");
        shares.push(share(&found, &exact(&query, 1..=20_000, 10)));
    }
    let mean = shares.iter().sum::<f64>() / 20.0;
    assert!(mean >= 0.97, "{mean}: {shares:?}");
}

#[test]
fn conditions_count_before_the_ranking() {
    let partition = partition(20_000);
    let query = vector(1_000_003);
    let here = MemoryFilter::default().in_room(room(1));
    let facts = MemoryFilter::table("facts");
    let late = MemoryFilter { from: Some(Timestamp::from_millis(19_950_000)), ..MemoryFilter::default() };
    let early = MemoryFilter { to: Some(Timestamp::from_millis(40_000)), ..MemoryFilter::default() };
    let one = MemoryFilter { entity: Some(EntityId::new(Uuid::from_u64_pair(3, 1))), ..MemoryFilter::default() };
    let world = MemoryFilter { world: Some(WorldId::new(Uuid::from_u64_pair(4, 1))), ..facts.clone() };
    for (filter, passes) in [
        (&here, Box::new(|number: &u64| number.is_multiple_of(10)) as Box<dyn Fn(&u64) -> bool>),
        (&facts, Box::new(|number| number.is_multiple_of(100))),
        (&late, Box::new(|number| *number >= 19_950)),
        (&early, Box::new(|number| *number <= 40)),
        (&one, Box::new(|number| number % 3 == 1)),
    ] {
        let found = partition.nearest(&query, filter, None, 10);
        let expected = exact(&query, (1..=20_000).filter(|number| passes(number)), 10);
        assert!(share(&found, &expected) >= 0.9, "{filter:?}: {found:?}");
    }
    assert_eq!(partition.nearest(&query, &world, None, 10), [], "no even number is odd");
    for nothing in [MemoryFilter::table("unknown"), MemoryFilter::default().in_room(room(9))] {
        assert_eq!(partition.nearest(&query, &nothing, None, 10), []);
    }
    let among: Vec<i64> = vec![5, 4_097, 8_192, 19_999, 70_000];
    let found = partition.nearest(&query, &MemoryFilter::default(), Some(&among), 10);
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), exact(&query, [5, 4_097, 8_192, 19_999].into_iter(), 10));
}

#[test]
fn what_is_removed_is_found_no_more_and_nothing_comes_twice() {
    for rows in [3_000, 20_000] {
        let mut partition = partition(rows);
        let query = vector(100);
        assert_eq!(partition.nearest(&query, &MemoryFilter::default(), None, 1)[0].0, id(100));
        partition.push(row(100));
        assert_eq!(partition.len() as u64, rows);
        let odd: Vec<i64> = (0..i64::try_from(rows).unwrap() + 10).filter(|number| number % 2 == 0).collect();
        partition.remove(&odd);
        assert_eq!(partition.len() as u64, rows / 2);
        assert!(!partition.has(&["facts".to_owned()]) && partition.has(&["messages".to_owned()]));
        let found = partition.nearest(&query, &MemoryFilter::default(), None, 10);
        assert!(share(&found, &exact(&query, (1..=rows).filter(|number| number % 2 == 1), 10)) >= 0.9, "{found:?}");
        partition.push(row(rows + 1));
        assert_eq!(partition.nearest(&vector(rows + 1), &MemoryFilter::default(), None, 1)[0].0, id(rows + 1));
        partition.remove(&(1..=i64::try_from(rows).unwrap() + 1).collect::<Vec<_>>());
        assert_eq!((partition.len(), partition.has(&[])), (0, false));
        assert_eq!(partition.nearest(&query, &MemoryFilter::default(), None, 10), []);
    }
}

#[test]
fn what_has_no_direction_is_near_nothing() {
    let partition = partition(100);
    assert_eq!(partition.nearest(&[0.0; DIMENSION], &MemoryFilter::default(), None, 10), []);
    assert_eq!(partition.nearest(&[1.0; 3], &MemoryFilter::default(), None, 10), [], "it is of another space");
}
