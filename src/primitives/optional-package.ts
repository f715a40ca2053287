/**
 * What to do where an optional package cannot be loaded: it is not installed, or it is in a bundle that it cannot run in.
 *
 * @param use - what needs it, for example `reading files needs`
 * @param name - the package
 * @param cause - what was thrown when it was loaded
 */
export function adviceOnPackage(use: string, name: string, cause: unknown): string {
  if (isMissingModule(cause)) return `${use} the package ${name}: run npm install ${name}`
  const { message } = Object(cause) as { readonly message?: unknown }
  return (
    `the package ${name} cannot be loaded (${String(message)}): where it is bundled, leave it out of the bundle ` +
    "(esbuild: external, webpack: externals, Vite: ssr.external), or let the bundle have require()"
  )
}

/** Whether a package, or a file of one, is not there: as modules of ECMAScript are asked for, or as CommonJS is. */
export function isMissingModule(error: unknown): boolean {
  const { code } = Object(error) as { readonly code?: unknown }
  return code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND"
}
