// Measures this gateway beside other SNI proxies, on one machine, in one run. See docs/performance.md.
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { cpus, release, tmpdir, totalmem } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { writeReport } from "./docs.mjs"
import { buildClientHello } from "./hello.mjs"
import { idleConnections, idleSeconds, measures } from "./measures.mjs"
import { findPeers } from "./peers/peers.mjs"
import { allowedCpus, freePort, PinnedProcess, runPinned } from "./process.mjs"
import { plainTable, ratios, tables } from "./table.mjs"
import { verifyProxy } from "./verify.mjs"

/**
 * @typedef {object} Results What a run leaves, as JSON.
 * @property {string} date ISO 8601
 * @property {{ cpu: string, cpus: number, memoryGiB: number, kernel: string, system: string }} machine
 * @property {{ rounds: number, seconds: number, warmup: number }} options
 * @property {{ id: string, title: string, kind: "gateway" | "native" | "script", version: string }[]} peers
 * @property {{ id: string, title: string, missing: string }[]} missing
 * @property {Record<string, Record<string, number[]>>} samples by peer and metric, in the order of the rounds
 * @property {Record<string, number>} ceiling what the load generator does without a proxy between
 * @property {Record<string, Record<string, number[]>>} busy by peer and measure: CPU seconds of the proxy per second
 */

const help = `Usage: npm run bench -- [options]

  --rounds N     rounds, in each of which every proxy is measured once (3; 7 with --full)
  --seconds S    length of one measured window (1; 3 with --full)
  --only TEXT    peers or measures whose name contains TEXT; may be repeated
  --node PATH    Node.js binary for the gateway and the naive proxy; may be repeated (this one)
  --script PATH  measures another Node.js proxy too, which takes the argument of peers/naive.mjs; may be repeated
  --full         on the oldest and the newest supported Node.js, and writes docs/performance.md
  --proxy-cpu N  CPU for the proxy (first allowed)
  --load-cpu N   CPU for the load generator and the backend (second allowed)
`

const here = fileURLToPath(new URL(".", import.meta.url))
const out = join(here, "out")
const serverNames = { source: "download.bench.example", sink: "upload.bench.example", echo: "echo.bench.example" }
const supportedNodes = ["20", "26"]

