/** Samples that training wrote: of each chosen run the last one up to a step. */

import { element } from "./dom.js";
import type { SampleListing } from "./listing.js";
import type { Session } from "./session.js";
import { runName } from "./tables-tab.js";
import type { View } from "./view.js";

/** The address of a sample. */
function addressOf(run: string, { name, version }: SampleListing): string {
  return `sample?${new URLSearchParams({ run, name, v: String(version) })}`;
}

/** The last of some samples up to a step; the first if all are later. */
export function sampleAt(samples: readonly SampleListing[], step: number): SampleListing | undefined {
  return samples.findLast((sample) => sample.step !== null && sample.step <= step) ?? samples[0];
}

/** For each stage a step to choose and a picture for each run; then the pictures of the end. */
export function samplesTab(session: Session, change: (view: Partial<View>) => void): Node[] {
  const chosen = session.chosen();
  const withSteps = chosen.flatMap(({ run }) => run.samples.filter(({ step }) => step !== null));
  const stages = [...new Set(withSteps.map(({ stage }) => stage!))].sort().reverse();
  const parts = stages.flatMap((stage) => {
    const steps = [...new Set(withSteps.flatMap((one) => (one.stage === stage ? [one.step!] : [])))];
    steps.sort((a, b) => a - b);
    const last = steps.at(-1)!;
    const step = Math.min(session.view.step ?? last, last);
    const place = Math.max(
      0,
      steps.findLastIndex((one) => one <= step),
    );
    const output = element("output", {}, `step ${steps[place]!.toLocaleString("en-US")}`);
    const figures = element("div", { class: "samples" });
    const draw = (at: number) => {
      output.textContent = `step ${at.toLocaleString("en-US")}`;
      figures.replaceChildren(
        ...chosen.flatMap((one) => {
          const sample = sampleAt(
            one.run.samples.filter((own) => own.stage === stage),
            at,
          );
          if (!sample) return [];
          const caption = element(
            "figcaption",
            {},
            runName(one),
            ` step ${sample.step!.toLocaleString("en-US")}`,
          );
          return [picture(one.run.id, sample, caption)];
        }),
      );
    };
    draw(steps[place]!);
    const slider = element("input", {
      id: `samples-${stage}`,
      type: "range",
      min: 0,
      max: steps.length - 1,
      value: place,
      "aria-label": `Step of the samples of stage ${stage}`,
      oninput: (event: Event) => draw(steps[Number((event.target as HTMLInputElement).value)]!),
      onchange: (event: Event) => {
        const at = Number((event.target as HTMLInputElement).value);
        change({ step: at === steps.length - 1 ? null : steps[at]! });
      },
    });
    return [element("h2", {}, `Stage ${stage}`), element("div", { class: "row" }, slider, output), figures];
  });
  const ends = chosen.flatMap((one) =>
    one.run.samples
      .filter(({ step }) => step === null)
      .map((sample) =>
        picture(one.run.id, sample, element("figcaption", {}, runName(one), ` ${sample.name}`)),
      ),
  );
  if (ends.length > 0)
    parts.push(element("h2", {}, "At the end"), element("div", { class: "samples" }, ...ends));
  if (parts.length > 0) return parts;
  const reason =
    session.chosenIds.length === 0
      ? "Choose runs on the left."
      : "The chosen runs have no samples yet: --set log.sampleEvery=500 writes them while a run trains.";
  return [element("p", {}, reason)];
}

function picture(run: string, sample: SampleListing, caption: HTMLElement): HTMLElement {
  const address = addressOf(run, sample);
  const alt = `${run}, ${sample.name}`;
  return element(
    "figure",
    {},
    element(
      "a",
      { href: address, target: "_blank", rel: "noopener" },
      element("img", { src: address, alt, loading: "lazy" }),
    ),
    caption,
  );
}
