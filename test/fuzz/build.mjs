import { mkdirSync, writeFileSync } from "node:fs"
import { basename, join } from "node:path"
import { build } from "esbuild"
import { createInstrumenter } from "istanbul-lib-instrument"

/**
 * Bundles a target with all that it imports, counts every statement and branch of it, and gathers the literals
 * of its source: the numbers and words that it compares its input with.
 *
 * @param {string} source path of NAME.fuzz.ts
 * @param {string} directory where the bundle goes
 * @returns {Promise<{ file: string, dictionary: string[] }>} dictionary entries in hex
 */
export async function buildTarget(source, directory) {
  const { outputFiles } = await build({
    entryPoints: [source],
    bundle: true,
    write: false,
    platform: "node",
    format: "cjs",
    target: "es2022",
    // Not ours to count.
    external: ["@kubernetes/client-node", "prom-client", "yaml"],
  })
  const code = outputFiles[0]?.text ?? ""
  const name = `${basename(source, ".fuzz.ts")}.cjs`
  mkdirSync(directory, { recursive: true })
  const file = join(directory, name)
  const instrumenter = createInstrumenter({ coverageVariable: "__fuzz_coverage__", esModules: false, compact: true })
  writeFileSync(file, instrumenter.instrumentSync(code, name))
  return { file, dictionary: [...new Set([...words(code), ...numbers(code)])] }
}

/** @param {string} code */
function words(code) {
  return [...code.matchAll(/"((?:[^"\\\n]|\\.){1,40})"/g)].flatMap(([literal]) => {
    try {
      return [Buffer.from(JSON.parse(literal)).toString("hex")]
    } catch {
      return []
    }
  })
}

/** @param {string} code */
function numbers(code) {
  return [...code.matchAll(/\b(0x[0-9a-f]+|\d+)\b/gi)].flatMap(([literal]) => {
    const value = Number(literal)
    if (!(value <= 0xffffffff)) return []
    const size = value > 0xffff ? 4 : value > 0xff ? 2 : 1
    const buffer = Buffer.alloc(size)
    buffer.writeUIntBE(value, 0, size)
    return [buffer.toString("hex")]
  })
}
