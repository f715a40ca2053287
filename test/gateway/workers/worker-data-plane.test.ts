import { once } from "node:events"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { PolicyCompiler } from "../../../src/gateway/policies/compiler.ts"
import type { WorkerHost, WorkerListener } from "../../../src/gateway/workers/host.ts"
import type { ToWorker, WorkerRequest } from "../../../src/gateway/workers/messages.ts"
import { WorkerDataPlane } from "../../../src/gateway/workers/worker-data-plane.ts"
import type { ConnectionRecord, ConnectionSnapshot } from "../../../src/proxy/connection/record.ts"
import { buildRouteTable } from "../../../src/routing/table-builder.ts"

/** A worker whose answers the test gives. */
class FakeWorker {
  readonly requests: { readonly id: number; readonly request: WorkerRequest }[] = []
  isDead = false
  readonly #told: WorkerListener

  constructor(told: WorkerListener) {
    this.#told = told
    queueMicrotask(() => told.message({ type: "loaded" }))
  }

  post(message: ToWorker): void {
    if (message.type === "request") this.requests.push(message)
  }

  terminate(): void {
    if (this.isDead) return
    this.isDead = true
    queueMicrotask(() => this.#told.exit("it was killed"))
  }

  asked(type: WorkerRequest["type"]): number {
    return this.requests.filter(({ request }) => request.type === type).length
  }

  /** Answers everything asked so far. */
  answer(type?: WorkerRequest["type"]): void {
    for (const { id, request } of this.requests) {
      if (type !== undefined && request.type !== type) continue
      const address = request.type === "listen" ? { address: "::", family: "IPv6", port: request.port } : undefined
      this.#told.message({ type: "done", id, address })
    }
  }

  report(...changed: ConnectionSnapshot[]): void {
    this.#told.message({ type: "report", size: changed.length, changed, gone: [] })
  }
}

function start(count = 2) {
  const workers: FakeWorker[] = []
  const host: WorkerHost = {
    reusePort: false,
    sharesMemory: false,
    choosePort: async () => 4_000,
    start(told) {
      const worker = new FakeWorker(told)
      workers.push(worker)
      return worker
    },
  }
  const table = buildRouteTable({})
  const plane = new WorkerDataPlane(host, count, table, new PolicyCompiler().compile([], table), {})
  const errors: Error[] = []
  plane.on("error", (error) => errors.push(error))
  const worker = (index: number): FakeWorker => {
    const found = workers[index]
    if (found === undefined) throw new Error(`there is no worker ${index}`)
    return found
  }
  return { plane, workers, worker, errors }
}

/** Lets everything happen that waits for no time. */
const settle = () => vi.advanceTimersByTimeAsync(0)

const socket = { key: "tls", host: undefined, port: 8443 }

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance", "Date"] })
})

afterEach(() => {
  vi.useRealTimers()
})

describe("a worker that dies while a socket is being bound", () => {
  it("leaves the socket to the others, and its replacement binds it too, once", async () => {
    const { plane, worker, errors } = start()
    const listening = plane.listen(socket)
    await settle()
    worker(0).answer()
    await settle()
    worker(0).terminate()
    await vi.advanceTimersByTimeAsync(200)
    // The replacement, which knows nothing yet of the socket that the other one is binding.
    expect(worker(2).asked("listen")).toBe(0)
    worker(1).answer()
    await settle()
    worker(2).answer()
    expect(await listening).toMatchObject({ port: 8443 })
    expect(worker(2).asked("listen")).toBe(1)
    expect(worker(2).isDead).toBe(false)
    expect(errors).toHaveLength(1)
  })

  it("is not killed again for a socket that it is asked for twice", async () => {
    const { plane, worker, workers, errors } = start()
    const listening = plane.listen(socket)
    await settle()
    worker(0).answer()
    await settle()
    worker(1).answer()
    await listening
    worker(0).terminate()
    await vi.advanceTimersByTimeAsync(200)
    // It catches up with the first socket, while everybody is asked for a second.
    const second = plane.listen({ ...socket, key: "more", port: 9443 })
    await settle()
    for (let turn = 0; turn < 3; turn += 1) {
      worker(1).answer()
      worker(2).answer()
      await settle()
    }
    await second
    await settle()
    expect(workers).toHaveLength(3)
    expect(worker(2).asked("listen")).toBe(2)
    expect(errors).toHaveLength(1)
  })

  it("that nobody wants any more when it fails to bind it, goes on all the same", async () => {
    const { plane, worker, workers } = start()
    const listening = plane.listen(socket)
    await settle()
    worker(0).answer()
    await settle()
    worker(1).answer()
    await listening
    worker(0).terminate()
    await vi.advanceTimersByTimeAsync(200)
    expect(worker(2).asked("listen")).toBe(1)
    const gone = plane.unlisten("tls")
    const { id } = worker(2).requests[0] ?? { id: 0 }
    // As a proxy answers whose socket was closed while it was being bound.
    worker(2).answer("unlisten")
    worker(1).answer()
    await gone
    expect(id).toBeGreaterThan(0)
    await settle()
    expect(workers).toHaveLength(3)
    expect(worker(2).isDead).toBe(false)
  })
})

