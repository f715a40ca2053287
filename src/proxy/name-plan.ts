import type { DialPlan } from "./dial.ts"
import type { DialEndpoint } from "./router.ts"

/** Addresses of one name, in a race: they are ways to the same place. */
export class NamePlan implements DialPlan {
  readonly race = true
  readonly #endpoints: readonly DialEndpoint[]
  #next = 0

  /** @param endpoints - where the name leads, in the order to try */
  constructor(endpoints: readonly DialEndpoint[]) {
    this.#endpoints = endpoints
  }

  get more(): boolean {
    return this.#next < this.#endpoints.length
  }

  next(): DialEndpoint | undefined {
    return this.#endpoints[this.#next++]
  }

  failed(_endpoint: DialEndpoint): void {}

  release(): void {}
}
