import type { AdmittedBackendRef } from "./admitted-route.ts"
import type { BackendIndex } from "./backend-resolver.ts"
import { type ResolvedTarget, resolveTarget, targetId } from "./backends.ts"
import type { ResolvedOptions } from "./options.ts"
import type { ObjectRef } from "./resources.ts"
import type { BackendTarget } from "./route-table.ts"

interface CachedTarget extends ResolvedTarget {
  readonly ref: ObjectRef
  readonly port: number | undefined
  /** Keys of the routes that use it. */
  readonly users: Set<string>
}

/** Resolved backends, each once however many routes share it, resolved again only when what was read for it changes. */
export class TargetCache {
  readonly #index: BackendIndex
  readonly #options: ResolvedOptions
  readonly #targets = new Map<string, CachedTarget>()
  /** Ids of targets by what was read for them. */
  readonly #dependents = new Map<string, Set<string>>()

  constructor(index: BackendIndex, options: ResolvedOptions) {
    this.#index = index
    this.#options = options
  }

  /** The target of a backendRef, on behalf of a route. */
  use(ref: AdmittedBackendRef, routeKey: string): BackendTarget {
    const id = targetId(ref.ref, ref.port)
    const cached = this.#targets.get(id) ?? this.#resolve(id, ref.ref, ref.port, new Set())
    cached.users.add(routeKey)
    return cached.target
  }

  /** Forgets that a route uses a backendRef. */
  release(ref: AdmittedBackendRef, routeKey: string): void {
    const id = targetId(ref.ref, ref.port)
    const cached = this.#targets.get(id)
    if (cached === undefined) return
    cached.users.delete(routeKey)
    if (cached.users.size === 0) this.#forget(id, cached)
  }

  /** Resolves again what depends on these keys, and returns the keys of routes whose targets came out different. */
  refresh(dependencies: Iterable<string>): Set<string> {
    const stale = new Set<string>()
    for (const key of dependencies) for (const id of this.#dependents.get(key) ?? []) stale.add(id)
    const affected = new Set<string>()
    for (const id of stale) {
      const before = this.#targets.get(id)
      if (before === undefined) continue
      this.#forget(id, before)
      const after = this.#resolve(id, before.ref, before.port, before.users)
      if (JSON.stringify(after.target) === JSON.stringify(before.target)) continue
      for (const user of before.users) affected.add(user)
    }
    return affected
  }

  #resolve(id: string, ref: ObjectRef, port: number | undefined, users: Set<string>): CachedTarget {
    const cached = { ...resolveTarget(ref, port, this.#index, this.#options), ref, port, users }
    this.#targets.set(id, cached)
    for (const key of cached.dependencies) {
      const dependents = this.#dependents.get(key)
      if (dependents === undefined) this.#dependents.set(key, new Set([id]))
      else dependents.add(id)
    }
    return cached
  }

  #forget(id: string, cached: CachedTarget): void {
    this.#targets.delete(id)
    for (const key of cached.dependencies) {
      const dependents = this.#dependents.get(key)
      dependents?.delete(id)
      if (dependents?.size === 0) this.#dependents.delete(key)
    }
  }
}
