import { spawnSync } from "node:child_process"
import { join, resolve } from "node:path"

const cache = resolve(import.meta.dirname, "../../../node_modules/.cache/quic-peers")

/** The server and client of quic-go. */
export const PEER = join(cache, "peer")
/** Caddy. */
export const CADDY = join(cache, "caddy")
/** Where aioquic is installed, and the Python that has it. */
export const VENV = join(cache, "venv")
export const PYTHON = join(VENV, "bin", "python")

/** Whether there is a Go to build the peers with. CI requires it. */
export const hasGo = (): boolean => isThere("go", ["version"])

/** Whether there is a Python that can make an environment for aioquic. CI requires it. */
export const hasPython = (): boolean => isThere("python3", ["-c", "import venv, ensurepip"])

/** What to say of tests that need one of them, where it is missing. */
export const WITHOUT_GO: string | undefined = hasGo() ? undefined : "there is no Go here"
export const WITHOUT_PYTHON: string | undefined = hasPython()
  ? undefined
  : "there is no python3 with its venv module here"

/** A title that says why its tests are skipped, if they are. */
export const titled = (title: string, ...missing: readonly (string | undefined)[]): string =>
  [title, ...missing.flatMap((reason) => (reason === undefined ? [] : [`(skipped: ${reason})`]))].join(" ")

function isThere(program: string, args: readonly string[]): boolean {
  const { status } = spawnSync(program, args, { stdio: "ignore" })
  if (status !== 0 && process.env["TLSROUTE_REQUIRE_CLIENTS"] === "1") throw new Error(`${program} must be installed`)
  return status === 0
}
