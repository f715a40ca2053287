import { EventEmitter, once } from "node:events"
import type { ServerResponse } from "node:http"
import { setImmediate as nextTurn } from "node:timers/promises"
import { afterEach, beforeEach, expect, it, vi } from "vitest"
import { EventStream } from "../../src/cli/admin/event-stream.ts"
import { type Moment, Overview, type OverviewSource } from "../../src/cli/admin/overview.ts"
import { Tallies } from "../../src/metrics/tallies.ts"
import { LiveConnections } from "../../src/proxy/connection/live-connections.ts"
import { buildRouteTable } from "../../src/routing/table-builder.ts"
import { resources } from "../support/resources.ts"

/** A connection that carries 10 bytes each time that somebody looks. */
class Carrying {
  liveNext: this | undefined
  livePrevious: this | undefined
  readonly listener = "*:443"
  readonly transport = "tcp"
  readonly clientAddress = "192.0.2.1"
  readonly clientPort = 1
  readonly durations = { hello: 1, dial: 1, total: 1 }
  state = "splicing"
  bytesFromBackend = 0
  looks = 0
  readonly #onLook: (id: number) => void
  constructor(
    readonly id: number,
    onLook: (id: number) => void,
  ) {
    this.#onLook = onLook
  }
  get uniqueId(): string {
    return `p-${this.id}`
  }
  get since(): number {
    return this.id
  }
  get bytesFromClient(): number {
    this.#onLook(this.id)
    this.looks++
    return 10
  }
}

/** A gateway whose connections come and go as a test says. */
class Traffic extends EventEmitter {
  readonly connections = new LiveConnections<Carrying>()
  readonly all: Carrying[] = []
  readonly routeTable = buildRouteTable(resources({}, {}), {})
  /** Is told of each look at a connection. */
  onLook: (id: number) => void = () => {}

  addresses(): [] {
    return []
  }

  opens(): void {
    const connection = new Carrying(this.all.length + 1, (id) => this.onLook(id))
    this.all.push(connection)
    this.connections.add(connection)
    this.emit("connection", connection)
  }

  closes(id: number): void {
    const connection = this.all[id - 1]
    if (connection === undefined || connection.state === "closed") return
    connection.state = "closed"
    this.connections.delete(connection)
    const { listener, transport, durations } = connection
    const numbers = { bytesFromClient: 10, bytesFromBackend: 0, datagramsFromClient: 0, datagramsFromBackend: 0 }
    const ended = { kind: "spliced", outcome: "completed", endedBy: "client", dialAttempts: 1 }
    this.emit("close", { id, listener, transport, durations, ...numbers, ...ended })
  }
}

/** What a page that watches has been sent. */
class Page extends EventEmitter {
  readonly moments: Moment[] = []
  writableNeedDrain = false

  writeHead(): void {}

  write(text: string): void {
    const [, json] = /^event: moment\ndata: (.*)\n\n$/.exec(text) ?? []
    if (json === undefined) return
    this.moments.push(JSON.parse(json))
    this.emit("moment")
  }

  end(): void {}

  destroy(): void {
    this.emit("close")
  }
}

let traffic: Traffic
let stream: EventStream
/** Looks at connections in each turn of the loop. */
let turns: number[]
let counting = true

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] })
  traffic = new Traffic()
  for (let id = 1; id <= 5_000; id++) traffic.opens()
  const source = traffic as unknown as OverviewSource & Traffic
  stream = new EventStream(new Overview(source, new Tallies(source, 100)))
  turns = [0]
  counting = true
  const turn = () => {
    turns.push(0)
    if (counting) setImmediate(turn)
  }
  setImmediate(turn)
  traffic.onLook = () => {
    turns[turns.length - 1] = (turns.at(-1) ?? 0) + 1
  }
})

afterEach(() => {
  counting = false
  stream.close()
  vi.useRealTimers()
})

function opens(filter = ""): Page {
  const page = new Page()
  stream.add(page as unknown as ServerResponse, filter, {})
  return page
}

