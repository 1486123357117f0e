// f16, summed in f32: the product of two f16 is exact there.

enable f16;

alias Word = f16; // what A and B consist of
alias Sum = f32; // what C consists of

fn multiply_add(a: Kept, b: vec4<Kept>, sum: vec4<Sum>) -> vec4<Sum> { return fma(vec4(Sum(a)), vec4<Sum>(b), sum); }
