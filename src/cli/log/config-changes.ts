import type { BindingState } from "../../gateway/bindings.ts"
import type { ConfigApplied } from "../../gateway/events.ts"
import type { ResourceProblem } from "../../routing/resources.ts"
import type { TableRoute } from "../../routing/route-table.ts"

/** Most entries of a list in one line: what is more goes into lines of its own, or is counted. */
const MAX_ENTRIES = 10
const MAX_MESSAGE = 500

/** Names of objects, the first few of them. */
export interface Named {
  /** How many there are. */
  readonly count: number
  /** `namespace/name` of the first ones. */
  readonly names: readonly string[]
}

/** One socket, with those of its listeners that were not told of before. */
export interface ToldBinding {
  readonly gatewayPort: number
  readonly listeners: readonly string[]
  readonly address?: string
  readonly port?: number
  readonly error?: string
  /** The UDP port beside it, where it is to take QUIC. */
  readonly quic?: { readonly address: string; readonly port: number } | { readonly error: string }
}

/** What a line tells of a configuration. */
export interface ConfigLine {
  /** Something is wrong that was not before. */
  readonly worse: boolean
  readonly fields: {
    readonly bindings: readonly ToldBinding[]
    readonly problems: readonly ResourceProblem[]
  } & Readonly<Record<string, unknown>>
}

interface Seen {
  readonly routes: ReadonlyMap<string, TableRoute>
  readonly bindings: ReadonlyMap<string, { readonly state: string; readonly listeners: ReadonlySet<string> }>
  readonly problems: ReadonlySet<string>
}

const NOTHING: Seen = { routes: new Map(), bindings: new Map(), problems: new Set() }

/**
 * Tells each configuration by how it differs from the one before, so that the log grows with what changes and not
 * with what there is. Everything bound and every problem is told, once; a line has a few entries of each at most, and
 * others follow with the rest.
 */
export class ConfigChanges {
  #seen: Seen = NOTHING

  /** The lines for a configuration; the first tells its size, and there is always one. */
  next({ table, bindings, problems }: ConfigApplied): readonly ConfigLine[] {
    const routes = new Map(table.routes.map((route) => [`${route.ref.namespace}/${route.ref.name}`, route]))
    const before = this.#seen
    const told = newBindings(before.bindings, bindings)
    const found = problems.filter((problem) => !before.problems.has(keyOf(problem))).map(shortened)
    const present = new Set(problems.map(keyOf))
    this.#seen = { routes, bindings: new Map(bindings.map(remembered)), problems: present }

    const closed = [...before.bindings.keys()].filter((key) => !this.#seen.bindings.has(key))
    const summary = {
      routes: routes.size,
      ...named(
        "added",
        keysWhere(routes, (key) => !before.routes.has(key)),
      ),
      ...named(
        "changed",
        keysWhere(routes, (key, route) => differs(before.routes.get(key), route)),
      ),
      ...named(
        "removed",
        keysWhere(before.routes, (key) => !routes.has(key)),
      ),
      ...named("closed", closed),
      errors: problems.filter(({ severity }) => severity === "error").length,
      warnings: problems.filter(({ severity }) => severity === "warning").length,
      ...counted("resolved", [...before.problems].filter((key) => !present.has(key)).length),
    }
    const lines = Math.max(1, Math.ceil(Math.max(told.length, found.length) / MAX_ENTRIES))
    return Array.from({ length: lines }, (_, at) => {
      const part = <T>(list: readonly T[]): readonly T[] => list.slice(at * MAX_ENTRIES, (at + 1) * MAX_ENTRIES)
      const fields = { ...(at === 0 ? summary : {}), bindings: part(told), problems: part(found) }
      const worse =
        fields.bindings.some(({ error, quic = {} }) => error !== undefined || "error" in quic) ||
        fields.problems.some(({ severity }) => severity === "error")
      return { worse, fields }
    })
  }
}

const keyOf = ({ severity, code, object, path, message }: ResourceProblem): string =>
  [severity, code, object?.kind, object?.namespace, object?.name, path, message].join("\n")

/** A route that kept its identity did not change: one that lost it may have, or its listener did. */
const differs = (before: TableRoute | undefined, now: TableRoute): boolean => before !== undefined && before !== now

const keysWhere = <T>(map: ReadonlyMap<string, T>, holds: (key: string, value: T) => boolean): readonly string[] =>
  [...map].filter(([key, value]) => holds(key, value)).map(([key]) => key)

const named = (field: string, names: readonly string[]): Readonly<Record<string, Named>> =>
  names.length === 0 ? {} : { [field]: { count: names.length, names: names.slice(0, MAX_ENTRIES) } }

const counted = (field: string, count: number): Readonly<Record<string, number>> =>
  count === 0 ? {} : { [field]: count }

const shorten = (text: string): string => (text.length <= MAX_MESSAGE ? text : `${text.slice(0, MAX_MESSAGE)}…`)

const shortened = (problem: ResourceProblem): ResourceProblem => ({ ...problem, message: shorten(problem.message) })

const stateOf = (state: BindingState): string =>
  state.bound ? `${state.address} ${state.port} ${JSON.stringify(state.quic) ?? ""}` : `failed: ${state.message}`

const remembered = (state: BindingState) =>
  [
    state.binding.key,
    { state: stateOf(state), listeners: new Set(state.binding.listeners.map(({ id }) => id)) },
  ] as const

/** Listeners that are new or whose socket changed, a few to an entry. */
function newBindings(before: Seen["bindings"], now: readonly BindingState[]): readonly ToldBinding[] {
  return now.flatMap((state) => {
    const known = before.get(state.binding.key)
    const same = known?.state === stateOf(state)
    const ids = state.binding.listeners.map(({ id }) => id).filter((id) => !(same && known.listeners.has(id)))
    const where = state.bound
      ? { address: state.address, port: state.port, ...quicOf(state) }
      : { error: shorten(state.message) }
    return Array.from({ length: Math.ceil(ids.length / MAX_ENTRIES) }, (_, at) => ({
      gatewayPort: state.binding.port,
      listeners: ids.slice(at * MAX_ENTRIES, (at + 1) * MAX_ENTRIES),
      ...where,
    }))
  })
}

function quicOf({ quic }: BindingState & { readonly bound: true }): Pick<ToldBinding, "quic"> {
  if (quic === undefined) return {}
  return { quic: quic.bound ? { address: quic.address, port: quic.port } : { error: shorten(quic.message) } }
}
