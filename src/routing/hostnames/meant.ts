import { isHostname } from "./hostname.ts"

/**
 * The hostname that somebody probably meant: of a URL, of `host:port`, in capitals, with a dot at its end.
 * `undefined` where none can be made out.
 */
export function hostnameMeant(text: string): string | undefined {
  if (text.length > 300) return undefined
  const host = text
    .trim()
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, "")
    .replace(/[/?#].*$/, "")
    .replace(/:\d*$/, "")
    .replace(/\.$/, "")
    .toLowerCase()
  return host !== text && isHostname(host) ? host : undefined
}
