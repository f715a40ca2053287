import { metricOf, targets, topics } from "./measures.mjs"
import { spread, summarize } from "./statistics.mjs"

/** @typedef {import("./run.mjs").Results} Results */

/**
 * @param {Results} results
 * @returns {{ title: string, explanation: string, head: string[], rows: string[][] }[]}
 */
export function tables(results) {
  return topics
    .map((topic) => ({ topic, metrics: topic.metrics.filter(({ id }) => isMeasured(results, id)) }))
    .filter(({ metrics }) => metrics.length > 0)
    .map(({ topic, metrics }) => ({
      title: topic.title,
      explanation: topic.explanation,
      head: ["", ...metrics.map(({ title, unit }) => `${title}, ${unit}`)],
      rows: results.peers.map((peer) => [
        peer.title,
        ...metrics.map(({ id, digits }) => {
          const samples = results.samples[peer.id]?.[id]
          if (!samples) return "–"
          const summary = summarize(samples)
          return `${summary.median.toFixed(digits)} ±${(spread(summary) * 100).toFixed(0)} %`
        }),
      ]),
    }))
}

/**
 * How the gateway stands to its peers, beside what it is held to.
 *
 * @param {Results} results
 * @returns {{ head: string[], rows: string[][] }}
 */
export function ratios(results) {
  const gateways = results.peers.filter(({ kind }) => kind === "gateway")
  const head = ["", "against", ...gateways.flatMap(({ title }) => [title, "target"])]
  const rows = []
  for (const { metric: id, peers, newest, oldest } of targets) {
    if (!isMeasured(results, id)) continue
    const { title, better } = metricOf(id)
    const rivals = peers.filter((peer) => results.samples[peer]?.[id])
    if (rivals.length === 0) continue
    const medians = rivals.map((peer) => summarize(results.samples[peer][id]).median)
    const best = better === "more" ? Math.max(...medians) : Math.min(...medians)
    const rival = results.peers.find((peer) => peer.id === rivals[medians.indexOf(best)])?.title ?? ""
    const topic = topics.find(({ metrics }) => metrics.some((metric) => metric.id === id))?.title
    rows.push([
      `${topic}, ${title}`,
      rival,
      ...gateways.flatMap((gateway) => {
        const samples = results.samples[gateway.id]?.[id]
        if (!samples) return ["–", "–"]
        const target = isOldest(gateway, gateways) ? oldest : newest
        const ratio = summarize(samples).median / best
        return [`${ratio.toFixed(2)} ×`, `${better === "more" ? "≥" : "≤"} ${target} ×`]
      }),
    ])
  }
  return { head, rows }
}

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
export function plainTable(head, rows) {
  const widths = head.map((cell, i) => Math.max(cell.length, ...rows.map((row) => row[i].length)))
  const line = (cells) =>
    cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd()
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
export function markdownTable(head, rows) {
  const line = (cells) => `| ${cells.join(" | ")} |`
  return [line(head), line(head.map((_, i) => (i === 0 ? "---" : "--:"))), ...rows.map(line)].join("\n")
}

/**
 * @param {Results} results
 * @param {string} metric
 */
function isMeasured(results, metric) {
  return Object.values(results.samples).some((samples) => samples[metric])
}

/** The oldest supported Node.js line has targets of its own. */
function isOldest({ version }, gateways) {
  const major = (text) => Number(/v(\d+)/.exec(text)?.[1])
  return (
    major(version) === 20 || (gateways.length > 1 && gateways.every((other) => major(other.version) >= major(version)))
  )
}
