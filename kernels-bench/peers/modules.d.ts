/**
 * The peers are installed by whoever compares with them, not by the project: for the compiler their values are of any type,
 * wherever it runs.
 */
declare module "@jax-js/jax";
declare module "@tensorflow/tfjs";
declare module "@tensorflow/tfjs-backend-webgpu";
