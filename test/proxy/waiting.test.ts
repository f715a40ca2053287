import { once } from "node:events"
import { expect, test } from "vitest"
import type { ConnectionInfo, Waiting } from "../../src/proxy/connection/record.ts"
import type { Router } from "../../src/proxy/router.ts"
import { blackHole } from "./black-hole.ts"
import { backend, client, clientHello, routerTo, startProxy } from "./harness.ts"

/** A proxy that notes whom it tells of. */
async function listening(router: Router, dial = 60_000) {
  const { proxy, port, records } = await startProxy({ router, deadlines: { dial } })
  const told: (readonly [ConnectionInfo["state"], Waiting])[] = []
  proxy.on("waiting", ({ state }, waiting) => void told.push([state, waiting]))
  return { proxy, port, records, told }
}

test("10 s without a byte from the backend, or without a backend, are told of, once, and the connection goes on", async () => {
  const [silent, deaf] = [await backend((socket) => socket.resume()), await blackHole()]
  const [connected, dialled] = [await listening(routerTo(silent)), await listening(routerTo(deaf))]
  const waits = Promise.all([once(connected.proxy, "waiting"), once(dialled.proxy, "waiting")])
  const from = performance.now()
  for (const { port } of [connected, dialled]) (await client(port)).write(await clientHello("silent.example.com"))
  const [[connection]] = await waits
  expect(performance.now() - from).toBeGreaterThanOrEqual(10_000)
  expect(connection).toMatchObject({ serverName: "silent.example.com", route: "default/route" })
  expect(connected.told).toEqual([["splicing", { reason: "silent-backend", endpoint: silent }]])
  expect(dialled.told).toEqual([["dialing", { reason: "slow-dial", endpoint: deaf }]])
  expect([...connected.records, ...dialled.records]).toEqual([])
})

test("a client that ends its side while its backend is dialled is told of a second later, with the endpoint", async () => {
  const endpoint = await blackHole()
  const { proxy, port, told } = await listening(routerTo(endpoint))
  const waits = once(proxy, "waiting")
  const socket = await client(port)
  const from = performance.now()
  socket.end(await clientHello("down.example.com"))
  await waits
  expect(performance.now() - from).toBeGreaterThanOrEqual(1_000)
  expect(told).toEqual([["dialing", { reason: "ended-while-dialing", endpoint }]])
})

test("a client that ends its side while a name is looked up is told of, and refused by the deadline of its dial", async () => {
  const target = { kind: "name", id: "slow", host: "slow.example.com", port: 443 } as const
  const names = { resolve: () => new Promise<never>(() => {}) }
  const { proxy, port } = await startProxy({
    router: { route: () => ({ action: "forward", target }) },
    names,
    deadlines: { dial: 1_500 },
  })
  const waits = once(proxy, "waiting")
  const closed = once(proxy, "close")
  const socket = await client(port)
  socket.end(await clientHello("down.example.com"))
  expect((await waits)[1]).toEqual({ reason: "ended-while-dialing", endpoint: undefined })
  expect((await closed)[0]).toMatchObject({ outcome: "dial-timeout", detail: "NAME_LOOKUP" })
})

test("a client that ends its side while its backend is dialled in a moment is not worth a word", async () => {
  const { proxy, port, told } = await listening(routerTo(await backend((socket) => socket.end("served"))))
  for (let round = 0; round < 10; round++) {
    const closed = once(proxy, "close")
    const socket = await client(port)
    socket.end(await clientHello("up.example.com"))
    socket.resume()
    expect((await closed)[0]).toMatchObject({ outcome: "completed" })
  }
  expect(told).toEqual([])
})

test("a listener that stops the connection it is told of has it stopped for good", async () => {
  const { proxy, port, records } = await listening(routerTo(await blackHole()))
  proxy.on("waiting", () => void proxy.close({ drainTimeout: 0 }))
  const closed = once(proxy, "close")
  const socket = await client(port)
  socket.end(await clientHello("down.example.com"))
  await closed
  expect(records).toMatchObject([{ outcome: "drained" }])
})
