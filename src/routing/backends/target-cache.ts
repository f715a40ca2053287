import type { AdmittedBackendRef } from "../admit/route.ts"
import type { ResolvedOptions } from "../options.ts"
import type { ObjectRef } from "../resources.ts"
import type { BackendTarget } from "../route-table.ts"
import type { BackendIndex } from "./backend-index.ts"
import { Grouping } from "./grouping.ts"
import { type ResolvedTarget, resolveTarget, targetId } from "./target.ts"

interface CachedTarget extends ResolvedTarget {
  readonly ref: ObjectRef
  readonly port: number | undefined
}

/** Resolved backends, each once however many routes share it, resolved again only when what was read for it changes. */
export class TargetCache {
  readonly #index: BackendIndex
  readonly #options: ResolvedOptions
  readonly #targets = new Map<string, CachedTarget>()
  /** Ids of targets by what was read for them. */
  readonly #dependents = new Grouping<string>()
  /** Keys of routes by the target they use. */
  readonly #users = new Grouping<string>()

  constructor(index: BackendIndex, options: ResolvedOptions) {
    this.#index = index
    this.#options = options
  }

  /** Whether nothing is resolved yet, so that nothing can be out of date. */
  get isEmpty(): boolean {
    return this.#targets.size === 0
  }

  /** The target of a backendRef, on behalf of a route. */
  use({ ref, port }: AdmittedBackendRef, routeKey: string): BackendTarget {
    const id = targetId(ref, port)
    this.#users.add(id, routeKey)
    const cached = this.#targets.get(id) ?? this.#resolve(id, ref, port)
    return cached.target
  }

  /** Forgets that a route uses a backendRef. */
  release({ ref, port }: AdmittedBackendRef, routeKey: string): void {
    const id = targetId(ref, port)
    this.#users.delete(id, routeKey)
    const cached = this.#targets.get(id)
    if (cached !== undefined && !this.#users.has(id)) this.#forget(id, cached)
  }

  /** Resolves again what depends on these keys, and returns the keys of routes whose targets came out different. */
  refresh(dependencies: Iterable<string>): Set<string> {
    const stale = new Set<string>()
    for (const key of dependencies) for (const id of this.#dependents.get(key)) stale.add(id)
    const affected = new Set<string>()
    for (const id of stale) {
      const before = this.#targets.get(id)
      if (before === undefined) continue
      this.#forget(id, before)
      const after = this.#resolve(id, before.ref, before.port)
      if (JSON.stringify(after.target) === JSON.stringify(before.target)) continue
      for (const user of this.#users.get(id)) affected.add(user)
    }
    return affected
  }

  #resolve(id: string, ref: ObjectRef, port: number | undefined): CachedTarget {
    const { target, dependencies } = resolveTarget(ref, port, this.#index, this.#options)
    const cached = { target, dependencies, ref, port }
    this.#targets.set(id, cached)
    for (const key of dependencies) this.#dependents.add(key, id)
    return cached
  }

  #forget(id: string, cached: CachedTarget): void {
    this.#targets.delete(id)
    for (const key of cached.dependencies) this.#dependents.delete(key, id)
  }
}
