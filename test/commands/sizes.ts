/** Settings that make a run of the commands on a handful of pictures a matter of seconds. */
export const sizes: readonly string[] = [
  "data.imageSize=16",
  "data.maxLength=5",
  "vqvae.channels=16",
  "vqvae.codes=16",
  "vqvae.codeDim=8",
  "vqvae.downsample=2",
  "vqvae.batch=4",
  "decoder.dim=16",
  "decoder.blocks=1",
  "decoder.heads=2",
];
