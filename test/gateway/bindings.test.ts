import type { AddressInfo } from "node:net"
import { describe, expect, it, onTestFinished, vi } from "vitest"
import { Bindings, type LocalAddressOptions } from "../../src/gateway/bindings.ts"
import { buildRouteTable } from "../../src/routing/table-builder.ts"
import { gateway, listener } from "../support/resources.ts"

/** One listener, on any port. */
const moved = (port: number, address?: string) => {
  const edge = gateway([listener("tls", port)])
  const spec = address === undefined ? edge.spec : { ...edge.spec, addresses: [{ value: address }] }
  return buildRouteTable({ gateways: [{ ...edge, spec }] }).listeners
}

const wanted = (...ports: number[]) =>
  buildRouteTable({ gateways: [gateway(ports.map((port) => listener(`tls-${port}`, port)))] }).listeners

/** Bindings on a system whose answers the test gives. */
function bindings(local: LocalAddressOptions = {}) {
  const asked: { port: number; bind: () => void; refuse: (code: string) => void }[] = []
  const target = {
    listen: ({ port }: { readonly port: number }) =>
      new Promise<AddressInfo>((resolve, reject) => {
        const bind = () => resolve({ address: "::", family: "IPv6", port })
        asked.push({ port, bind, refuse: (code) => reject(Object.assign(new Error(code), { code })) })
      }),
    quicState: () => undefined,
    unlisten: (key: string) => {
      closed.push(key)
    },
  }
  const closed: string[] = []
  const onChange = vi.fn()
  return { bindings: new Bindings(target, local, onChange), asked, closed, onChange }
}

/** The same, with time that passes when the test says so, and one listener whose port another program has. */
async function refusedBindings() {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const made = bindings()
  const done = made.bindings.reconcile(wanted(8443))
  await vi.advanceTimersByTimeAsync(0)
  made.asked[0]?.refuse("EADDRINUSE")
  return { ...made, states: await done }
}

it("tell of a socket that was bound at last, and not of each time that it could not be", async () => {
  const { bindings: sockets, asked, onChange } = await refusedBindings()
  for (const [attempt, code] of ["EADDRINUSE", "EADDRINUSE", "EACCES"].entries()) {
    await vi.advanceTimersByTimeAsync(60_000)
    asked[attempt + 1]?.refuse(code)
    await vi.advanceTimersByTimeAsync(0)
    expect(onChange).toHaveBeenCalledTimes(code === "EACCES" ? 1 : 0)
  }
  await vi.advanceTimersByTimeAsync(60_000)
  asked[4]?.bind()
  await vi.advanceTimersByTimeAsync(0)
  expect(onChange).toHaveBeenCalledTimes(2)
  sockets.stop()
})

describe("bindings that are stopped", () => {
  it("while one is being bound, bind no other", async () => {
    const { bindings: sockets, asked } = bindings()
    const done = sockets.reconcile(wanted(8443, 9443))
    await expect.poll(() => asked.length).toBe(1)
    sockets.stop()
    asked[0]?.bind()
    await done
    expect(asked).toHaveLength(1)
  })

  it("while one is tried again, tell nobody of it and try no more", async () => {
    const { bindings: sockets, asked, onChange, states } = await refusedBindings()
    expect(states).toMatchObject([{ bound: false, code: "EADDRINUSE" }])
    await vi.advanceTimersByTimeAsync(1_000)
    expect(asked).toHaveLength(2)
    sockets.stop()
    asked[1]?.refuse("EADDRINUSE")
    await vi.advanceTimersByTimeAsync(120_000)
    expect(asked).toHaveLength(2)
    expect(onChange).not.toHaveBeenCalled()
  })
})

describe("mapPort", () => {
  it.each<[string, (port: number) => number]>([
    [
      "throws",
      () => {
        throw new Error("no such port")
      },
    ],
    ["answers no port", () => Number.NaN],
    ["answers nonsense", () => ({ port: 1 }) as unknown as number],
    ["answers a promise that rejects", () => Promise.reject(new Error("no such port")) as unknown as number],
  ])("that %s costs the one port that it was asked for", async (_, broken) => {
    const { bindings: sockets, asked } = bindings({ mapPort: (port) => (port === 8443 ? broken(port) : port) })
    const done = sockets.reconcile(wanted(8443, 9443))
    await expect.poll(() => asked.length).toBe(1)
    asked[0]?.bind()
    expect(await done).toMatchObject([
      { bound: false, binding: { port: 8443 } },
      { bound: true, port: 9443 },
    ])
  })
})

