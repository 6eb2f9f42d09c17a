/** Reports training progress while the page was hidden: browsers slow hidden pages down, or stop them altogether. */

import { formatDuration } from "../../../dist/report.js";

/** Below this share of its previous speed, a hidden page counts as throttled. */
const throttled = 0.5;
/** A page hidden for a shorter time than this, in milliseconds, is not reported. */
const worthAWord = 10_000;
/** Time window over which the speed is computed, in milliseconds. */
const memory = 60_000;

export class Watch {
  /** Times at which steps were reported, with their number. */
  private heard: { time: number; steps: number }[] = [];
  private hidden: { time: number; pace: number; steps: number } | null = null;

  /** Counts completed steps. */
  step(time: number, steps: number): void {
    this.heard.push({ time, steps });
    if (this.hidden) this.hidden.steps += steps;
    while (this.heard.length > 0 && time - this.heard[0]!.time > memory) this.heard.shift();
  }

  /** Resets the speed: the next stage has another one. */
  restart(): void {
    this.heard = [];
    if (this.hidden) this.hidden.pace = 0;
  }

  /** Call when the page becomes hidden. */
  hide(time: number): void {
    this.hidden = { time, pace: this.pace(), steps: 0 };
  }

  /** Call when the page becomes visible. Returns a sentence about the steps meanwhile; null if the page was hidden only briefly. */
  show(time: number): string | null {
    const { hidden } = this;
    this.hidden = null;
    if (hidden === null || time - hidden.time < worthAWord) return null;
    const seconds = (time - hidden.time) / 1000;
    const pace = hidden.steps / seconds;
    const away = `The page was hidden for ${formatDuration(seconds)}`;
    const done = `${hidden.steps} ${hidden.steps === 1 ? "step was" : "steps were"} completed meanwhile`;
    if (hidden.pace > 0 && pace < throttled * hidden.pace) {
      const share = `${Math.round((100 * pace) / hidden.pace)} % of the previous speed`;
      return `${away}, and the browser slowed the training down: ${done}, ${share}. In a separate window it keeps its speed.`;
    }
    return `${away}; ${done}.`;
  }

  /** Steps per second over the last minute; 0 while that is unknown. */
  private pace(): number {
    const [first] = this.heard;
    const last = this.heard.at(-1);
    if (!first || !last || last.time - first.time < 1000) return 0;
    const steps = this.heard.slice(1).reduce((sum, item) => sum + item.steps, 0);
    return (steps * 1000) / (last.time - first.time);
  }
}
