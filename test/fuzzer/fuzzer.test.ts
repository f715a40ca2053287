import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { expect, it } from "vitest"

const run = resolve(import.meta.dirname, "../fuzz/run.mjs")

/** Fuzzes one of the targets beside this file. */
function fuzz(
  target: string,
  ...args: readonly string[]
): Promise<{ readonly code: unknown; readonly output: string }> {
  const command = [run, "--from", join(import.meta.dirname, "targets"), "--only", target, "--seed", "7", ...args]
  return new Promise((resolve) => {
    execFile(process.execPath, command, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, output: stdout + stderr })
    })
  })
}

it("finds nothing in a sound target, after thousands of inputs", async () => {
  const { code, output } = await fuzz("sound", "--seconds", "2")
  expect(output).toMatch(/sound: \d{4,} inputs/)
  expect(code).toBe(0)
})

it.each([
  ["throws", "throws", "30", /found by its coverage/],
  ["never comes back", "hangs", "1", /no answer within 1 s/],
  ["does work that is quadratic", "quadratic", "30", /\d+ statements for \d+ bytes: not linear/],
  ["takes long", "slow", "30", /\d+ ms for \d+ bytes: too slow/],
])(
  "finds a target that %s, and tells how to see it again",
  async (_, target, hang, message) => {
    const { code, output } = await fuzz(target, "--seconds", "25", "--hang", hang)
    expect(output).toMatch(message)
    expect(code).toBe(1)
    const file = /again: npm run fuzz -- --only \w+ (\S+)/.exec(output)?.[1] ?? ""
    expect(readFileSync(file).length).toBeGreaterThan(0)
    const again = await fuzz(target, "--hang", hang, file)
    expect(again.output).toMatch(message)
    expect(again.code).toBe(1)
  },
  60_000,
)
