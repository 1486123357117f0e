// i8, summed in i32, both exact. A word holds four elements that follow each other along k, in A as in B, and k counts
// words: most GPUs have an instruction that adds four products to a sum.

alias Word = u32; // what A and B consist of
alias Sum = i32; // what C consists of

fn multiply_add(a: Kept, b: vec4<Kept>, sum: vec4<Sum>) -> vec4<Sum> {
    return vec4(
        dot4I8Packed(a, b.x) + sum.x,
        dot4I8Packed(a, b.y) + sum.y,
        dot4I8Packed(a, b.z) + sum.z,
        dot4I8Packed(a, b.w) + sum.w,
    );
}
