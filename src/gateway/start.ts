import type { OneOf } from "../primitives/one-of.ts"
import type { ResourceProblem } from "../routing/resources.ts"
import { GatewayError } from "./errors.ts"
import type { CompiledSnapshot } from "./snapshot-compiler.ts"

/** What a gateway goes on without when it starts. */
export interface StartOptions {
  /**
   * Go on without the ports that cannot be bound, as after any later snapshot: they are reported, and tried again. For
   * configuration that many people write. Default: false.
   */
  readonly tolerateBindErrors?: boolean | undefined
  /**
   * What to make of a source that fails, of a first snapshot that asks for no port, and of files that cannot be read.
   * `reject`: the gateway does not start. `wait`: it starts once there is something to serve, and reports failures of
   * the source until then. `serve`: it starts with what there is, be it nothing. Default: `reject`.
   */
  readonly unusable?: OneOf<"reject" | "wait" | "serve"> | undefined
}

/** Problems told in the message of an error. */
const TOLD = 3

/** Why a snapshot is nothing to start with; `undefined` when it is something. */
export function whyUnusable({ table, policies }: CompiledSnapshot): GatewayError | undefined {
  const problems = [...table.problems, ...policies.problems]
  const unread = problems.filter(({ code }) => code === "UnreadableFile")
  if (table.listeners.length > 0 && unread.length === 0) return undefined
  const errors = problems.filter(({ severity }) => severity === "error")
  const told = (unread.length > 0 ? unread : errors.length > 0 ? errors : problems).slice(0, TOLD)
  const what = unread.length > 0 ? "a part of the configuration cannot be read" : "the configuration asks for no port"
  const more = problems.length > told.length ? ` (and ${problems.length - told.length} more)` : ""
  const list = told.length === 0 ? ": it has no Gateway that is served" : `: ${told.map(inWords).join("; ")}${more}`
  return new GatewayError("ERR_TLSROUTE_UNUSABLE", `${what}${list}`, undefined, problems)
}

function inWords({ object, path, message, location }: ResourceProblem): string {
  const place = [location?.file, location?.line, location?.column].filter((part) => part !== undefined).join(":")
  const subject = object === undefined ? "" : `${object.kind} ${object.namespace}/${object.name}`
  return [place, [subject, path].filter((part) => part !== "").join(" "), message]
    .filter((part) => part !== "")
    .join(": ")
}
