/** The command cannot run as it was called: one line on stderr, exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError"
}

/** Whether an error carries a code of the system or of Node.js. */
export function isErrno(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && typeof error.code === "string"
}
