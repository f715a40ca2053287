import { defineConfig, type Options } from "tsup"
import { rawText } from "./tsup.config.ts"

type EsbuildPlugin = NonNullable<Options["esbuildPlugins"]>[number]

const CLIENT = "@kubernetes/client-node"

// A module that is imported dynamically is kept whole. Of this one, 14 MB and 50 MB of memory are generated models
// that nothing uses.
const onlyKubeConfig: EsbuildPlugin = {
  name: "only-kube-config",
  setup(build) {
    build.onResolve({ filter: new RegExp(`^${CLIENT}$`) }, ({ kind }) =>
      kind === "dynamic-import" ? { path: CLIENT, namespace: "only-kube-config" } : undefined,
    )
    build.onLoad({ filter: /.*/, namespace: "only-kube-config" }, () => ({
      contents: `export { KubeConfig } from "${CLIENT}"`,
      resolveDir: import.meta.dirname,
    }))
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
  esbuildPlugins: [withoutTabtab, rawText, onlyKubeConfig],
  // Dependencies written as CommonJS ask for Node's modules by `require`.
  banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
})
