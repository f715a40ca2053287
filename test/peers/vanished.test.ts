import { spawnSync } from "node:child_process"
import { once } from "node:events"
import { createServer, type Socket } from "node:net"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { ConnectionRecord } from "../../src/proxy/connection/record.ts"
import { SpliceProxy } from "../../src/proxy/proxy.ts"
import { connectionPolicy, listenerPolicy, policyRouter } from "../proxy/policy-harness.ts"
import { missing, start, titled } from "./programs.ts"

const SPACE = `tlsroute-${process.pid}`
const [HERE, THERE] = ["10.203.77.1", "10.203.77.2"] as const
/** Ends of the cable: 15 characters at most. */
const [NEAR, FAR] = [`tr${process.pid}a`, `tr${process.pid}b`] as const

const SILENT_SERVER = `
  require("node:net").createServer((socket) => socket.on("error", () => {}).resume())
    .listen(7443, "0.0.0.0", () => console.log("listening"))
`

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" })
  if (status !== 0) throw new Error(`ip ${args.join(" ")}: ${stderr}`)
}

/** A machine of its own, on a cable that can be pulled: a network namespace. */
function canHaveNamespaces(): string | undefined {
  const absent = missing("ip", "openssl")
  if (absent !== undefined) return absent
  const isAllowed = spawnSync("ip", ["netns", "add", SPACE]).status === 0
  spawnSync("ip", ["netns", "del", SPACE])
  return isAllowed ? undefined : "network namespaces may not be made here"
}

const reason = canHaveNamespaces()

describe.skipIf(reason !== undefined)(titled("a machine that vanishes without a word", reason), () => {
  const proxies: SpliceProxy[] = []

  beforeEach(() => {
    ip("netns", "add", SPACE)
    ip("link", "add", NEAR, "type", "veth", "peer", "name", FAR, "netns", SPACE)
    ip("addr", "add", `${HERE}/30`, "dev", NEAR)
    ip("link", "set", NEAR, "up")
    ip("-n", SPACE, "addr", "add", `${THERE}/30`, "dev", FAR)
    ip("-n", SPACE, "link", "set", FAR, "up")
  })
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.close({ drainTimeout: 0 })
    // A namespace goes with the last program in it, and would take the cable along only then.
    spawnSync("ip", ["link", "del", NEAR])
    spawnSync("ip", ["netns", "del", SPACE])
  })

  const pull = () => ip("-n", SPACE, "link", "set", FAR, "down")
  const inside = (program: string, args: readonly string[]) => start("ip", ["netns", "exec", SPACE, program, ...args])

  async function proxyTo(address: string, port: number) {
    const policy = connectionPolicy({}, { keepalive: 1_000 })
    const proxy = new SpliceProxy({ router: policyRouter(policy, { address, port }) })
    proxies.push(proxy)
    const bound = await proxy.listen({
      key: "a",
      host: "0.0.0.0",
      port: 0,
      policy: listenerPolicy({ keepalive: 1_000 }),
    })
    return { proxy, port: bound.port }
  }

  it("and was the client ends its connection within seconds, though nobody sends anything", async () => {
    const sockets: Socket[] = []
    const backend = createServer((socket) => sockets.push(socket.on("error", () => {})))
    backend.listen(0, "127.0.0.1")
    await once(backend, "listening")
    const address = backend.address()
    if (address === null || typeof address === "string") throw new Error("no port")
    const { proxy, port } = await proxyTo("127.0.0.1", address.port)
    const closed = once(proxy, "close") as Promise<[ConnectionRecord]>
    inside("openssl", ["s_client", "-connect", `${HERE}:${port}`, "-servername", "a.example"])
    await expect.poll(() => sockets.length).toBe(1)
    pull()
    const [record] = await closed
    expect(record).toMatchObject({ outcome: "client-reset", detail: "ETIMEDOUT", endedBy: "client" })
    expect(record.durations.total).toBeLessThan(30_000)
    backend.close()
    for (const socket of sockets) socket.destroy()
  })

  it("and was the backend ends its connection as well", async () => {
    const listener = inside(process.execPath, ["-e", SILENT_SERVER])
    await expect.poll(() => listener.said()).toContain("listening")
    const { proxy, port } = await proxyTo(THERE, 7443)
    const closed = once(proxy, "close") as Promise<[ConnectionRecord]>
    start("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", "a.example"])
    await expect.poll(() => Array.from(proxy.connections, ({ state }) => state)).toEqual(["splicing"])
    pull()
    expect((await closed)[0]).toMatchObject({ outcome: "backend-reset", detail: "ETIMEDOUT", endedBy: "backend" })
    await listener.stop()
  })
})
