// What forged first packets of QUIC cost, and who gets through: node bench/quic-flood.mjs [PACKETS-PER-SECOND] [SECONDS]
// Needs a build (npm run build), Go, and the right to make raw sockets. Each packet asks for a name that has a route, in a
// hello that is whole, from another address of 127.0.0.0/8. Meanwhile clients of quic-go connect: from an address that
// has just had a connection over TCP, as a browser has, and from one that has not; and one goes on that began before.
import { readdirSync, readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { ownCpu, startGateway, startServer } from "./quic-gateway.mjs"

const [rate, seconds] = [Number(process.argv[2] ?? 20_000), Number(process.argv[3] ?? 10)]
const server = await startServer()
const gateway = await startGateway(server.port)
const [{ port }] = gateway.addresses()
const dropped = {}
gateway.on("drops", (drops) => {
  for (const [reason, count] of Object.entries(drops)) dropped[reason] = (dropped[reason] ?? 0) + count
})
const outcomes = {}
gateway.on("close", ({ outcome, detail }) => {
  const key = detail === undefined ? outcome : `${outcome} (${detail})`
  outcomes[key] = (outcomes[key] ?? 0) + 1
})

const state = () => ({
  megabytes: Math.round(process.memoryUsage().rss / 1e6),
  descriptors: readdirSync("/proc/self/fd").length,
  connections: gateway.connections.size,
})
// The last column of proc(5) net/udp: datagrams that the kernel dropped as nobody read them in time.
const unread = () => {
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")} `
  const line = readFileSync("/proc/net/udp", "utf8")
    .split("\n")
    .find((each) => each.slice(0, 25).includes(local))
  return Number(line?.trim().split(/\s+/).at(-1))
}
let cpu = ownCpu()
let at = performance.now()
function tell(what) {
  const [cpuNow, now] = [ownCpu(), performance.now()]
  console.log(what, { cpu: `${Math.round((1e5 * (cpuNow - cpu)) / (now - at))} %`, ...state() })
  ;[cpu, at] = [cpuNow, now]
}

async function connects(until, from, prepare) {
  const times = []
  let failed = 0
  let why
  while (performance.now() < until) {
    const began = performance.now()
    try {
      await prepare?.()
      await server.client(port, "-from", from, "-bytes", "10000")
      times.push(performance.now() - began)
    } catch ({ stderr }) {
      failed++
      why = stderr.trim()
    }
    await sleep(200)
  }
  times.sort((a, b) => a - b)
  return { connected: times.length, failed, why, medianMs: Math.round(times[times.length >> 1] ?? Number.NaN) }
}

tell("idle")
const overTcp = (from) => () => server.client(port, "-from", from, "-bytes", "100", "-tcp")
const lasting = server
  .client(port, "-from", "127.0.0.1", "-bytes", "200000", "-rounds", String(2 * seconds), "-pause", "400ms")
  .then(
    () => "went on to its end",
    (error) => `failed: ${error.stderr}`,
  )
await sleep(1_000)
tell("with a client")
const flood = server.flood(port, "-rate", String(rate), "-for", `${seconds}s`)
const until = performance.now() + 1_000 * (seconds - 1)
const known = connects(until, "127.0.0.2", overTcp("127.0.0.2"))
const unknown = connects(until, "127.0.0.3")
for (let second = 0; second < seconds; second++) {
  await sleep(1_000)
  tell(`second ${second + 1}`)
}
console.log((await flood).stdout.trim())
console.log("from an address with a connection over TCP:", await known)
console.log("from an address without:", await unknown)
console.log(`the client that began before ${await lasting}`)
tell("after it")
await sleep(15_000)
globalThis.gc?.()
tell("15 s later")
console.log({ dropped, unread: unread(), outcomes })
await gateway.close({ drainTimeout: 0 })
server.stop()
