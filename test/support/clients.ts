import { type ChildProcessByStdio, spawn, spawnSync } from "node:child_process"
import type { Readable, Writable } from "node:stream"

/** A TLS client program that a test may use. */
export type Client = "curl" | "openssl" | "gnutls-cli"

/** Why tests with this client are skipped, or `undefined` when it is installed. CI requires all of them. */
export function missing(client: Client): string | undefined {
  const found = spawnSync(client, [client === "openssl" ? "version" : "--version"], { stdio: "ignore" }).status === 0
  if (!found && process.env["TLSROUTE_REQUIRE_CLIENTS"] === "1") throw new Error(`${client} must be installed`)
  return found ? undefined : `${client} is not installed`
}

/** What a finished program left. */
export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a client to its end, with `input` as its standard input, left open until the program ends by itself. */
export function run(client: Client, args: readonly string[], input = ""): Promise<Finished> {
  return finished(start(client, args), input)
}

/** Starts a client and leaves its standard streams to the test. */
function start(client: Client, args: readonly string[]): ChildProcessByStdio<Writable, Readable, Readable> {
  return spawn(client, args, { stdio: ["pipe", "pipe", "pipe"] })
}

function finished(child: ChildProcessByStdio<Writable, Readable, Readable>, input: string): Promise<Finished> {
  return new Promise((resolve, reject) => {
    let stdout = ""
    let stderr = ""
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
    })
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, stdout, stderr }))
    child.stdin.on("error", () => undefined)
    child.stdin.write(input)
  })
}
