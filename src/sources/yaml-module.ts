import type * as Yaml from "yaml"
import { adviceOnPackage } from "../primitives/optional-package.ts"
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
    throw new SourceError("ERR_TLSROUTE_YAML_MISSING", adviceOnPackage("reading files needs", "yaml", cause), { cause })
  }
}
