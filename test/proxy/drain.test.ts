import { once } from "node:events"
import { createServer, type Server, type Socket } from "node:net"
import { expect, test } from "vitest"
import { backend, client, clientHello, ending, listenOn, nextRecord, readAll, routerTo, startProxy } from "./harness.ts"

const echo = (socket: Socket) => socket.pipe(socket)

function openConnections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error === null ? resolve(count) : reject(error)))
  })
}

/** Sockets of this process, listeners included, as the runtime counts them. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length
}

test("closing lets live connections finish and takes no new ones", async () => {
  const { proxy, port } = await startProxy({ router: routerTo(await backend(echo)) })
  const socket = await client(port)
  socket.write(await clientHello("example.com"))
  await once(socket, "data")
  const closed = nextRecord(proxy)
  let over = false
  const closing = proxy.close({ drainTimeout: 10_000 }).then(() => {
    over = true
  })
  await expect(client(port)).rejects.toMatchObject({ code: "ECONNREFUSED" })
  await expect(proxy.listen({ key: "late", port: 0 })).rejects.toMatchObject({ code: "ERR_TLSROUTE_PROXY_USAGE" })
  socket.write("still served")
  expect(String((await once(socket, "data"))[0])).toBe("still served")
  expect(over).toBe(false)
  socket.end()
  await closing
  expect(await closed).toMatchObject({ outcome: "completed" })
})

test("connections that outlast the drain are ended, in whatever state they are", async () => {
  const { proxy, port, records } = await startProxy({ router: routerTo(await backend(echo)) })
  const silent = await client(port)
  const spliced = await client(port)
  spliced.write(await clientHello("example.com"))
  await once(spliced, "data")
  const ends = Promise.all([ending(silent), ending(spliced)])
  const from = performance.now()
  await proxy.close({ drainTimeout: 200 })
  expect(performance.now() - from).toBeGreaterThanOrEqual(190)
  expect(await ends).toEqual(["end", "end"])
  expect(records.map(({ outcome, endedBy }) => [outcome, endedBy])).toEqual([
    ["drained", "proxy"],
    ["drained", "proxy"],
  ])
  expect(proxy.connections.size).toBe(0)
})

test("closing again with less time ends the wait", async () => {
  const { proxy, port } = await startProxy({ router: routerTo(await backend(echo)) })
  await client(port)
  await expect.poll(() => proxy.connections.size).toBe(1)
  const patient = proxy.close({ drainTimeout: 60_000 })
  await proxy.close({ drainTimeout: 0 })
  await patient
})

test("a closed proxy of which nothing was asked resolves at once", async () => {
  const { proxy } = await startProxy({ router: routerTo() })
  await proxy[Symbol.asyncDispose]()
  await proxy.close()
})

test("2 000 connections at once are all served, and leave no socket, timer or entry behind", async () => {
  const server = createServer({ allowHalfOpen: true }, echo)
  const endpoint = await listenOn(server)
  const { proxy, port, records } = await startProxy({ router: routerTo(endpoint) }, { backlog: 4_096 })
  const hello = await clientHello("example.com")
  const sockets: Socket[] = []
  for (let batch = 0; batch < 10; batch++) {
    const opened = await Promise.all(Array.from({ length: 200 }, () => client(port)))
    await Promise.all(
      opened.map(async (socket) => {
        socket.write(hello)
        const [answer] = await once(socket, "data")
        expect(answer.length).toBe(hello.length)
      }),
    )
    sockets.push(...opened)
  }
  expect(proxy.connections.size).toBe(2_000)
  expect(await openConnections(server)).toBe(2_000)
  // They leave in every way there is.
  const left = Promise.all(sockets.map((socket) => once(socket, "close")))
  sockets.forEach((socket, index) => {
    socket.resume()
    if (index % 3 === 0) socket.end()
    else if (index % 3 === 1) socket.destroy()
    else socket.resetAndDestroy()
  })
  await left
  await expect.poll(() => proxy.connections.size).toBe(0)
  await expect.poll(() => openConnections(server)).toBe(0)
  expect(records.length).toBe(2_000)
  await proxy.close()
  server.close()
  await expect.poll(openSockets).toBe(0)
})

test("connections cut short in every phase leave no socket behind", async () => {
  const server = createServer({ allowHalfOpen: true }, echo)
  const { proxy, port } = await startProxy({ router: routerTo(await listenOn(server)) })
  const hello = await clientHello("example.com")
  for (let round = 0; round < 40; round++) {
    const socket = await client(port)
    if (round % 4 > 0) socket.write(round % 4 === 1 ? hello.subarray(0, 20) : hello)
    if (round % 4 === 3) await once(socket, "data")
    if (round % 8 < 4) socket.destroy()
    else socket.resetAndDestroy()
  }
  await expect.poll(() => proxy.connections.size).toBe(0)
  await expect.poll(() => openConnections(server)).toBe(0)
  await proxy.close()
  server.close()
  await expect.poll(openSockets).toBe(0)
})

test("a client that half-closes and reads to the end is not cut by the drain", async () => {
  const { proxy, port } = await startProxy({ router: routerTo(await backend(echo)) })
  const socket = await client(port)
  const hello = await clientHello("example.com")
  socket.write(hello)
  await once(socket, "data")
  const closing = proxy.close({ drainTimeout: 10_000 })
  const rest = readAll(socket)
  socket.end("last words")
  expect((await rest).toString()).toBe("last words")
  await closing
})
