// C = A·B, row-major f32, straight from global memory: for adapters that compute on a CPU, whose caches do what
// workgroup memory does elsewhere.
//
// The program puts these on top:
//   THREAD_M × THREAD_N   tile of C that a thread keeps in registers
//   GROUP_M × GROUP_N     threads in a workgroup

struct Shape { m: u32, n: u32, k: u32, pad: u32 }

@group(0) @binding(0) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> c: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> shape: Shape;

const THREAD_N4 = THREAD_N / 4u;

@compute @workgroup_size(GROUP_N, GROUP_M)
fn main(@builtin(global_invocation_id) thread: vec3<u32>) {
    let n4 = shape.n / 4u;
    let k4 = shape.k / 4u;
    let row = thread.y * THREAD_M;
    let column4 = thread.x * THREAD_N4;
    var sum: array<array<vec4<f32>, THREAD_N4>, THREAD_M>;
    for (var k = 0u; k < k4; k++) {
        var left: array<vec4<f32>, THREAD_M>;
        for (var i = 0u; i < THREAD_M; i++) { left[i] = a[(row + i) * k4 + k]; }
        for (var kk = 0u; kk < 4u; kk++) {
            for (var j = 0u; j < THREAD_N4; j++) {
                let right = b[(k * 4u + kk) * n4 + column4 + j];
                for (var i = 0u; i < THREAD_M; i++) { sum[i][j] = fma(vec4(left[i][kk]), right, sum[i][j]); }
            }
        }
    }
    for (var i = 0u; i < THREAD_M; i++) {
        for (var j = 0u; j < THREAD_N4; j++) { c[(row + i) * n4 + column4 + j] = sum[i][j]; }
    }
}
