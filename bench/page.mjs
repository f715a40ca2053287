// What the live page costs those whose connections are carried: npm run bench:page [-- CONNECTIONS [ROUNDS]]
// `tlsroute run --admin` holds idle connections. Meanwhile new ones come, bytes go to and fro on some that are open, and
// nobody watches the page, one does, or ten do, in turns. Needs a build. Figures are ratios to nobody watching.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import http from "node:http"
import net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { buildClientHello } from "./hello.mjs"
import { gatewayObjects } from "./peers/objects.mjs"
import { allowedCpus, firstLine, freePort, PinnedProcess } from "./process.mjs"
import { summarize } from "./statistics.mjs"

const self = fileURLToPath(import.meta.url)
const NAME = "page.example.com"
const WATCHERS = [0, 1, 10]
const SECONDS = 5
const NEW_PER_SECOND = 200
const ROUND_TRIPS_PER_SECOND = 500
/** Connections opened so far. */
let opened = 0

if (process.argv[2] === "backend") backend()
else if (process.argv[2] === "watch") watch(process.argv[3], Number(process.argv[4]))
else await measure(Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 5))

/** Sends back what it gets. */
function backend() {
  const server = net.createServer({ noDelay: true }, (socket) => socket.on("error", () => {}).pipe(socket))
  server.listen(0, "127.0.0.1", 4096, () => console.log(server.address().port))
}

/** Pages that are open: what a browser asks for, read and thrown away. */
function watch(url, pages) {
  for (let page = 0; page < pages; page++) http.get(url, { agent: false }, (response) => response.resume())
}

async function measure(wanted, rounds) {
  const limit = Number(/Max open files\s+\d+\s+(\d+)/.exec(readFileSync("/proc/self/limits", "utf8"))?.[1])
  // The gateway has two descriptors for each.
  const connections = Math.min(wanted, Math.floor((limit - 1_000) / 2))
  const cpus = allowedCpus()
  const [others, own] = [cpus[0], cpus[1] ?? cpus[0]]
  const folder = mkdtempSync(join(tmpdir(), "tlsroute-bench-page-"))
  const started = []
  const start = (command, cpu) => {
    const child = new PinnedProcess([process.execPath, ...command], cpu)
    started.push(child)
    return child
  }
  try {
    const back = start([self, "backend"], others)
    const backPort = Number(await firstLine(back))
    const [port, adminPort] = [await freePort(), await freePort()]
    const file = join(folder, "objects.json")
    const items = Object.values(gatewayObjects({ port, routes: { [NAME]: backPort } })).flat()
    writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }))
    const gateway = start(
      [
        ...[fileURLToPath(new URL("../dist/cli.js", import.meta.url)), "run", file, "--access-log", "none"],
        ...["--address", "127.0.0.1", "--admin", `127.0.0.1:${adminPort}`],
      ],
      own,
    )
    await gateway.listening(port)
    const hello = buildClientHello(NAME)
    const idle = []
    while (idle.length < connections) {
      const some = Math.min(100, connections - idle.length)
      idle.push(...(await Promise.all(Array.from({ length: some }, () => open(port, hello)))))
    }
    const pid = gateway.pids()[0]
    const url = `http://127.0.0.1:${adminPort}/events`
    const results = new Map(WATCHERS.map((watchers) => [watchers, []]))
    for (let round = -1; round < rounds; round++) {
      for (const watchers of WATCHERS) {
        const page = watchers === 0 ? undefined : start([self, "watch", url, String(watchers)], others)
        // The first moment comes a second after the scene.
        await sleep(1_500)
        const result = await window(pid, port, hello, idle)
        await page?.stop()
        // The first round only warms up.
        if (round >= 0) results.get(watchers).push(result)
      }
    }
    report(connections, rounds, results)
    for (const socket of idle) socket.destroy()
  } finally {
    for (const child of started.reverse()) await child.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** One measured window. */
async function window(pid, port, hello, idle) {
  const cpuBefore = cpuMs(pid)
  const began = performance.now()
  const until = began + SECONDS * 1_000
  const before = opened
  const times = []
  await Promise.all([
    paced(NEW_PER_SECOND, until, async () => {
      const socket = await open(port, hello)
      socket.end()
    }),
    paced(ROUND_TRIPS_PER_SECOND, until, async (turn) => {
      const socket = idle[(turn * 97) % idle.length]
      const sent = performance.now()
      socket.write("ping")
      await answered(socket, 4)
      times.push(performance.now() - sent)
    }),
  ])
  const seconds = (performance.now() - began) / 1_000
  const cpu = cpuMs(pid) - cpuBefore
  times.sort((a, b) => a - b)
  const percentile = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))]
  return {
    perConnection: cpu / (opened - before),
    perSecond: cpu / seconds,
    p50: percentile(0.5),
    p99: percentile(0.99),
  }
}

/** Does something so many times a second, whether or not the one before is done; each is awaited in the end. */
async function paced(rate, until, act) {
  const under = []
  const began = performance.now()
  for (let turn = 0; performance.now() < until; turn++) {
    under.push(act(turn))
    const due = began + ((turn + 1) * 1_000) / rate
    if (due > performance.now()) await sleep(due - performance.now())
  }
  await Promise.all(under)
}

/** A connection whose hello has come back from the backend. */
async function open(port, hello) {
  // Ports of one address would run out.
  const localAddress = `127.0.0.${2 + (opened++ % 100)}`
  const socket = net.connect({ host: "127.0.0.1", port, localAddress, noDelay: true })
  socket.on("error", () => {})
  socket.write(hello)
  await answered(socket, hello.length)
  return socket
}

/** Waits for that many bytes. */
function answered(socket, bytes) {
  return new Promise((resolve, reject) => {
    let left = bytes
    const gone = () => reject(new Error("a connection ended that should not"))
    const data = (chunk) => {
      left -= chunk.length
      if (left > 0) return
      socket.off("data", data).off("close", gone)
      resolve()
    }
    socket.on("data", data).once("close", gone)
  })
}

/** CPU time of all threads of a process, in milliseconds. */
function cpuMs(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function report(connections, rounds, results) {
  console.log(
    `${connections} live connections, ${NEW_PER_SECOND} new ones and ${ROUND_TRIPS_PER_SECOND} round trips a second;`,
  )
  console.log(`medians of ${rounds} rounds of ${SECONDS} s, as ratios to nobody watching`)
  const median = (watchers, field) => summarize(results.get(watchers).map((result) => result[field])).median
  const ratio = (watchers, field) => (median(watchers, field) / median(0, field)).toFixed(2)
  for (const watchers of WATCHERS.slice(1)) {
    const more = median(watchers, "perSecond") - median(0, "perSecond")
    console.log(
      `${watchers} watching: CPU per connection ${ratio(watchers, "perConnection")} (${more.toFixed(0)} ms a second more), ` +
        `round trip p50 ${ratio(watchers, "p50")}, p99 ${ratio(watchers, "p99")}`,
    )
  }
  console.log(
    `nobody watching: CPU per connection ${median(0, "perConnection").toFixed(2)} ms, ` +
      `round trip p50 ${median(0, "p50").toFixed(2)} ms, p99 ${median(0, "p99").toFixed(2)} ms`,
  )
}
