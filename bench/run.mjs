// Measures this gateway beside other SNI proxies, on one machine, in one run. See docs/performance.md.
import { execFileSync } from "node:child_process"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { writeReport } from "./docs.mjs"
import { chooseCpus, describeMachine, installNodes, out } from "./machine.mjs"
import { groups, measures } from "./measures.mjs"
import { merge } from "./merge.mjs"
import { endServers } from "./peers/api-server.mjs"
import { findPeers } from "./peers/peers.mjs"
import { printReport } from "./report.mjs"
import { Session } from "./session.mjs"

/**
 * @typedef {object} Sitting One group of measures, done without a break.
 * @property {string} date ISO 8601
 * @property {number} rounds
 * @property {number} seconds of a window
 * @property {number} warmup seconds before it
 * @property {readonly { title: string, measure: string, reason: string }[]} failures of other projects' proxies
 *
 * @typedef {object} Results What a run leaves, as JSON.
 * @property {{ cpu: string, cpus: number, memoryGiB: number, kernel: string, system: string }} machine
 * @property {Record<string, Sitting>} groups by id
 * @property {{ id: string, title: string, kind: "gateway" | "command" | "native" | "script" | "library", only?: "bulk" | "main", version: string }[]} peers
 * @property {{ id: string, title: string, missing: string }[]} missing
 * @property {Record<string, Record<string, number[]>>} samples by peer and metric, in the order of the rounds
 * @property {Record<string, number>} ceiling what the load generator does without a proxy between
 * @property {Record<string, Record<string, number[]>>} busy by peer and measure: CPU seconds of the proxy per second
 */

const help = `Usage: npm run bench -- [options]

  --rounds N     rounds, in each of which everything is measured once (2 to 4, as the group has it)
  --seconds S    length of one measured window (1 or 3, as the group has it)
  --group NAME   one sitting of those that there are: ${groups.map(({ id }) => id).join(" ")}; may be repeated
  --only TEXT    peers or measures whose name contains TEXT; may be repeated
  --node PATH    Node.js binary for the gateway and the naive proxy; may be repeated (this one)
  --script PATH  measures another Node.js proxy too, which takes the argument of peers/naive.mjs; may be repeated
  --full         on the supported lines of Node.js, and writes docs/performance.md; with --group, puts that group's
                 figures in place of those there
  --proxy-cpu N  CPU for the proxy (first allowed)
  --load-cpu N   CPU for the load generator and the backend (second allowed)
`

/** Those between are measured in the main figures alone. */
const supportedNodes = ["20", "22", "24", "26"]
const json = join(out, "results.json")
const docs = fileURLToPath(new URL("../docs", import.meta.url))

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string" },
    seconds: { type: "string" },
    group: { type: "string", multiple: true },
    only: { type: "string", multiple: true, default: [] },
    node: { type: "string", multiple: true },
    script: { type: "string", multiple: true, default: [] },
    full: { type: "boolean", default: false },
    "proxy-cpu": { type: "string" },
    "load-cpu": { type: "string" },
    help: { type: "boolean", default: false },
  },
})

if (options.help) {
  process.stdout.write(help)
} else {
  await main()
}

async function main() {
  const [proxyCpu, loadCpu] = chooseCpus(options["proxy-cpu"], options["load-cpu"])
  mkdirSync(out, { recursive: true })
  // This process only waits, but where it does it must not be in the proxy's way.
  execFileSync("taskset", ["--all-tasks", "--pid", "--cpu-list", String(loadCpu), String(process.pid)])

  const { peers, missing, sittings } = select()
  for (const peer of missing) console.error(`${peer.title} is left out: ${peer.missing}`)

  /** @type {Results} */
  const results = {
    machine: describeMachine(),
    groups: {},
    peers: peers.map(({ id, title, kind, only, version }) => ({ id, title, kind, only, version })),
    missing: missing.map(({ id, title, missing }) => ({ id, title, missing })),
    samples: Object.fromEntries(peers.map(({ id }) => [id, {}])),
    ceiling: {},
    busy: Object.fromEntries(peers.map(({ id }) => [id, {}])),
  }
  for (const sitting of sittings) await sit(sitting, peers, results, { proxyCpu, loadCpu })
  progress("")
  if (!options.full) {
    printReport(results)
    console.log(`\n${json}`)
    return
  }
  const before = JSON.parse(readFileSync(join(docs, "performance", "results.json"), "utf8"))
  const whole = merge(before, results)
  printReport(whole)
  for (const file of writeReport(whole, docs)) console.log(file)
}

