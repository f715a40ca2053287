import { spawn } from "node:child_process"
import { once } from "node:events"
import { connect } from "node:net"
import { onTestFinished } from "vitest"
import type { DialEndpoint } from "../../src/proxy/target.ts"

const LISTEN_AND_STOP = `
  const server = require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
    console.log(server.address().port)
  })
`

/**
 * An address that answers nothing: a stopped process listens there with a queue that is full, so the kernel
 * drops every further SYN.
 */
export async function blackHole(): Promise<DialEndpoint> {
  const child = spawn(process.execPath, ["-e", LISTEN_AND_STOP], { stdio: ["ignore", "pipe", "inherit"] })
  const [line] = await once(child.stdout, "data")
  child.kill("SIGSTOP")
  const endpoint = { address: "127.0.0.1", port: Number(String(line)) }
  const fillers = Array.from({ length: 4 }, () => connect({ host: endpoint.address, port: endpoint.port }))
  for (const filler of fillers) filler.on("error", () => {})
  onTestFinished(() => {
    for (const filler of fillers) filler.destroy()
    child.kill("SIGKILL")
  })
  // The queue of a backlog of one takes two connections.
  await Promise.all(fillers.slice(0, 2).map((filler) => once(filler, "connect")))
  return endpoint
}
