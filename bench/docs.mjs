import { execFileSync } from "node:child_process"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { barChart } from "./charts.mjs"
import { topics } from "./measures.mjs"
import { summarize } from "./statistics.mjs"
import { failureLines, judge, markdownTable, ratios, tables } from "./table.mjs"

/** @typedef {import("./run.mjs").Results} Results */

const begin = "<!-- results: written by `npm run bench -- --full`, do not edit -->"
const end = "<!-- end of results -->"

/** What each chart shows. @type {readonly { name: string, topic: string, title: string, metrics: readonly string[] }[]} */
const charts = [
  {
    name: "download",
    topic: "download",
    title: "Download per CPU-second",
    metrics: ["download-1", "download-64"],
  },
  { name: "upload", topic: "upload", title: "Upload per CPU-second", metrics: ["upload-1", "upload-64"] },
  {
    name: "connection-cpu",
    topic: "connections",
    title: "CPU time per connection",
    metrics: ["connection-cpu", "reset-cpu"],
  },
  {
    name: "connection-rate",
    topic: "connections",
    title: "Connections per second, one core",
    metrics: ["connection-rate"],
  },
  {
    name: "roundtrip",
    topic: "roundtrip",
    title: "Round trip through an open connection",
    metrics: ["roundtrip-p50", "roundtrip-p99"],
  },
  {
    name: "idle",
    topic: "idle",
    title: "Resident memory per idle connection",
    metrics: ["idle-memory", "idle-memory-further"],
  },
  {
    name: "handshake",
    topic: "handshake",
    title: "TLS handshake beside load, p99",
    metrics: ["handshake-20-p99", "handshake-50-p99", "handshake-80-p99"],
  },
  {
    name: "memory",
    topic: "idle",
    title: "Resident memory of the whole process",
    metrics: ["memory-none", "memory-few", "memory-many"],
  },
  ...["endpoints", "listeners", "checks", "changes"].map((what) => {
    const { id, title, metrics } = topics.find((topic) => topic.id === `scale-${what}`)
    return { name: id, topic: id, title, metrics: metrics.map((metric) => metric.id) }
  }),
  {
    name: "lookup",
    topic: "lookup",
    title: "Finding the route for a name",
    metrics: ["lookup-10", "lookup-10000", "lookup-1000000"],
  },
]

/**
 * Writes the charts, the figures, and the generated part of performance.md; the prose around it stays.
 *
 * @param {Results} results
 * @param {string} docs directory of performance.md
 * @returns {string[]} the files written
 */
export function writeReport(results, docs) {
  const directory = join(docs, "performance")
  mkdirSync(directory, { recursive: true })
  const files = []
  const write = (file, text) => {
    writeFileSync(file, text)
    files.push(file)
  }
  const drawn = charts.filter(({ metrics }) => results.peers.some(({ id }) => results.samples[id]?.[metrics[0]]))
  for (const chart of drawn) write(join(directory, `${chart.name}.svg`), draw(chart, results))
  write(join(directory, "results.json"), `${JSON.stringify(results, null, 2)}\n`)

  const page = join(docs, "performance.md")
  const text = readFileSync(page, "utf8")
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from < 0 || to < from) throw new Error(`${page} has lost the marks around the results`)
  write(page, text.slice(0, from + begin.length) + section(results, drawn) + text.slice(to))
  format(page, join(directory, "results.json"))
  return files
}

/** As `npm run format` would. Without its dependencies a checkout still has the page, as it was written. */
function format(...files) {
  const biome = fileURLToPath(new URL("../node_modules/.bin/biome", import.meta.url))
  if (existsSync(biome)) execFileSync(biome, ["format", "--write", ...files], { stdio: "ignore" })
}

/**
 * @param {(typeof charts)[number]} chart
 * @param {Results} results
 */
