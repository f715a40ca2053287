/** What somebody else threw, in words. It may be anything, even what cannot be made a string. */
export function describe(cause: unknown): string {
  try {
    return cause instanceof Error ? cause.message : String(cause)
  } catch {
    return "something that cannot be described"
  }
}
