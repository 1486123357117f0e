//! In which order the inits of a round take their turns.

use std::collections::BTreeMap;
use wattmul::protocol::order::*;

#[test]
fn two_inits_take_turns_as_abba() {
    let orders: Vec<_> = (0..5).map(|round| of_round(2, round)).collect();
    assert_eq!(orders, [[0, 1], [1, 0], [0, 1], [1, 0], [0, 1]]);
}

#[test]
fn the_reference_begins_and_each_pair_of_rounds_is_balanced() {
    for inits in 1..=13 {
        assert_eq!(of_round(inits, 0)[0], 0);
        for pair in 0..20 {
            let (there, mut back) = (of_round(inits, 2 * pair), of_round(inits, 2 * pair + 1));
            back.reverse();
            assert_eq!(there, back);
            let mut sorted = there;
            sorted.sort_unstable();
            assert_eq!(sorted, (0..inits).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_whole_design_has_each_init_in_each_place_and_after_each_other_equally_often() {
    for inits in 2..=13usize {
        let rounds = if inits.is_multiple_of(2) { inits } else { 2 * inits };
        let (mut places, mut neighbours) = (BTreeMap::new(), BTreeMap::new());
        for round in 0..rounds {
            let order = of_round(inits, round as u32);
            order.iter().copied().enumerate().for_each(|at| *places.entry(at).or_insert(0) += 1);
            order.windows(2).for_each(|pair| *neighbours.entry((pair[0], pair[1])).or_insert(0) += 1);
        }
        let times = rounds / inits;
        assert!(places.len() == inits * inits && places.values().all(|&count| count == times), "{inits}");
        assert!(neighbours.len() == inits * (inits - 1) && neighbours.values().all(|&count| count == times));
    }
}
