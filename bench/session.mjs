import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { buildClientHello } from "./hello.mjs"
import { compile } from "./machine.mjs"
import { idleSeconds } from "./measures.mjs"
import { allowedCpus, freePort, PinnedProcess, runPinned } from "./process.mjs"
import { verifyProxy } from "./verify.mjs"

/**
 * @typedef {import("./measures.mjs").Measure} Measure
 * @typedef {import("./measures.mjs").LoadMeasure} LoadMeasure
 * @typedef {import("./peers/peers.mjs").Peer} Peer
 * @typedef {{ proxy: PinnedProcess, port: number }} Started
 */

const serverNames = { source: "download.bench.example", sink: "upload.bench.example", echo: "echo.bench.example" }

/** The backend and the proxies of one run, each on its CPU. */
export class Session {
  #options
  #directory = mkdtempSync(join(tmpdir(), "tlsroute-bench-"))
  /** @type {PinnedProcess[]} */
  #running = []
  /** @type {Map<string, Started>} */
  #started = new Map()
  #load
  #counter
  #backendPorts
  #routes

  /** @param {{ seconds: number, warmup: number, proxyCpu: number, loadCpu: number }} options */
  constructor(options) {
    this.#options = options
    this.#counter = join(this.#directory, "sunk")
  }

  /**
   * Starts the backend and the proxies, and checks that each routes and carries.
   *
   * @param {readonly Peer[]} peers
   */
  async start(peers) {
    this.#load = compile("load")
    const backend = new PinnedProcess([compile("backend"), this.#counter], this.#options.loadCpu)
    this.#running.push(backend)
    this.#backendPorts = JSON.parse(await firstLine(backend))
    const hellos = {}
    for (const [name, serverName] of Object.entries(serverNames)) {
      hellos[name] = buildClientHello(serverName)
      writeFileSync(join(this.#directory, `${name}.hello`), hellos[name])
    }
    this.#routes = Object.fromEntries(
      Object.entries(serverNames).map(([name, serverName]) => [serverName, this.#backendPorts[name]]),
    )
    for (const peer of peers) {
      const started = await this.#launch(peer)
      await this.#verify(peer, started, hellos)
      this.#started.set(peer.id, started)
    }
  }

  /**
   * Some listen before they have read their routes.
   *
   * @param {Peer} peer
   * @param {Started} started
   * @param {Record<string, Buffer>} hellos
   */
  async #verify(peer, { proxy, port }, hellos) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await verifyProxy(port, hellos)
      } catch (error) {
        if (attempt === 10) throw new Error(`${peer.title} does not route: ${error.message}\n${proxy.account}`)
        await delay(500)
      }
    }
  }

  /** Ends every process and removes what they wrote. */
  async end() {
    await Promise.all(this.#running.map((one) => one.stop()))
    rmSync(this.#directory, { recursive: true, force: true })
  }

  /**
   * What the load generator says without a proxy between.
   *
   * @param {LoadMeasure} measure
   */
  async ceiling(measure) {
    return JSON.parse(
      await runPinned(this.#command(measure, this.#backendPorts[measure.backend]), this.#options.loadCpu),
    )
  }

  /**
   * Measures one peer once.
   *
   * @param {Measure} measure
   * @param {Peer} peer
   * @returns {Promise<{ values: Record<string, number>, busy?: number }>} figures, and CPU seconds of the proxy per second
   */
  async measure(measure, peer) {
    if ("micro" in measure) {
      return { values: JSON.parse(await runPinned(peer.micro[measure.micro], this.#options.proxyCpu)) }
    }
    if (measure.fresh) {
      const fresh = await this.#launch(peer, measure.workers)
      try {
        const measured = measure.workers ? this.#worked(measure, fresh) : this.#idle(measure, fresh)
        return { values: measure.values(await measured) }
      } finally {
        await fresh.proxy.stop()
      }
    }
    const { proxy, port } = this.#started.get(peer.id)
    if (proxy.exited) throw new Error(`ended: ${proxy.account}`)
    const pids = ["--pids", proxy.pids().join(",")]
    const result = JSON.parse(await runPinned(this.#command(measure, port, pids), this.#options.loadCpu))
    return { values: measure.values(result), busy: result.cpuSeconds / result.seconds }
  }

  /**
   * @param {LoadMeasure} measure
   * @param {Started} started
   */
  async #idle(measure, { proxy, port }) {
    // The first connections bring in code and tables that later ones share.
    await runPinned(this.#command({ ...measure, connections: 100 }, port), this.#options.loadCpu)
    await delay(500)
    const half = { ...measure, connections: measure.connections / 2 }
    const resident = [proxy.residentBytes()]
    const holders = []
    for (let step = 0; step < 2; step++) {
      const holder = new PinnedProcess(this.#command(half, port), this.#options.loadCpu)
      this.#running.push(holder)
      holders.push(holder)
      const opened = JSON.parse(await firstLine(holder)).open
      if (opened !== half.connections) throw new Error(`lost idle connections: ${holder.account}`)
      await delay(idleSeconds * 1000)
      resident.push(proxy.residentBytes())
    }
    for (const holder of holders) {
      holder.stdin.end()
      const { code } = await holder.exit
      if (code !== 0) throw new Error(`lost idle connections: ${holder.account}`)
    }
    const [before, atHalf, after] = resident
    return { perConnection: (after - before) / measure.connections, perFurther: (after - atHalf) / half.connections }
  }

  /**
   * Connections through several workers, and the load beside them, on all CPUs.
   *
   * @param {LoadMeasure} measure
   * @param {Started} started
   */
  async #worked(measure, { proxy, port }) {
    const anywhere = allowedCpus().join(",")
    await runPinned(this.#command(measure, port), anywhere)
    const pids = ["--pids", proxy.pids().join(",")]
    return JSON.parse(await runPinned(this.#command(measure, port, pids), anywhere))
  }

  /**
   * @param {Peer} peer
   * @param {number} [workers] on all CPUs; without it, one on the proxy's
   * @returns {Promise<Started>}
   */
  async #launch(peer, workers) {
    const directory = mkdtempSync(join(this.#directory, `${peer.id}-`))
    const port = await freePort()
    const command = peer.command({ port, routes: this.#routes, directory, workers })
    const proxy = new PinnedProcess(command, workers ? allowedCpus().join(",") : this.#options.proxyCpu)
    this.#running.push(proxy)
    try {
      await proxy.listening(port)
    } catch (error) {
      throw new Error(`${peer.title}: ${error.message}`)
    }
    return { proxy, port }
  }

  /**
   * @param {LoadMeasure} measure
   * @param {number} port
   * @param {readonly string[]} extra
   */
  #command({ mode, backend, connections, bulk, reset }, port, extra = []) {
    const { warmup, seconds } = this.#options
    return [
      this.#load,
      mode,
      ...["--port", String(port), "--hello", join(this.#directory, `${backend}.hello`)],
      ...["--connections", String(connections), "--warmup", String(warmup), "--seconds", String(seconds)],
      ...["--counter", this.#counter],
      ...(bulk ? ["--bulk", join(this.#directory, `${bulk}.hello`)] : []),
      ...(reset ? ["--reset"] : []),
      ...extra,
    ]
  }
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
