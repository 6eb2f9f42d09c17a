/** How the user calls the commands: as programs of a checkout, or through the package's `mc-diffusion`. */

/** "node dist/train.js --resume x" as the user would type it: "npx mc-diffusion train --resume x" where the package's program runs. */
export function asStarted(command: string): string {
  const throughPackage = /[/\\]mc-diffusion(\.js)?$/.test(process.argv[1] ?? "");
  return throughPackage ? command.replace(/^node dist\/([\w-]+)\.js/, "npx mc-diffusion $1") : command;
}
