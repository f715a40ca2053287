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
 * @typedef {object} Verdict
 * @property {string} gateway title
 * @property {string} what
 * @property {boolean} met
 */

/**
 * What the gateway is held to, and where it stands: as a multiple of the best of its peers, of a figure of its own, or in
 * a figure alone. Lines of Node.js that are measured in part have no columns.
 *
 * @param {Results} results
 * @returns {{ head: string[], rows: string[][], verdicts: Verdict[] }}
 */
export function ratios(results) {
  const gateways = results.peers.filter(({ kind, only }) => kind === "gateway" && only === undefined)
  const rows = []
  const verdicts = []
  const add = (what, against, sign, unit, digits, found) => {
    if (found.every((each) => each === undefined)) return
    const cells = found.flatMap((each, i) => {
      if (each === undefined) return ["–", "–"]
      const met = sign === "≥" ? each.value >= each.target : each.value <= each.target
      verdicts.push({ gateway: gateways[i].title, what: against ? `${what} (${against})` : what, met })
      return [`${short(each.value, digits)} ${unit}`, `${sign} ${short(each.target)} ${unit}${met ? "" : ", missed"}`]
    })
    rows.push([what, against, ...cells])
  }
  for (const { metric: id, peers, newest, oldest } of targets) {
    const standings = gateways.map((gateway) => standing(results, gateway, id, peers))
    const rivals = [...new Set(standings.flatMap((found) => found?.rival ?? []))].join(" / ")
    const sign = metricOf(id).better === "more" ? "≥" : "≤"
    const found = standings.map(
      (each, i) => each && { value: each.ratio, target: isOldest(gateways[i], gateways) ? oldest : newest },
    )
    add(titleOf(id), rivals, sign, "×", 2, found)
  }
  for (const { title, metric, command, against, to, most } of ownTargets) {
    const found = gateways.map(({ id }) => {
      const samples = results.samples[command ? id.replace("tlsroute", command) : id]?.[metric]
      const base = results.samples[id]?.[to]
      return samples && base && { value: summarize(samples).median / summarize(base).median, target: most }
    })
    add(title, against, "≤", "×", 2, found)
  }
  for (const { metric: id, most } of limits) {
    const { unit, digits } = metricOf(id)
    const found = gateways.map((gateway) => {
      const samples = results.samples[gateway.id]?.[id]
      return samples && { value: summarize(samples).median, target: most }
    })
    add(titleOf(id), "", "≤", unit, digits, found)
  }
  return { head: ["", "against", ...gateways.flatMap(({ title }) => [title, "target"])], rows, verdicts }
}

/**
 * What is met of that, and what is not, in words.
 *
 * @param {readonly Verdict[]} verdicts
 * @returns {string[]} a sentence for each gateway
 */
export function judge(verdicts) {
  return [...new Set(verdicts.map(({ gateway }) => gateway))].map((title) => {
    const own = verdicts.filter(({ gateway }) => gateway === title)
    const missed = own.filter(({ met }) => !met).map(({ what }) => what)
    const rest = missed.length === 0 ? "all." : `${own.length - missed.length}; missed: ${missed.join("; ")}.`
    return `${title}: of ${own.length} targets it meets ${rest}`
  })
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

/** What is far below 1 as a fraction: a two-hundredth says more than 0.00. */
function short(value, digits = 2) {
  return value < 0.1 ? `1/${(1 / value).toFixed(0)}` : String(Number(value.toFixed(digits)))
}

/**
 * What other projects' proxies have failed at, a line each.
 *
 * @param {Results} results
 */
export function failureLines({ groups }) {
  return Object.values(groups)
    .flatMap(({ failures }) => failures)
    .map(({ title, measure, reason }) => `${title} failed once at ${measure}, and that round is without it: ${reason}`)
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
