/** Tests that take minutes in their whole form have a short one for `npm test`; CONTRIBUTING.md lists them. */

declare global {
  /** Set by `browser/pages.ts`: a page has no environment. */
  var mcdWhole: boolean | undefined;
}

/** Whether tests run in their whole form: `MCD_TESTS=whole`, as `npm run test:whole` and `npm run mutations` set it. */
export const whole: boolean = globalThis.mcdWhole ?? globalThis.process?.env.MCD_TESTS === "whole";

/** A number that changes once a day (UTC), for what a short form draws; `MCD_SEED` repeats a day. */
export const seedOfTheDay: number =
  Number(globalThis.process?.env.MCD_SEED) || Math.floor(Date.now() / 86_400_000);
