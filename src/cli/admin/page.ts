import ask from "./page/ask.js?raw"
import configuration from "./page/configuration.js?raw"
import connection from "./page/connection.js?raw"
import elements from "./page/elements.js?raw"
import explanation from "./page/explanation.js?raw"
import page from "./page/index.html?raw"
import style from "./page/page.css?raw"
import script from "./page/page.js?raw"
import people from "./page/people.js?raw"
import tables from "./page/tables.js?raw"
import totals from "./page/totals.js?raw"
import words from "./page/words.js?raw"

/** A file that the admin server serves as it is. */
export interface PageFile {
  readonly type: string
  readonly body: string
}

/** Modules that the browser joins by itself: there is no build step, and each file owns one thing. */
const MODULES = { ask, configuration, connection, elements, explanation, page: script, people, tables, totals, words }

/** The live page: everything that a browser loads for it, by path. */
export const PAGE_FILES: ReadonlyMap<string, PageFile> = new Map([
  ["/", { type: "text/html; charset=utf-8", body: page }],
  ["/page.css", { type: "text/css; charset=utf-8", body: style }],
  ...Object.entries(MODULES).map(
    ([name, body]) => [`/${name}.js`, { type: "text/javascript; charset=utf-8", body }] as const,
  ),
])

/**
 * What a browser may do with the page: run its own script and style, ask this server, and nothing else. Text that clients
 * sent cannot become code even if the page forgot to escape it.
 */
export const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
} as const
