import { argumentRefuser } from "../primitives/option-checks.ts"

/** Stable codes of {@link SourceError}. */
export type SourceErrorCode =
  /** A path that was named does not exist. */
  | "ERR_TLSROUTE_PATH_NOT_FOUND"
  /** A path or an option cannot be what was meant. */
  | "ERR_TLSROUTE_SOURCE_OPTION"
  /** The package `yaml` is not installed. */
  | "ERR_TLSROUTE_YAML_MISSING"

/** A source cannot start at all. What is wrong with single files or objects becomes a problem in the snapshot instead. */
export class SourceError extends Error {
  override readonly name = "SourceError"
  /** Stable, for machines. */
  readonly code: SourceErrorCode

  /** @internal */
  constructor(code: SourceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Refuses an argument that cannot be what was meant: throws {@link SourceError} `ERR_TLSROUTE_SOURCE_OPTION`. */
export const refuseArgument = argumentRefuser((message) => new SourceError("ERR_TLSROUTE_SOURCE_OPTION", message))
