import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { atEnd } from "../support/at-end.ts"
import { selfSigned } from "../support/certificate.ts"

/** Where programs are that only the super-user runs, besides the PATH. */
const SYSTEM_PATHS = ["/usr/sbin", "/sbin"]

/** Modules of nginx and Apache where Debian puts them. */
export const MODULES = { nginx: "/usr/lib/nginx/modules", apache: "/usr/lib/apache2/modules" } as const

/**
 * Why tests that need these programs are skipped, or `undefined` when all are installed. CI requires every one.
 *
 * @param names - of programs, or absolute paths of files that come with them
 */
export function missing(...names: readonly string[]): string | undefined {
  const absent = names.filter((name) => whereIs(name) === undefined)
  if (absent.length === 0) return undefined
  const reason = `not installed: ${absent.join(", ")}`
  if (process.env["TLSROUTE_REQUIRE_CLIENTS"] === "1") throw new Error(reason)
  return reason
}

/** The title of a group that is skipped when something is missing, with the reason in it. */
export function titled(title: string, reason: string | undefined): string {
  return reason === undefined ? title : `${title} (skipped: ${reason})`
}

function whereIs(name: string): string | undefined {
  if (name.startsWith("/")) return existsSync(name) ? name : undefined
  const folders = [...(process.env["PATH"] ?? "").split(delimiter), ...SYSTEM_PATHS]
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** A folder for one test file, gone when it is done, that programs with users of their own may read. */
export function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tlsroute-peers-"))
  spawnSync("chmod", ["755", path])
  atEnd(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Writes a certificate for the names as `cert.pem`, `key.pem`, and both in `both.pem`. */
export function writeCertificate(path: string, names: readonly string[]): void {
  const { cert, key } = selfSigned(names)
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, "cert.pem"), cert)
  writeFileSync(join(path, "key.pem"), key, { mode: 0o644 })
  writeFileSync(join(path, "both.pem"), `${cert}${key}`)
}

/** A server of another project. */
export interface Running {
  readonly child: ChildProcess
  /** What it has said so far. */
  said(): string
  /** Ends it, and waits for that. */
  stop(): Promise<void>
}

/** Starts a program in the foreground; it is ended when the test file is done. */
export function start(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(whereIs(name) ?? name, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  })
  let text = ""
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => (text += part))
  const exited = once(child, "exit")
  const watch = watchOver(child)
  void exited.then(() => watch.kill("SIGKILL"))
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM")
    const killer = setTimeout(() => child.kill("SIGKILL"), 5_000)
    await exited
    clearTimeout(killer)
  }
  atEnd(stop)
  return { child, said: () => text, stop }
}

/** Has a program ended should this process go without doing so: interrupted, or killed. Its end is that of a pipe. */
function watchOver({ pid }: ChildProcess): ChildProcess {
  const script = 'read -r _; kill -TERM "$0"; sleep 5; kill -KILL "$0"'
  const stdio = ["pipe", "ignore", "ignore"] as const
  // In a session of its own, what interrupts this process does not reach it.
  const watch = spawn("sh", ["-c", script, String(pid)], { stdio: [...stdio], detached: true })
  watch.unref()
  return watch
}

/** Waits until something listens on a TCP port of this machine. */
export async function listening(port: number, server: Running): Promise<void> {
  for (let turn = 0; turn < 200; turn++) {
    if (server.child.exitCode !== null) throw new Error(`ended with ${server.child.exitCode}: ${server.said()}`)
    const socket = connect({ port, host: "127.0.0.1" })
    const found = await Promise.race([
      once(socket, "connect").then(() => true),
      once(socket, "error").then(
        () => false,
        () => false,
      ),
    ]).catch(() => false)
    socket.destroy()
    if (found) return
    await sleep(50)
  }
  throw new Error(`nothing listens on port ${port}: ${server.said()}`)
}

/** What a program that runs to its end left. */
export interface Finished {
  readonly code: number | null
  readonly output: string
}

/** Runs a program to its end, or for ten seconds. */
export async function run(name: string, args: readonly string[], input?: string): Promise<Finished> {
  const child = spawn(whereIs(name) ?? name, args, { stdio: ["pipe", "pipe", "pipe"] })
  const killer = setTimeout(() => child.kill("SIGKILL"), 10_000)
  let output = ""
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => (output += part))
  child.stdin.on("error", () => {})
  if (input === undefined) child.stdin.end()
  else child.stdin.write(input)
  const [code] = await once(child, "close")
  clearTimeout(killer)
  return { code, output }
}