describe("a listener that moves to another port", () => {
  it("keeps its socket until the new one is bound, however long that takes", async () => {
    vi.useFakeTimers()
    try {
      const { bindings: sockets, asked, closed } = bindings()
      const start = sockets.reconcile(moved(8443))
      await vi.advanceTimersByTimeAsync(0)
      asked[0]?.bind()
      await start
      expect(sockets.successors(moved(9443))).toEqual(new Map([["*:8443", "*:9443"]]))
      const change = sockets.reconcile(moved(9443))
      await vi.advanceTimersByTimeAsync(0)
      asked[1]?.refuse("EADDRINUSE")
      expect(await change).toMatchObject([
        { bound: false, keeps: { port: 8443 }, message: expect.stringContaining(":: port 8443 stays open until then") },
      ])
      expect(closed).toEqual([])
      await vi.advanceTimersByTimeAsync(1_000)
      asked[2]?.bind()
      await vi.advanceTimersByTimeAsync(0)
      expect(sockets.states()).toMatchObject([{ bound: true, port: 9443 }])
      expect(closed).toEqual(["*:8443"])
    } finally {
      vi.useRealTimers()
    }
  })

  it("has its socket back at once when the change is undone", async () => {
    const { bindings: sockets, asked, closed } = bindings()
    const start = sockets.reconcile(moved(8443))
    await expect.poll(() => asked.length).toBe(1)
    asked[0]?.bind()
    await start
    const change = sockets.reconcile(moved(9443))
    await expect.poll(() => asked.length).toBe(2)
    asked[1]?.refuse("EACCES")
    await change
    expect(await sockets.reconcile(moved(8443))).toMatchObject([{ bound: true, port: 8443 }])
    expect(closed).toEqual([])
    sockets.stop()
  })

  it("gives way where its own socket holds the port, and comes back where that was no use", async () => {
    const { bindings: sockets, asked, closed } = bindings()
    const start = sockets.reconcile(moved(8443))
    await expect.poll(() => asked.length).toBe(1)
    asked[0]?.bind()
    await start
    const change = sockets.reconcile(moved(8443, "192.0.2.1"))
    await expect.poll(() => asked.length).toBe(2)
    asked[1]?.refuse("EADDRINUSE")
    await expect.poll(() => asked.length).toBe(3)
    expect(closed).toEqual(["*:8443"])
    asked[2]?.refuse("EADDRNOTAVAIL")
    await expect.poll(() => asked.length).toBe(4)
    asked[3]?.bind()
    expect(await change).toMatchObject([{ bound: false, code: "EADDRNOTAVAIL", keeps: { port: 8443 } }])
    sockets.stop()
  })
})

describe("a port that another listener of the same gateway has", () => {
  const states = async (
    local: LocalAddressOptions,
    listeners: ReturnType<typeof wanted>,
    answers: readonly string[],
  ) => {
    const { bindings: sockets, asked } = bindings(local)
    const done = sockets.reconcile(listeners)
    for (const [at, answer] of answers.entries()) {
      await vi.waitUntil(() => asked.length > at)
      if (answer === "bind") asked[at]?.bind()
      else asked[at]?.refuse(answer)
    }
    await done
    sockets.stop()
    return sockets.states().map((state) => (state.bound ? "bound" : state.message))
  }

  it("is told by that listener's name, with what maps it there", async () => {
    const mapped = await states({ mapPort: { 8444: 8443 } }, wanted(8443, 8444), ["bind", "EADDRINUSE"])
    expect(mapped).toEqual([
      "bound",
      "Cannot listen on *:8443: Gateway/default/gateway/tls-8443 has this port already; map port 8444 to another port than " +
        "port 8443 (mapPort, --map-port) (EADDRINUSE); wanted by Gateway/default/gateway/tls-8444",
    ])
  })

  it("is not made out where the two are of different addresses", async () => {
    const [one, two] = [moved(8443, "10.0.0.1"), moved(8443, "10.0.0.2")]
    expect((await states({}, [...one, ...two], ["bind", "EADDRINUSE"]))[1]).toMatch(/^EADDRINUSE; wanted by/)
    expect((await states({}, [...one, ...moved(8443)], ["bind", "EADDRINUSE"]))[1]).toContain(
      "has this port already; choose another port for one of them",
    )
  })
})