/**
 * @param {import("./measures.mjs").Group} group with the measures that are chosen
 * @param {readonly import("./peers/peers.mjs").Peer[]} all
 * @param {Results} results
 * @param {{ proxyCpu: number, loadCpu: number }} cpus
 */
async function sit(group, all, results, cpus) {
  const rounds = positive("rounds", options.rounds ?? String(group.rounds))
  const seconds = positive("seconds", options.seconds ?? String(group.seconds))
  const warmup = Math.min(0.5, seconds / 4)
  const chosen = group.measures
  results.groups[group.id] = { date: new Date().toISOString(), rounds, seconds, warmup, failures: [] }
  const session = new Session({ seconds, warmup, ...cpus })
  try {
    const underLoad = chosen.filter((measure) => "mode" in measure)
    const started = all.filter((peer) => underLoad.some((measure) => !measure.fresh && isMeasurable(measure, peer)))
    if (underLoad.length > 0) await session.start(started)
    for (const measure of underLoad.filter(({ fresh, bulk, load }) => !fresh && !bulk && !load)) {
      Object.assign(results.ceiling, ceilingOf(measure, await session.ceiling(measure)))
    }
    // Round 0 is not counted: a program that compiles itself as it runs has to have run.
    for (let round = 0; round <= rounds; round++) {
      progress(`${group.id}: ${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}`)
      for (const measure of chosen) {
        if (isDue(measure, round, chosen)) await measureAll(session, measure, all, round, results)
      }
      if (round > 0) save(results)
    }
  } finally {
    await session.end()
    await endServers()
  }
}

/**
 * @param {import("./measures.mjs").Measure} measure
 * @param {number} round 0 for the warm-up
 * @param {readonly import("./measures.mjs").Measure[]} chosen all measures of the sitting
 */
function isDue(measure, round, chosen) {
  if (round > 0) return round <= (measure.rounds ?? round)
  if (chosen.some(({ warmsUp }) => warmsUp)) return measure.warmsUp === true
  return !("micro" in measure || measure.fresh || measure.load)
}

/** Peers and measures that the options name. */
function select() {
  const groupFilter = options.group ?? groups.map(({ id }) => id)
  const unknownGroup = groupFilter.find((name) => !groups.some(({ id }) => id === name))
  if (unknownGroup) throw new Error(`--group ${unknownGroup}: there are ${groups.map(({ id }) => id).join(" ")}`)
  const nodes = options.node ?? (options.full ? installNodes(supportedNodes) : [process.execPath])
  const all = findPeers(
    nodes.map((node) => (node.includes("/") ? resolve(node) : node)),
    options.script.map((script) => resolve(script)),
  )
  const peerFilter = options.only.filter((text) => all.some(({ id }) => id.includes(text)))
  const measureFilter = options.only.filter((text) => measures.some(({ id }) => id.includes(text)))
  const unknown = options.only.filter((text) => !peerFilter.includes(text) && !measureFilter.includes(text))
  if (unknown.length > 0) {
    const names = [...all, ...measures].map(({ id }) => id).join(" ")
    throw new Error(`--only ${unknown.join(" ")}: no such peer or measure; there are ${names}`)
  }
  const sittings = groups
    .filter(({ id }) => groupFilter.includes(id))
    .map((group) => ({ ...group, measures: group.measures.filter(({ id }) => isNamed(measureFilter, id)) }))
    .filter((group) => group.measures.length > 0)
  const chosen = sittings.flatMap((group) => group.measures)
  const wanted = all.filter(({ id }) => isNamed(peerFilter, id))
  const missing = wanted.filter((peer) => "missing" in peer)
  const peers = wanted.filter((peer) => !("missing" in peer) && chosen.some((measure) => isMeasurable(measure, peer)))
  if (peers.length === 0) throw new Error("there is nothing to measure")
  return { peers, missing, sittings }
}

