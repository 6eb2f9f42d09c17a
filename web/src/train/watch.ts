/** What became of the training while nobody looked: browsers slow down hidden pages, or stop them altogether. */

import { formatDuration } from "../../../dist/report.js";

/** Below this share of the pace before, a hidden page counts as throttled. */
const throttled = 0.5;
/** A page hidden for less long than this, in milliseconds, is not worth a word. */
const worthAWord = 10_000;
/** Steps of the last minute say what the pace was. */
const memory = 60_000;

export class Watch {
  /** Times at which steps were heard of, with how many. */
  private heard: { time: number; steps: number }[] = [];
  private hidden: { time: number; pace: number; steps: number } | null = null;

  /** Counts steps that were done. */
  step(time: number, steps: number): void {
    this.heard.push({ time, steps });
    if (this.hidden) this.hidden.steps += steps;
    while (this.heard.length > 0 && time - this.heard[0]!.time > memory) this.heard.shift();
  }

  /** Forgets the pace: a stage of another pace begins. */
  restart(): void {
    this.heard = [];
    if (this.hidden) this.hidden.pace = 0;
  }

  /** The page is out of sight from now on. */
  hide(time: number): void {
    this.hidden = { time, pace: this.pace(), steps: 0 };
  }

  /** The page is in sight again; says what was done meanwhile, null where that is no matter. */
  show(time: number): string | null {
    const { hidden } = this;
    this.hidden = null;
    if (hidden === null || time - hidden.time < worthAWord) return null;
    const seconds = (time - hidden.time) / 1000;
    const pace = hidden.steps / seconds;
    const away = `The page was hidden for ${formatDuration(seconds)}`;
    const done = `${hidden.steps} ${hidden.steps === 1 ? "step was" : "steps were"} done meanwhile`;
    if (hidden.pace > 0 && pace < throttled * hidden.pace) {
      const share = `${Math.round((100 * pace) / hidden.pace)} % of the pace before`;
      return `${away}, and the browser slowed the training down: ${done}, ${share}. In a window of its own it keeps its pace.`;
    }
    return `${away}; ${done}.`;
  }

  /** Steps a second, of the last minute; 0 while that is not known. */
  private pace(): number {
    const [first] = this.heard;
    const last = this.heard.at(-1);
    if (!first || !last || last.time - first.time < 1000) return 0;
    const steps = this.heard.slice(1).reduce((sum, item) => sum + item.steps, 0);
    return (steps * 1000) / (last.time - first.time);
  }
}
