/** Programs that caption a picture with the installed package, for each way to load it. */

/** Few steps, for time. */
const options = JSON.stringify({ steps: 8, seed: 1 });

/** What each program prints: the caption and its tokens, as JSON. */
export interface Result {
  text: string;
  tokens: number[];
}

/** A module for Node, Deno and Bun: reads `picture.png` beside it. */
export const moduleProgram = `
import { readFile } from "node:fs/promises";
import { Captioner } from "mc-diffusion/node";

const captioner = await Captioner.load("weights/emoji");
console.log(JSON.stringify(await captioner.caption(await readFile("picture.png"), ${options})));
captioner.dispose();
`;

/** The same as CommonJS. */
export const commonJsProgram = `
const { Captioner } = require("mc-diffusion/node");

Captioner.load("weights/emoji").then(async (captioner) => {
  console.log(JSON.stringify(await captioner.caption("picture.png", ${options})));
  captioner.dispose();
});
`;

/** For a page that has the captioner from `specifier` and the weights at `weights`. */
export const pageProgram = (specifier: string, weights = "/node_modules/mc-diffusion/weights/emoji") => `
import { Captioner } from "${specifier}";

const captioner = await Captioner.load("${weights}");
const picture = document.querySelector("img");
await picture.decode();
const { text, tokens } = await captioner.caption(picture, ${options});
captioner.dispose();
document.querySelector("output").textContent = JSON.stringify({ text, tokens });
`;

/** A page with a picture, a place for the result, and a script. */
export const page = (script: string) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Captions</title>
<img src="picture.png" alt="">
<output></output>
${script}
</html>
`;
