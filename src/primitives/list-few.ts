const LISTED = 8

/** A few of many, so that a message stays short: `a, b`, or `a, b and 7 more`. */
export function listFew(parts: readonly string[], separator = ", "): string {
  const rest = parts.length - LISTED
  return rest > 0 ? `${parts.slice(0, LISTED).join(separator)} and ${rest} more` : parts.join(separator)
}
