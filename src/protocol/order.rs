//! In which order the inits of a round take their turns.

/// The order of round `round` of `inits` inits: the rows of a Williams design, alternately as they are and reversed.
///
/// In a round and its reverse together, each init has the same mean place, so that what grows from place to place (a warmer
/// chip) drops out of the mean of two rounds; and after `inits` rounds (2 · `inits` of an odd number) each has had each place, and has come
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
