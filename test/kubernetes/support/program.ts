import { readFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { build } from "tsup"

const root = resolve(import.meta.dirname, "../../..")
const directory = join(root, "node_modules/.cache/kubernetes-image")

/** The command as the container image holds it. */
export const PROGRAM = join(directory, "tlsroute.js")

/** Node.js' options in the container image. */
export const NODE_OPTIONS = /^ENV NODE_OPTIONS=(.+)$/m.exec(readFileSync(join(root, "deploy/Dockerfile"), "utf8"))?.[1]

/** Builds it from the sources as they are. */
export async function buildProgram(): Promise<void> {
  await build({ config: join(root, "tsup.image.config.ts"), outDir: directory, silent: true })
}