function draw({ topic: topicId, title, metrics }, results) {
  const topic = topics.find(({ id }) => id === topicId)
  const shown = topic.metrics.filter(({ id }) => metrics.includes(id))
  const [{ unit, better, digits }] = shown
  return barChart({
    title,
    subtitle: `${unit}, ${better} is better; median, and the least and most of the rounds`,
    series: shown.map((metric) => metric.title),
    digits,
    rows: results.peers
      .filter(({ id }) => metrics.some((metric) => results.samples[id]?.[metric]))
      .map(({ id, title, kind }) => ({
        label: title,
        ours: kind === "gateway" || kind === "command",
        bars: shown.map((metric) => {
          const samples = results.samples[id]?.[metric.id]
          return samples && summarize(samples)
        }),
      })),
  })
}

/**
 * @param {Results} results
 * @param {typeof charts} drawn
 */
function section(results, drawn) {
  const { machine, groups, peers, missing, ceiling } = results
  const comparison = ratios(results)
  return `

Measured on ${machine.cpu}, ${machine.cpus} CPUs, ${machine.memoryGiB} GiB, ${machine.system}, Linux ${machine.kernel}.
Each figure is the median of the rounds, and ± the largest deviation from it.

${markdownTable(
  ["Sitting", "On", "Rounds", "Window, s", "Before it, s"],
  Object.entries(groups).map(([id, { date, rounds, seconds, warmup }]) => [
    id,
    date.slice(0, 10),
    String(rounds),
    String(seconds),
    String(warmup),
  ]),
)}

${markdownTable(
  ["Proxy", "Version"],
  peers.map(({ title, version }) => [title, version]),
)}
${missing.map(({ title, missing }) => `\n${title} is not in the tables: ${missing}\n`).join("")}
${failureLines(results)
  .map((line) => `\n${line}\n`)
  .join("")}
### What the gateway is held to

${markdownTable(comparison.head, comparison.rows)}

${judge(comparison.verdicts).join("\n\n")}
${tables(results)
  .map(
    ({ title, explanation, head, rows }, i) => `
### ${title}

${explanation}

${drawn
  .filter(({ topic }) => topic === topicIn(results, i))
  .map(({ name, title }) => `![${title}](performance/${name}.svg)\n`)
  .join("\n")}
${markdownTable(head, rows)}
${topicIn(results, i) === "handshake" ? reachedLoads(results) : ""}`,
  )
  .join("")}
### What one replica carries

On paper, from what a connection costs with two workers: so many new connections a second, each of the shape above, on a
machine whose cores do nothing else. Measured as far as the cores of this machine go.

${markdownTable(
  ["", "4 cores, 1/s", "16 cores, 1/s", "64 cores, 1/s"],
  peers
    .filter(({ id }) => results.samples[id]["workers-2-cpu"])
    .map(({ id, title }) => {
      const perCore = 1e6 / summarize(results.samples[id]["workers-2-cpu"]).median
      return [title, ...[4, 16, 64].map((cores) => String(Math.round((cores * perCore) / 1000) * 1000))]
    }),
)}

### Without a proxy

What the load generator and the backend do by themselves, on their one core.

${markdownTable(
  ["", ""],
  Object.entries(ceiling).map(([name, value]) => [name, value.toFixed(2)]),
)}

All samples are in [results.json](performance/results.json).

`
}

/**
 * How busy each proxy was where a share of a core was asked for: the load's own core may not keep up.
 *
 * @param {Results} results
 */
function reachedLoads({ peers, busy }) {
  const told = [20, 50, 80].map((percent) => {
    const reached = peers.flatMap(({ id, title }) => {
      const shares = busy[id]?.[`handshake-${percent}`]
      return shares ? [`${title} ${(summarize(shares).median * 100).toFixed(0)} %`] : []
    })
    return `Where ${percent} % were asked for: ${reached.join(", ")}.`
  })
  return `\nHow busy the proxies were, the handshakes included. ${told.join(" ")}\n`
}

/**
 * @param {Results} results
 * @param {number} index of a table
 */
function topicIn(results, index) {
  const { title } = tables(results)[index]
  return topics.find((topic) => topic.title === title)?.id
}

// `node bench/docs.mjs` draws anew from the figures of the last full run.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const docs = fileURLToPath(new URL("../docs", import.meta.url))
  const results = JSON.parse(readFileSync(process.argv[2] ?? join(docs, "performance", "results.json"), "utf8"))
  for (const file of writeReport(results, docs)) console.log(file)
}
