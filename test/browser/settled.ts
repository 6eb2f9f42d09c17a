/** Looking at a page until it shows what is wanted. */

/**
 * What `look` sees once `wanted` holds of it; after a minute what it sees then. A page answers an event a moment after it, so
 * that whoever looks at once may see what was there before.
 */
export async function settled<T>(look: () => Promise<T>, wanted: (seen: T) => boolean): Promise<T> {
  const deadline = Date.now() + 60_000;
  for (;;) {
    const seen = await look();
    if (wanted(seen) || Date.now() > deadline) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
