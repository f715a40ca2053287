// A release in one command: `npm run release`, or `npm run release -- --dry-run`, which leaves everything as it is.
//
// The version and the date are those of the newest heading in CHANGELOG.md. The package is built twice, each time in a
// clone of its own, and must come out the same byte for byte; its bill of materials is written beside it, in release/.
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const isDryRun = process.argv.includes("--dry-run")
/** Where the version stands written, besides package.json and its lock. */
const PLACES = [
  "deploy/Dockerfile",
  "deploy/helm/tlsroute/Chart.yaml",
  "deploy/manifests/tlsroute.yaml",
  "docs/kubernetes.md",
]

const run = (cwd, command, ...args) =>
  execFileSync(command, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
const read = (file) => readFileSync(join(root, file), "utf8")
const fail = (message) => {
  console.error(`release: ${message}`)
  process.exit(1)
}

/** The newest heading of the changelog; `undefined` when it is that of what is not released yet. */
function newestVersion() {
  const [, heading = ""] = /^## (.+)$/m.exec(read("CHANGELOG.md")) ?? []
  if (heading === "[Unreleased]") return undefined
  const { version, date } = /^\[(?<version>\d+\.\d+\.\d+)\] - (?<date>\d{4}-\d{2}-\d{2})$/.exec(heading)?.groups ?? {}
  if (version === undefined) fail(`CHANGELOG.md begins with "## ${heading}"; write "## [1.2.3] - 2026-01-31"`)
  const today = new Date().toISOString().slice(0, 10)
  if (date !== today && !isDryRun) fail(`CHANGELOG.md dates ${version} ${date}, and today is ${today}`)
  return version
}

/** Builds and packs what is committed, away from whatever else lies in this folder. */
function packFromClone() {
  const clone = mkdtempSync(join(tmpdir(), "tlsroute-release-"))
  try {
    run(root, "git", "clone", "--quiet", "--no-hardlinks", root, clone)
    run(clone, "npm", "ci", "--silent", "--no-audit", "--no-fund")
    run(clone, "npm", "run", "--silent", "build")
    const [{ filename }] = JSON.parse(run(clone, "npm", "pack", "--json", "--ignore-scripts"))
    const sbom = run(clone, "npm", "sbom", "--sbom-format", "cyclonedx", "--omit", "dev")
    return { filename, tarball: readFileSync(join(clone, filename)), sbom }
  } finally {
    rmSync(clone, { recursive: true, force: true })
  }
}

const digest = (bytes) => createHash("sha256").update(bytes).digest("hex")

const before = JSON.parse(read("package.json")).version
const version =
  newestVersion() ??
  (isDryRun ? before : fail("CHANGELOG.md has nothing but [Unreleased]; give it a version and a date"))

if (!isDryRun) {
  if (run(root, "git", "status", "--porcelain") !== "") fail("there are changes that are not committed")
  if (run(root, "git", "branch", "--show-current").trim() !== "main") fail("a release is made from main")
  if (version !== before) {
    run(root, "npm", "version", "--no-git-tag-version", version)
    for (const place of PLACES) writeFileSync(join(root, place), read(place).replaceAll(before, version))
    run(root, "git", "commit", "--quiet", "--all", "--message", `Release ${version}`)
  }
}

const [first, second] = [packFromClone(), packFromClone()]
if (!first.tarball.equals(second.tarball)) {
  fail(`two builds differ: sha256 ${digest(first.tarball)} and ${digest(second.tarball)}`)
}
const out = join(root, "release")
mkdirSync(out, { recursive: true })
writeFileSync(join(out, first.filename), first.tarball)
writeFileSync(join(out, first.filename.replace(/\.tgz$/, ".cdx.json")), first.sbom)
console.log(`${first.filename}: ${first.tarball.length} bytes, sha256 ${digest(first.tarball)}, built twice alike`)

if (isDryRun) {
  console.log(run(root, "npm", "publish", "--dry-run", join(out, first.filename)).trim())
} else {
  run(root, "git", "tag", "--annotate", `v${version}`, "--message", `tlsroute ${version}`)
  run(root, "npm", "publish", join(out, first.filename))
  console.log(`Published ${version}. Now: git push --follow-tags`)
}
