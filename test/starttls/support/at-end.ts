const ends: (() => Promise<unknown>)[] = []

/** Has something ended by {@link endAll}: a hook cannot be registered from within another, where servers are started. */
export function atEnd(end: () => Promise<unknown>): void {
  ends.push(end)
}

/** Ends all that was started since the last time. To be registered with `afterAll` by whoever starts something. */
export async function endAll(): Promise<void> {
  await Promise.all(ends.splice(0).map((end) => end()))
}
