// C = A·B, row-major f32, tiled through workgroup memory.
//
// The program puts these on top:
//   TILE_M × TILE_N   tile of C that a workgroup makes, TILE_K deep at a time
//   THREAD_M × THREAD_N   part of that tile which a thread keeps in registers
//   GROUP             tile rows walked together, so that neighbours in time share A and B in the cache
//
// Sizes are padded: m, n and k are multiples of the tile, so there are no edges to check.

struct Shape { m: u32, n: u32, k: u32, pad: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> shape: Shape;

// Lengths that end in 4 count vec4s.
const TILE_K4 = TILE_K / 4u;
const TILE_N4 = TILE_N / 4u;
const THREAD_N4 = THREAD_N / 4u;
const THREADS_Y = TILE_M / THREAD_M;
const THREADS_X = TILE_N / THREAD_N;
const THREADS = THREADS_X * THREADS_Y;
const LOADS_A = TILE_M * TILE_K4 / THREADS; // a thread's share of fetching each tile
const LOADS_B = TILE_K * TILE_N4 / THREADS;

// A's tile: a vec4 holds four k of one row; rows lie side by side: [k4][row].
// B's tile: a vec4 holds four columns of one k: [k][column4].
// Either way neighbouring threads read neighbouring vec4s: no bank conflicts, no padding.
var<workgroup> tile_a: array<vec4<f32>, TILE_K4 * TILE_M>;
var<workgroup> tile_b: array<vec4<f32>, TILE_K * TILE_N4>;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) id: u32) {
    let tile = tile_of(group.xy);
    let k4 = shape.k / 4u;
    let n4 = shape.n / 4u;

    // Which vec4s this thread fetches. A: 8 neighbours take 8 rows, so that their stores do not collide;
    // the next 8 take the next k4, so that together they read whole cache lines.
    let a_row = id % 8u + id / (8u * TILE_K4) * 8u;
    let a_k4 = id / 8u % TILE_K4;
    let a_step = k4 * (THREADS / TILE_K4);
    var a_at = (tile.y * TILE_M + a_row) * k4 + a_k4;
    let a_to = a_k4 * TILE_M + a_row;
    // B: along its rows.
    let b_step = n4 * (THREADS / TILE_N4);
    var b_at = id / TILE_N4 * n4 + tile.x * TILE_N4 + id % TILE_N4;

    // Where this thread computes: 32 neighbours make 4 × 8, so that they read few different vec4s.
    let y = id % 2u + id / 16u % (THREADS_Y / 2u) * 2u;
    let x = id / 2u % 8u + id / (8u * THREADS_Y) * 8u;

    var sum: array<array<vec4<f32>, THREAD_N4>, THREAD_M>;
    var next_a: array<vec4<f32>, LOADS_A>;
    var next_b: array<vec4<f32>, LOADS_B>;

    for (var i = 0u; i < LOADS_A; i++) { next_a[i] = a[a_at + i * a_step]; }
    for (var i = 0u; i < LOADS_B; i++) { next_b[i] = b[b_at + i * b_step]; }

    let tiles = shape.k / TILE_K;
    for (var t = 1u; t <= tiles; t++) {
        workgroupBarrier();
        for (var i = 0u; i < LOADS_A; i++) { tile_a[a_to + i * (THREADS / TILE_K4)] = next_a[i]; }
        for (var i = 0u; i < LOADS_B; i++) { tile_b[id + i * THREADS] = next_b[i]; }
        workgroupBarrier();

        // Fetch the next tile while this one is multiplied; the last turn fetches its own again.
        let go = select(0u, 1u, t < tiles);
        a_at += go * TILE_K4;
        b_at += go * TILE_K * n4;
        for (var i = 0u; i < LOADS_A; i++) { next_a[i] = a[a_at + i * a_step]; }
        for (var i = 0u; i < LOADS_B; i++) { next_b[i] = b[b_at + i * b_step]; }

        for (var k = 0u; k < TILE_K4; k++) {
            var row: array<vec4<f32>, THREAD_M>;
            for (var i = 0u; i < THREAD_M; i++) { row[i] = tile_a[k * TILE_M + y + i * THREADS_Y]; }
            for (var kk = 0u; kk < 4u; kk++) {
                for (var j = 0u; j < THREAD_N4; j++) {
                    let col = tile_b[(k * 4u + kk) * TILE_N4 + x + j * THREADS_X];
                    for (var i = 0u; i < THREAD_M; i++) {
                        sum[i][j] = fma(vec4(row[i][kk]), col, sum[i][j]);
                    }
                }
            }
        }
    }

    let c_at = (tile.y * TILE_M + y) * n4 + tile.x * TILE_N4 + x;
    for (var i = 0u; i < THREAD_M; i++) {
        for (var j = 0u; j < THREAD_N4; j++) {
            c[c_at + i * THREADS_Y * n4 + j * THREADS_X] = sum[i][j];
        }
    }
}

// Walks the tiles of C in bands of GROUP rows, down each column of a band: workgroups that run at the same
// time make a block of C that is nearly square, and need the fewest rows of A and columns of B.
fn tile_of(group: vec2<u32>) -> vec2<u32> {
    let tiles = vec2(shape.n / TILE_N, shape.m / TILE_M);
    let index = group.y * tiles.x + group.x;
    let band = index / (GROUP * tiles.x);
    let inside = index % (GROUP * tiles.x);
    let rows = min(GROUP, tiles.y - band * GROUP);
    return vec2(inside / rows, band * GROUP + inside % rows);
}
