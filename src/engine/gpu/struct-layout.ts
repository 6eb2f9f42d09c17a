/** Structs as elements of storage buffers: written member by member, at the offsets that the build read from the WGSL. */

/** A struct whose members all have one scalar type. */
export interface StructLayout {
  readonly dtype: "f32" | "u32" | "i32";
  /** Words of four bytes from one element of an array to the next. */
  readonly words: number;
  /** In words from the start of an element, by member. */
  readonly offsets: Readonly<Record<string, number>>;
}

/** A number for each member of the struct, and no others. */
export type StructValues<Layout extends StructLayout> = Readonly<Record<keyof Layout["offsets"], number>>;

/** Writes element `index` of an array of structs. */
export function writeStruct<Layout extends StructLayout>(
  { words, offsets }: Layout,
  target: Float32Array | Uint32Array | Int32Array,
  index: number,
  values: StructValues<Layout>,
): void {
  for (const [name, offset] of Object.entries(offsets))
    target[index * words + offset] = values[name as keyof Layout["offsets"]];
}
