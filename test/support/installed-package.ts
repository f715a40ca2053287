import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, dirname, join, resolve } from "node:path"

const root = resolve(import.meta.dirname, "../..")

/** A project that has the package installed as `npm pack` packs it, away from this repository. */
export interface InstalledPackage {
  /** The project. */
  readonly directory: string
  /** What was packed, as paths in the package. */
  readonly files: readonly string[]
  /** Installs another package too, from those of this repository. */
  add(name: string): void
  /** Deletes the project. */
  remove(): void
}

/**
 * Installs what is built in a project of its own, with tslib and nothing else.
 *
 * @param dist - the folder that is built
 */
export function installPackage(dist: string): InstalledPackage {
  const directory = mkdtempSync(join(tmpdir(), "tlsroute-project-"))
  const unpacked = join(directory, "unpacked")
  cpSync(dist, join(unpacked, "dist"), { recursive: true, filter: (file) => basename(file) !== "package.json" })
  for (const file of ["package.json", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]) {
    cpSync(join(root, file), join(unpacked, file))
  }
  for (const folder of ["docs", "examples", "deploy"]) {
    cpSync(join(root, folder), join(unpacked, folder), { recursive: true })
  }
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: unpacked, encoding: "utf8" }),
  )
  const files: readonly string[] = packed.files.map((file: { readonly path: string }) => file.path)
  const modules = join(directory, "node_modules")
  for (const file of files) {
    mkdirSync(dirname(join(modules, "tlsroute", file)), { recursive: true })
    cpSync(join(unpacked, file), join(modules, "tlsroute", file))
  }
  rmSync(unpacked, { recursive: true })
  writeFileSync(join(directory, "package.json"), '{ "private": true, "type": "module" }\n')
  const add = (name: string): void =>
    cpSync(join(root, "node_modules", name), join(modules, name), { recursive: true, dereference: true })
  add("tslib")
  return { directory, files, add, remove: () => rmSync(directory, { recursive: true, force: true }) }
}
