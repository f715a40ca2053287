import { isHostname } from "./hostname.ts"

const LONGEST = 300
/** What programs fill in before a manifest is one: Helm, Jinja, envsubst. */
const PLACEHOLDER = /\{\{|\{%|\$\{|\$\(/
const EVERY_NAME =
  "; there is no wildcard for every name: leave a listener's hostname out for that, or name a domain, as *.example.com"

/** Ends a message about a text that is no hostname with what to write instead; empty where nothing can be made out. */
export function hostnameHint(text: string): string {
  if (text.length > LONGEST) return ""
  if (PLACEHOLDER.test(text)) return "; fill the placeholder in first, as with: helm template …, envsubst"
  if (text === "*") return EVERY_NAME
  if (/[^\s,;][\s,;]+[^\s,;]/.test(text)) return "; write one hostname in each entry"
  const meant = hostnameMeant(text)
  return meant === undefined ? "" : `; did you mean ${meant}?`
}

/**
 * The hostname that somebody probably meant: of a URL, of `host:port`, in capitals, with a dot at its end, in typographic
 * quotes, with a wildcard for a part of the first label, or with letters that DNS writes in Punycode.
 */
function hostnameMeant(text: string): string | undefined {
  const host = text
    .trim()
    .replace(/^\p{Quotation_Mark}+|\p{Quotation_Mark}+$/gu, "")
    .replace(/^[a-z][a-z0-9+.-]*:\/\//i, "")
    .replace(/[/?#].*$/, "")
    .replace(/:\d*$/, "")
    .replace(/\.$/, "")
    .replace(/^\*(?=[a-z0-9])/i, "*.")
    .replace(/^[^.]*\*[^.]*\./, "*.")
    .toLowerCase()
  const ascii = inAscii(host)
  return ascii !== text && isHostname(ascii) ? ascii : undefined
}

/** Letters beyond ASCII as DNS has them (RFC 5890). */
function inAscii(host: string): string {
  if (!/[^\0-\x7f]/.test(host)) return host
  const [, wildcard = "", name = ""] = /^(\*\.)?(.*)$/.exec(host) ?? []
  return URL.canParse(`http://${name}`) ? wildcard + new URL(`http://${name}`).hostname : host
}
