// C = A·B, row-major, by matrix units: subgroups multiply cooperative matrices, tiled through workgroup memory.
//
// The program puts these on top:
//   Word, Sum             what A and B, and what C consist of: shaders/types/
//   MatrixA … MatrixC     cooperative matrices of EDGE × EDGE of these
//   LANES                 threads in a subgroup
//   TILE_M × TILE_N       the tile of C that a workgroup makes, TILE_K deep at a time
//   PART_M × PART_N       the part of that tile that a subgroup sums up in registers
//   BUFFERS               1, or 2 to store the next tiles of A and B while others still read these
//   SLICE                 rows of B that lie together in memory, see below
//   GROUP                 tile rows that are walked together (see tile_of)
//   Stored, IN_STORED     what workgroup memory consists of, and the Words in it; put_a(), put_b(): shaders/stored/
// and dispatches n / TILE_N × m / TILE_M workgroups.
//
// A matrix unit takes A and B along k. A has k side by side; B comes in slices of SLICE rows, and within a slice its columns
// lie one after the other, so that B too has k side by side, and a tile of B is whole in memory.
//
// Sizes are padded: m, n and k are multiples of the tile's, so there are no edges to check.

struct Shape { m: u32, n: u32, k: u32, pad: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4<Word>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<Word>>;
@group(0) @binding(2) var<storage, read_write> c: array<Sum>;
@group(0) @binding(3) var<uniform> shape: Shape;

const SUBGROUPS_N = TILE_N / PART_N;
const SUBGROUPS = TILE_M / PART_M * SUBGROUPS_N;
const THREADS = SUBGROUPS * LANES;
const ROWS = PART_M / EDGE; // cooperative matrices of a part
const COLUMNS = PART_N / EDGE;
// Global memory is read by eight elements, 16 bytes of f16: two vec4s.
const TILE_K8 = TILE_K / 8u;
const SLICE8 = SLICE / 8u;
const AT_ONCE = THREADS / TILE_K8; // rows of A's tile, or columns of B's, that all threads fetch at once
const FETCH_A = TILE_M / AT_ONCE; // a thread's share of fetching the tiles
const FETCH_B = TILE_N / AT_ONCE;
// A row of a tile in workgroup memory is longer by 8 elements: else the rows of a matrix would collide in a few banks.
const STRIDE = (TILE_K + 8u) / IN_STORED;
const SIZE_A = TILE_M * STRIDE;
const SIZE_B = TILE_N * STRIDE;
const_assert TILE_K % SLICE == 0u && SLICE % EDGE == 0u && PART_M % EDGE == 0u && PART_N % EDGE == 0u;
const_assert TILE_M % PART_M == 0u && TILE_N % PART_N == 0u;
const_assert THREADS % TILE_K8 == 0u && TILE_M % AT_ONCE == 0u && TILE_N % AT_ONCE == 0u; // all fetch as much

var<workgroup> tile_a: array<Stored, BUFFERS * SIZE_A>; // [row][k]
var<workgroup> tile_b: array<Stored, BUFFERS * SIZE_B>; // [column][k]

// A thread's registers.
var<private> next_a: array<vec4<Word>, 2u * FETCH_A>;
var<private> next_b: array<vec4<Word>, 2u * FETCH_B>;

@compute @workgroup_size(THREADS)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) id: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_size) lanes: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    // The driver chooses the size of subgroups. With another one, parts would be missing: C keeps its poison instead, and
    // the check of the product finds it.
    if lanes != LANES || subgroups != SUBGROUPS { return; }
    let tile = tile_of(group.xy);

    // What this thread fetches: neighbours go along k.
    let row = id / TILE_K8;
    let k8 = id % TILE_K8;
    let k4 = shape.k / 8u * 2u; // in vec4s, and even, so that the compiler sees loads of 16 bytes
    let slice4 = shape.n * (SLICE8 * 2u);
    let at_a = (tile.y * TILE_M + row) * k4 + k8 * 2u;
    let at_b = k8 / SLICE8 * slice4 + (tile.x * TILE_N + row) * (SLICE8 * 2u) + k8 % SLICE8 * 2u;
    let store_at = row * STRIDE + k8 * 8u / IN_STORED;

    // Where this subgroup computes.
    let y = subgroup / SUBGROUPS_N * PART_M;
    let x = subgroup % SUBGROUPS_N * PART_N;

    var sum: array<array<MatrixC, COLUMNS>, ROWS>;
    var rows: array<MatrixA, ROWS>;
    fetch(at_a, at_b, k4);
    store(store_at, 0u);
    workgroupBarrier();
    let last = shape.k / TILE_K - 1u;
    for (var turn = 0u; turn <= last; turn++) {
        // Fetch the next tiles while these are multiplied. The last turn fetches its own again, to no use.
        let ahead = min(turn + 1u, last);
        fetch(at_a + ahead * (TILE_K8 * 2u), at_b + ahead * (TILE_K / SLICE) * slice4, k4);

        let buffer = turn % BUFFERS;
        let from_a = buffer * SIZE_A + y * STRIDE;
        let from_b = buffer * SIZE_B + x * STRIDE;
        for (var k = 0u; k < TILE_K; k += EDGE) {
            for (var i = 0u; i < ROWS; i++) {
                rows[i] = coopLoadT<MatrixA>(&tile_a[from_a + i * EDGE * STRIDE + k / IN_STORED], STRIDE);
            }
            for (var j = 0u; j < COLUMNS; j++) {
                let column = coopLoad<MatrixB>(&tile_b[from_b + j * EDGE * STRIDE + k / IN_STORED], STRIDE);
                for (var i = 0u; i < ROWS; i++) { sum[i][j] = coopMultiplyAdd(rows[i], column, sum[i][j]); }
            }
        }

        if BUFFERS == 1u { workgroupBarrier(); }
        store(store_at, (turn + 1u) % BUFFERS);
        workgroupBarrier();
    }

    let at_c = (tile.y * TILE_M + y) * shape.n + tile.x * TILE_N + x;
    for (var i = 0u; i < ROWS; i++) {
        for (var j = 0u; j < COLUMNS; j++) {
            // naga 30 panics unless each argument of coopStoreT is a variable.
            let part = sum[i][j];
            let at = at_c + i * EDGE * shape.n + j * EDGE;
            let stride = shape.n;
            coopStoreT(part, &c[at], stride);
        }
    }
}

// Global memory to registers, without waiting for it.
fn fetch(at_a: u32, at_b: u32, k4: u32) {
    for (var i = 0u; i < FETCH_A; i++) {
        next_a[2u * i] = a[at_a + i * AT_ONCE * k4];
        next_a[2u * i + 1u] = a[at_a + i * AT_ONCE * k4 + 1u];
    }
    for (var i = 0u; i < FETCH_B; i++) {
        next_b[2u * i] = b[at_b + i * AT_ONCE * (SLICE8 * 2u)];
        next_b[2u * i + 1u] = b[at_b + i * AT_ONCE * (SLICE8 * 2u) + 1u];
    }
}

// Registers to workgroup memory.
fn store(at: u32, buffer: u32) {
    for (var i = 0u; i < FETCH_A; i++) {
        put_a(buffer * SIZE_A + at + i * AT_ONCE * STRIDE, next_a[2u * i], next_a[2u * i + 1u]);
    }
    for (var i = 0u; i < FETCH_B; i++) {
        put_b(buffer * SIZE_B + at + i * AT_ONCE * STRIDE, next_b[2u * i], next_b[2u * i + 1u]);
    }
}
