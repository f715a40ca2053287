import { spawn } from "node:child_process"
import { once } from "node:events"
import { connect } from "node:net"
import { onTestFinished } from "vitest"
import type { DialEndpoint } from "../../src/proxy/target.ts"
import { freePort } from "../support/free-port.ts"

const LISTEN_AND_STOP = `
  const [port] = process.argv.slice(1).map(Number)
  require("node:net").createServer().listen({ port, host: "127.0.0.1", backlog: 1 }, () => console.log("listening"))
`

/**
 * An address that answers nothing: a stopped process listens there with a queue that is full, so the kernel
 * drops every further SYN.
 */
export async function blackHole(): Promise<DialEndpoint> {
  const endpoint = { address: "127.0.0.1", port: await freePort() }
  const args = ["-e", LISTEN_AND_STOP, String(endpoint.port)]
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
  await once(child.stdout, "data")
  child.kill("SIGSTOP")
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
