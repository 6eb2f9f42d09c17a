/** The last name of a POSIX or Windows path; "" for "". */
export function lastName(path: string): string {
  return /[^/\\]*(?=[/\\]*$)/.exec(path)![0];
}
