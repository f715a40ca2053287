import { spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { describe, expect, it } from "vitest"
import { parse } from "yaml"

const root = resolve(import.meta.dirname, "../..")
const unit = readFileSync(join(root, "deploy/systemd/tlsroute.service"), "utf8")
const compose = parse(readFileSync(join(root, "deploy/compose.yaml"), "utf8"))
const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0

/** Value of a setting of the unit. */
const setting = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(unit)?.[1]
const seconds = (text: string | undefined) => Number(/(\d+)s?$/.exec(text ?? "")?.[1])
const drain = (command: string) => Number(/--drain-timeout[ ,]+(\d+)/.exec(command)?.[1])

/** Runs systemd-analyze on the unit. */
function analyze(...args: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), "tlsroute-unit-"))
  const file = join(directory, "tlsroute.service")
  writeFileSync(file, unit)
  const { status, stdout, stderr } = spawnSync("systemd-analyze", [...args, file], { encoding: "utf8" })
  rmSync(directory, { recursive: true })
  return { status, stdout, stderr }
}

describe("the unit for systemd (skipped where systemd-analyze is not installed)", () => {
  it.skipIf(!hasSystemd)("is one that systemd takes", () => {
    expect(analyze("verify")).toMatchObject({ status: 0, stderr: "" })
  })

  it.skipIf(!hasSystemd)("exposes little: at most 2 of 10 by systemd's own count", () => {
    const { status, stdout } = analyze("security", "--offline=true", "--threshold=20")
    expect(stdout).toContain("Overall exposure level")
    expect(status).toBe(0)
  })
})

describe("the unit for systemd", () => {
  it("waits for the command to say that it serves", () => {
    expect(setting("Type")).toBe("notify")
    // The command has systemd's program say it, whose process is not the main one.
    expect(setting("NotifyAccess")).toBe("all")
  })

  it("gives connections more time to end than the command does, and reads files again on reload", () => {
    expect(seconds(setting("TimeoutStopSec"))).toBeGreaterThan(drain(setting("ExecStart") ?? ""))
    expect(setting("ExecReload")).toContain("kill -HUP")
    expect(setting("RestartPreventExitStatus")).toBe("2")
  })
})

describe("the compose file", () => {
  it("gives connections more time to end than the command does, and writes nothing", () => {
    const { command, stop_grace_period: grace, read_only: isReadOnly } = compose.services.tlsroute
    expect(seconds(grace)).toBeGreaterThan(drain(command.join(" ")))
    expect(isReadOnly).toBe(true)
  })
})
