import { arrayOf, field, objectOf, stringOf } from "../primitives/json.ts"
import { shapeProblems } from "./admit/snapshot-shape.ts"
import { checkRouteTableOptions } from "./check-options.ts"
import { type Listening, ListeningIndex } from "./listeners/listening.ts"
import { type ResolvedOptions, type RouteTableOptions, resolveOptions } from "./options.ts"
import type { GatewayResources, KubernetesObject, ResourceProblem } from "./resources.ts"
import type { RouteTable } from "./route-table.ts"
import { type Contests, updateContests } from "./routes/candidates.ts"
import { RouteStates } from "./routes/route-states.ts"
import { Table } from "./table.ts"

/** Builds tables from one snapshot after another, doing again only what a change touches. */
export interface RouteTableBuilder {
  /**
   * Builds the table of a snapshot: the same as {@link buildRouteTable} gives. Objects that kept their
   * identity since the last call count as unchanged, so they must never be changed in place. Tables built
   * before stay as they are. Never throws, whatever the objects hold.
   */
  build(resources: GatewayResources): RouteTable
}

/**
 * Creates a builder that remembers the last snapshot; see {@link RouteTableBuilder}.
 *
 * @throws {@link OptionError} when an option cannot be used
 */
export function createRouteTableBuilder(options: RouteTableOptions = {}): RouteTableBuilder {
  checkRouteTableOptions(options)
  return new IncrementalBuilder(resolveOptions(options))
}

/**
 * Builds the route table of a snapshot. Pure, and independent of the order of objects. Never throws on bad
 * objects: each is reported in `problems` with its field path, and the others work on.
 *
 * @throws {@link OptionError} when an option cannot be used
 */
export function buildRouteTable(resources: GatewayResources, options?: RouteTableOptions): RouteTable {
  return createRouteTableBuilder(options).build(resources)
}

class IncrementalBuilder implements RouteTableBuilder {
  readonly #options: ResolvedOptions
  readonly #listening: ListeningIndex
  readonly #routes: RouteStates
  #last: Listening | undefined
  #contests: readonly Contests[] = []

  constructor(options: ResolvedOptions) {
    this.#options = options
    this.#listening = new ListeningIndex(options)
    this.#routes = new RouteStates(options)
  }

  build(resources: GatewayResources): RouteTable {
    const listening = this.#listening.update(resources)
    const changes = this.#routes.update(resources, listening)
    if (listening === this.#last) {
      if (changes.length > 0) this.#contests = updateContests(this.#contests, listening.served, changes)
    } else {
      const all = this.#routes.sorted.flat().map((after) => ({ before: undefined, after }))
      this.#contests = updateContests([], listening.served, all)
      this.#last = listening
    }
    const told = (arrayOf(field(resources, "problems")) ?? []) as readonly ResourceProblem[]
    const fromSource = [...told, ...shapeProblems(resources)]
    const bundleVersions = arrayOf(field(resources, "bundleVersions"))?.map((version) => stringOf(version) ?? "")
    return new Table({
      options: this.#options,
      listening,
      objects: this.#listening.objects,
      contests: this.#contests,
      routes: this.#routes.sorted,
      bundleVersions,
      latest: latestOf(resources),
      objectProblems: [() => fromSource, ...this.#listening.problems(), ...this.#routes.problems()],
    })
  }
}

/** What the snapshot says of newer forms of its objects. It comes from anywhere: what fails or is no object counts as unsaid. */
function latestOf(resources: GatewayResources): (object: KubernetesObject) => KubernetesObject {
  const latest = field(resources, "latest")
  if (typeof latest !== "function") return (object) => object
  return (object) => {
    try {
      return (objectOf(latest(object)) as KubernetesObject | undefined) ?? object
    } catch {
      return object
    }
  }
}
