/** The build puts the text of such a file in the place of the import. */
declare module "*.wgsl" {
  const source: string;
  export default source;
}
