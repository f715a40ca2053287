// Bundles the soak and the gateway that it soaks, and runs it. See README.md here.
import { spawnSync } from "node:child_process"
import { join, resolve } from "node:path"
import { build } from "esbuild"

const cache = resolve(import.meta.dirname, "../../node_modules/.cache/soak")

await build({
  entryPoints: ["main", "gateway"].map((name) => join(import.meta.dirname, `${name}.ts`)),
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  sourcemap: "inline",
  external: ["yaml"],
  outdir: cache,
  outExtension: { ".js": ".mjs" },
})
const command = ["--enable-source-maps", join(cache, "main.mjs"), "--gateway", join(cache, "gateway.mjs")]
const { status } = spawnSync(process.execPath, [...command, ...process.argv.slice(2)], { stdio: "inherit" })
process.exitCode = status ?? 1