describe("a worker that hangs", () => {
  it("is ended after 30 seconds without an answer, and replaced, and a new table does not wait for longer", async () => {
    const { plane, worker, workers, errors } = start()
    const table = buildRouteTable({})
    const applied = plane.setTable(table, new PolicyCompiler().compile([], table))
    await settle()
    worker(1).answer()
    await vi.advanceTimersByTimeAsync(30_200)
    await applied
    expect(worker(0).isDead).toBe(true)
    expect(workers).toHaveLength(3)
    expect(errors[0]?.message).toContain("did not answer for 30 s")
  })

  it("holds up close() for two seconds beyond the drain", async () => {
    const { plane, worker, errors } = start()
    await settle()
    const closed = vi.fn()
    void plane.close({ drainTimeout: 1_000 }).then(closed)
    await settle()
    worker(1).answer()
    await vi.advanceTimersByTimeAsync(2_900)
    expect(worker(1).isDead).toBe(true)
    expect(closed).not.toHaveBeenCalled()
    await vi.advanceTimersByTimeAsync(100)
    expect(closed).toHaveBeenCalledOnce()
    expect(worker(0).isDead).toBe(true)
    expect(errors).toEqual([])
  })
})

describe("close()", () => {
  it("gives up a socket that is being bound, and binds no more", async () => {
    const { plane, worker } = start()
    const listening = plane.listen(socket)
    await settle()
    const refused = expect(listening).rejects.toMatchObject({ code: "ERR_TLSROUTE_STATE" })
    const closed = plane.close({ drainTimeout: 0 })
    await settle()
    for (const each of [worker(0), worker(1)]) each.answer("close")
    await refused
    await closed
    expect(worker(1).asked("listen")).toBe(0)
  })

  it("starts no worker in the place of one that dies", async () => {
    const { plane, worker, workers } = start()
    await settle()
    worker(0).terminate()
    await settle()
    const closed = plane.close({ drainTimeout: 0 })
    worker(1).terminate()
    await closed
    await vi.advanceTimersByTimeAsync(60_000)
    expect(workers).toHaveLength(2)
  })
})

it("tells of every connection that went with a worker, as far as it is known", async () => {
  const { plane, worker } = start()
  const records: ConnectionRecord[] = []
  plane.on("close", (record) => records.push(record))
  await settle()
  const known = { id: 5, uniqueId: "a-5", listener: "tls", since: Date.now(), state: "splicing", bytesFromClient: 9 }
  const phases = { dialAttempts: 2, durations: { hello: 1, dial: 3 } }
  worker(1).report({ ...known, ...phases } as ConnectionSnapshot)
  expect(plane.connections.size).toBe(1)
  const died = once(plane, "error")
  await vi.advanceTimersByTimeAsync(50)
  worker(1).terminate()
  expect((await died)[0].message).toContain("with 1 connections")
  expect(records).toEqual([
    {
      ...{ id: 5 * 1024 + 1, uniqueId: "a-5", listener: "tls", since: known.since, bytesFromClient: 9 },
      ...{ kind: "abandoned", outcome: "worker-lost", endedBy: "proxy", detail: undefined, dialAttempts: 2 },
      ...{ offered: undefined, offeredName: undefined, proxyHeaderBytes: undefined },
      durations: { hello: 1, dial: 3, total: 50 },
    },
  ])
  expect(plane.connections.size).toBe(0)
})
