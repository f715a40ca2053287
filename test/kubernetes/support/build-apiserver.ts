import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import { mkdir, readdir, readFile, rename, symlink } from "node:fs/promises"
import { homedir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const exec = promisify(execFile)
/** Go as the module asks for it: a toolchain that is not installed is fetched as the modules are. */
export const goEnvironment = { ...process.env, GOTOOLCHAIN: "auto" }

/** The Go module of the API server. */
export const moduleDir = fileURLToPath(new URL("../apiserver", import.meta.url))

/** The binaries that the tests run: one, under its names. */
export interface ClusterBinaries {
  /** `tlsroute-apiserver` as ../apiserver builds it. */
  readonly apiserver: string
  readonly kubectl: string
  readonly helm: string
  readonly conformance: string
}

/**
 * Gives the API server, kubectl, helm and the conformance suite: those of `TLSROUTE_APISERVER` (a build of test/kubernetes/apiserver), or
 * built here and kept in the user's cache under a hash of the module and the toolchain. A first build takes seven
 * minutes of one core, and about 2 GiB of memory.
 */
export async function clusterBinaries(): Promise<ClusterBinaries> {
  const given = process.env["TLSROUTE_APISERVER"]
  if (given !== undefined && given !== "") {
    if (!existsSync(given)) throw new Error(`TLSROUTE_APISERVER names ${given}, which is not there`)
    return named(given)
  }
  const dir = join(
    process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
    "tlsroute",
    `apiserver-${await buildKey()}`,
  )
  const apiserver = join(dir, "tlsroute-apiserver")
  if (!existsSync(apiserver)) await build(dir, apiserver)
  return named(apiserver)
}

async function build(dir: string, target: string): Promise<void> {
  await mkdir(dir, { recursive: true })
  const started = Date.now()
  process.stderr.write("building kube-apiserver with an embedded etcd, once: this takes some minutes\n")
  const version = await kubernetesVersion()
  const [major, minor] = version.slice(1).split(".")
  const stamp = (pkg: string): string =>
    [`gitVersion=${version}`, `gitMajor=${major}`, `gitMinor=${minor}`].map((pair) => `-X ${pkg}.${pair}`).join(" ")
  const ldflags = `-s -w ${stamp("k8s.io/component-base/version")} ${stamp("k8s.io/client-go/pkg/version")}`
  // Under another name first: a build that was interrupted must not be found as a finished one.
  const partial = `${target}.${process.pid}`
  await exec("go", ["build", "-p", "2", "-trimpath", "-ldflags", ldflags, "-o", partial, "."], {
    cwd: moduleDir,
    env: { ...goEnvironment, CGO_ENABLED: "0" },
    maxBuffer: 64 * 1024 * 1024,
  })
  await rename(partial, target)
  process.stderr.write(`built in ${Math.round((Date.now() - started) / 1000)} s: ${target}\n`)
}

async function buildKey(): Promise<string> {
  const hash = createHash("sha256")
  for (const file of (await readdir(moduleDir)).filter((name) => /\.(go|mod|sum|yaml)$/.test(name)).sort()) {
    hash.update(file).update(await readFile(join(moduleDir, file)))
  }
  const { stdout } = await exec("go", ["version"], { cwd: moduleDir, env: goEnvironment }).catch((cause: unknown) => {
    throw new Error("these tests need Go, or TLSROUTE_APISERVER: a build of test/kubernetes/apiserver", { cause })
  })
  return hash.update(stdout).digest("hex").slice(0, 12)
}

async function kubernetesVersion(): Promise<string> {
  const module = await readFile(join(moduleDir, "go.mod"), "utf8")
  const version = /^\s*k8s\.io\/kubernetes (v\d+\.\d+\.\d+)$/m.exec(module)?.[1]
  if (version === undefined) throw new Error("go.mod names no version of k8s.io/kubernetes")
  return version
}

/** The binary is what it is called. */
async function named(apiserver: string): Promise<ClusterBinaries> {
  const beside = async (name: string): Promise<string> => {
    const path = join(apiserver, "..", name)
    if (!existsSync(path)) await symlink(apiserver, path)
    return path
  }
  return {
    apiserver,
    kubectl: await beside("kubectl"),
    helm: await beside("helm"),
    conformance: await beside("conformance"),
  }
}
