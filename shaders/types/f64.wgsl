// f64 throughout.

alias Word = f64; // what A and B consist of
alias Sum = f64; // what C consists of

fn multiply_add(a: Kept, b: vec4<Kept>, sum: vec4<Sum>) -> vec4<Sum> { return fma(vec4(a), b, sum); }
