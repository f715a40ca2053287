/** The command cannot run as it was called: one line on stderr, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** Whether an error carries a code of the system or of Node.js. */
export function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && typeof error.code === "string"
}

/** Whether a package, or a file of one, is not there: as modules of ECMAScript are asked for, or as CommonJS is. */
export function isMissingModule(error: unknown): error is NodeJS.ErrnoException {
  return isErrno(error) && (error.code === "ERR_MODULE_NOT_FOUND" || error.code === "MODULE_NOT_FOUND")
}
