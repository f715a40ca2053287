import { resolve } from "node:path"
import { defineConfig, type Options } from "tsup"
import { rawText } from "./tsup.config.ts"

type EsbuildPlugin = NonNullable<Options["esbuildPlugins"]>[number]

const CLIENT = "@kubernetes/client-node"

// A module that is imported dynamically is kept whole, and its author does not say which of its files can be left out.
// Of this one, 14 MB and 50 MB of memory are generated models that nothing uses.
const onlyKubeConfig: EsbuildPlugin = {
  name: "only-kube-config",
  setup(build) {
    build.onResolve({ filter: new RegExp(`^${CLIENT}$`) }, ({ kind }) =>
      kind === "dynamic-import" ? { path: CLIENT, namespace: "only-kube-config" } : undefined,
    )
    build.onLoad({ filter: /.*/, namespace: "only-kube-config" }, () => ({
      contents: `export { KubeConfig } from "${CLIENT}/dist/config.js"`,
      resolveDir: import.meta.dirname,
    }))
    build.onResolve({ filter: /^\.\.?\// }, ({ path, importer, resolveDir }) =>
      importer.includes(`/${CLIENT}/dist/`) ? { path: resolve(resolveDir, path), sideEffects: false } : undefined,
    )
  },
}

// What an `import` of it brings along is told in src/kubernetes/node-http.ts. Of the dependencies one imports it.
const httpAlone: EsbuildPlugin = {
  name: "http-alone",
  setup(build) {
    build.onResolve({ filter: /^(node:)?http$/ }, ({ kind }) =>
      kind === "import-statement" ? { path: "http", namespace: "http-alone" } : undefined,
    )
    build.onLoad({ filter: /.*/, namespace: "http-alone" }, () => ({
      contents: 'module.exports = process.getBuiltinModule("node:http")',
    }))
  },
}

// Metrics are asked for here, and pushed nowhere.
const withoutPushgateway: EsbuildPlugin = {
  name: "without-pushgateway",
  setup(build) {
    build.onLoad({ filter: /prom-client\/lib\/pushgateway\.js$/ }, () => ({ contents: "" }))
  },
}

// It reads files of its own package. Nobody has a shell in the image to complete words in.
const withoutTabtab: EsbuildPlugin = {
  name: "without-tabtab",
  setup(build) {
    build.onResolve({ filter: /^@pnpm\/tabtab$/ }, ({ path }) => ({ path, external: true }))
  },
}

// The container image holds the command as one program with its dependencies in it, as the lockfile pins them.
export default defineConfig({
  entry: { tlsroute: "src/cli/main.ts", worker: "src/gateway/workers/worker.ts" },
  outDir: "deploy/image",
  format: "esm",
  target: "node20",
  platform: "node",
  noExternal: [/.*/],
  splitting: true,
  clean: true,
  // V8 keeps the text of a program for as long as it runs, in two bytes for each character where a comment has one beyond
  // Latin-1. Names stay, for stack traces.
  esbuildOptions(options) {
    options.minifyWhitespace = true
  },
  esbuildPlugins: [withoutTabtab, rawText, onlyKubeConfig, httpAlone, withoutPushgateway],
  // Dependencies written as CommonJS ask for Node's modules by `require`.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
})
