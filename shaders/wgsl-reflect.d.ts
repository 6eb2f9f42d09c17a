/** The module that is named has no types of its own beside it; the package's are those of the same classes. */
declare module "wgsl_reflect/wgsl_reflect.module.js" {
  export * from "wgsl_reflect";
}
