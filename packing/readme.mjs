/** The README as npm shows it: pictures and links have whole addresses, as npm has none of the repository's files. */

/**
 * Relative pictures and links become addresses at `repository` on GitHub. Without a repository nobody could open them: pictures go,
 * with the caption in italics below, and links leave their text.
 *
 * @param {string} text
 * @param {string | undefined} repository "https://github.com/owner/name"
 * @param {string} [folder] of the document in the repository: "weights/emoji/"
 */
export function readmeForNpm(text, repository, folder = "") {
  const name = repository && /github\.com[/:]([^/]+\/[^/]+?)(\.git)?$/.exec(repository)?.[1];
  if (repository && !name)
    throw new Error(
      `package.json: no addresses of files are known for ${repository}; teach packing/readme.mjs`,
    );
  const picture = /!\[([^\]]*)\]\((?!https?:)([^)]+)\)/g;
  const link = /(?<!!)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)/g;
  if (name) {
    /** @param {string} path */
    const inRepository = (path) => new URL(folder + path, "https://x/").href.replace("https://x/", "");
    return text
      .replace(
        picture,
        (_, words, path) =>
          `![${words}](https://raw.githubusercontent.com/${name}/HEAD/${inRepository(path)})`,
      )
      .replace(
        link,
        (_, words, path) => `[${words}](https://github.com/${name}/blob/HEAD/${inRepository(path)})`,
      );
  }
  return text
    .replace(new RegExp(`^${picture.source}\\n\\n(\\*[^\\n]+\\*\\n\\n)?`, "gm"), "")
    .replace(link, "$1");
}
