/** A page that computes `numbers.ts` when asked. */
import { sharedGpu } from "#test-host";
import { forwardResults, type Numbers, randomBits } from "./numbers.js";

export interface PageNumbers {
  randomBits(): Promise<Numbers>;
  forwardResults(): Promise<Numbers>;
}

declare global {
  /** In a page of this module only. */
  var mcdNumbers: PageNumbers;
}

const numbers: PageNumbers = {
  randomBits: async () => randomBits(await sharedGpu()),
  forwardResults: async () => forwardResults(await sharedGpu()),
};
globalThis.mcdNumbers = numbers;
