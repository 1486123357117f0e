// Workgroup memory by four Words: compilers then see that its rows are aligned, and read and write them widely.

alias Stored = vec4<Word>;
const IN_STORED = 4u;

fn put_a(at: u32, low: vec4<Word>, high: vec4<Word>) {
    tile_a[at] = low;
    tile_a[at + 1u] = high;
}

fn put_b(at: u32, low: vec4<Word>, high: vec4<Word>) {
    tile_b[at] = low;
    tile_b[at + 1u] = high;
}
