import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join, resolve } from "node:path"
import { build } from "esbuild"
import { onTestFinished } from "vitest"
import type { PassthroughGatewayOptions } from "../../../src/gateway/options.ts"
import type { ChildMemory, ChildRequest, ChildStatus } from "./messages.ts"

const cache = resolve(import.meta.dirname, "../../../node_modules/.cache")

/** A gateway in a process of its own. */
export interface Child {
  /** Port of its first listener. */
  readonly port: number
  /** Asks it; rejects when it is gone. */
  ask(request: "status"): Promise<ChildStatus>
  ask(request: "memory"): Promise<ChildMemory>
  ask(request: "exhaust" | "relax"): Promise<unknown>
  /** Whether it still runs. */
  readonly isAlive: boolean
}

/**
 * Starts a gateway in a process that may open so many descriptors. Node.js raises its soft limit to the hard one, so
 * that both are lowered.
 */
export async function startChild(options: PassthroughGatewayOptions, descriptors?: number): Promise<Child> {
  const limit = descriptors === undefined ? "" : `ulimit -n ${descriptors}; `
  const command = `${limit}exec "$0" --expose-gc "$1"`
  const child = spawn("sh", ["-c", command, process.execPath, await bundle()], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...process.env, CHILD_OPTIONS: JSON.stringify(options) },
  })
  onTestFinished(() => void child.kill("SIGKILL"))
  const gone = once(child, "exit").then(([code, signal]) => {
    throw new Error(`the child is gone: ${signal ?? `exit code ${code}`}`)
  })
  gone.catch(() => undefined)
  const answers = new Map<number, (answer: unknown) => void>()
  const answered = (id: number) => new Promise<unknown>((resolve) => answers.set(id, resolve))
  child.on("message", ({ id, answer }: { readonly id: number; readonly answer: unknown }) => answers.get(id)?.(answer))
  const port = (await Promise.race([answered(0), gone])) as number
  let lastId = 0
  return {
    port,
    get isAlive() {
      return child.exitCode === null && child.signalCode === null
    },
    ask(request: ChildRequest) {
      lastId += 1
      const answer = answered(lastId)
      child.send({ id: lastId, request })
      // What is asked for is known by the request.
      return Promise.race([answer, gone]) as Promise<never>
    },
  }
}

/** Node.js 20 cannot run TypeScript. */
async function bundle(): Promise<string> {
  mkdirSync(cache, { recursive: true })
  const directory = mkdtempSync(join(cache, "faults-"))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const outfile = join(directory, "gateway.mjs")
  await build({
    entryPoints: [join(import.meta.dirname, "gateway.ts")],
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    external: ["yaml"],
    outfile,
  })
  return outfile
}
