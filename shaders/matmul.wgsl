// C = A·B, row-major, tiled through workgroup memory.
//
// The program puts these on top:
//   Word, Sum             what A and B, and what C consist of, and multiply_add(): shaders/types/
//   Kept                  what workgroup memory keeps of a Word: itself, or its value in the type of a Sum
//   TILE_M × TILE_N       the tile of C that a workgroup makes, TILE_K deep at a time
//   THREAD_M × THREAD_N   the part of that tile that a thread sums up in registers
//   GROUP                 tile rows that are walked together (see tile_of)
// and dispatches n / TILE_N × m / TILE_M workgroups.
//
// Sizes are padded: m, n and k are multiples of the tile's, so there are no edges to check.

struct Shape { m: u32, n: u32, k: u32, pad: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4<Word>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<Word>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<Sum>>;
@group(0) @binding(3) var<uniform> shape: Shape;

// A 4 in a name counts vec4s: all memory is read and written by four words.
const TILE_K4 = TILE_K / 4u;
const TILE_N4 = TILE_N / 4u;
const THREAD_M4 = THREAD_M / 4u;
const THREAD_N4 = THREAD_N / 4u;
const THREADS_Y = TILE_M / THREAD_M;
const THREADS_X = TILE_N / THREAD_N;
const THREADS = THREADS_X * THREADS_Y;
const FETCH_A = TILE_M * TILE_K4 / THREADS; // a thread's share of fetching the tiles
const FETCH_B = TILE_K * TILE_N4 / THREADS;
const ROWS_A = THREADS / TILE_K4; // rows that all threads fetch at once
const ROWS_B = THREADS / TILE_N4;
const_assert TILE_K == 8u || TILE_K == 16u;
const_assert THREAD_M == 4u || THREAD_M == 8u;
const_assert THREAD_N == 4u || THREAD_N == 8u || THREAD_N == 16u;
const_assert TILE_M * TILE_K4 % THREADS == 0u && TILE_K * TILE_N4 % THREADS == 0u; // all fetch as much
const_assert ROWS_A % 16u == 0u && THREADS % TILE_N4 == 0u && THREADS_X % 8u == 0u && THREADS_Y % 2u == 0u;

// A's tile is [k][row], transposed, and B's [k][column], as B itself: a thread reads four rows of one k, or four
// columns, at once. A thread that holds one k of its rows needs 8 registers for them; with four k, 32, and drivers
// then keep fewer threads. A's is of single words, though read by four, because neighbours store to the same four at
// the same time.
var<workgroup> tile_a: array<Kept, TILE_K * TILE_M>;
var<workgroup> tile_b: array<vec4<Kept>, TILE_K * TILE_N4>;

// A thread's registers. Its fours of rows are THREADS_Y apart, its vec4s of columns THREADS_X.
var<private> sum: array<array<vec4<Sum>, THREAD_N4>, THREAD_M>;
var<private> rows: array<vec4<Kept>, THREAD_M4>; // one k
var<private> columns: array<vec4<Kept>, THREAD_N4>; // the same k
var<private> next_a: array<vec4<Word>, FETCH_A>; // four k of a row each
var<private> next_b: array<vec4<Word>, FETCH_B>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) id: u32) {
    let tile = tile_of(group.xy);
    let k4 = shape.k / 4u;
    let n4 = shape.n / 4u;

    // What this thread fetches. Of A, 16 neighbours take 16 rows, so that their stores do not collide, and the next
    // 16 the next k4, so that together they read whole sectors of the cache. Of B, neighbours go along a row.
    let fetch_row = id / (16u * TILE_K4) * 16u + id % 16u;
    let fetch_k4 = id / 16u % TILE_K4;
    let store_a = fetch_k4 * 4u * TILE_M + fetch_row;
    var at_a = (tile.y * TILE_M + fetch_row) * k4 + fetch_k4;
    var at_b = id / TILE_N4 * n4 + tile.x * TILE_N4 + id % TILE_N4;

    // Where this thread computes. 32 neighbours make a block of 4 × 8, so that they read few different vec4s.
    let y = id / 16u % (THREADS_Y / 2u) * 2u + id % 2u;
    let x = id / (8u * THREADS_Y) * 8u + id / 2u % 8u;

    fetch(at_a, at_b, k4, n4);
    store(store_a, id);
    workgroupBarrier();
    for (var left = shape.k / TILE_K; left > 0u; left--) {
        // Fetch the next tile while this one is multiplied. The last turn fetches its own again, to no use.
        let step = select(0u, 1u, left > 1u);
        at_a += step * TILE_K4;
        at_b += step * TILE_K * n4;
        fetch(at_a, at_b, k4, n4);

        // Calls instead of loops, here and below: every compiler inlines, but not every one unrolls. Left rolled,
        // a large loop makes AMD's move the fetch behind it, and others keep sum in memory.
        multiply(0u, y, x);
        multiply(4u, y, x);
        if TILE_K == 16u {
            multiply(8u, y, x);
            multiply(12u, y, x);
        }

        workgroupBarrier();
        store(store_a, id);
        workgroupBarrier();
    }

    let at_c = (tile.y * TILE_M + y * 4u) * n4 + tile.x * TILE_N4 + x;
    for (var i = 0u; i < THREAD_M; i++) {
        for (var j = 0u; j < THREAD_N4; j++) {
            c[at_c + (i / 4u * THREADS_Y * 4u + i % 4u) * n4 + j * THREADS_X] = sum[i][j];
        }
    }
}

