/** A page that computes `numbers.ts` when asked; its data come from the server. */
import { sharedGpu } from "#test-host";
import { type Dataset, MemoryImages } from "../../dist/data/dataset.js";
import { browserPlatform } from "../../dist/platform/browser.js";
import { type FirstLosses, firstLosses, forwardResults, type Numbers, randomBits } from "./numbers.js";

export interface PageNumbers {
  randomBits(): Promise<Numbers>;
  forwardResults(): Promise<Numbers>;
  firstLosses(steps: number): Promise<Omit<FirstLosses, "codes">>;
}

declare global {
  /** In a page of this module only. */
  var mcdNumbers: PageNumbers;
}

const { files } = browserPlatform;

const numbers: PageNumbers = {
  randomBits: async () => randomBits(await sharedGpu()),
  forwardResults: async () => forwardResults(await sharedGpu()),
  async firstLosses(steps) {
    const dataset = JSON.parse(await files.readText("/dataset.json")) as Dataset;
    const codes = new Uint32Array((await files.read("/codes.u32")).buffer);
    const images = new MemoryImages(await files.read("/images.u8"), dataset.size);
    const data = { dataset: { ...dataset, images }, codes };
    const { vqvae, decoder } = await firstLosses(await sharedGpu(), browserPlatform, data, steps);
    return { vqvae, decoder };
  },
};
globalThis.mcdNumbers = numbers;
