// The arithmetic ceiling: fused multiply-adds on values that never leave the registers.
//
//   each invocation:  `rounds` times, four times:  a ← a x + y   on 24 scalars that do not wait for each other
//
// 2 · 96 · rounds floating-point operations an invocation. Two dozen chains hide the latency of a multiply-add (4 cycles
// at two a cycle on a CPU); on lavapipe 16 to 32 chains measured alike, 8 to 12 slower. x and y are read from memory so
// that no compiler can work the result out beforehand.
//
// Grid: any number of workgroups in x; each invocation writes one vec4 of `result`.
// @more

struct Params {
  rounds: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> factors: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> result: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  let x = factors[0];
  let y = factors[1];
  var a = vec4<f32>(f32(id.x));
  var b = a + 1.0;
  var c = a + 2.0;
  var d = a + 3.0;
  var e = a + 4.0;
  var f = a + 5.0;
  for (var round = 0u; round < params.rounds; round++) {
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
    e = fma(e, x, y);
    f = fma(f, x, y);
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
    e = fma(e, x, y);
    f = fma(f, x, y);
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
    e = fma(e, x, y);
    f = fma(f, x, y);
    a = fma(a, x, y);
    b = fma(b, x, y);
    c = fma(c, x, y);
    d = fma(d, x, y);
    e = fma(e, x, y);
    f = fma(f, x, y);
  }
  result[id.x] = a + b + c + d + e + f;
}
