/** Devices for tests, in Node and in a page. */
export { deviceOf, freshDevice, plainDevice, sharedGpu } from "#test-host";
