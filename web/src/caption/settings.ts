/** The settings for sampling captions. */

import { type Captioner, type GuidanceMethod, guidanceMethods } from "../../../dist/index.js";
import { field, h } from "../dom.js";

/** How a caption is sampled. */
export interface Sampling {
  readonly steps: number;
  readonly temperature: number;
  readonly seed: number;
  readonly guidance: { readonly method: GuidanceMethod; readonly scale: number };
}

/** Settings that a link names; the others are the model's. */
export type NamedSampling = Partial<{
  steps: number;
  temperature: number;
  seed: number;
  method: GuidanceMethod;
  scale: number;
}>;

export class Settings {
  readonly element: HTMLElement;
  private readonly steps = h("input", { type: "number", min: 1, max: 100, value: 25 });
  private readonly method = h("select", {}, ...guidanceMethods.map((name) => h("option", {}, name)));
  private readonly scale = h("input", { type: "number", min: -10, max: 10, step: "any", value: 2 });
  private readonly temperature = h("input", { type: "number", min: 0, max: 3, step: "any", value: 1 });
  private readonly seed = h("input", { type: "number", min: 0, max: 4294967295, value: 1 });

  constructor() {
    this.element = h(
      "details",
      {},
      h("summary", {}, "Sampling settings"),
      h(
        "div",
        { class: "row" },
        field("Steps", this.steps),
        field("Guidance", this.method),
        field("Scale ω", this.scale),
        field("Temperature", this.temperature),
        field("Seed", this.seed),
      ),
    );
  }

  /** Sets the inputs from the captioner's configuration, and then from `named`. */
  take({ config }: Captioner, named: NamedSampling = {}): void {
    const { sampling, decoder, seed } = config;
    this.steps.max = String(decoder.timesteps);
    this.steps.value = String(named.steps ?? sampling.steps);
    this.method.value = named.method ?? sampling.guidance;
    this.scale.value = String(named.scale ?? sampling.scale);
    this.temperature.value = String(named.temperature ?? sampling.temperature);
    this.seed.value = String(named.seed ?? seed);
  }

  /** Takes the next seed, for another sample. */
  nextSeed(): void {
    this.seed.value = String((number(this.seed) + 1) % 2 ** 32);
  }

  sampling(): Sampling {
    return {
      steps: Math.round(number(this.steps)),
      temperature: number(this.temperature),
      seed: Math.round(number(this.seed)),
      guidance: { method: this.method.value as GuidanceMethod, scale: number(this.scale) },
    };
  }
}

/** The number in an input, clamped to its bounds. */
function number(input: HTMLInputElement): number {
  const [least, most] = [Number(input.min), Number(input.max)];
  const value = Math.min(most, Math.max(least, input.valueAsNumber || 0));
  input.value = String(value);
  return value;
}
