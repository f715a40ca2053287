import { readFile } from "node:fs/promises"
import { join, relative, resolve } from "node:path"
import { defineConfig, type Options } from "tsup"
import ts from "typescript"

type EsbuildPlugin = NonNullable<Options["esbuildPlugins"]>[number]

// esbuild would inline a private copy of every helper into each bundle. TypeScript lowers the syntax
// first, with importHelpers, so that dist shares tslib's helpers with the rest of the program.
const lowerWithTslib: EsbuildPlugin = {
  name: "lower-with-tslib",
  setup(build) {
    build.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, async ({ path }) => {
      const { outputText } = ts.transpileModule(await readFile(path, "utf8"), {
        fileName: path,
        compilerOptions: {
          target: ts.ScriptTarget.ES2022,
          module: ts.ModuleKind.ESNext,
          moduleResolution: ts.ModuleResolutionKind.Bundler,
          verbatimModuleSyntax: true,
          importHelpers: true,
        },
      })
      return { contents: outputText, loader: "js" }
    })
  },
}

/** Files that are imported with `?raw`, as Vite has it, are the text that they are. */
export const rawText: EsbuildPlugin = {
  name: "raw-text",
  setup(build) {
    build.onResolve({ filter: /\?raw$/ }, ({ path, resolveDir }) => ({
      // esbuild writes the path into the bundle, which has to be the same wherever it is built. The suffix stays: by a
      // name that ends in .css tsup would take it for a style sheet to bundle.
      path: relative(import.meta.dirname, resolve(resolveDir, path)),
      namespace: "raw-text",
    }))
    build.onLoad({ filter: /.*/, namespace: "raw-text" }, async ({ path }) => ({
      contents: await readFile(join(import.meta.dirname, path.replace(/\?raw$/, "")), "utf8"),
      loader: "text",
    }))
  },
}

const library = {
  index: "src/index.ts",
  "client-hello": "src/client-hello/index.ts",
  quic: "src/quic/index.ts",
  routing: "src/routing/index.ts",
  proxy: "src/proxy/index.ts",
  sources: "src/sources/index.ts",
  kubernetes: "src/kubernetes/index.ts",
  metrics: "src/metrics/index.ts",
  opentelemetry: "src/opentelemetry/index.ts",
}

/** tslib as a module. */
const TSLIB = "tslib/tslib.es6.mjs"

export default defineConfig({
  entry: { ...library, cli: "src/cli/main.ts", worker: "src/gateway/workers/worker.ts" },
  format: ["esm", "cjs"],
  dts: { entry: library },
  target: "node20",
  platform: "node",
  splitting: true,
  // The bundles are readable as they are, and maps would be two thirds of the package.
  sourcemap: false,
  clean: true,
  shims: true,
  // tsup leaves out dependencies and peers by itself, but would bundle these.
  external: ["commander", "yaml"],
  noExternal: ["tslib"],
  esbuildPlugins: [rawText, lowerWithTslib],
  esbuildOptions(options, { format }) {
    // By its name alone Node.js loads a CommonJS file of it, and with that a parser of such files: 2 to 6 MB of memory.
    if (format === "esm") options.alias = { tslib: TSLIB }
    options.external = [...(options.external ?? []), format === "esm" ? TSLIB : "tslib"]
    // The command and the workers are programs and share the library's ESM chunks: nobody requires them.
    if (format === "cjs") options.entryPoints = library
  },
})
