// Holds every link and anchor within the API site, offline: part of `npm run docs`.
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { Parser } from "htmlparser2"

const root = join(import.meta.dirname, "../docs/api")
/**
 * TypeDoc links a type that is an intersection with a `Pick` of an interface to that interface's place in the hierarchy,
 * where it puts none for interfaces that nothing extends.
 */
const EXPECTED = new Set(["/hierarchy.html#tlsroute.PolicyOptions"])

const pages = new Map(
  readdirSync(root, { recursive: true })
    .filter((name) => /\.(html|svg)$/.test(name))
    .map((page) => [`/${page}`, read(readFileSync(join(root, page), "utf8"))]),
)
const broken = new Map()
let followed = 0
for (const [page, { links }] of pages) {
  for (const link of links) {
    const url = new URL(link, `site:${page}`)
    if (url.protocol !== "site:") continue
    followed++
    const target = decodeURIComponent(url.pathname)
    const anchor = decodeURIComponent(url.hash.slice(1))
    const isThere = anchor === "" ? isFile(target) : (pages.get(target)?.anchors.has(anchor) ?? false)
    if (!isThere) broken.set(`${target}${anchor && `#${anchor}`}`, page)
  }
}
const wrong = [...broken]
  .filter(([url]) => !EXPECTED.has(url))
  .map(([url, page]) => `${page} links to ${url}: not there`)
const mended = [...EXPECTED]
  .filter((url) => !broken.has(url))
  .map((url) => `${url} is there: expect it broken no longer`)
for (const line of [...wrong, ...mended]) console.error(line)
console.log(`${followed} links on ${pages.size} files of the API site, ${wrong.length} broken`)
process.exitCode = wrong.length + mended.length > 0 || followed === 0 ? 1 : 0

/** Where a page links to, and which anchors it has. */
function read(html) {
  const links = []
  const anchors = new Set()
  const parser = new Parser({
    onopentag(_, { id, name, href, src }) {
      for (const anchor of [id, name]) if (anchor !== undefined) anchors.add(anchor)
      for (const link of [href, src]) if (link !== undefined) links.push(link)
    },
  })
  parser.end(html)
  return { links, anchors }
}

function isFile(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.isFile() ?? false
}
