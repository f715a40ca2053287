// Runs what is built on every supported Node.js line, then the whole test suite on the newest.
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { join, resolve } from "node:path"

const here = import.meta.dirname
const binaries = join(here, "binaries")
const root = resolve(here, "../..")

if (process.platform !== "linux" || process.arch !== "x64") {
  console.log(`Not run: the binaries are for linux x64, this is ${process.platform} ${process.arch}.`)
  process.exit(0)
}

execFileSync("npm", ["ci", "--prefix", binaries], { stdio: ["ignore", "ignore", "inherit"] })
if (!existsSync(join(root, "dist/index.js"))) execFileSync("npm", ["run", "build"], { cwd: root, stdio: "ignore" })

const lines = Object.keys(JSON.parse(readFileSync(join(binaries, "package.json"), "utf8")).dependencies)
const binary = (line) => join(binaries, "node_modules", line, "bin/node")
let failed = 0

function check(name, line, args) {
  const { status } = spawnSync(binary(line), args, { cwd: root, stdio: "inherit" })
  if (status !== 0) failed += 1
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${name}`)
}

for (const line of lines) {
  const version = execFileSync(binary(line), ["--version"], { encoding: "utf8" }).trim()
  check(`${version}: the built package, as ESM`, line, [join(here, "smoke.mjs")])
  check(`${version}: the built package, as CommonJS`, line, [join(here, "smoke.cjs")])
}
const newest = lines.at(-1)
check(`${newest}: the whole test suite`, newest, [
  join(root, "node_modules/vitest/vitest.mjs"),
  "run",
  "--reporter=dot",
])

process.exitCode = failed === 0 ? 0 : 1
