import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { buildClientHello } from "./hello.mjs"
import { compile } from "./machine.mjs"
import { idleBeside, idleSeconds, idleSteps } from "./measures.mjs"
import { allowedCpus, firstLine, freePort, PinnedProcess, runPinned } from "./process.mjs"
import { verifyProxy } from "./verify.mjs"

/**
 * @typedef {import("./measures.mjs").Measure} Measure
 * @typedef {import("./measures.mjs").LoadMeasure} LoadMeasure
 * @typedef {import("./peers/peers.mjs").Peer} Peer
 * @typedef {{ proxy: PinnedProcess, port: number }} Started
 */

const serverNames = { source: "download.bench.example", sink: "upload.bench.example", echo: "echo.bench.example" }
const tlsName = "tls.bench.example"

/** TLS handshakes made in a second, one after the other, beside the load. */
const probesPerSecond = 150

/** Seconds of connections, as fast as they go, that a program gets to compile itself before handshakes are timed. */
const calibrationSeconds = 1

/** The backend and the proxies of one run, each on its CPU. */
export class Session {
  #options
  #directory = mkdtempSync(join(tmpdir(), "tlsroute-bench-"))
  /** @type {PinnedProcess[]} */
  #running = []
  /** @type {Map<string, Started>} */
  #started = new Map()
  #backend
  #load
  #handshake
  #counter
  #backendPorts
  /** @type {Record<string, Buffer>} ClientHello by backend */
  #hellos = {}
  #routes
  #tlsPort
  /** @type {Map<string, number>} CPU seconds that a connection takes, by peer */
  #costs = new Map()

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
    this.#backend = compile("backend")
    this.#backendPorts = await this.#startBackend(this.#counter)
    for (const [name, serverName] of Object.entries(serverNames)) {
      this.#hellos[name] = buildClientHello(serverName)
      writeFileSync(join(this.#directory, `${name}.hello`), this.#hellos[name])
    }
    this.#handshake = compile("handshake", ["-lssl", "-lcrypto"])
    const tls = new PinnedProcess([this.#handshake, "serve"], this.#options.loadCpu)
    this.#running.push(tls)
    this.#tlsPort = JSON.parse(await firstLine(tls)).port
    this.#routes = this.#routesTo(this.#backendPorts)
    for (const peer of peers) this.#started.set(peer.id, await this.#launch(peer))
  }

  /**
   * Starts a backend and returns its ports.
   *
   * @param {string} counter file in which it counts what it sinks
   */
  async #startBackend(counter) {
    const backend = new PinnedProcess([this.#backend, counter], this.#options.loadCpu)
    this.#running.push(backend)
    return JSON.parse(await firstLine(backend))
  }

  /** @param {Record<string, number>} ports of a backend */
  #routesTo(ports) {
    const routes = Object.entries(serverNames).map(([name, serverName]) => [serverName, ports[name]])
    return Object.fromEntries([...routes, [tlsName, this.#tlsPort]])
  }

  /**
   * Some listen before they have read their routes.
   *
   * @param {Peer} peer
   * @param {Started} started
   */
  async #verify(peer, { proxy, port }) {
    for (let attempt = 1; ; attempt++) {
      try {
        return await verifyProxy(port, this.#hellos)
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
    if (measure.mode === "handshake") {
      const result = await this.#handshakes(measure, peer)
      return { values: measure.values(result), busy: result.busy }
    }
    if (measure.fresh) {
      // Many proxies at once hold more connections than one backend may.
      const backend = measure.together && (await this.#startBackend(join(this.#directory, `sunk-${peer.id}`)))
      const fresh = await this.#launch(peer, {
        workers: measure.workers,
        routes: backend && this.#routesTo(backend),
        cpus: measure.workers && allowedCpus(),
      })
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
    const resident = [proxy.residentBytes()]
    const holders = []
    let open = 0
    for (const connections of idleSteps) {
      holders.push(await this.#hold(port, connections - open))
      open = connections
      await delay(idleSeconds * 1000)
      resident.push(proxy.residentBytes())
    }
    for (const holder of holders) await this.#letGo(holder)
    const [none, few, many] = resident
    return { none, few, many }
  }

  /**
   * Handshakes beside so many connections a second that the peer is busy for the measure's share of a core.
   *
   * @param {LoadMeasure} measure
   * @param {Peer} peer
   */
  async #handshakes(measure, peer) {
    const { load, workers, situation, idle } = measure
    // What the same load is for all situations is told by what a connection costs in quiet.
    if (!this.#costs.has(peer.id)) this.#costs.set(peer.id, await this.#costOf(this.#started.get(peer.id)))
    // On the proxy's CPU like all others: on the load generator's, its workers would wait for that one, and not for a
    // program that is busy.
    const own = workers || situation ? await this.#launch(peer, { workers, situation }) : undefined
    const { proxy, port } = own ?? this.#started.get(peer.id)
    if (own) await this.#costOf(own)
    const holder = idle && (await this.#hold(port, idleBeside))
    try {
      const rate = ["--rate", String(Math.round(load / this.#costs.get(peer.id)))]
      const pids = ["--pids", proxy.pids().join(",")]
      const { warmup, seconds } = this.#options
      const times = ["--warmup", String(warmup), "--seconds", String(seconds)]
      const name = ["--name", tlsName, "--rate", String(probesPerSecond)]
      const beside = { ...measure, mode: "connect", backend: "echo", connections: 1000 }
      const [loaded, probed] = await Promise.all([
        runPinned(this.#command(beside, port, [...rate, ...pids]), this.#options.loadCpu),
        runPinned([this.#handshake, "probe", "--port", String(port), ...name, ...times], this.#options.loadCpu),
      ])
      const { cpuSeconds, seconds: lasted } = JSON.parse(loaded)
      return { ...JSON.parse(probed), busy: cpuSeconds / lasted }
    } finally {
      if (holder) await this.#letGo(holder)
      await own?.proxy.stop()
    }
  }

  /**
   * CPU seconds that a connection takes, at full speed, once the program has compiled itself.
   *
   * @param {Started} started
   */
  async #costOf({ proxy, port }) {
    const command = this.#command(
      { mode: "connect", backend: "echo", connections: 32 },
      port,
      ["--pids", proxy.pids().join(",")],
      { warmup: calibrationSeconds, seconds: calibrationSeconds },
    )
    const { cpuSeconds, connections } = JSON.parse(await runPinned(command, this.#options.loadCpu))
    return cpuSeconds / connections
  }

  /**
   * Opens connections, and returns who holds them.
   *
   * @param {number} port
   * @param {number} connections
   */
  async #hold(port, connections) {
    const holder = new PinnedProcess(
      this.#command({ mode: "idle", backend: "echo", connections }, port),
      this.#options.loadCpu,
    )
    this.#running.push(holder)
    const opened = JSON.parse(await firstLine(holder)).open
    if (opened !== connections) throw new Error(`lost idle connections: ${holder.account}`)
    return holder
  }

  /** @param {PinnedProcess} holder which first tries whether each of its connections still carries bytes */
  async #letGo(holder) {
    holder.stdin.end()
    const { code } = await holder.exit
    if (code !== 0) throw new Error(`lost idle connections: ${holder.account}`)
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
   * @param {{ workers?: number, situation?: LoadMeasure["situation"], routes?: Record<string, number>,
   * cpus?: readonly number[] }} [how] without `cpus`, on the proxy's
   * @returns {Promise<Started>}
   */
  async #launch(peer, { workers, situation, routes = this.#routes, cpus = [this.#options.proxyCpu] } = {}) {
    const directory = mkdtempSync(join(this.#directory, `${peer.id}-`))
    const port = await freePort()
    const command = await peer.command({ port, routes, directory, workers, situation })
    const proxy = new PinnedProcess(command, cpus.join(","))
    this.#running.push(proxy)
    try {
      await proxy.listening(port)
    } catch (error) {
      throw new Error(`${peer.title}: ${error.message}`)
    }
    await this.#verify(peer, { proxy, port })
    return { proxy, port }
  }

  /**
   * @param {LoadMeasure} measure
   * @param {number} port
   * @param {readonly string[]} [extra]
   * @param {{ warmup: number, seconds: number }} [times]
   */
  #command({ mode, backend, connections, bulk, reset }, port, extra = [], { warmup, seconds } = this.#options) {
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
