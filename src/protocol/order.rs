//! In which order the inits of a round take their turns.

/// The order of round `round` of `inits` inits: the rows of a Williams design, alternately as they are and reversed.
///
/// Of the reversed pairs each init has the same mean place, so that what grows from place to place (a warmer chip) drops out
/// of the mean of two rounds; and after `inits` rounds (2 · `inits` of an odd number) each has had each place, and has come
/// next after each other one, equally often. Of two inits that is ABBA. See Williams, "Experimental designs balanced for the
/// estimation of residual effects of treatments" (1949).
pub fn of_round(inits: usize, round: u32) -> Vec<usize> {
    // Of an even number, a row reversed is the row half-way on, so that half of the rows are enough.
    let rows = if inits.is_multiple_of(2) { inits / 2 } else { inits }.max(1);
    // Every other row first: few rounds then have neighbours from the whole of the design.
    let pair = round as usize / 2 % rows;
    let row = if pair < rows.div_ceil(2) { 2 * pair } else { 2 * (pair - rows.div_ceil(2)) + 1 };
    // 0, 1, n − 1, 2, n − 2, …: from neighbour to neighbour each distance comes once.
    let first = (0..inits).map(|place| if place % 2 == 1 { place.div_ceil(2) } else { inits - place / 2 });
    let mut order: Vec<usize> = first.map(|init| (init + row) % inits).collect();
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

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
}
