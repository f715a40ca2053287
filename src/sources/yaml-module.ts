import type * as Yaml from "yaml"
import { SourceError } from "./source-error.ts"

/** The package `yaml`, loaded only when there is YAML to read. */
export type YamlModule = typeof Yaml

/** Loads the package `yaml`. Throws {@link SourceError} with code `ERR_TLSROUTE_YAML_MISSING` when it is not installed. */
export async function loadYaml(): Promise<YamlModule> {
  try {
    return await import("yaml")
  } catch (cause) {
    throw new SourceError("ERR_TLSROUTE_YAML_MISSING", "reading files needs the package yaml: run npm install yaml", {
      cause,
    })
  }
}
