/** Names of models in tables, from the folders of their weights. */

/**
 * The last names of the folders, without "weights" (`runs/mine/weights` is "mine"); where two are equal, with as much of the path
 * in front as tells them apart.
 */
export function modelNames(folders: readonly string[]): string[] {
  const parts = folders.map((folder) => {
    const names = folder.split(/[/\\]+/).filter((name) => name !== "" && name !== ".");
    return names.length > 1 && names.at(-1) === "weights" ? names.slice(0, -1) : names;
  });
  const name = (i: number, count: number) => parts[i]!.slice(-count).join("/");
  return folders.map((folder, i) => {
    for (let count = 1; count <= parts[i]!.length; count++) {
      const own = name(i, count);
      if (parts.every((_, other) => other === i || name(other, count) !== own)) return own;
    }
    return folder;
  });
}
