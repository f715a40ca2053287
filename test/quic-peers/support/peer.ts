import { execFile, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { onTestFinished } from "vitest"
import { selfSigned } from "../../support/certificate.ts"
import { PEER, PYTHON } from "./programs.ts"

const PYTHON_PEER = join(import.meta.dirname, "../python/peer.py")

const run = promisify(execFile)

/** A server that serves one name only. */
export interface Server {
  readonly name: string
  /** 127.0.0.1 unless it says otherwise. */
  readonly address?: string
  /** UDP port, and TCP port where it has one. */
  readonly port: number
}

/** A server of quic-go: HTTP/3, and HTTP/2 on the TCP port of the same number. */
export interface GoServer extends Server {
  /** Base64 of SHA-256 of its certificate's public key. */
  readonly spki: string
}

/** Starts a server of quic-go, until the test is over. */
export async function server(name: string, ...args: readonly string[]): Promise<GoServer> {
  return { name, ...(await started<Omit<GoServer, "name">>(PEER, ["server", "-name", name, ...args])) }
}

/** Runs a client of quic-go, which compares every byte. @returns what it says; rejects with what went wrong. */
export async function client(port: number, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(PEER, ["client", "-gateway", `127.0.0.1:${port}`, ...args], { timeout: 55_000 })
  return stdout
}

/** Starts an HTTP/3 server of aioquic, until the test is over. */
export async function aioquicServer(name: string, ...args: readonly string[]): Promise<Server> {
  const { cert, key } = certificateFiles(name)
  const own = [PYTHON_PEER, "server", "--name", name, "--cert", cert, "--key", key, ...args]
  return { name, ...(await started<Omit<Server, "name">>(PYTHON, own)) }
}

/**
 * Runs a client of aioquic, which compares every byte.
 *
 * @param port - of the gateway
 * @param args - of the program
 * @param round - is told when a round has begun
 * @returns what it says; rejects with what went wrong
 */
export async function aioquicClient(port: number, args: readonly string[], round?: () => void): Promise<string> {
  const own = [PYTHON_PEER, "client", "--gateway", `127.0.0.1:${port}`, ...args]
  const running = run(PYTHON, own, { timeout: 55_000 })
  running.child.stdout?.on("data", (text: Buffer) => {
    if (text.includes("round")) round?.()
  })
  return (await running).stdout
}

/** A folder that goes with the test. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tlsroute-quic-peers-"))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** A certificate for a name, in files. */
export function certificateFiles(name: string): { readonly cert: string; readonly key: string; readonly pem: string } {
  const { cert: pem, key } = selfSigned([name])
  const files = { cert: join(folder(), "cert.pem"), key: join(folder(), "key.pem"), pem }
  writeFileSync(files.cert, pem)
  writeFileSync(files.key, key)
  return files
}

/** The bytes that a server of that name serves, as the programs make them. */
export function pattern(name: string, length: number): Buffer {
  const blocks: Buffer[] = []
  let block = createHash("sha256").update(name).digest()
  for (let have = 0; have < length; have += block.length) {
    block = createHash("sha256").update(block).digest()
    blocks.push(block)
  }
  return Buffer.concat(blocks).subarray(0, length)
}

/** Starts a program until the test is over; the first line that it prints tells of it. */
async function started<T>(program: string, args: readonly string[]): Promise<T> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] })
  onTestFinished(() => void child.kill("SIGKILL"))
  const [line] = (await once(child.stdout, "data")) as [Buffer]
  return JSON.parse(line.toString()) as T
}
