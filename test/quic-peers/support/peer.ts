import { execFile, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { resolve } from "node:path"
import { promisify } from "node:util"
import { onTestFinished } from "vitest"

/** The built program. */
export const PEER = resolve(import.meta.dirname, "../../../node_modules/.cache/quic-peers/peer")

const run = promisify(execFile)

/** An HTTP/3 server of quic-go that serves one name only. */
export interface Server {
  readonly name: string
  readonly port: number
  /** Base64 of SHA-256 of its certificate's public key. */
  readonly spki: string
}

/** Starts a server, until the test is over. */
export async function server(name: string, ...args: readonly string[]): Promise<Server> {
  const child = spawn(PEER, ["server", "-name", name, ...args], { stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => void child.kill("SIGKILL"))
  const [line] = (await once(child.stdout, "data")) as [Buffer]
  return { name, ...(JSON.parse(line.toString()) as Omit<Server, "name">) }
}

/** Runs a client of quic-go, which compares every byte. @returns what it says; rejects with what went wrong. */
export async function client(port: number, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(PEER, ["client", "-gateway", `127.0.0.1:${port}`, ...args], { timeout: 55_000 })
  return stdout
}

/** The bytes that a server of that name serves, as the program makes them. */
export function pattern(name: string, length: number): Buffer {
  const blocks: Buffer[] = []
  let block = createHash("sha256").update(name).digest()
  for (let have = 0; have < length; have += block.length) {
    block = createHash("sha256").update(block).digest()
    blocks.push(block)
  }
  return Buffer.concat(blocks).subarray(0, length)
}
