import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

/** Builds the package as a release does, into a folder of its own: others may be using, or rebuilding, `dist`. */
export function buildPackage(): { readonly directory: string; remove(): void } {
  const cache = join(root, "node_modules", ".cache")
  mkdirSync(cache, { recursive: true })
  const directory = mkdtempSync(join(cache, "tlsroute-dist-"))
  const tsup = join(root, "node_modules/tsup/dist/cli-default.js")
  execFileSync(process.execPath, [tsup, "--out-dir", directory, "--no-dts"], { cwd: root, stdio: "pipe" })
  writeFileSync(join(directory, "package.json"), '{ "type": "module" }\n')
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) }
}
