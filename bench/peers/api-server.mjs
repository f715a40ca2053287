import { join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { out } from "../machine.mjs"

const stand = fileURLToPath(new URL("../../test/kubernetes-source/fake-api-server.ts", import.meta.url))

/**
 * Serves objects as a Kubernetes API server does, until {@link endServers}.
 *
 * @param {Record<string, readonly object[]>} objects by kind, as in gatewayObjects
 * @returns {Promise<string>} kubeconfig in JSON
 */
export async function serveObjects(objects) {
  const { FakeApiServer } = await bundled()
  const server = await FakeApiServer.start()
  servers.push(server)
  server.put("namespaces", { metadata: { name: "bench" } })
  for (const [plural, list] of Object.entries(objects)) server.put(plural.toLowerCase(), ...list)
  return server.kubeConfig.exportConfig()
}

/** Ends all of them. */
export async function endServers() {
  for (const server of servers.splice(0)) await server.crash()
}

const servers = []
let bundle

/** It is written in TypeScript, which not every supported Node.js runs. */
async function bundled() {
  const outfile = join(out, "fake-api-server.mjs")
  bundle ??= import("esbuild").then(({ build }) =>
    build({ entryPoints: [stand], outfile, bundle: true, packages: "external", platform: "node", format: "esm" }),
  )
  await bundle
  return import(pathToFileURL(outfile).href)
}
