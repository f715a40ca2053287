import { setTimeout as sleep } from "node:timers/promises"
import { hasReusePort } from "../../src/gateway/workers/host.ts"
import { type Backend, startBackend } from "./backends.ts"
import { playClient } from "./clients.ts"
import { changedConfiguration, GATEWAY_PORTS, type Ports, restingConfiguration } from "./configuration.ts"
import { Exchange } from "./exchange.ts"
import { GatewayProcess } from "./gateway-process.ts"
import type { GatewayStatus, SoakRecord } from "./messages.ts"
import { judge, mayBeGone, mustBeAccepted } from "./oracle.ts"
import { makePlan } from "./plan.ts"
import { Random } from "./random.ts"

/** How to soak. */
export interface SoakOptions {
  readonly seconds: number
  readonly seed: number
  /** Clients at a time. */
  readonly clients: number
  /** The gateway's workers; 1 for none. */
  readonly workers: number
  /** The gateway's program. */
  readonly gateway: string
}

/** Share of the time before what the gateway holds is noted for the comparison at the end. */
const WARM_UP = 0.25
/** Milliseconds that the gateway may take to be done with everything. */
const QUIET_WITHIN = 30_000
/** Nobody listens there (tcpmux), nor will another program while this one runs. */
const DEAD_PORT = 1
const MIB = 1024 * 1024
/** Bytes by which its heap, and its buffers, may have grown: tables and code, not connections. */
const HEAP_GROWTH = 2 * MIB
const BUFFER_GROWTH = 6 * MIB

/** Soaks, and tells what is wrong; nothing, when all is well. */
export async function soak(options: SoakOptions): Promise<readonly string[]> {
  const run = new SoakRun(options)
  try {
    await run.start()
    const end = Date.now() + 1000 * options.seconds
    await run.play(Date.now() + 1000 * options.seconds * WARM_UP)
    const before = await run.rest()
    await run.play(end)
    const after = await run.rest()
    run.compare(before, after)
    await run.close()
  } catch (error) {
    run.fail(error instanceof Error ? (error.stack ?? error.message) : String(error))
  } finally {
    await run.stop()
  }
  console.log(run.summary())
  return run.failures
}

class SoakRun {
  readonly failures: string[] = []
  readonly #options: SoakOptions
  readonly #gateway: GatewayProcess
  readonly #exchanges = new Map<number, Exchange>()
  /** Connections, and what the gateway told of them, by listener and client's port, which may be used again and again. */
  readonly #byPort = new Map<string, { readonly exchanges: Exchange[]; readonly records: SoakRecord[] }>()
  readonly #totals = { connections: 0, whole: 0, refused: 0, bytes: 0, changes: 0 }
  readonly #backends: Backend[] = []
  #ports: Ports = { a: 0, b: 0, proxied: 0, dead: 0, hasZone: false, mayUnlisten: true }
  /** Records of connections whose client was gone before anything could be known of it. */
  #unknown = 0
  #nextId = 1
  #change = 0

  constructor(options: SoakOptions) {
    this.#options = options
    this.#gateway = new GatewayProcess(options.gateway, options.workers, (record) => this.#recorded(record))
  }

  async start(): Promise<void> {
    const find = (id: number) => this.#exchanges.get(id)
    const report = (failure: string) => this.fail(failure)
    for (const name of ["a", "b", "proxied"]) {
      this.#backends.push(await startBackend(name, find, report, name === "proxied"))
    }
    const [a, b, proxied] = this.#backends.map(({ port }) => port)
    const isOne = this.#options.workers === 1
    const can = { hasZone: isOne, mayUnlisten: isOne || hasReusePort() }
    this.#ports = { a: a ?? 0, b: b ?? 0, proxied: proxied ?? 0, dead: DEAD_PORT, ...can }
    await this.#gateway.configure(restingConfiguration(this.#ports))
  }

