/** How long work tells how far it is; cli/progress.ts draws it. */

export interface Progress {
  /** Reports how much is done, in all; `detail` (such as a loss) stands at the end of the line. */
  update(done: number, detail?: string): void;
  /** There is now so much to do in all. */
  setTotal(total: number): void;
  /** Prints a line that stays, above the bar. */
  log(line: string): void;
  /** Prints a line that must not be missed: as `log` does, but also where all else is quiet. */
  warn(line: string): void;
  /** Ends the display. Nothing is printed afterwards; a second call does nothing. */
  stop(): void;
}
