import { AnnotationScan } from "../../gateway/policies/annotated-objects.ts"
import { PolicyCompiler } from "../../gateway/policies/compiler.ts"
import type { Policies } from "../../gateway/policies/policies.ts"
import type { ResourceProblem } from "../../routing/resources.ts"
import type { RouteTable } from "../../routing/route-table.ts"
import { buildRouteTable } from "../../routing/table-builder.ts"
import { type ReadResult, readResources } from "../../sources/file-source.ts"
import { SourceError } from "../../sources/source-error.ts"
import { withMeant } from "./meant.ts"
import { type RoutingFlags, routeTableOptions } from "./routing-flags.ts"
import { UsageError } from "./usage-error.ts"

/** What manifests or a cluster say, as a gateway would understand them. */
export interface LoadedManifests extends ReadResult {
  readonly table: RouteTable
  readonly policies: Policies
  /** Everything found wrong: in the objects, and in their annotations. */
  readonly problems: readonly ResourceProblem[]
}

/** Reads manifests and builds their route table. A path that does not exist is a {@link UsageError}. */
export async function loadManifests(paths: readonly string[], flags: RoutingFlags): Promise<LoadedManifests> {
  try {
    return understand(await readResources(paths), flags)
  } catch (error) {
    if (error instanceof SourceError) throw new UsageError(error.message)
    throw error
  }
}

/** Builds the route table of what was read. */
export function understand(read: ReadResult, flags: RoutingFlags): LoadedManifests {
  const options = routeTableOptions(flags)
  const table = buildRouteTable(read.resources, options)
  const annotated = new AnnotationScan(options.defaultNamespace).scan(read.resources)
  const policies = new PolicyCompiler().compile(annotated, table)
  const found = withMeant(table.problems, table, read.resources, options.defaultNamespace ?? "default")
  return { ...read, table, policies, problems: [...found, ...policies.problems] }
}
