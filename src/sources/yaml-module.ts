import type * as Yaml from "yaml"
import { SourceError } from "./source-error.ts"

/** The package `yaml`, loaded only when there is YAML to read. */
export type YamlModule = Omit<typeof Yaml, "default">

/**
 * Loads the package `yaml`.
 *
 * @throws {@link SourceError} `ERR_TLSROUTE_YAML_MISSING` when it is not installed, or cannot be loaded as it is bundled
 */
export async function loadYaml(): Promise<YamlModule> {
  try {
    // The module as a whole: a bundle in which it is a chunk of its own has none of its names beside `default`.
    return (await import("yaml")).default
  } catch (cause) {
    throw new SourceError("ERR_TLSROUTE_YAML_MISSING", adviceOn(cause), { cause })
  }
}

function adviceOn(cause: unknown): string {
  const { code, message } = Object(cause) as { readonly code?: unknown; readonly message?: unknown }
  if (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") {
    return "reading files needs the package yaml: run npm install yaml"
  }
  return (
    `the package yaml cannot be loaded (${String(message)}): where it is bundled, leave it out of the bundle ` +
    "(esbuild: external, webpack: externals, Vite: ssr.external), or let the bundle have require()"
  )
}
