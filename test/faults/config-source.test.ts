import { once } from "node:events"
import { connect } from "node:net"
import { describe, expect, it } from "vitest"
import { createPassthroughGateway } from "../../src/index.ts"
import { objectSource } from "../../src/sources/object-source.ts"
import { localPort } from "../support/gateway.ts"
import { configTo, connected, echo, isServed, says, serve } from "./harness.ts"

const forever = new Promise<never>(() => undefined)

describe("a config source that throws", () => {
  it("after a snapshot leaves it in force: old and new clients are served", async () => {
    const config = configTo(await echo())
    let fail: (reason: unknown) => void = () => undefined
    const failure = new Promise<never>((_, reject) => {
      fail = reject
    })
    const { gateway, port } = await serve({
      async *source() {
        yield config
        await failure
      },
    })
    const before = await connected(port)
    const reported = once(gateway, "error")
    fail(new Error("connection lost"))
    const [error] = await reported
    expect(error).toMatchObject({ code: "ERR_TLSROUTE_SOURCE", message: expect.stringContaining("connection lost") })
    expect(await says(before, "still here")).toBe("still here")
    expect(await isServed(port)).toBe(true)
  })

  it.each<[string, () => never]>([
    [
      "what is no error",
      () => {
        throw "a word"
      },
    ],
    [
      "nothing at all",
      () => {
        throw undefined
      },
    ],
    [
      "what cannot be described",
      () => {
        throw { toString: () => [] }
      },
    ],
  ])("%s before its first snapshot makes start() reject, and binds nothing", async (_, source) => {
    const gateway = createPassthroughGateway({ source })
    await expect(gateway.start()).rejects.toMatchObject({ code: "ERR_TLSROUTE_SOURCE" })
    expect(gateway.addresses()).toEqual([])
  })

  it("is reported when it is no source at all", async () => {
    const source = (() => 7) as unknown as () => AsyncIterable<never>
    await expect(createPassthroughGateway({ source }).start()).rejects.toMatchObject({ code: "ERR_TLSROUTE_SOURCE" })
  })
})

describe("a config source that stalls", () => {
  it("after a snapshot leaves it in force, and close() does not wait for it", async () => {
    const config = configTo(await echo())
    const { gateway, port } = await serve({
      async *source() {
        yield config
        await forever
      },
    })
    expect(await isServed(port)).toBe(true)
    await gateway.close({ drainTimeout: 0 })
    expect(gateway.connections.size).toBe(0)
    await expect(once(connect(port, "127.0.0.1"), "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" })
  })

  it("before its first snapshot can be closed: start() rejects then", async () => {
    const gateway = createPassthroughGateway({
      // biome-ignore lint/correctness/useYield: a source that never yields
      async *source() {
        await forever
      },
    })
    const started = gateway.start()
    const rejected = expect(started).rejects.toMatchObject({ code: "ERR_TLSROUTE_STATE" })
    await gateway.close()
    await rejected
  })

  it("for good, without a snapshot, makes start() reject", async () => {
    const gateway = createPassthroughGateway({ async *source() {} })
    await expect(gateway.start()).rejects.toMatchObject({ code: "ERR_TLSROUTE_SOURCE" })
  })
})

describe("a config source that flaps a thousand times", () => {
  it("costs no connection, no client, and leaves the last snapshot in force", async () => {
    const endpoint = await echo()
    const [one, other] = [configTo(endpoint, [443, 8443]), configTo(endpoint, [443, 9443])]
    let go: () => void = () => undefined
    const gone = new Promise<void>((resolve) => {
      go = resolve
    })
    const { gateway, port } = await serve({
      async *source() {
        yield one
        await gone
        for (let turn = 0; turn < 500; turn += 1) {
          yield other
          yield one
        }
        yield other
        await forever
      },
    })
    let applied = 0
    const all = new Promise<void>((resolve) => {
      gateway.on("config", () => {
        applied += 1
        if (applied === 1001) resolve()
      })
    })
    const kept = await connected(port)
    go()
    let honest = 0
    while (applied < 1001) {
      expect(await says(kept, "still here")).toBe("still here")
      expect(await isServed(port)).toBe(true)
      honest += 1
    }
    await all
    expect(honest).toBeGreaterThan(5)
    expect(localPort(gateway, 443)).toBe(port)
    expect(gateway.addresses().map(({ binding, bound }) => [binding.port, bound])).toEqual([
      [443, true],
      [9443, true],
    ])
    expect(await says(kept, "to the end")).toBe("to the end")
  }, 120_000)

  it("in a burst that nobody waits for ends in the last snapshot", async () => {
    const endpoint = await echo()
    const source = objectSource(configTo(endpoint))
    const { gateway, port } = await serve({ source })
    const kept = await connected(port)
    const last = configTo(endpoint, [443, 7443])
    for (let turn = 0; turn < 1000; turn += 1) source.set(configTo(endpoint, [443, 8443 + (turn % 2)]))
    source.set(last)
    while (gateway.addresses().at(-1)?.binding.port !== 7443) await once(gateway, "config")
    expect(await says(kept, "still here")).toBe("still here")
    expect(await isServed(localPort(gateway, 7443))).toBe(true)
  })
})

describe("a snapshot that is nonsense", () => {
  it.each([
    ["numbers for lists", { gateways: 7, tlsRoutes: 7 }],
    ["lists of nothing", { gateways: [null, undefined, 7, "x", []], tlsRoutes: [null], services: [undefined] }],
    ["objects without anything", { gateways: [{}], tlsRoutes: [{}], services: [{}], endpointSlices: [{}] }],
    ["null", null],
  ])("(%s) ends nothing", async (_, nonsense) => {
    const source = objectSource(configTo(await echo()))
    const { gateway, port } = await serve({ source })
    const kept = await connected(port)
    const told = new Promise((resolve) => void gateway.once("config", resolve).once("error", resolve))
    source.set(nonsense as never)
    await told
    expect(await says(kept, "still here")).toBe("still here")
    const restored = once(gateway, "config")
    source.set(configTo(await echo()))
    await restored
    expect(await isServed(localPort(gateway))).toBe(true)
  })
})