/**
 * @param {Session} session
 * @param {import("./measures.mjs").Measure} measure
 * @param {readonly import("./peers/peers.mjs").Peer[]} all
 * @param {number} round
 * @param {Results} results
 */
async function measureAll(session, measure, all, round, results) {
  const peers = all.filter((peer) => isMeasurable(measure, peer))
  if (measure.together) {
    await Promise.all(peers.map((peer) => measureOne(session, measure, peer, round, results)))
    return
  }
  // Every round starts with another one, so that none is always the one after an idle moment.
  for (let i = 0; i < peers.length; i++) {
    await measureOne(session, measure, peers[(i + round) % peers.length], round, results)
  }
}

/**
 * @param {Session} session
 * @param {import("./measures.mjs").Measure} measure
 * @param {import("./peers/peers.mjs").Peer} peer
 * @param {number} round
 * @param {Results} results
 */
async function measureOne(session, measure, peer, round, results) {
  if (process.stderr.isTTY) progress(`${round === 0 ? "warm-up" : `round ${round}`}: ${measure.id}, ${peer.title}`)
  const samples = results.samples[peer.id]
  const measured = await session.measure(measure, peer).catch((error) => {
    if (peer.kind !== "native") throw new Error(`${measure.id} of ${peer.title}: ${error.message}`)
    // Another project's proxy that fails once is no reason to know nothing of the rest.
    const reason = error.message.trim().split("\n").at(-1)
    console.error(`${measure.id} of ${peer.title} failed: ${error.message}`)
    const { id } = groups.find(({ measures }) => measures.includes(measure))
    results.groups[id].failures.push({ title: peer.title, measure: measure.id, reason })
  })
  if (measured === undefined || round === 0) return
  const { values, busy } = measured
  for (const [metric, value] of Object.entries(values)) {
    if (!Number.isFinite(value)) throw new Error(`${metric} of ${peer.title} is ${value}: lengthen --seconds`)
    samples[metric] ??= []
    samples[metric].push(value)
  }
  if (busy === undefined) return
  results.busy[peer.id][measure.id] ??= []
  results.busy[peer.id][measure.id].push(busy)
}

/**
 * @param {import("./measures.mjs").Measure} measure
 * @param {import("./peers/peers.mjs").Peer} peer
 */
function isMeasurable(measure, peer) {
  if ("micro" in measure) return peer.only === undefined && peer.micro?.[measure.micro] !== undefined
  if (peer.only === "bulk" && !isBulk(measure)) return false
  if (peer.only === "main" && !measure.main) return false
  return peer.command !== undefined && (measure.kinds === undefined || measure.kinds.includes(peer.kind))
}

/** @param {import("./measures.mjs").LoadMeasure} measure */
function isBulk({ mode }) {
  return mode === "download" || mode === "upload"
}

/**
 * @param {import("./measures.mjs").LoadMeasure} measure
 * @param {any} result
 */
function ceilingOf({ id, mode }, { bytes, seconds, connections, p50Us, p99Us }) {
  if (mode === "connect") return { "connections, 1/s": connections / seconds }
  if (mode === "roundtrip") return { "round trip p50, µs": p50Us, "round trip p99, µs": p99Us }
  return { [`${id}, GB/s`]: bytes / 1e9 / seconds }
}

/** What there is, after every round: a run that is broken off has not been for nothing. */
function save(results) {
  writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`)
}

/** @param {string} text */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
  else if (text !== "") process.stderr.write(`${text}\n`)
}

/**
 * @param {string} name
 * @param {string} text
 */
function positive(name, text) {
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} ${text} is not a positive number`)
  return value
}

/**
 * @param {readonly string[]} filter
 * @param {string} id
 */
function isNamed(filter, id) {
  return filter.length === 0 || filter.some((text) => id.includes(text))
}
