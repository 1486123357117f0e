// Poisons C: every word becomes POISON, which the program puts on top, so that an element that no product wrote is seen.

@group(0) @binding(0) var<storage, read_write> words: array<u32>;

const THREADS = 256u;

@compute @workgroup_size(THREADS)
fn main(@builtin(global_invocation_id) thread: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var i = thread.x; i < arrayLength(&words); i += groups.x * THREADS) {
        words[i] = POISON;
    }
}
