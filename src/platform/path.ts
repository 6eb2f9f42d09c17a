/** The last name of a path, in the notation of Windows too; "" of "". */
export function lastName(path: string): string {
  return /[^/\\]*(?=[/\\]*$)/.exec(path)![0];
}
