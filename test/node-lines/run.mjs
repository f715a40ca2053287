// Runs what is built on every supported Node.js line, then the whole test suite on the newest.
import { execFileSync, spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const here = import.meta.dirname
const binaries = join(here, "binaries")
const root = resolve(here, "../..")

if (process.platform !== "linux" || process.arch !== "x64") {
  console.log(`Not run: the binaries are for linux x64, this is ${process.platform} ${process.arch}.`)
  process.exit(0)
}

execFileSync("npm", ["ci", "--prefix", binaries], { stdio: ["ignore", "ignore", "inherit"] })
execFileSync("npm", ["run", "build"], { cwd: root, stdio: "ignore" })

const lines = Object.keys(JSON.parse(readFileSync(join(binaries, "package.json"), "utf8")).dependencies)
const binary = (line) => join(binaries, "node_modules", line, "bin/node")
let failed = 0

// A user's project: the package installed from what `npm pack` makes, without what is optional.
const project = mkdtempSync(join(tmpdir(), "tlsroute-node-lines-"))
process.on("exit", () => rmSync(project, { recursive: true, force: true }))
writeFileSync(join(project, "package.json"), '{ "private": true }\n')
const [{ filename }] = JSON.parse(
  execFileSync("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", project], {
    cwd: root,
    encoding: "utf8",
  }),
)
execFileSync("npm", ["install", "--no-audit", "--no-fund", "--omit=optional", "--omit=peer", `./${filename}`], {
  cwd: project,
  stdio: ["ignore", "ignore", "inherit"],
})
for (const file of ["smoke.mjs", "smoke.cjs", "round-trip.cjs"]) copyFileSync(join(here, file), join(project, file))

function check(name, line, args, cwd = root) {
  const { status } = spawnSync(binary(line), args, { cwd, stdio: "inherit" })
  if (status !== 0) failed += 1
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${name}`)
}

for (const line of lines) {
  const version = execFileSync(binary(line), ["--version"], { encoding: "utf8" }).trim()
  check(`${version}: the installed package, as ESM`, line, ["smoke.mjs"], project)
  check(`${version}: the installed package, as CommonJS`, line, ["smoke.cjs"], project)
}
const newest = lines.at(-1)
check(`${newest}: the whole test suite`, newest, [
  join(root, "node_modules/vitest/vitest.mjs"),
  "run",
  "--reporter=dot",
])

process.exitCode = failed === 0 ? 0 : 1
