/** Why a source could not start. */
export type SourceErrorCode =
  /** A path that was named does not exist. */
  | "PathNotFound"
  /** The package `yaml` is not installed. */
  | "YamlMissing"

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
