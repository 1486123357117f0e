// C = A·B, row-major, straight from global memory: for software adapters, where workgroup memory gains nothing.
//
// The program puts these on top:
//   Word, Sum             what A and B, and what C consist of, and multiply_add(): shaders/types/
//   THREAD_M × THREAD_N   part of C that a thread keeps in registers
//   LANES                 threads in a workgroup, side by side along a row of C: a CPU's vector
// and dispatches n / (THREAD_N · LANES) × m / THREAD_M workgroups.
//
// Such an adapter fetches thread by thread: on llvmpipe a word fetched costs 7 times a multiply-add. So the part
// of C is large, to use each word often, though far too large for the registers of a CPU.
//
// Sizes are padded: m, n and k are multiples of what is used here, so there are no edges to check.

struct Shape { m: u32, n: u32, k: u32, pad: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4<Word>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<Word>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<Sum>>;
@group(0) @binding(3) var<uniform> shape: Shape;

const THREAD_N4 = THREAD_N / 4u; // in vec4s

@compute @workgroup_size(LANES)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let k4 = shape.k / 4u;
    let n4 = shape.n / 4u;
    let row = id.y * THREAD_M;
    let col = id.x * THREAD_N4;

    var sum: array<array<vec4<Sum>, THREAD_N4>, THREAD_M>;
    for (var k = 0u; k < k4; k++) {
        // Four rows of B ...
        var part: array<array<vec4<Word>, THREAD_N4>, 4>;
        for (var kk = 0u; kk < 4u; kk++) {
            for (var j = 0u; j < THREAD_N4; j++) { part[kk][j] = b[(k * 4u + kk) * n4 + col + j]; }
        }
        // ... times four columns of A.
        for (var i = 0u; i < THREAD_M; i++) {
            let x = a[(row + i) * k4 + k];
            for (var j = 0u; j < THREAD_N4; j++) {
                sum[i][j] = multiply_add(x.x, part[0][j], sum[i][j]);
                sum[i][j] = multiply_add(x.y, part[1][j], sum[i][j]);
                sum[i][j] = multiply_add(x.z, part[2][j], sum[i][j]);
                sum[i][j] = multiply_add(x.w, part[3][j], sum[i][j]);
            }
        }
    }
    for (var i = 0u; i < THREAD_M; i++) {
        for (var j = 0u; j < THREAD_N4; j++) { c[(row + i) * n4 + col + j] = sum[i][j]; }
    }
}
