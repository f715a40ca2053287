import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { text } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import { afterAll, beforeAll, describe, expect, test } from "vitest"
import { Cli } from "./cli.ts"

// systemd's own program sends, and socat receives in systemd's place: Node.js has no datagrams of the Unix domain.
const absent = ["systemd-notify", "socat"].filter((program) => spawnSync(program, ["-h"]).status !== 0)
const skipped = absent.length === 0 ? "" : ` (skipped: not installed: ${absent.join(", ")})`

let cli: Cli
let directory: string
let file: string

beforeAll(async () => {
  cli = await Cli.build()
  directory = cli.folder
  file = join(directory, "gateway.yaml")
  await writeFile(
    file,
    `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: edge }
spec:
  gatewayClassName: any
  listeners: [{ name: tls, port: 8000, protocol: TLS, tls: { mode: Passthrough } }]
`,
  )
})

afterAll(async () => {
  await cli[Symbol.asyncDispose]()
})

const run = (environment: NodeJS.ProcessEnv) =>
  cli.start(["run", file, "--address", "127.0.0.1", "--map-port", "8000:0"], environment)

describe(`where systemd waits to be told (Type=notify)${skipped}`, () => {
  test.skipIf(absent.length > 0)("it hears when everything is bound, and when connections drain", async () => {
    const socket = join(directory, "notify")
    const receiver = spawn("socat", ["-u", `UNIX-RECV:${socket}`, "STDOUT"])
    while (!existsSync(socket)) await sleep(10)
    let heard = ""
    receiver.stdout.setEncoding("utf8").on("data", (told: string) => {
      heard += told
    })
    const child = run({ NOTIFY_SOCKET: socket })
    const closed = once(child, "close")
    await expect.poll(() => heard).toMatch(/READY=1\nSTATUS=serving 0 routes on 1 port/)
    expect(heard).not.toContain("STOPPING")
    child.kill("SIGTERM")
    await expect.poll(() => heard).toMatch(/STOPPING=1\nSTATUS=draining/)
    expect((await closed)[0]).toBe(0)
    receiver.kill()
  })

  test("it says so, and serves, where systemd's program for it is missing", async () => {
    const child = run({ NOTIFY_SOCKET: "/nowhere", PATH: "/nowhere" })
    const errors = text(child.stderr)
    const closed = once(child, "close")
    child.stdout.setEncoding("utf8").on("data", (said: string) => {
      if (said.includes("Ctrl-C")) setTimeout(() => child.kill("SIGTERM"), 200)
    })
    expect((await closed)[0]).toBe(0)
    expect(await errors).toMatch(
      /^error: systemd asks to be told how this is, and cannot be: spawn systemd-notify ENOENT\n/,
    )
  })
})
