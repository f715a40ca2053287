// A release in one command: `npm run release`, or `npm run release -- --dry-run`, which leaves everything as it is.
// `--no-publish` commits and builds it, and leaves publishing and the tag to who runs this without, on the same day.
//
// The version and the date are those of the newest heading in CHANGELOG.md, committed or not for a dry run. The version
// is set in a clone, from which the package is built twice, each time in a clone of its own: it must come out the same
// byte for byte. Its bill of materials is written beside it, in release/.
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "..")
const isDryRun = process.argv.includes("--dry-run")
const isPublished = !process.argv.includes("--no-publish")
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
  throw new Error(message)
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

/** Does something with a clone, which is gone after. */
function inClone(from, work) {
  const clone = mkdtempSync(join(tmpdir(), "tlsroute-release-"))
  try {
    run(from, "git", "clone", "--quiet", "--no-hardlinks", from, clone)
    return work(clone)
  } finally {
    rmSync(clone, { recursive: true, force: true })
  }
}

/** Sets the version everywhere it stands, and commits that. Who commits is whoever commits in this folder. */
function cut(clone) {
  for (const name of ["user.name", "user.email"]) run(clone, "git", "config", name, identity(name))
  if (isDryRun) writeFileSync(join(clone, "CHANGELOG.md"), read("CHANGELOG.md"))
  if (version !== before) {
    run(clone, "npm", "version", "--no-git-tag-version", version)
    for (const place of PLACES.map((path) => join(clone, path))) {
      writeFileSync(place, readFileSync(place, "utf8").replaceAll(before, version))
    }
  }
  if (run(clone, "git", "status", "--porcelain") === "") return
  run(clone, "git", "commit", "--quiet", "--all", "--message", `Release ${version}`)
}

function identity(name) {
  try {
    return run(root, "git", "config", name).trim()
  } catch {
    return isDryRun ? "nobody" : fail(`git does not know your ${name}`)
  }
}

/** What names the version before all the same, line by line; history and tests may. */
function leftovers(clone) {
  const others = ["CHANGELOG.md", "package-lock.json", "test", "bench"].map((path) => `:!${path}`)
  const numbers = `(^|[^0-9.])${before.replaceAll(".", "\\.")}($|[^0-9.])`
  try {
    return run(clone, "git", "grep", "--line-number", "-I", "--extended-regexp", numbers, "--", ...others)
      .trim()
      .split("\n")
  } catch {
    // There are none.
    return []
  }
}

/** Builds and packs what is committed, away from whatever else lies in this folder. */
function pack(clone) {
  run(clone, "npm", "ci", "--silent", "--no-audit", "--no-fund")
  run(clone, "npm", "run", "--silent", "build")
  const [{ filename }] = JSON.parse(run(clone, "npm", "pack", "--json", "--ignore-scripts"))
  const said = run(clone, process.execPath, join("dist", "cli.js"), "--version").trim()
  if (said !== version) fail(`"tlsroute --version" says ${said}, not ${version}`)
  const sbom = run(clone, "npm", "sbom", "--sbom-format", "cyclonedx", "--omit", "dev")
  return { filename, tarball: readFileSync(join(clone, filename)), sbom }
}

const digest = (bytes) => createHash("sha256").update(bytes).digest("hex")

let version
const before = JSON.parse(read("package.json")).version

try {
  version =
    newestVersion() ??
    (isDryRun ? before : fail("CHANGELOG.md has nothing but [Unreleased]; give it a version and a date"))
  if (!isDryRun) {
    if (run(root, "git", "status", "--porcelain") !== "") fail("there are changes that are not committed")
    if (run(root, "git", "branch", "--show-current").trim() !== "main") fail("a release is made from main")
  }
  inClone(root, make)
} catch (error) {
  console.error(`release: ${error.message}`)
  process.exitCode = 1
}

/** Makes the release in a clone; what is not for a dry run comes last. */
function make(release) {
  cut(release)
  for (const line of version === before ? [] : leftovers(release)) console.log(`still of ${before}: ${line}`)
  const [first, second] = [inClone(release, pack), inClone(release, pack)]
  if (!first.tarball.equals(second.tarball)) {
    fail(`two builds differ: sha256 ${digest(first.tarball)} and ${digest(second.tarball)}`)
  }
  const out = join(root, "release")
  mkdirSync(out, { recursive: true })
  const tarball = join(out, first.filename)
  writeFileSync(tarball, first.tarball)
  writeFileSync(tarball.replace(/\.tgz$/, ".cdx.json"), first.sbom)
  console.log(`${first.filename}: ${first.tarball.length} bytes, sha256 ${digest(first.tarball)}, built twice alike`)
  if (isDryRun) {
    console.log(run(root, "npm", "publish", "--dry-run", tarball).trim())
    return
  }
  run(root, "git", "pull", "--quiet", "--ff-only", release, "HEAD")
  if (!isPublished) {
    console.log(`Committed ${version}. Now: npm run release, which publishes and tags it`)
    return
  }
  run(root, "npm", "publish", tarball)
  run(root, "git", "tag", "--annotate", `v${version}`, "--message", `tlsroute ${version}`)
  console.log(`Published ${version}. Now: git push --follow-tags`)
}
