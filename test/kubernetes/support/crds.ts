import { execFile } from "node:child_process"
import { existsSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { goEnvironment, moduleDir } from "./build-apiserver.ts"
import type { TestCluster } from "./cluster.ts"

const exec = promisify(execFile)
const GATEWAY_API = "sigs.k8s.io/gateway-api"
export const KINDS = ["gatewayclasses", "gateways", "listenersets", "tlsroutes", "referencegrants"]

export type Channel = "standard" | "experimental"

/**
 * Folder of a channel's CRDs: of the first directory of `TLSROUTE_CRDS` (`standard` and `experimental` in it), or of the
 * release that the Go module names.
 */
async function crdFolder(channel: Channel): Promise<string> {
  const [given] = (process.env["TLSROUTE_CRDS"] ?? "").split(":")
  if (given !== undefined && given !== "") {
    const folder = join(given, channel)
    if (!existsSync(folder)) throw new Error(`TLSROUTE_CRDS names ${given}, which has no folder ${channel}`)
    return folder
  }
  const { stdout } = await exec("go", ["mod", "download", "-json", GATEWAY_API], { cwd: moduleDir, env: goEnvironment })
  const { Dir } = JSON.parse(stdout) as { readonly Dir: string }
  return join(Dir, "config", "crd", channel)
}

/** Installs the Gateway API kinds that the gateway reads, and waits until they are served. */
export async function installCrds(
  cluster: TestCluster,
  channel: Channel = "standard",
  kinds: readonly string[] = KINDS,
): Promise<void> {
  const folder = await crdFolder(channel)
  const files = (await readdir(folder)).filter((file) => kinds.some((kind) => file.endsWith(`_${kind}.yaml`)))
  if (files.length !== kinds.length) throw new Error(`${folder} has ${files.length} of the ${kinds.length} kinds`)
  await cluster.kubectl(["apply", "--server-side", ...files.flatMap((file) => ["-f", join(folder, file)])])
  const names = kinds.map((kind) => `crd/${kind}.gateway.networking.k8s.io`)
  await cluster.kubectl(["wait", "--for=condition=Established", "--timeout=30s", ...names])
}

/** Has the server serve TLSRoutes in these versions only. */
export async function serveTlsRoutesIn(cluster: TestCluster, ...versions: readonly string[]): Promise<void> {
  interface Definition {
    readonly spec: { readonly versions: readonly { readonly name: string }[] }
  }
  const crd = "tlsroutes.gateway.networking.k8s.io"
  const { spec } = await cluster.get<Definition>("crd", crd)
  const patch = spec.versions.map(({ name }, at) => {
    return { op: "replace", path: `/spec/versions/${at}/served`, value: versions.includes(name) }
  })
  await cluster.kubectl(["patch", "crd", crd, "--type", "json", "--patch", JSON.stringify(patch)])
}
