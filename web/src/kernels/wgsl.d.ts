/** The build replaces such an import with the text of the file. */
declare module "*.wgsl" {
  const source: string;
  export default source;
}
