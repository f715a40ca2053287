import { createRequire } from "node:module"
import { join } from "node:path"
import { buildSync } from "esbuild"
import type { ClientHelloParser } from "../../src/client-hello/parser.ts"

const require = createRequire(import.meta.url)

/** A parser that counts its own work, whatever the engine makes of it. */
export interface CountedParser {
  readonly ClientHelloParser: typeof ClientHelloParser
  /** Statements and branches that ran, and bytes that were copied, while `run` ran. */
  work(run: () => void): { readonly steps: number; readonly copied: number }
}

type Counters = Readonly<Record<string, { readonly s: Record<string, number>; readonly b: Record<string, number[]> }>>

/** The parser's source with a counter at each statement and branch. */
export function countedParser(): CountedParser {
  const { outputFiles } = buildSync({
    entryPoints: [join(import.meta.dirname, "../../src/client-hello/parser.ts")],
    bundle: true,
    write: false,
    format: "cjs",
    target: "es2022",
  })
  const { createInstrumenter } = require("istanbul-lib-instrument")
  const instrumenter = createInstrumenter({
    coverageVariable: "counters",
    coverageGlobalScope: "scope",
    coverageGlobalScopeFunc: false,
  })
  const code: string = instrumenter.instrumentSync(outputFiles[0]?.text ?? "", "parser.cjs")
  const scope: { counters?: Counters } = {}
  const module = { exports: {} as Pick<CountedParser, "ClientHelloParser"> }
  new Function("module", "exports", "scope", code)(module, module.exports, scope)
  const steps = (): number =>
    Object.values(scope.counters ?? {})
      .flatMap(({ s, b }) => [...Object.values(s), ...Object.values(b).flat()])
      .reduce((sum, count) => sum + count, 0)
  return {
    ClientHelloParser: module.exports.ClientHelloParser,
    work(run) {
      const { set } = Uint8Array.prototype
      let copied = 0
      Uint8Array.prototype.set = function (source, offset) {
        copied += source.length
        set.call(this, source, offset)
      }
      const before = steps()
      try {
        run()
      } finally {
        Uint8Array.prototype.set = set
      }
      return { steps: steps() - before, copied }
    },
  }
}