// Global memory to registers, without waiting for it.
fn fetch(at_a: u32, at_b: u32, k4: u32, n4: u32) {
    for (var i = 0u; i < FETCH_A; i++) { next_a[i] = a[at_a + i * ROWS_A * k4]; }
    for (var i = 0u; i < FETCH_B; i++) { next_b[i] = b[at_b + i * ROWS_B * n4]; }
}

// Registers to workgroup memory.
fn store(at_a: u32, at_b: u32) {
    for (var i = 0u; i < FETCH_A; i++) {
        for (var k = 0u; k < 4u; k++) { tile_a[at_a + k * TILE_M + i * ROWS_A] = Kept(next_a[i][k]); }
    }
    for (var i = 0u; i < FETCH_B; i++) { tile_b[at_b + i * THREADS] = vec4<Kept>(next_b[i]); }
}

// Four k.
fn multiply(k: u32, y: u32, x: u32) {
    outer_product(k, y, x);
    outer_product(k + 1u, y, x);
    outer_product(k + 2u, y, x);
    outer_product(k + 3u, y, x);
}

// One k: THREAD_M values of A times THREAD_N values of B. What is used first is read last: AMD then waits once for
// all. And each value of B is done with before the next, so that its registers are soon free.
fn outer_product(k: u32, y: u32, x: u32) {
    for (var i = 0u; i < THREAD_M4; i++) {
        let last = THREAD_M4 - 1u - i;
        let at = k * TILE_M + (last * THREADS_Y + y) * 4u;
        rows[last] = vec4(tile_a[at], tile_a[at + 1u], tile_a[at + 2u], tile_a[at + 3u]);
    }
    for (var j = 0u; j < THREAD_N4; j++) {
        let last = THREAD_N4 - 1u - j;
        columns[last] = tile_b[k * TILE_N4 + last * THREADS_X + x];
    }
    add_columns(0u);
    if THREAD_N4 >= 2u { add_columns(1u); }
    if THREAD_N4 == 4u {
        add_columns(2u);
        add_columns(3u);
    }
}

fn add_columns(j: u32) {
    add(0u, j);
    add(1u, j);
    add(2u, j);
    add(3u, j);
    if THREAD_M == 8u {
        add(4u, j);
        add(5u, j);
        add(6u, j);
        add(7u, j);
    }
}

fn add(i: u32, j: u32) {
    sum[i][j] = multiply_add(rows[i / 4u][i % 4u], columns[j], sum[i][j]);
}
