/**
 * An error that the user can correct: a bad path, a bad value, a bad file. Its message is one sentence that says what
 * is wrong, where, and what would be right. Commands print it without a stack trace and exit with `exitCode` (1; 2 for
 * wrong usage of a command).
 */
export class UserError extends Error {
  readonly exitCode: 1 | 2;
  constructor(message: string, exitCode: 1 | 2 = 1) {
    super(message);
    this.name = "UserError";
    this.exitCode = exitCode;
  }
}
