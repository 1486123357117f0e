// Workgroup memory by single Words: Metal loads matrices from nothing else.

alias Stored = Word;
const IN_STORED = 1u;

fn put_a(at: u32, low: vec4<Word>, high: vec4<Word>) {
    for (var i = 0u; i < 4u; i++) {
        tile_a[at + i] = low[i];
        tile_a[at + 4u + i] = high[i];
    }
}

fn put_b(at: u32, low: vec4<Word>, high: vec4<Word>) {
    for (var i = 0u; i < 4u; i++) {
        tile_b[at + i] = low[i];
        tile_b[at + 4u + i] = high[i];
    }
}
