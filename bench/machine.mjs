import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { cpus, release, totalmem } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { allowedCpus } from "./process.mjs"

const here = fileURLToPath(new URL(".", import.meta.url))

/** Where everything is put that a run makes. */
export const out = join(here, "out")

/** What a report says of the machine. */
export function describeMachine() {
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? process.platform
  return {
    cpu: cpus()[0].model,
    cpus: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    system,
  }
}

/**
 * The CPU for the proxy, and the one for the load generator and the backend.
 *
 * @param {string | undefined} proxyWish
 * @param {string | undefined} loadWish
 */
export function chooseCpus(proxyWish, loadWish) {
  const allowed = allowedCpus()
  const proxy = Number(proxyWish ?? allowed[0])
  const load = Number(loadWish ?? allowed.find((cpu) => cpu !== proxy))
  if (!allowed.includes(proxy) || !allowed.includes(load) || proxy === load) {
    throw new Error(`two CPUs are needed, one for the proxy and one for the load; allowed here: ${allowed.join(" ")}`)
  }
  return [proxy, load]
}

/**
 * Compiles a program of bench/load.
 *
 * @param {string} program
 * @param {readonly string[]} [libraries]
 */
export function compile(program, libraries = []) {
  const binary = join(out, program)
  try {
    execFileSync("gcc", ["-O2", "-Wall", "-Wextra", "-o", binary, join(here, "load", `${program}.c`), ...libraries])
  } catch (error) {
    if (error.code !== "ENOENT") throw error
    throw new Error("gcc is needed for the load generator: run `sudo sh bench/install-peers.sh`")
  }
  return binary
}

/**
 * Installs Node.js, the newest release of each line, and returns the paths of the binaries.
 *
 * @param {readonly string[]} majors
 */
export function installNodes(majors) {
  const script = join(here, "install-node.sh")
  const printed = execFileSync("sh", [script, ...majors], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  })
  const binaries = printed.split("\n").filter((line) => line.endsWith("/bin/node"))
  if (binaries.length !== majors.length) throw new Error(`${script} did not install Node.js ${majors}`)
  return binaries
}