/** Waits for turns of the event loop; no time goes by for timers. */
async function go(turnsOfTheLoop: number): Promise<void> {
  for (let turn = 0; turn < turnsOfTheLoop; turn++) await nextTurn()
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await nextTurn()
}

/** The next moment that a page is sent. */
async function nextMoment(page: Page): Promise<Moment> {
  const told = once(page, "moment")
  vi.advanceTimersByTime(1_000)
  await told
  // The look is over once its last page has been written to.
  await go(20)
  const moment = page.moments.at(-1)
  if (moment === undefined) throw new Error("no moment")
  return moment
}

/** Waits until the look that rates are taken from is over. */
async function firstLook(): Promise<void> {
  await until(() => (traffic.all[4_999]?.looks ?? 0) > 0)
  await go(50)
}

it("looks at connections in many turns of the event loop, and not in one", async () => {
  const page = opens()
  await firstLook()
  await nextMoment(page)
  expect(turns.filter((looks) => looks > 0).length).toBeGreaterThan(5)
})

it("counts each connection once that comes or goes while it looks", async () => {
  const page = opens()
  await firstLook()
  const before = await nextMoment(page)
  expect(before.listeners["*:443"]).toMatchObject({ live: 5_000, connections: 5_000 })
  // Those looked at already, those yet to be, and new ones.
  traffic.onLook = (id) => {
    if (id !== 2_000) return
    traffic.onLook = () => {}
    for (const gone of [1, 2, 1_999, 2_001, 4_999, 5_000]) traffic.closes(gone)
    for (let more = 0; more < 10; more++) traffic.opens()
  }
  const during = await nextMoment(page)
  expect(during.live).toBe(5_000)
  expect(during.listeners["*:443"]).toMatchObject({ live: 5_000, connections: 5_000, rate: 0, up: 0 })
  expect(during.connections.map(({ id }) => id)).not.toContain("p-5000")
  const after = await nextMoment(page)
  expect(after.listeners["*:443"]).toMatchObject({ live: 5_004, connections: 5_010 })
})

it("looks once for all who watch, and sends each what its filter asks for", async () => {
  const pages = [...Array.from({ length: 9 }, () => opens()), opens("192.0.2.9")]
  await firstLook()
  const looks = traffic.all[0]?.looks ?? 0
  await Promise.all(pages.map((page, at) => (at === 0 ? nextMoment(page) : once(page, "moment"))))
  expect(pages.map((page) => page.moments[0]?.connections.length)).toEqual([...Array(9).fill(100), 0])
  // As a part of what the listener carries, and for its own rate.
  expect((traffic.all[0]?.looks ?? 0) - looks).toBe(looks)
})

it("looks no further once the last who watched has left in the middle, nor when it is closed", async () => {
  for (const stops of [(page: Page) => page.destroy(), () => stream.close()]) {
    const page = opens()
    await firstLook()
    const looks = traffic.all[4_999]?.looks
    traffic.onLook = (id) => {
      if (id === 2_000) setImmediate(() => stops(page))
    }
    vi.advanceTimersByTime(1_000)
    await until(() => (traffic.all[1_999]?.looks ?? 0) > 2)
    await go(50)
    vi.advanceTimersByTime(5_000)
    await go(50)
    expect(traffic.all[4_999]?.looks).toBe(looks)
    expect(page.moments).toEqual([])
    page.destroy()
    for (const connection of traffic.all) connection.looks = 0
    traffic.onLook = () => {}
  }
})

it("starts anew for who comes while the look of who has left is not over", async () => {
  const page = opens()
  await firstLook()
  vi.advanceTimersByTime(1_000)
  page.destroy()
  const other = opens()
  await go(200)
  expect(other.moments).toEqual([])
  const moment = await nextMoment(other)
  expect(moment.listeners["*:443"]).toMatchObject({ live: 5_000, connections: 5_000, rate: 0 })
  expect(page.moments).toEqual([])
})

it("looks at nothing while nobody watches", async () => {
  vi.advanceTimersByTime(5_000)
  await go(20)
  expect(turns.every((looks) => looks === 0)).toBe(true)
})
