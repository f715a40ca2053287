import { limits, metricOf, ownTargets, targets, topics } from "./measures.mjs"
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
      rows: results.peers
        .filter(({ id }) => metrics.some((metric) => results.samples[id]?.[metric.id]))
        .map((peer) => [
          peer.title,
          ...metrics.map(({ id, digits }) => {
            const samples = results.samples[peer.id]?.[id]
            if (!samples) return "–"
            const summary = summarize(samples)
            const median = summary.median.toFixed(digits)
            return samples.length > 1 ? `${median} ±${(spread(summary) * 100).toFixed(0)} %` : median
          }),
        ]),
    }))
}

/**
 * What the gateway is held to, and where it stands: as a multiple of the best of its peers, or in a figure of its own.
 *
 * @param {Results} results
 * @returns {{ head: string[], rows: string[][] }}
 */
export function ratios(results) {
  const gateways = results.peers.filter(({ kind }) => kind === "gateway")
  const head = ["", "against", ...gateways.flatMap(({ title }) => [title, "target"])]
  const rows = []
  for (const { metric: id, peers, newest, oldest } of targets) {
    const standings = gateways.map((gateway) => standing(results, gateway, id, peers))
    const rivals = [...new Set(standings.flatMap((found) => found?.rival ?? []))]
    if (rivals.length === 0) continue
    const sign = metricOf(id).better === "more" ? "≥" : "≤"
    rows.push([
      titleOf(id),
      rivals.join(" / "),
      ...gateways.flatMap((gateway, i) => {
        const found = standings[i]
        if (!found) return ["–", "–"]
        const target = isOldest(gateway, gateways) ? oldest : newest
        return [`${short(found.ratio)} ×`, `${sign} ${short(target)} ×`]
      }),
    ])
  }
  for (const { title, metric, command, against, to, most } of ownTargets) {
    const found = gateways.map(({ id }) => {
      const samples = results.samples[command ? id.replace("tlsroute", "tlsroute-run") : id]?.[metric]
      const base = results.samples[id]?.[to]
      return samples && base && summarize(samples).median / summarize(base).median
    })
    if (found.every((ratio) => ratio === undefined)) continue
    const cells = found.flatMap((ratio) => (ratio === undefined ? ["–", "–"] : [`${short(ratio)} ×`, `≤ ${most} ×`]))
    rows.push([title, against, ...cells])
  }
  for (const { metric: id, most } of limits) {
    if (!gateways.some((gateway) => results.samples[gateway.id]?.[id])) continue
    const { unit, digits } = metricOf(id)
    rows.push([
      titleOf(id),
      "",
      ...gateways.flatMap((gateway) => {
        const samples = results.samples[gateway.id]?.[id]
        return samples ? [`${summarize(samples).median.toFixed(digits)} ${unit}`, `≤ ${most} ${unit}`] : ["–", "–"]
      }),
    ])
  }
  return { head, rows }
}

/**
 * @param {Results} results
 * @param {Results["peers"][number]} gateway
 * @param {string} id of a metric
 * @param {readonly string[]} peers
 */
function standing(results, gateway, id, peers) {
  const samples = results.samples[gateway.id]?.[id]
  if (!samples) return undefined
  const onSameNode = (name) => gateway.id.replace("tlsroute", name)
  const rivals = results.peers.filter(
    (peer) => results.samples[peer.id]?.[id] && peers.some((name) => peer.id === name || peer.id === onSameNode(name)),
  )
  if (rivals.length === 0) return undefined
  const medians = rivals.map((peer) => summarize(results.samples[peer.id][id]).median)
  const best = metricOf(id).better === "more" ? Math.max(...medians) : Math.min(...medians)
  const rival = rivals[medians.indexOf(best)].title.replace(/, Node \d+$/, "")
  return { rival, ratio: summarize(samples).median / best }
}

/** @param {string} id of a metric */
function titleOf(id) {
  const topic = topics.find(({ metrics }) => metrics.some((metric) => metric.id === id))
  return `${topic?.title}, ${metricOf(id).title}`
}

/** Ratios far below 1 as fractions: a two-hundredth says more than 0.00. */
function short(ratio) {
  return ratio < 0.1 ? `1/${(1 / ratio).toFixed(0)}` : String(Number(ratio.toFixed(2)))
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
