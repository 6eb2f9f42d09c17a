/** Interface for reporting progress; cli/progress.ts draws it. */

export interface Progress {
  /** Reports the total amount done; `detail` (such as a loss) appears at the end of the line. */
  update(done: number, detail?: string): void;
  /** Sets the total amount of work. */
  setTotal(total: number): void;
  /** Prints a line that stays, above the bar. */
  log(line: string): void;
  /** Prints a line that must not be missed: like `log`, but also in quiet mode. */
  warn(line: string): void;
  /** Ends the display. Nothing is printed afterwards; a second call does nothing. */
  stop(): void;
}