const { values: options } = parseArgs({
  options: {
    rounds: { type: "string" },
    seconds: { type: "string" },
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
  const rounds = positive("rounds", options.rounds ?? (options.full ? "7" : "3"))
  const seconds = positive("seconds", options.seconds ?? (options.full ? "3" : "1"))
  const warmup = Math.min(1, seconds / 2)
  const [proxyCpu, loadCpu] = chooseCpus()
  mkdirSync(out, { recursive: true })
  // This process only waits, but where it does it must not be in the proxy's way.
  execFileSync("taskset", ["--all-tasks", "--pid", "--cpu-list", String(loadCpu), String(process.pid)])
  const load = compile("load")
  const backendProgram = compile("backend")

  const nodes = options.node ?? (options.full ? installNodes() : [process.execPath])
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
  const wanted = all.filter(({ id }) => isNamed(peerFilter, id))
  const missing = wanted.filter((peer) => "missing" in peer)
  const peers = wanted.filter((peer) => !("missing" in peer))
  const chosen = measures.filter(({ id }) => isNamed(measureFilter, id))
  for (const peer of missing) console.error(`${peer.title} is left out: ${peer.missing}`)
  if (peers.length === 0) throw new Error("there is no proxy to measure")

  const directory = mkdtempSync(join(tmpdir(), "tlsroute-bench-"))
  const running = []
  try {
    const counter = join(directory, "sunk")
    const backend = new PinnedProcess([backendProgram, counter], loadCpu)
    running.push(backend)
    const backendPorts = JSON.parse(await firstLine(backend))
    const hellos = {}
    for (const [name, serverName] of Object.entries(serverNames)) {
      hellos[name] = buildClientHello(serverName)
      writeFileSync(join(directory, `${name}.hello`), hellos[name])
    }
    const routes = Object.fromEntries(Object.entries(serverNames).map(([name, sni]) => [sni, backendPorts[name]]))

    const start = async (peer) => {
      const own = mkdtempSync(join(directory, `${peer.id}-`))
      const port = await freePort()
      const proxy = new PinnedProcess(peer.command({ port, routes, directory: own }), proxyCpu)
      running.push(proxy)
      try {
        await proxy.listening(port)
      } catch (error) {
        throw new Error(`${peer.title}: ${error.message}`)
      }
      return { proxy, port }
    }
    const loadCommand = (measure, port, extra = []) => [
      load,
      measure.mode,
      ...["--port", String(port), "--hello", join(directory, `${measure.backend}.hello`)],
      ...["--connections", String(measure.connections), "--warmup", String(warmup), "--seconds", String(seconds)],
      ...["--counter", counter],
      ...extra,
    ]

    const started = new Map()
    for (const peer of peers) {
      const one = await start(peer)
      await verifyProxy(one.port, hellos).catch((error) => {
        throw new Error(`${peer.title} does not route: ${error.message}\n${one.proxy.account}`)
      })
      started.set(peer.id, one)
    }

    /** @type {Results} */
    const results = {
      date: new Date().toISOString(),
      machine: describeMachine(),
      options: { rounds, seconds, warmup },
      peers: peers.map(({ id, title, kind, version }) => ({ id, title, kind, version })),
      missing: missing.map(({ id, title, missing }) => ({ id, title, missing })),
      samples: Object.fromEntries(peers.map(({ id }) => [id, {}])),
      ceiling: {},
      busy: Object.fromEntries(peers.map(({ id }) => [id, {}])),
    }

    for (const measure of chosen.filter(({ fresh }) => !fresh)) {
      const result = JSON.parse(await runPinned(loadCommand(measure, backendPorts[measure.backend]), loadCpu))
      Object.assign(results.ceiling, ceilingOf(measure, result))
    }

    const measureOnce = async (measure, peer) => {
      const { proxy, port } = started.get(peer.id)
      if (proxy.exited) throw new Error(`ended: ${proxy.account}`)
      if (measure.fresh) {
        const fresh = await start(peer)
        try {
          return { values: measure.values(await measureIdle(measure, fresh)), busy: undefined }
        } finally {
          await fresh.proxy.stop()
        }
      }
      const pids = ["--pids", proxy.pids().join(",")]
      const result = JSON.parse(await runPinned(loadCommand(measure, port, pids), loadCpu))
      return { values: measure.values(result), busy: result.cpuSeconds / result.seconds }
    }
    const measureIdle = async (measure, { proxy, port }) => {
      // The first connections bring in code and tables that later ones share.
      await runPinned(loadCommand({ ...measure, connections: 100 }, port), loadCpu)
      await delay(500)
      const before = proxy.residentBytes()
      const holder = new PinnedProcess(loadCommand(measure, port), loadCpu)
      running.push(holder)
      const opened = JSON.parse(await firstLine(holder)).open
      await delay(idleSeconds * 1000)
      const residentBytes = proxy.residentBytes() - before
      holder.stdin.end()
      const { code } = await holder.exit
      if (code !== 0 || opened !== idleConnections) throw new Error(`lost idle connections: ${holder.account}`)
      return { residentBytes, connections: opened }
    }

    // Round 0 is not counted: a program that compiles itself as it runs has to have run.
    for (let round = 0; round <= rounds; round++) {
      for (const measure of chosen) {
        if (measure.fresh && round % 3 !== 1) continue // takes long, and differs little from round to round
        // Every round starts with another proxy, so that none is always the one after an idle moment.
        for (let i = 0; i < peers.length; i++) {
          const peer = peers[(i + round) % peers.length]
          process.stderr.write(
            `\r\x1b[K${round === 0 ? "warm-up" : `round ${round} of ${rounds}`}: ${measure.id}, ${peer.title}`,
          )
          const { values, busy } = await measureOnce(measure, peer).catch((error) => {
            throw new Error(`${measure.id} through ${peer.title}: ${error.message}`)
          })
          if (round === 0) continue
          for (const [metric, value] of Object.entries(values)) {
            if (!Number.isFinite(value)) throw new Error(`${metric} of ${peer.title} is ${value}: lengthen --seconds`)
            results.samples[peer.id][metric] ??= []
            results.samples[peer.id][metric].push(value)
          }
          if (busy === undefined) continue
          results.busy[peer.id][measure.id] ??= []
          results.busy[peer.id][measure.id].push(busy)
        }
      }
    }
    process.stderr.write("\r\x1b[K")
    report(results)
  } finally {
    await Promise.all(running.map((one) => one.stop()))
    rmSync(directory, { recursive: true, force: true })
  }
}

/** @param {Results} results */
function report(results) {
  console.log(describe(results))
  for (const { title, explanation, head, rows } of tables(results)) {
    console.log(`\n${title}\n${explanation}\n\n${plainTable(head, rows)}`)
  }
  const { head, rows } = ratios(results)
  if (head.length > 2 && rows.length > 0) {
    console.log(`\nThe gateway as a multiple of the best of its peers\n\n${plainTable(head, rows)}`)
  }
  for (const [name, value] of Object.entries(results.ceiling)) {
    console.log(
      `${name === Object.keys(results.ceiling)[0] ? "\nWithout a proxy: " : "                 "}${name} ${value.toFixed(2)}`,
    )
  }
  for (const { id, title } of results.peers) {
    const spare = Object.entries(results.busy[id])
      .map(([measure, shares]) => ({ measure, share: Math.min(...shares) }))
      .filter(({ measure, share }) => measure !== "roundtrip" && share < 0.8)
      .map(({ measure, share }) => `${measure} ${(share * 100).toFixed(0)} %`)
    if (spare.length > 0)
      console.log(`${title} had CPU time to spare, something else set the pace: ${spare.join(", ")} busy`)
  }
  for (const { title, missing } of results.missing) console.log(`${title}: ${missing}`)

  const json = join(out, "results.json")
  writeFileSync(json, `${JSON.stringify(results, null, 2)}\n`)
  console.log(`\n${json}`)
  if (options.full) {
    for (const file of writeReport(results, resolve(here, "../docs"))) console.log(file)
  }
}

/** @param {Results} results */
function describe({ machine, options: { rounds, seconds }, peers }) {
  return [
    `${machine.cpu}, ${machine.cpus} CPUs, ${machine.memoryGiB} GiB, ${machine.system}, Linux ${machine.kernel}`,
    `${rounds} rounds of ${seconds} s each, medians; ± is the largest deviation from the median`,
    ...peers.map(({ title, version }) => `${title}: ${version}`),
  ].join("\n")
}

/**
 * @param {import("./measures.mjs").Measure} measure
 * @param {any} result
 */
function ceilingOf({ id, mode }, { bytes, seconds, connections, p50Us, p99Us }) {
  if (mode === "connect") return { "connections, 1/s": connections / seconds }
  if (mode === "roundtrip") return { "round trip p50, µs": p50Us, "round trip p99, µs": p99Us }
  return { [`${id}, GB/s`]: bytes / 1e9 / seconds }
}

/** @param {PinnedProcess} child */
async function firstLine(child) {
  let text = ""
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    text += chunk
    if (text.includes("\n")) {
      child.stdout.resume()
      return text.slice(0, text.indexOf("\n"))
    }
  }
  throw new Error(`said nothing: ${child.account}`)
}

/** @param {string} program */
function compile(program) {
  const binary = join(out, program)
  try {
    execFileSync("gcc", ["-O2", "-Wall", "-Wextra", "-o", binary, join(here, "load", `${program}.c`)])
  } catch (error) {
    if (error.code !== "ENOENT") throw error
    throw new Error("gcc is needed for the load generator: run `sudo sh bench/install-peers.sh`")
  }
  return binary
}

/** Paths of the oldest and newest supported Node.js. */
function installNodes() {
  const script = join(here, "install-node.sh")
  const printed = execFileSync("sh", [script, ...supportedNodes], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  })
  const binaries = printed.split("\n").filter((line) => line.endsWith("/bin/node"))
  if (binaries.length !== supportedNodes.length) throw new Error(`${script} did not install Node.js ${supportedNodes}`)
  return binaries
}

function chooseCpus() {
  const allowed = allowedCpus()
  const proxy = Number(options["proxy-cpu"] ?? allowed[0])
  const load = Number(options["load-cpu"] ?? allowed.find((cpu) => cpu !== proxy))
  if (!allowed.includes(proxy) || !allowed.includes(load) || proxy === load) {
    throw new Error(`two CPUs are needed, one for the proxy and one for the load; allowed here: ${allowed.join(" ")}`)
  }
  return [proxy, load]
}

function describeMachine() {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? process.platform
  return {
    cpu: cpus()[0].model,
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    system,
  }
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
