import { spawn } from "node:child_process"

/** Whether servers can be given users of their own, and clients names of their own. */
export const isRoot: boolean = process.getuid?.() === 0

/** What a program said. */
export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** How to run a program. */
export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | undefined
  /** Names that the program finds at 127.0.0.1, in a hosts file of its own. Only for root. */
  readonly names?: readonly string[]
}

// A mount namespace of its own keeps the file from everyone else.
const WITH_HOSTS =
  'f=$(mktemp) && echo "$HOSTS" >"$f" && chmod 644 "$f" && mount --bind "$f" /etc/hosts && rm "$f" && exec "$@"'

/** Runs a program to its end, or for a minute. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { env = {}, input, names } = options
  const [program, words] =
    names === undefined
      ? [command, args]
      : ["unshare", ["--mount", "--propagation", "private", "sh", "-c", WITH_HOSTS, "sh", command, ...args]]
  const hosts = names === undefined ? {} : { HOSTS: `127.0.0.1 ${names.join(" ")}` }
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { ...process.env, ...hosts, ...env },
      timeout: 60_000,
      killSignal: "SIGKILL",
    })
    let [stdout, stderr] = ["", ""]
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text
    })
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text
    })
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, stdout, stderr }))
    child.stdin.on("error", () => undefined)
    child.stdin.end(input)
  })
}
