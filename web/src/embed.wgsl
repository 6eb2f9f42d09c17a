struct Frame { time: f32, overlay: u32, row: u32, side: u32 }
@group(0) @binding(0) var<uniform> frame: Frame;
@group(0) @binding(1) var picture: texture_2d<f32>;
@group(0) @binding(2) var<storage, read> codes: array<u32>;     // side × side, row by row
@group(0) @binding(3) var<storage, read> attention: array<f32>; // side × side weights for each word

@vertex fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
  return vec4f(vec2f(f32(i & 1u), f32(i >> 1u)) * 4.0 - 1.0, 0.0, 1.0); // one triangle over everything
}

fn disc(p: vec2f, center: vec2f, radius: f32) -> f32 { return smoothstep(0.02, -0.02, distance(p, center) - radius); }

// The scene: a face that moves and blinks.
@fragment fn scene(@builtin(position) at: vec4f) -> @location(0) vec4f {
  let p = at.xy / 128.0 - 1.0 - 0.2 * vec2f(sin(frame.time), cos(0.7 * frame.time));
  var color = mix(vec3f(1.0), vec3f(1.0, 0.8, 0.2), disc(p, vec2f(0.0), 0.75));
  let open = 0.12 * smoothstep(-1.0, -0.8, sin(2.0 * frame.time)) + 0.02;
  let eyes = vec2f(abs(p.x), p.y * 0.14 / open + 0.2 * (1.0 - 0.14 / open));
  color = mix(color, vec3f(0.35, 0.2, 0.1), disc(eyes, vec2f(0.27, -0.2), 0.12));
  let mouth = disc(p, vec2f(0.0, 0.12), 0.42) * step(0.2, p.y);
  return vec4f(mix(color, vec3f(0.75, 0.15, 0.2), mouth), 1.0);
}

// The canvas: the picture, overlaid with the engine's results.
@fragment fn show(@builtin(position) at: vec4f) -> @location(0) vec4f {
  let color = textureLoad(picture, vec2i(at.xy), 0).rgb;
  let place = at.xy / 256.0 * f32(frame.side);
  let i = u32(place.y) * frame.side + u32(place.x);
  let heat = attention[frame.row * frame.side * frame.side + i] * f32(frame.side * frame.side); // 1: uniform attention
  let hue = fract(f32(codes[i]) * 0.382 + vec3f(0.0, 0.33, 0.67)); // neighbouring numbers, different colours
  let line = any(fract(place) < vec2f(0.06));
  let tint = mix(color, select(abs(hue * 2.0 - 1.0), vec3f(0.2), line), 0.45);
  let glow = mix(color * 0.45, vec3f(1.0, 0.25, 0.05), clamp(heat / 5.0, 0.0, 0.85));
  return vec4f(select(select(color, tint, frame.overlay == 1u), glow, frame.overlay == 2u), 1.0);
}
