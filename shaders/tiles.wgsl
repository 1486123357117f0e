// Walks the tiles of C in bands of GROUP rows, down each column of a band: workgroups that run at the same
// time then make a block of C that is nearly square, and so share most of what they fetch, in the cache.
fn tile_of(group: vec2<u32>) -> vec2<u32> {
    let tiles = vec2(shape.n / TILE_N, shape.m / TILE_M);
    let index = group.y * tiles.x + group.x;
    let band = index / (GROUP * tiles.x);
    let inside = index % (GROUP * tiles.x);
    let height = min(GROUP, tiles.y - band * GROUP);
    return vec2(inside / height, band * GROUP + inside % height);
}
