import { once } from "node:events"
import { expect, test } from "vitest"
import { blackHole } from "./black-hole.ts"
import { backend, client, clientHello, routerTo, startProxy } from "./harness.ts"

test("a backend that says nothing for 10 s is told of, once, and the connection goes on", async () => {
  const endpoint = await backend((socket) => socket.resume())
  const { proxy, port, records } = await startProxy({ router: routerTo(endpoint) })
  const told: unknown[] = []
  proxy.on("waiting", (_, waiting) => told.push(waiting))
  const waits = once(proxy, "waiting")
  const from = performance.now()
  const socket = await client(port)
  socket.write(await clientHello("silent.example.com"))
  const [connection] = await waits
  expect(performance.now() - from).toBeGreaterThanOrEqual(10_000)
  expect(connection).toMatchObject({ serverName: "silent.example.com", route: "default/route", state: "splicing" })
  expect(told).toEqual([{ reason: "silent-backend", endpoint }])
  expect(records).toEqual([])
}, 20_000)

test("a client that ends its side while its backend is dialled is told of, with the endpoint", async () => {
  const endpoint = await blackHole()
  const { proxy, port } = await startProxy({ router: routerTo(endpoint) })
  const waits = once(proxy, "waiting")
  const socket = await client(port)
  socket.end(await clientHello("down.example.com"))
  const [connection, waiting] = await waits
  expect(connection).toMatchObject({ serverName: "down.example.com", route: "default/route", state: "dialing" })
  expect(waiting).toEqual({ reason: "ended-while-dialing", endpoint })
})
