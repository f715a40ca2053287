// Bundles the soak and the gateway that it soaks, and runs it. See README.md here.
import { spawnSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { build } from "esbuild"

const cache = resolve(import.meta.dirname, "../../node_modules/.cache/soak")

await build({
  // Workers are looked for beside the gateway's bundle.
  entryPoints: [
    ...["main", "gateway"].map((name) => join(import.meta.dirname, `${name}.ts`)),
    { in: resolve(import.meta.dirname, "../../src/gateway/workers/worker.ts"), out: "worker" },
  ],
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  external: ["yaml"],
  outdir: cache,
})
writeFileSync(join(cache, "package.json"), '{ "type": "module" }')
const command = ["--enable-source-maps", join(cache, "main.js"), "--gateway", join(cache, "gateway.js")]
const { status } = spawnSync(process.execPath, [...command, ...process.argv.slice(2)], { stdio: "inherit" })
process.exitCode = status ?? 1