  /** Clients come and go, and the configuration changes, until then. */
  async play(until: number): Promise<void> {
    const isOver = () => Date.now() >= until || this.#gateway.exit !== undefined
    const playing = Array.from({ length: this.#options.clients }, async () => {
      while (!isOver()) await this.#playOne()
    })
    const changing = (async () => {
      while (!isOver()) {
        this.#change += 1
        this.#totals.changes += 1
        await this.#gateway.configure(changedConfiguration(this.#options.seed, this.#change, this.#ports))
        await sleep(new Random(this.#options.seed, this.#change).below(300))
      }
    })()
    await Promise.all([...playing, changing])
  }

  /** Waits until the gateway has nothing left of all connections, and tells what it holds then. */
  async rest(): Promise<GatewayStatus> {
    await this.#gateway.configure(restingConfiguration(this.#ports))
    const until = Date.now() + QUIET_WITHIN
    let status = await this.#gateway.status()
    for (let before = -1; (status.live > 0 || status.records !== before) && Date.now() < until; ) {
      before = status.records
      // Long enough for connections that wait to be accepted.
      await sleep(300)
      status = await this.#gateway.status()
    }
    if (status.live > 0) this.fail(`${status.live} of the gateway's connections do not end`)
    // What the gateway has closed reaches the backends in their own turns.
    for (let turn = 0; turn < 20 && this.#backends.some(({ live }) => live > 0); turn += 1) await sleep(50)
    for (const backend of this.#backends) backend.sweep()
    this.#settleAll()
    return status
  }

  compare(before: GatewayStatus, after: GatewayStatus): void {
    const same = (what: string, a: unknown, b: unknown) => {
      if (JSON.stringify(a) !== JSON.stringify(b))
        this.fail(`${what}: ${JSON.stringify(a)} became ${JSON.stringify(b)}`)
    }
    same("listening ports", before.listening, after.listening)
    same("descriptors", before.descriptors, after.descriptors)
    same("what keeps the process alive", before.resources, after.resources)
    const grown = (what: "heapUsed" | "arrayBuffers", limit: number) => {
      const growth = after.memory[what] - before.memory[what]
      if (growth > limit) this.fail(`${what} has grown by ${growth} bytes, from ${before.memory[what]}`)
    }
    grown("heapUsed", HEAP_GROWTH)
    grown("arrayBuffers", BUFFER_GROWTH)
    const mib = (bytes: number) => (bytes / MIB).toFixed(1)
    console.log(
      `${this.#name}: memory: heap ${mib(before.memory.heapUsed)} → ${mib(after.memory.heapUsed)} MiB, ` +
        `buffers ${mib(before.memory.arrayBuffers)} → ${mib(after.memory.arrayBuffers)} MiB, ` +
        `resident ${mib(before.memory.rss)} → ${mib(after.memory.rss)} MiB; ${after.descriptors} descriptors`,
    )
  }

  async close(): Promise<void> {
    const exit = await this.#gateway.close()
    if (exit !== "exit code 0") this.fail(`closed, the gateway's process did not end by itself: ${exit}`)
    for (const message of this.#gateway.errors) this.fail(`the gateway reported: ${message}`)
  }

  async stop(): Promise<void> {
    for (const backend of this.#backends) backend.close()
    await this.#gateway.close()
  }

  fail(failure: string): void {
    this.failures.push(`${this.#name}: ${failure}`)
  }

  get #name(): string {
    return this.#options.workers === 1 ? "one process" : `${this.#options.workers} workers`
  }

  summary(): string {
    const { connections, whole, refused, bytes, changes } = this.#totals
    return (
      `${this.#name}: ${connections} connections, ${whole} whole with every byte of ${(bytes / MIB).toFixed(0)} MiB compared, ` +
      `${refused} refused, ${changes} configurations`
    )
  }

  async #playOne(): Promise<void> {
    const plan = makePlan(this.#options.seed, this.#nextId)
    this.#nextId += 1
    const gatewayPort = GATEWAY_PORTS[plan.listener]
    const port = this.#gateway.ports[gatewayPort]
    // That listener is not there at present.
    if (port === undefined) return sleep(1)
    const exchange = new Exchange(plan)
    this.#exchanges.set(plan.id, exchange)
    this.#totals.connections += 1
    await playClient(exchange, port, () => this.#connected(exchange, gatewayPort))
  }

  #connected(exchange: Exchange, gatewayPort: number): void {
    this.#of(gatewayPort, exchange.localPort).exchanges.push(exchange)
  }

  #recorded(record: SoakRecord): void {
    // Reset before it was accepted, a connection has no address any more.
    if (record.clientPort === 0 && record.outcome === "probe") this.#unknown += 1
    else this.#of(record.gatewayPort, record.clientPort).records.push(record)
  }

  #of(gatewayPort: number, clientPort: number) {
    const key = `${gatewayPort} ${clientPort}`
    let entry = this.#byPort.get(key)
    if (entry === undefined) {
      entry = { exchanges: [], records: [] }
      this.#byPort.set(key, entry)
    }
    return entry
  }

  /** Judges all that is over. */
  #settleAll(): void {
    const left = [...this.#byPort.values()].flatMap(({ exchanges, records }) => this.#match(exchanges, records))
    // Of those that may be gone, the ones that the gateway must have accepted are told of first.
    const gone = left.filter(mayBeGone)
    for (const exchange of [...gone.filter(mustBeAccepted), ...gone.filter((each) => !mustBeAccepted(each))]) {
      if (this.#unknown === 0) break
      this.#unknown -= 1
      exchange.isForgotten = true
    }
    if (this.#unknown > 0) this.fail(`the gateway recorded ${this.#unknown} connections without an address too many`)
    for (const exchange of this.#exchanges.values()) this.#settle(exchange)
    this.#unknown = 0
    this.#byPort.clear()
    this.#exchanges.clear()
  }

  /** Finds out which record is whose, where a port was used more than once: names tell, and what can have become of whom. @returns who has none */
  #match(exchanges: readonly Exchange[], records: readonly SoakRecord[]): readonly Exchange[] {
    const left = new Set(exchanges)
    const [named, unnamed] = [records.filter(hasName), records.filter((record) => !hasName(record))]
    for (const record of [...named, ...unnamed]) {
      const candidates = [...left]
      const exchange = candidates.find((each) => judge(each, record).length === 0) ?? candidates[0]
      if (exchange === undefined) {
        this.fail(`the gateway recorded what nobody made: ${JSON.stringify(record)}`)
        continue
      }
      exchange.record = record
      left.delete(exchange)
    }
    return [...left]
  }

  #settle(exchange: Exchange): void {
    this.#totals.bytes += exchange.up.received + exchange.down.received
    if (exchange.isWhole) this.#totals.whole += 1
    if (exchange.record !== undefined && exchange.backend === undefined) this.#totals.refused += 1
    const failures = exchange.isForgotten ? exchange.failures : judge(exchange, exchange.record)
    if (failures.length > 0) this.fail(`${exchange}: ${failures.slice(0, 4).join(", ")}`)
  }
}

function hasName({ serverName }: SoakRecord): boolean {
  return serverName !== undefined
}
